//! A device that is not there is found before anything is asked of it: exit 2, one line, and no fleet is harmed.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use fidelis_contract::exit;
use fidelis_tests::{Fleet, Outcome, repository};
use serde_json::Value;

/// No machine has so many.
const ABSENT: &str = "cuda:99";

fn spec(name: &str) -> String {
    let models = repository().join("infra/demo/models").display().to_string();
    format!(
        "name = \"{name}\"\nseeds = \"0-7\"\nmicro_batch = 4\nchunk_size = 4\nnet = \"{models}/fashion-net.safetensors\"\n\
         outputs = {{ latents = true }}\n[sampler]\nnum_steps = 2\n"
    )
}

fn refused(outcome: &Outcome, device: &str) {
    assert_eq!(outcome.code, Some(i32::from(exit::USAGE)), "{outcome:#?}");
    assert!(outcome.error_line().contains(&format!("`{device}`")), "{outcome:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_its_device_says_so_at_once_and_the_fleet_goes_on() -> Result<()> {
    let fleet = Fleet::start().await?;
    let path = fleet.spec("device", &spec("device"))?.display().to_string();
    let submitted = fleet.fidelis(&["submit", &path]).await?;
    ensure!(submitted.code == Some(0), "{submitted:#?}");
    for device in [ABSENT, "cuda:x", "cuda:-1", "CUDA:0", "gpu", ""] {
        let env = fleet.env();
        let args = ["run".to_owned(), "--device".to_owned(), device.to_owned()];
        let outcome =
            tokio::task::spawn_blocking(move || Outcome::of("fidelis-worker", &args, &env)).await??;
        refused(&outcome, device);
    }
    let status: Value =
        serde_json::from_str(&fleet.fidelis(&["status", submitted.stdout.trim(), "--json"]).await?.stdout)?;
    assert_eq!((&status["dead_chunks"], &status["queued_chunks"]), (&0.into(), &2.into()), "{status}");
    let _worker = fleet.worker("with", 1)?;
    let ended = fleet.fidelis(&["run", &path]).await?;
    ensure!(ended.code == Some(0), "{ended:#?}");
    Ok(())
}

#[test]
fn a_fleet_of_this_machines_own_ends_at_once() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("device.toml");
    std::fs::write(&path, spec("device"))?;
    let (path, out) = (path.display().to_string(), folder.path().join("out").display().to_string());
    let start = Instant::now();
    let outcome = Outcome::of("fidelis", &["local", &path, "--out", &out, "--device", ABSENT], &[])?;
    assert_eq!(outcome.code, Some(i32::from(exit::USAGE)), "{outcome:#?}");
    let last = outcome.stderr.lines().last().unwrap_or_default();
    assert!(last.contains(&format!("there is no `{ABSENT}`")), "{outcome:#?}");
    assert!(!outcome.stderr.contains("starting it again"), "{outcome:#?}");
    assert!(start.elapsed() < Duration::from_secs(60), "it did not try again and again");
    Ok(())
}

#[test]
fn the_commands_of_one_machine_too() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (demo, out) = (repository().join("infra/demo"), folder.path().join("out").display().to_string());
    let text = |path: &Path| path.display().to_string();
    let net = text(&demo.join("models/fashion-net.safetensors"));
    let weights = text(&demo.join("models/fashion-cnn.safetensors"));
    let recipe = text(&demo.join("recipes/gnet.toml"));
    let cases: [&[&str]; 3] = [
        &["sample", "--net", &net, "--seeds", "0", "--out", &out],
        &[
            "features",
            "--images",
            "/nowhere",
            "--detector",
            "fashion-cnn",
            "--weights",
            &weights,
            "--out",
            &out,
        ],
        &["train", "--recipe", &recipe, "--data", "/nowhere", "--outdir", &out],
    ];
    for args in cases {
        let outcome = Outcome::of("fidelis-worker", &[args, &["--device", ABSENT]].concat(), &[])?;
        refused(&outcome, ABSENT);
        assert_eq!(std::fs::read_dir(folder.path())?.count(), 0, "{args:?}");
    }
    Ok(())
}
