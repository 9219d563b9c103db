//! What `make demo` promises to scripts and to people, on fewer images.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use fidelis_tests::{Outcome, fashion_mnist, repository};
use serde_json::Value;

fn run(name: &str, args: &[&str]) -> Result<Outcome> {
    let outcome = Outcome::of(name, args, &[])?;
    ensure!(outcome.code == Some(0), "{name} {args:?}: {outcome:#?}");
    Ok(outcome)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn demo(file: &str) -> PathBuf {
    repository().join("infra/demo").join(file)
}

/// The summary that scripts read: the last line on stdout.
fn local(out: &Path) -> Result<Value> {
    let (unguided, guided) = (text(&demo("unguided.toml")), text(&demo("guided.toml")));
    let outcome = run("fidelis", &["local", &unguided, &guided, "--seeds", "0-199", "--out", &text(out)])?;
    Ok(serde_json::from_str(outcome.stdout.lines().last().context("nothing on stdout")?)?)
}

#[test]
fn a_local_run_leaves_a_summary_a_sheet_and_a_report_and_can_be_repeated() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let summary = local(folder.path())?;
    for (name, guidance) in [("unguided", 1.0), ("guided", 1.2)] {
        let run = &summary[name];
        assert_eq!(run["guidance"], guidance, "{summary}");
        for key in ["fd", "fd_sd", "images_per_s"] {
            assert!(run[key].as_f64().is_some_and(|value| value > 0.0), "{name}.{key} in {summary}");
        }
    }
    assert_eq!(summary["num_images"], 200);
    let floor = summary["floor"].as_f64().context("no floor")?;
    assert!(floor > 0.0 && floor < summary["guided"]["fd"].as_f64().context("no fd")?, "{summary}");
    let sheet = std::fs::read(summary["sheet"].as_str().context("no sheet")?)?;
    assert!(sheet.starts_with(b"\x89PNG"));
    let report = std::fs::read_to_string(summary["report"].as_str().context("no report")?)?;
    assert!(report.contains("unguided") && report.contains("guided") && report.contains("data:image/png"));
    // Everything is in the store: nothing is made again, and the same bits come out.
    assert_eq!(local(folder.path())?, summary);
    Ok(())
}

/// Without a net: the distance that the spec's text promises.
#[test]
fn the_synthetic_run_comes_to_the_distance_that_is_known() -> Result<()> {
    let (folder, spec) = (tempfile::tempdir()?, demo("synthetic.toml"));
    let out = text(folder.path());
    let args = ["local", &text(&spec), "--seeds", "0-99999", "--workers", "2", "--out", &out];
    let outcome = run("fidelis", &args)?;
    let summary: Value = serde_json::from_str(outcome.stdout.lines().last().context("nothing on stdout")?)?;
    let value = |key: &str| summary["synthetic"][key].as_f64().with_context(|| format!("{key} in {summary}"));
    let (fd, sd) = (value("fd")?, value("fd_sd")?);
    let promised = std::fs::read_to_string(spec)?;
    let known: f64 =
        promised.split("known: ").nth(1).and_then(|rest| rest.get(..7)).context("no promise")?.parse()?;
    assert!(
        sd > 0.0 && sd < 0.02 * known && (fd - known).abs() < 5.0 * sd,
        "{fd} ± {sd} where {known} is known"
    );
    Ok(())
}

/// The checked-in statistics are those of the checked-in detector on the real test images.
#[test]
fn reference_statistics_come_from_the_images_that_they_name() -> Result<()> {
    let images = fashion_mnist::file("t10k-images-idx3-ubyte.gz")?;
    let folder = tempfile::tempdir()?;
    let (features, stats) = (folder.path().join("f.safetensors"), folder.path().join("s.npz"));
    let (images, features, stats) = (text(&images), text(&features), text(&stats));
    let weights = text(&demo("models/fashion-cnn.safetensors"));
    let extract = ["features", "--images", &images, "--detector", "fashion-cnn", "--weights", &weights];
    run("fidelis-worker", &[&extract[..], &["--out", &features]].concat())?;
    run("fidelis", &["ref", "--features", &features, "--dest", &stats])?;
    let distance = |reference: &Path| -> Result<f64> {
        let reference = text(reference);
        let compare =
            ["metrics", "--features", &stats, "--ref", &reference, "--detector", "fashion-cnn", "--json"];
        let found: Value = serde_json::from_str(&run("fidelis", &compare)?.stdout)?;
        found["fd"].as_f64().context("no fd")
    };
    // Another kind of processor rounds features differently, by about 1e-6 of their size.
    assert!(distance(&demo("refs/fashion-test.npz"))?.abs() < 1e-4);
    assert!((distance(&demo("refs/fashion-train.npz"))? - 0.4991).abs() < 1e-3);
    Ok(())
}
