//! Several runs and several detectors side by side: nothing is mixed up.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use fidelis_contract::exit;
use fidelis_tests::{Outcome, repository};
use serde_json::Value;

struct Run<'a> {
    name: &'a str,
    seeds: &'a str,
    detectors: &'a [&'a str],
}

/// The spec of a run that needs no nets and keeps pictures.
fn spec(folder: &Path, run: &Run<'_>) -> Result<String> {
    let path = folder.join(format!("{}.toml", run.name));
    let mut text = format!(
        "name = \"{}\"\nengine = \"synthetic\"\nseeds = \"{}\"\nchunk_size = 32\noutputs = {{ images = true }}\n\
         synthetic = {{ feature_dim = 8, feature_scale = 2 }}\n",
        run.name, run.seeds
    );
    fs::write(folder.join("w"), b"unused")?;
    fs::write(folder.join("ref.npz"), reference()?)?;
    for detector in run.detectors {
        text += &format!("[[detectors]]\nname = \"{detector}\"\nweights = \"w\"\nreference = \"ref.npz\"\n");
    }
    fs::write(&path, text)?;
    Ok(path.display().to_string())
}

/// Mean 0 and covariance 1 of eight features.
fn reference() -> Result<Vec<u8>> {
    let sigma = (0..64).map(|i| if i % 9 == 0 { 1.0 } else { 0.0 }).collect();
    let statistics =
        fidelis_formats::stats::Statistics { mu: vec![0.0; 8], sigma, num_images: 1000, detector: None };
    Ok(fidelis_formats::stats::npz::encode(&statistics)?)
}

fn local(folder: &Path, runs: &[Run<'_>], more: &[&str]) -> Result<Outcome> {
    let out = folder.join("out").display().to_string();
    let mut args = vec!["local".to_owned()];
    for run in runs {
        args.push(spec(folder, run)?);
    }
    args.extend(["--out", &out].iter().chain(more).map(ToString::to_string));
    Outcome::of("fidelis", &args, &[])
}

fn last_line(outcome: &Outcome) -> Result<Value> {
    ensure!(outcome.code == Some(0), "{outcome:#?}");
    Ok(serde_json::from_str(outcome.stdout.lines().last().context("nothing on stdout")?)?)
}

const ONE: &[&str] = &["own"];

#[test]
fn runs_of_other_seeds_share_neither_number_nor_pictures() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let runs = [
        Run { name: "early", seeds: "0-99", detectors: ONE },
        Run { name: "late", seeds: "100-163", detectors: ONE },
    ];
    let outcome = local(folder.path(), &runs, &[])?;
    let line = last_line(&outcome)?;
    assert_eq!((&line["num_images"], &line["sheet"]), (&Value::Null, &Value::Null), "{line}");
    assert_eq!(
        (&line["early"]["num_images"], &line["late"]["num_images"]),
        (&100.into(), &64.into()),
        "{line}"
    );
    assert!(outcome.stdout.contains("These runs have no seed in common"), "{}", outcome.stdout);
    let page = fs::read_to_string(folder.path().join("out/report.html"))?;
    assert!(!page.contains("The same seeds in each run") && page.contains("no seed in common"));
    assert!(!folder.path().join("out/sheet.png").exists());
    Ok(())
}

#[test]
fn pictures_are_of_the_seeds_that_all_runs_have() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let runs = [
        Run { name: "early", seeds: "0-99", detectors: ONE },
        Run { name: "late", seeds: "90-189", detectors: ONE },
    ];
    let line = last_line(&local(folder.path(), &runs, &[])?)?;
    assert_eq!(line["num_images"], 100, "{line}");
    let page = fs::read_to_string(folder.path().join("out/report.html"))?;
    assert!(
        page.contains("The same seeds in each run") && page.contains("of the 10 seeds that all runs have")
    );
    let sheet = fs::File::open(line["sheet"].as_str().context("no sheet")?)?;
    let mut reader = png::Decoder::new(std::io::BufReader::new(sheet)).read_info()?;
    let mut pixels = vec![0; reader.output_buffer_size().context("size")?];
    let info = reader.next_frame(&mut pixels)?;
    // Two panels of the same cells, eight rows of band between them.
    let panel = (info.height as usize - 8) / 2 * info.width as usize * 3;
    assert!(pixels[..panel] == pixels[pixels.len() - panel..], "the two panels show other seeds");
    Ok(())
}

#[test]
fn two_detectors_of_one_metric_are_both_there() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let runs = [
        Run { name: "one", seeds: "0-99", detectors: &["first", "second"] },
        Run { name: "two", seeds: "0-63", detectors: &["second"] },
    ];
    for more in [&[][..], &["--json"]] {
        let line = last_line(&local(folder.path(), &runs, more)?)?;
        for (run, detector, num_images) in
            [("one", "first", 100), ("one", "second", 100), ("two", "second", 64)]
        {
            let found = &line["runs"][run][detector];
            assert!(found["fd"].as_f64().is_some_and(|fd| fd > 1.0), "{run} {detector} in {line}");
            assert_eq!(found["num_images"], num_images, "{line}");
        }
        assert_eq!(line["runs"]["two"]["num_images"], 64);
        assert!(line["runs"]["one"]["images_per_s"].as_f64().is_some_and(|rate| rate > 0.0), "{line}");
    }
    Ok(())
}

#[test]
fn json_is_keyed_by_run_and_detector_and_the_plain_line_keeps_its_shape() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let runs = [Run { name: "one", seeds: "0-99", detectors: ONE }];
    let keyed = last_line(&local(folder.path(), &runs, &["--json"])?)?;
    let fd = keyed["runs"]["one"]["own"]["fd"].as_f64().context("no fd")?;
    let plain = last_line(&local(folder.path(), &runs, &[])?)?;
    let keys = |value: &Value| value.as_object().map(|map| map.keys().cloned().collect::<Vec<_>>());
    let expected = ["floor", "num_images", "one", "report", "sheet"].map(str::to_owned).to_vec();
    assert_eq!(keys(&plain), Some(expected), "{plain}");
    let expected = ["fd", "fd_sd", "guidance", "images_per_s"].map(str::to_owned).to_vec();
    assert_eq!(keys(&plain["one"]), Some(expected), "{plain}");
    assert_eq!((plain["one"]["fd"].as_f64(), &plain["num_images"]), (Some(fd), &100.into()));
    // The second call made nothing: the rate is that of the first.
    assert_eq!(plain["one"]["images_per_s"], keyed["runs"]["one"]["images_per_s"]);
    Ok(())
}

/// What makes no comparison is refused before anything is fetched or made.
#[test]
fn names_and_numbers_that_make_no_comparison_are_refused_first() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let refused = |runs: &[Run<'_>], more: &[&str], words: &str| -> Result<()> {
        let outcome = local(folder.path(), runs, more)?;
        assert_eq!(outcome.code, Some(i32::from(exit::USAGE)), "{outcome:#?}");
        assert!(outcome.error_line().contains(words), "`{words}` is not in: {}", outcome.error_line());
        assert!(!folder.path().join("out").exists());
        Ok(())
    };
    for name in ["report", "floor", "sheet", "runs"] {
        refused(&[Run { name, seeds: "0-9", detectors: ONE }], &[], &format!("`{name}` is reserved"))?;
    }
    let twin = || Run { name: "twin", seeds: "0-9", detectors: ONE };
    refused(&[twin(), twin()], &[], "two specs are called `twin`")?;
    refused(&[twin()], &["--seeds", "7"], "has no covariance")?;
    Ok(())
}

/// The floor is of as many held-out images as the run has, where their features are given.
#[test]
fn the_floor_is_at_the_runs_own_number_of_images() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let text = |name: &str| folder.path().join(name).display().to_string();
    let run = Run { name: "floored", seeds: "0-99", detectors: ONE };
    let path = spec(folder.path(), &run)?;
    let values: Vec<f32> =
        (0..300 * 8).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 8) as f32 / 1e7).collect();
    let tensor = fidelis_contract::payload::Tensor::from_f32("features", &[300, 8], &values);
    fs::write(text("held.safetensors"), fidelis_contract::payload::encode(&[tensor])?)?;
    fs::write(&path, fs::read_to_string(&path)? + "held_out = \"held.safetensors\"\n")?;
    for (seeds, images) in [("0-99", 100), ("0-999", 300)] {
        let out = text(&format!("out-{images}"));
        let outcome =
            Outcome::of("fidelis", &["local", &path, "--seeds", seeds, "--out", &out, "--json"], &[])?;
        let found = &last_line(&outcome)?["runs"]["floored"]["own"];
        assert_eq!(found["floor_images"], images, "{found}");
        assert!(found["floor"].as_f64().is_some_and(|floor| floor > 0.0), "{found}");
    }
    // Statistics have the number that they have, and it stands beside the floor.
    let demo = repository().join("infra/demo/unguided.toml").display().to_string();
    let outcome = Outcome::of("fidelis", &["local", &demo, "--seeds", "0-63", "--out", &text("demo")], &[])?;
    ensure!(outcome.code == Some(0), "{outcome:#?}");
    assert!(outcome.stdout.contains("0.50 (10,000)"), "{}", outcome.stdout);
    let words = outcome.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("even perfect samples would measure more"), "{}", outcome.stdout);
    Ok(())
}

/// Disjoint seeds, each repeat an ordinary run, and what chance makes of a metric.
#[test]
fn repeats_tell_how_much_is_chance() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let runs = [Run { name: "one", seeds: "0-99", detectors: ONE }];
    let outcome = local(folder.path(), &runs, &["--repeats", "3"])?;
    let line = last_line(&outcome)?;
    let found = &line["repeats"]["one"]["own"];
    assert_eq!((&found["n"], &found["metric"], &found["num_images"]), (&3.into(), &"fd".into(), &100.into()));
    let values: Vec<f64> =
        ["one", "one-2", "one-3"].iter().filter_map(|run| line[run]["fd"].as_f64()).collect();
    assert_eq!(found["values"], serde_json::json!(values), "{line}");
    let min = values.iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!((found["min"].as_f64(), values.len()), (Some(min), 3));
    assert!(
        found["noise_floor"].as_f64() > found["sd"].as_f64() && found["sd"].as_f64() > Some(0.0),
        "{line}"
    );
    assert!(outcome.stdout.contains("repeats  fd (own): min "), "{}", outcome.stdout);
    // The second is the run that anybody else makes of those seeds.
    let second = [Run { name: "one-2", seeds: "100-199", detectors: ONE }];
    let again = last_line(&local(folder.path(), &second, &[])?)?;
    assert_eq!(again["one-2"]["fd"].as_f64(), Some(values[1]));
    Ok(())
}
