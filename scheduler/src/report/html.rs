//! The result as one page: no script, no font, no picture from elsewhere; light or dark as the reader's system is.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Report;
use super::chart::chart;
use super::notes::{common_seeds, notes};
use super::provenance::provenance;
use super::table::{detectors, headline_label, labels, table, trains};
use super::text::{decimals, duration, figure, fixed, rate, setting, thousands};
use fidelis_contract::result::RunResult;

/// A whole HTML document.
pub fn html(report: &Report) -> String {
    let Report { runs, sheet } = report;
    let labels = labels(runs);
    let mut page = format!(
        concat!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
            "<title>{title} · fidelis</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n",
            "<header>\n<div class=\"brand\">fidelis</div>\n<h1>{heading}</h1>\n<p class=\"lede\">{lede}</p>\n</header>\n",
        ),
        title = escaped(&labels.join(" and ")),
        style = include_str!("style.css"),
        heading = labels.iter().map(|l| escaped(l)).collect::<Vec<_>>().join(" <i>and</i> "),
        lede = escaped(&lede(runs)),
    );
    cards(&mut page, runs, &labels);
    charts(&mut page, runs);
    if let Some(png) = sheet {
        contact_sheet(&mut page, png, (runs, &labels));
    }
    if runs.len() > 1 {
        comparison(&mut page, runs);
    }
    page.push_str("<section>\n<h2>Reading these numbers</h2>\n<ul class=\"notes\">\n");
    for note in notes(runs) {
        let _ = writeln!(page, "<li>{}</li>", with_code(&note));
    }
    page.push_str("</ul>\n</section>\n");
    origins(&mut page, runs, &labels);
    let _ = write!(
        page,
        "<footer>Made by fidelis {}. Statistics and distances are float64, folded in the order of seeds: the same \
         bits for any number of workers.</footer>\n</main>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION")
    );
    page
}

/// `2,000 images each from the same seeds`, as far as it is true.
fn lede(runs: &[RunResult]) -> String {
    let Some(first) = runs.first() else { return String::new() };
    let agree = |same: &dyn Fn(&RunResult) -> bool| runs.iter().all(same);
    if agree(&trains) {
        return "a training: its snapshots and its own page lie in the run's folder `training`".to_owned();
    }
    let each = if runs.len() > 1 { " each" } else { "" };
    let mut parts = Vec::new();
    if agree(&|run| run.num_images == first.num_images) {
        parts.push(format!("{} images{each}", thousands(first.num_images)));
    }
    if agree(&|run| run.provenance.seeds == first.provenance.seeds) {
        let same = if runs.len() > 1 { "the same seeds" } else { "seeds" };
        parts.push(format!("{same} {}", shortened(&first.provenance.seeds.to_string())));
    }
    if agree(&|run| run.provenance.sampler == first.provenance.sampler) {
        parts.push(format!("{} Heun steps", first.provenance.sampler.num_steps));
    }
    parts.join(" · ")
}

fn shortened(seeds: &str) -> String {
    match seeds.char_indices().nth(40) {
        Some((at, _)) => format!("{}…", &seeds[..at]),
        None => seeds.to_owned(),
    }
}

fn cards(page: &mut String, runs: &[RunResult], labels: &[String]) {
    page.push_str("<section class=\"cards\">\n");
    for (index, (run, label)) in runs.iter().zip(labels).enumerate() {
        let _ = write!(page, "<article class=\"card run-{}\">\n<h3>{}", index % 6, escaped(label));
        if is_lowest(run, runs) {
            page.push_str("<em>lowest</em>");
        }
        page.push_str("</h3>\n");
        for (detector, result) in &run.detectors {
            let digits = decimals(result.sd());
            let value = result.value().map_or("–".to_owned(), |value| fixed(value, digits));
            let sd =
                result.sd().map_or(String::new(), |sd| format!("<small>± {}</small>", fixed(sd, digits)));
            let metric = headline_label(detector, result);
            let published = result.published.map(figure);
            let published = published.map_or(String::new(), |figure| format!(" · published {figure}"));
            let _ = writeln!(
                page,
                "<div class=\"big\">{value}{sd}</div>\n<div class=\"what\">{metric} · {}{published}</div>",
                escaped(detector)
            );
        }
        let facts = [
            ("guidance", setting(run.guidance)),
            ("images", thousands(run.num_images)),
            ("images/s", run.timing.images_per_s.map_or("–".to_owned(), rate)),
            ("device time", duration(run.timing.device_seconds)),
        ];
        page.push_str("<dl>");
        for (term, value) in facts.into_iter().filter(|(term, _)| !trains(run) || *term == "device time") {
            let _ = write!(page, "<div><dt>{term}</dt><dd>{value}</dd></div>");
        }
        page.push_str("</dl>\n</article>\n");
    }
    page.push_str("</section>\n");
}

/// Lowest by more than both error bars, on every detector.
fn is_lowest(run: &RunResult, runs: &[RunResult]) -> bool {
    let clear = |other: &RunResult| {
        run.detectors.iter().all(|(name, ours)| {
            let Some(theirs) = other.detectors.get(name) else { return false };
            let (Some(a), Some(b)) = (ours.value(), theirs.value()) else { return false };
            a + ours.sd().unwrap_or(0.0) < b - theirs.sd().unwrap_or(0.0)
        })
    };
    let comparable = runs.iter().all(|other| {
        other.num_images == run.num_images
            && other.provenance.reference_sha256 == run.provenance.reference_sha256
    });
    let others = runs.iter().filter(|other| !std::ptr::eq(*other, run));
    runs.len() > 1 && comparable && !run.detectors.is_empty() && others.into_iter().all(clear)
}

fn charts(page: &mut String, runs: &[RunResult]) {
    for (detector, metric) in detectors(runs) {
        if let Some(svg) = chart(runs, &detector) {
            let _ = writeln!(
                page,
                "<section>\n<h2>{metric} to the reference</h2>\n<figure class=\"panel\">{svg}\n<figcaption>Features of \
                 <code>{}</code>; lower is better. Whiskers are one standard error.</figcaption></figure>\n</section>",
                escaped(&detector)
            );
        }
    }
}

fn contact_sheet(page: &mut String, png: &[u8], (runs, labels): (&[RunResult], &[String])) {
    let title = if labels.len() > 1 { "The same seeds in each run" } else { "Samples" };
    let among = match common_seeds(runs) {
        Some(count) => format!(", of the {} seeds that all runs have", thousands(count)),
        None => String::new(),
    };
    let _ = writeln!(page, "<section>\n<h2>{title}</h2>\n<figure class=\"panel\">");
    let _ = write!(page, "<div class=\"sheet\" style=\"--panels:{}\">", labels.len());
    for (index, label) in labels.iter().enumerate() {
        let _ = write!(page, "<span class=\"run-{}\">{}</span>", index % 6, escaped(label));
    }
    let _ = writeln!(
        page,
        "<img alt=\"contact sheet of {}\" src=\"data:image/png;base64,{}\"></div>\n<figcaption>A row per class, the first \
         seeds of that class from left to right{among}, not chosen by eye.</figcaption>\n</figure>\n</section>",
        escaped(&labels.join(" above ")),
        STANDARD.encode(png)
    );
}

fn comparison(page: &mut String, runs: &[RunResult]) {
    let table = table(runs);
    let class = |i: usize| if table.columns[i].numeric { " class=\"num\"" } else { "" };
    page.push_str("<section>\n<h2>Comparison</h2>\n<div class=\"panel scroll\"><table>\n<thead><tr>");
    for (i, column) in table.columns.iter().enumerate() {
        let _ = write!(page, "<th{}>{}</th>", class(i), escaped(&column.title));
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for (index, cells) in table.rows.iter().enumerate() {
        let _ = write!(page, "<tr class=\"run-{}\">", index % 6);
        for (i, cell) in cells.iter().enumerate() {
            let _ = write!(page, "<td{}>{}</td>", class(i), escaped(cell));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table></div>\n</section>\n");
}

fn origins(page: &mut String, runs: &[RunResult], labels: &[String]) {
    page.push_str("<details>\n<summary>Provenance</summary>\n<div class=\"panel scroll\"><table class=\"provenance\">\n");
    page.push_str("<thead><tr><th></th>");
    for label in labels {
        let _ = write!(page, "<th>{}</th>", escaped(label));
    }
    page.push_str("</tr></thead>\n");
    for (title, values) in provenance(runs) {
        let _ = write!(page, "<tr><th>{}</th>", escaped(&title));
        for value in values {
            let _ = write!(page, "<td>{}</td>", escaped(&value));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table></div>\n</details>\n");
}

/// Text safe in elements and in quoted attributes.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            other => safe.push(other),
        }
    }
    safe
}

/// Escaped text with what stands in backticks as code.
fn with_code(text: &str) -> String {
    let parts = text.split('`').enumerate();
    parts
        .map(|(i, part)| if i % 2 == 1 { format!("<code>{}</code>", escaped(part)) } else { escaped(part) })
        .collect()
}
