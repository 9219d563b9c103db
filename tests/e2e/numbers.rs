//! Every number of every command line goes through the rules of specs: none reaches a device that cannot use it.

use std::path::Path;

use anyhow::{Result, ensure};
use fidelis_contract::{
    exit, keys,
    spec::{Precision, RunSpec},
};
use fidelis_formats::tensors;
use fidelis_tests::{Fleet, Outcome, repository};

fn net() -> String {
    repository().join("infra/demo/models/fashion-net.safetensors").display().to_string()
}

fn spec(more: &str) -> String {
    let net = net();
    format!(
        "name = \"numbers\"\nmicro_batch = 4\nchunk_size = 4\nnet = \"{net}\"\noutputs = {{ latents = true }}\n{more}\n"
    )
}

fn sample(folder: &Path, more: &[&str]) -> Result<Outcome> {
    let (net, out) = (net(), folder.join("out.safetensors").display().to_string());
    let base = ["sample", "--net", &net, "--gnet", &net, "--out", &out];
    Outcome::of("fidelis-worker", &[&base[..], more].concat(), &[])
}

#[test]
fn sampling_takes_no_number_that_a_spec_would_not() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for (option, value) in [
        ("--guidance", "NaN"),
        ("--guidance", "inf"),
        ("--guidance", "1e300"),
        ("--guidance-interval", "0.5,inf"),
        ("--guidance-interval", "-1,2"),
        ("--steps", "1"),
        ("--steps", "20000"),
        ("--sigma-min", "NaN"),
        ("--sigma-min", "0"),
        ("--sigma-max", "inf"),
        ("--rho", "NaN"),
        ("--rho", "0"),
        ("--rho", "1e-3"),
        ("--S-churn", "NaN"),
        ("--S-churn", "-1"),
        ("--S-min", "inf"),
        ("--S-max", "NaN"),
        ("--S-noise", "1e300"),
    ] {
        let outcome = sample(folder.path(), &["--seeds", "0", &format!("{option}={value}")])?;
        assert_eq!(outcome.code, Some(i32::from(exit::USAGE)), "{option} {value}: {outcome:#?}");
        let line = outcome.error_line();
        assert!(line.contains(&format!("`{option}`")), "{option} {value}: {line}");
    }
    // Those that the parser knows by themselves.
    for (option, value) in
        [("--micro-batch", "0"), ("--lanes", "0"), ("--steps", "-1"), ("--lanes", "4294967296")]
    {
        let outcome = sample(folder.path(), &["--seeds", "0", &format!("{option}={value}")])?;
        assert_eq!(outcome.code, Some(i32::from(exit::USAGE)), "{option} {value}: {outcome:#?}");
    }
    assert_eq!(std::fs::read_dir(folder.path())?.count(), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_every_worker_would_refuse_is_not_queued() -> Result<()> {
    let fleet = Fleet::start().await?;
    for (more, words) in [
        ("seeds = \"0-7\"\nsampler = { num_steps = 20000 }", ["num_steps", "20000"]),
        ("seeds = \"0-7\"\nsampler = { S_noise = 1e300 }", ["S_noise", "out of range"]),
        ("seeds = \"0-7\"\nsampler = { rho = 0.001 }", ["rho", "noise levels"]),
        ("seeds = \"5,4294967301\"", ["`5`", "`4294967301`"]),
        ("noise = \"cuda\"\nseeds = \"0-49999,1099511627779\"", ["`3`", "`1099511627779`"]),
    ] {
        let path = fleet.spec("numbers", &spec(more))?.display().to_string();
        let out = fleet.folder().join("out").display().to_string();
        for args in [vec!["submit", &path], vec!["run", &path], vec!["local", &path, "--out", &out]] {
            let outcome = fleet.fidelis(&args).await?;
            assert_eq!(outcome.code, Some(i32::from(exit::USAGE)), "{more}: {outcome:#?}");
            assert!(words.iter().all(|word| outcome.error_line().contains(word)), "{more}: {outcome:#?}");
        }
    }
    // Also of the command line's own seeds.
    let path = fleet.spec("numbers", &spec("seeds = \"0-7\""))?.display().to_string();
    let twins = fleet.fidelis(&["submit", &path, "--seeds", "7,4294967303"]).await?;
    assert_eq!(twins.code, Some(i32::from(exit::USAGE)), "{twins:#?}");
    assert!(fleet.keys().await?.is_empty(), "a refused spec leaves nothing in the store");
    Ok(())
}

#[test]
fn seeds_that_make_the_same_image_are_made_and_warned_of_where_nothing_is_counted() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for noise in ["cpu", "cuda"] {
        let outcome = sample(
            folder.path(),
            &["--steps", "2", "--micro-batch", "1", "--noise", noise, "--seeds", "5,6,4294967301"],
        )?;
        ensure!(outcome.code == Some(0), "{outcome:#?}");
        let warned = outcome.stderr.contains("`5`") && outcome.stderr.contains("`4294967301`");
        assert!(warned, "{}", outcome.stderr);
        let out = tensors::decode(&std::fs::read(folder.path().join("out.safetensors"))?.into())?;
        let latents = &out.tensors["latents"];
        let len = latents.bytes.len() / 3;
        assert!(latents.bytes[..len] == latents.bytes[2 * len..], "{noise}: another image");
        assert!(latents.bytes[..len] != latents.bytes[len..2 * len], "{noise}: the same image");
    }
    let quiet = sample(folder.path(), &["--steps", "2", "--seeds", "5,6"])?;
    assert_eq!((quiet.code, quiet.stderr.as_str()), (Some(0), ""));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_precision_on_the_command_line_counts_or_is_refused() -> Result<()> {
    let fleet = Fleet::start().await?;
    let path = fleet.spec("numbers", &spec("seeds = \"0-7\""))?.display().to_string();
    let submitted = fleet.fidelis(&["submit", &path, "--precision", "bf16"]).await?;
    ensure!(submitted.code == Some(0), "{submitted:#?}");
    let run = submitted.stdout.trim().parse()?;
    let stored = fleet.store().await?.get(&keys::spec(&run)).await?.unwrap_or_default();
    let stored = RunSpec::from_json(std::str::from_utf8(&stored)?, "spec.json")?;
    assert_eq!(stored.engine.sampling().precision, Precision::Bf16);
    let synthetic = repository().join("infra/demo/synthetic.toml").display().to_string();
    let out = fleet.folder().join("out").display().to_string();
    let refused = fleet.fidelis(&["local", &synthetic, "--precision", "bf16", "--out", &out]).await?;
    assert_eq!(refused.code, Some(i32::from(exit::USAGE)), "{refused:#?}");
    assert!(refused.error_line().contains("`--precision`"), "{refused:#?}");
    Ok(())
}
