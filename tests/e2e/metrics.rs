//! `fidelis metrics` of what runs stored: the numbers of the runs themselves, and those that they did not ask for.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use fidelis_contract::exit;
use fidelis_tests::{Fleet, Outcome};
use serde_json::Value;

/// A run that needs no nets, of images of three classes.
fn spec(folder: &Path, name: &str, seeds: &str, detectors: &[&str]) -> Result<String> {
    scaled(folder, (name, "2"), seeds, detectors)
}

/// Likewise, with features of this standard deviation: the real ones have 1.
fn scaled(folder: &Path, (name, scale): (&str, &str), seeds: &str, detectors: &[&str]) -> Result<String> {
    let sigma = (0..16).map(|i| if i % 5 == 0 { 1.0 } else { 0.0 }).collect();
    let statistics =
        fidelis_formats::stats::Statistics { mu: vec![0.0; 4], sigma, num_images: 1000, detector: None };
    fs::write(folder.join("ref.npz"), fidelis_formats::stats::npz::encode(&statistics)?)?;
    fs::write(folder.join("w"), b"unused")?;
    let mut text = format!(
        "name = \"{name}\"\nengine = \"synthetic\"\nseeds = \"{seeds}\"\nchunk_size = 24\n\
         synthetic = {{ feature_dim = 4, feature_scale = {scale} }}\n"
    );
    for detector in detectors {
        text += &format!("[[detectors]]\nname = \"{detector}\"\nweights = \"w\"\nreference = \"ref.npz\"\n");
    }
    let path = folder.join(format!("{name}.toml"));
    fs::write(&path, text)?;
    Ok(path.display().to_string())
}

fn json(outcome: &Outcome) -> Result<Value> {
    ensure!(outcome.code == Some(i32::from(exit::DONE)), "{outcome:#?}");
    serde_json::from_str(outcome.stdout.lines().last().context("nothing on stdout")?).context("no JSON")
}

#[test]
fn what_a_local_run_left_has_its_own_numbers_and_others() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("out").display().to_string();
    let specs = [("early", "0-199"), ("late", "500-799")];
    let specs = specs.map(|(name, seeds)| spec(folder.path(), name, seeds, &["own"]));
    let [early, late] = specs;
    let ran = Outcome::of("fidelis", &["local", &early?, &late?, "--out", &out, "--json"], &[])?;
    let ran = json(&ran)?;
    let reference = folder.path().join("ref.npz").display().to_string();
    let metrics = |more: &[&str]| {
        Outcome::of("fidelis", &[&["metrics", "--json", "--local", &out], more].concat(), &[])
    };
    let found = json(&metrics(&["--features", "early", "--ref", &reference])?)?;
    let own = &ran["runs"]["early"]["own"];
    assert_eq!((&found["fd"]["value"], &found["fd"]["sd"]), (&own["fd"], &own["fd_sd"]), "the same bits");
    assert_eq!((&found["fd"]["n"], &found["fd"]["detector"]), (&200.into(), &"own".into()));
    let names = "kid,kid-full,precision,recall,density,coverage,fid-inf,authenticity,duplicates,fd";
    let found = json(&metrics(&["--features", "early", "--ref", "late", "--metrics", names])?)?;
    assert_eq!(found.as_object().context("no object")?.len(), 10, "{found}");
    for (name, metric) in found.as_object().context("no object")? {
        assert!(metric["value"].is_f64() && metric["n"] == 200, "{name}: {metric}");
    }
    assert!(
        found["precision"]["value"].as_f64() > Some(0.8) && found["duplicates"]["value"] == 0.0,
        "{found}"
    );
    assert_eq!(found["kid"]["reference_images"], 300);
    for (args, words) in [
        (["--features", "early", "--ref", &reference, "--metrics", "kid"], "ref.npz` holds statistics"),
        (
            ["--features", "earlier", "--ref", &reference, "--metrics", "fd"],
            "no run that is called `earlier`",
        ),
        (["--features", "early", "--ref", "late", "--metrics", "fid"], "is called `fd`, not `fid`"),
        (
            ["--features", "early", "--ref", "late", "--metrics", "is"],
            "is computed from Inception's features",
        ),
        (
            ["--features", "early", "--ref", "late", "--detector", "other"],
            "features of `own`: none of `other`",
        ),
    ] {
        let outcome = metrics(&args)?;
        assert_eq!(outcome.code, Some(i32::from(exit::USAGE)), "{outcome:#?}");
        assert!(outcome.error_line().contains(words), "{outcome:#?}");
    }
    let nowhere = Outcome::of("fidelis", &["metrics", "--features", "early", "--ref", &reference], &[])?;
    assert!(
        nowhere.error_line().contains("say `--store s3://…` (or FIDELIS_STORE), or `--local DIR`"),
        "{nowhere:#?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_of_a_fleet_are_found_in_its_store() -> Result<()> {
    let fleet = Fleet::start().await?;
    let path = spec(fleet.folder(), "both", "0-63", &["first", "second"])?;
    let submitted = fleet.fidelis(&["submit", &path]).await?;
    ensure!(submitted.code == Some(0), "{submitted:#?}");
    let metrics = async |detector: &[&str]| {
        let args = ["metrics", "--features", "both", "--ref", "both", "--metrics", "kid-full", "--json"];
        fleet.fidelis(&[&args[..], detector].concat()).await
    };
    let early = metrics(&["--detector", "first"]).await?;
    assert_eq!(early.code, Some(i32::from(exit::INCOMPLETE)), "{early:#?}");
    let _worker = fleet.worker("one", 1)?;
    let watched = fleet.fidelis(&["watch", "both"]).await?;
    ensure!(watched.code == Some(0), "{watched:#?}");
    let several = metrics(&[]).await?;
    assert_eq!(several.code, Some(i32::from(exit::USAGE)));
    assert!(several.error_line().contains("`first`, `second`: say which by `--detector`"), "{several:#?}");
    let found = json(&metrics(&["--detector", "second"]).await?)?;
    assert!(
        found["kid-full"]["value"].as_f64() < Some(0.0),
        "a set is nearer to itself than chance: {found}"
    );
    Ok(())
}

/// The same seeds with features that are worse, or other seeds that are as good: paired or not, and the exit codes.
#[test]
fn a_run_that_got_worse_is_told_from_one_that_did_not() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("out").display().to_string();
    let runs = [("good", "1.25", "0-999"), ("worse", "1.3", "0-999"), ("other", "1.25", "5000-5999")];
    let mut args = vec!["local".to_owned()];
    for (name, scale, seeds) in runs {
        args.push(scaled(folder.path(), (name, scale), seeds, &["own"])?);
    }
    args.extend(["--out", &out, "--json"].map(str::to_owned));
    json(&Outcome::of("fidelis", &args, &[])?)?;
    let compare =
        |more: &[&str]| Outcome::of("fidelis", &[&["compare", "--local", &out], more].concat(), &[]);
    for (baseline, candidate, verdict, code, design) in [
        ("good", "good", "fine", exit::DONE, "paired"),
        ("good", "worse", "regressed", exit::REGRESSION, "paired"),
        ("worse", "good", "improved", exit::DONE, "paired"),
        ("good", "other", "inconclusive", exit::INCONCLUSIVE, "independent"),
    ] {
        let outcome = compare(&[baseline, candidate, "--json"])?;
        assert_eq!(outcome.code, Some(i32::from(code)), "{outcome:#?}");
        let found: Value = serde_json::from_str(&outcome.stdout)?;
        assert_eq!((&found["verdict"], &found["design"]), (&verdict.into(), &design.into()), "{found}");
        assert_eq!(found["metric"], "fd");
        assert_eq!(found["num_images"], serde_json::json!([1000, 1000]));
        let shown = compare(&[baseline, candidate])?;
        assert!(shown.stdout.contains(&format!("verdict    {verdict}")), "{shown:#?}");
    }
    let reference = folder.path().join("ref.npz").display().to_string();
    for (args, words) in [
        (vec!["good", "gone"], "no run that is called `gone`"),
        (vec!["good", &reference], "ref.npz` holds statistics"),
        (vec![&reference, "good"], "give `--ref`"),
        (vec!["good", "worse", "--band", "2"], "`--band 2` is no share"),
    ] {
        let outcome = compare(&args)?;
        assert_eq!(outcome.code, Some(i32::from(exit::USAGE)), "{outcome:#?}");
        assert!(outcome.error_line().contains(words), "{outcome:#?}");
    }
    Ok(())
}
