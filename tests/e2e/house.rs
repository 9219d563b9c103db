//! Rules of the house that a build cannot see.

use std::process::Command;

use anyhow::{Result, ensure};
use fidelis_tests::repository;

fn tree(package: &str) -> Result<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--package", package, "--edges", "normal,build", "--prefix", "none"])
        .current_dir(repository())
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

fn reaches_torch(tree: &str) -> Option<&str> {
    tree.lines()
        .find(|line| ["tch v", "torch-sys v", "fidelis-edm2 v"].iter().any(|name| line.starts_with(name)))
}

#[test]
fn the_control_plane_is_free_of_libtorch() -> Result<()> {
    for package in ["fidelis", "fidelis-embedded", "fidelis-shared", "fidelis-formats"] {
        assert_eq!(reaches_torch(&tree(package)?), None, "{package}");
    }
    // Guards the guard: the worker does reach it.
    assert!(reaches_torch(&tree("fidelis-worker")?).is_some());
    Ok(())
}

#[test]
fn only_its_own_crate_names_tch() -> Result<()> {
    let edm2 = tree("fidelis-edm2")?;
    assert!(
        !edm2.lines().any(|l| l.starts_with("redis v") || l.starts_with("aws-sdk-s3 v")),
        "edm2 knows no queue or store"
    );
    Ok(())
}
