//! The checks for a machine with a GPU, of this machine's CPU: so that the script and every question of it are known to work.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use fidelis_tests::{binary, repository};
use serde_json::Value;

/// libtorch's folder, as the build knew it.
fn libtorch() -> PathBuf {
    std::env::var_os("LIBTORCH")
        .map_or_else(|| repository().join(".deps/libtorch/torch"), PathBuf::from)
        .join("lib")
}

fn check() -> Command {
    let mut check = Command::new(repository().join("infra/gpu/gpu-check"));
    check.env("FIDELIS_TORCH_LIB", libtorch()).env("FIDELIS_FIXTURES", repository().join("tests/fixtures"));
    check.env("FIDELIS_DEMO", repository().join("infra/demo"));
    check.env("FIDELIS_KIT_PEERS", repository().join("infra/gpu"));
    check
}

#[test]
fn every_question_is_answered_on_a_cpu() -> Result<()> {
    let out = tempfile::tempdir()?;
    let programs = binary("fidelis-worker")?.parent().context("a program lies in a folder")?.to_owned();
    let ended = check().arg("--cpu").env("FIDELIS_KIT_PROGRAMS", programs).env("OUT", out.path()).output()?;
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    ensure!(ended.status.code() == Some(0), "{said}");
    let summary: Value = serde_json::from_slice(&ended.stdout)?;
    ensure!(summary["failed"] == 0 && summary["device"] == "cpu", "{summary}\n{said}");
    let text = std::fs::read_to_string(out.path().join("results.jsonl"))?;
    let rows: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let verdicts = |check: &str| rows.iter().filter(|row| row["check"] == check && row["ok"] == true).count();
    for (check, at_least) in [
        ("device", 1),
        ("golden", 40),
        ("detectors", 6),
        ("noise", 14),
        ("repeat", 6),
        ("memory", 2),
        ("poison", 2),
        ("fleet", 2),
    ] {
        assert!(verdicts(check) >= at_least, "{check}: {}\n{said}", verdicts(check));
    }
    for check in ["speed", "stages", "trace", "nets", "draws", "convert"] {
        assert!(
            rows.iter().any(|row| row["check"] == check && row["seconds"].is_number()),
            "{check}\n{said}"
        );
    }
    Ok(())
}

#[test]
fn what_is_missing_is_named() -> Result<()> {
    let out = tempfile::tempdir()?;
    let said = |check: &mut Command| -> Result<String> {
        let ended = check.env("OUT", out.path()).output()?;
        ensure!(ended.status.code() == Some(2), "{ended:?}");
        Ok(String::from_utf8(ended.stderr)?)
    };
    let nothing = said(check().arg("--cpu").env("FIDELIS_KIT_PROGRAMS", out.path()))?;
    assert!(nothing.contains("no `device-check`") && nothing.contains("make gpu-kit"), "{nothing}");
    let other = said(check().arg("--gpu"))?;
    assert!(other.contains("`--gpu`"), "{other}");
    Ok(())
}
