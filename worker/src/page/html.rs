//! The page itself.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::curve::{self, Axis, Curve, NARROW, WIDE};

const STYLE: &str = include_str!("style.css");

/// A line of `stats.jsonl` or `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub images: f64,
    pub numbers: Value,
}

/// The lines that can be read.
pub fn rows(stats: &[u8]) -> Vec<Row> {
    let row = |line: &str| {
        let numbers: Value = serde_json::from_str(line).ok()?;
        Some(Row { images: numbers["images"].as_f64()?, numbers })
    };
    String::from_utf8_lossy(stats).lines().filter_map(row).collect()
}

/// The whole page: curves of the numbers and of the scores, and grids of pictures by their thousands of images.
pub fn page(title: &str, [rows, scores]: [Vec<Row>; 2], grids: &[(u64, Vec<u8>)]) -> String {
    let (title, rows) = (escaped(title), &rows[..]);
    let mut body = format!("<h1>{title}</h1>{}", lede(rows));
    body.push_str("<h2>Loss</h2>");
    body.push_str(&panel(&[of("loss", "loss per element", rows)], Axis::Linear, WIDE));
    let binned = binned(rows);
    if !binned.is_empty() {
        body.push_str("<h2>Loss by noise level</h2>");
        body.push_str(&panel(&binned, Axis::Linear, WIDE));
    }
    body.push_str("<div class=\"pair\"><section><h2>Learning rate</h2>");
    body.push_str(&panel(&[of("lr", "learning rate", rows)], Axis::Linear, NARROW));
    body.push_str("</section><section><h2>Images per second</h2>");
    body.push_str(&panel(&[of("images_per_s", "images/s", rows)], Axis::Linear, NARROW));
    body.push_str("</section></div>");
    let norm = of("grad_norm", "gradient norm", rows);
    if norm.points.len() > 1 {
        body.push_str(&format!("<h2>Gradient norm</h2>{}", panel(&[norm], Axis::Log, WIDE)));
    }
    let scored = scored(&scores);
    if !scored.is_empty() {
        let names: Vec<&str> = scored.iter().map(|curve| curve.name.as_str()).collect();
        let (names, curves) = (escaped(&names.join(" · ")), panel(&scored, Axis::Linear, WIDE));
        body.push_str(&format!("<h2>Distance to the real images</h2><p class=\"soft\">{names}</p>{curves}"));
    }
    if !grids.is_empty() {
        body.push_str("<h2>Pictures of the average</h2><p class=\"soft\">The same seeds each time, 18 steps of Heun's method, without guidance.</p><div class=\"grids\">");
        for (kimg, png) in grids {
            body.push_str(&format!(
                "<figure><img alt=\"16 pictures after {kimg} thousand images\" src=\"data:image/png;base64,{}\"><figcaption>{}</figcaption></figure>",
                STANDARD.encode(png),
                thousands(*kimg)
            ));
        }
        body.push_str("</div>");
    }
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style><main>{body}</main></html>\n"
    )
}

/// Where it is, in one line.
fn lede(rows: &[Row]) -> String {
    let Some(last) = rows.last() else {
        return "<p class=\"soft\">No step has been taken yet.</p>".to_owned();
    };
    let number = |name: &str| last.numbers[name].as_f64();
    let mut words = vec![format!("{} images", curve::short(last.images))];
    words.extend(last.numbers["step"].as_u64().map(|step| format!("step {step}")));
    words.extend(number("loss").map(|loss| format!("loss {loss:.4}")));
    words.extend(number("images_per_s").map(|rate| format!("{} images/s", curve::short(rate))));
    format!("<p class=\"soft\">{}</p>", words.join(" · "))
}

fn of(field: &str, name: &str, rows: &[Row]) -> Curve {
    let point =
        |row: &Row| Some((row.images, row.numbers[field].as_f64().filter(|value| value.is_finite())?));
    Curve { name: name.to_owned(), points: rows.iter().filter_map(point).collect() }
}

/// A curve for each bin of `loss_by_sigma`: `[{"sigma": [lo, hi], "loss": x}, …]` in each line.
fn binned(rows: &[Row]) -> Vec<Curve> {
    let bins = |row: &Row| row.numbers["loss_by_sigma"].as_array().map_or(0, Vec::len);
    let count = rows.iter().map(bins).max().unwrap_or(0);
    let curve = |bin: usize| {
        let bin_of = |row: &Row| row.numbers["loss_by_sigma"].get(bin).cloned();
        let sigma = rows.iter().find_map(bin_of).map(|bin| bin["sigma"].clone()).unwrap_or_default();
        let bound = |at: usize| sigma.get(at).and_then(Value::as_f64).map(curve::short);
        let name = match (bound(0), bound(1)) {
            (Some(low), Some(high)) => format!("σ {low} to {high}"),
            (None, Some(high)) => format!("σ < {high}"),
            (Some(low), None) => format!("σ > {low}"),
            (None, None) => "any σ".to_owned(),
        };
        let point = |row: &Row| Some((row.images, bin_of(row)?["loss"].as_f64()?));
        Curve { name, points: rows.iter().filter_map(point).collect() }
    };
    (0..count).map(curve).collect()
}

/// A curve for each detector and average that was scored.
fn scored(scores: &[Row]) -> Vec<Curve> {
    let mut curves: Vec<Curve> = Vec::new();
    for Row { images, numbers } in scores {
        let word = |field: &str| numbers[field].as_str().unwrap_or("?");
        let width = curve::short(numbers["sigma_rel"].as_f64().unwrap_or_default());
        let name = format!("{} ({}), σ_rel {width}", word("metric"), word("detector"));
        let Some(value) = numbers["value"].as_f64() else { continue };
        match curves.iter_mut().find(|curve| curve.name == name) {
            Some(curve) => curve.points.push((*images, value)),
            None => curves.push(Curve { name, points: vec![(*images, value)] }),
        }
    }
    curves
}

fn panel(curves: &[Curve], axis: Axis, width: f64) -> String {
    let drawn = curve::svg(curves, axis, width);
    format!(
        "<div class=\"panel\">{}</div>",
        drawn.unwrap_or_else(|| "<p class=\"soft\">nothing yet</p>".to_owned())
    )
}

fn thousands(kimg: u64) -> String {
    match kimg {
        0 => "before the first step".to_owned(),
        _ => format!("{kimg} thousand images"),
    }
}

/// Safe in text and attributes.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_line_has_is_drawn() {
        let line = |images: u64, extra: &str| {
            format!("{{\"step\":1,\"images\":{images},\"loss\":2.5,\"lr\":0.01,\"images_per_s\":7{extra}}}\n")
        };
        let plain = rows(format!("{}{}half a li", line(10, ""), line(20, "")).as_bytes());
        assert_eq!((plain.len(), plain[1].images), (2, 20.0));
        let page_of = |rows: &[Row]| page("x", [rows.to_vec(), Vec::new()], &[]);
        assert!(!page_of(&plain).contains("noise level") && !page_of(&plain).contains("Gradient"));
        assert_eq!(page_of(&plain).matches("<svg").count(), 3);
        let bins = r#","grad_norm":0.5,"loss_by_sigma":[{"sigma":[0.01,0.2],"loss":1.0},{"sigma":[0.2,null],"loss":3}]"#;
        let rich = rows(format!("{}{}", line(10, bins), line(20, bins)).as_bytes());
        let page = page_of(&rich);
        assert!(
            page.contains("σ 0.01 to 0.2") && page.contains("σ &gt; 0.2") && page.contains("Gradient norm"),
            "{page}"
        );
        assert_eq!(page.matches("<svg").count(), 5);
        assert!(page_of(&[]).contains("No step has been taken yet"));
    }
}
