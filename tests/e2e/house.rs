//! Rules of the house that a build cannot see.

use std::process::Command;

use anyhow::{Context, Result, ensure};
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
    for package in ["fidelis", "fidelis-embedded", "fidelis-contract", "fidelis-fleet", "fidelis-formats"] {
        assert_eq!(reaches_torch(&tree(package)?), None, "{package}");
    }
    // Guards the guard: the worker does reach it.
    assert!(reaches_torch(&tree("fidelis-worker")?).is_some());
    Ok(())
}

#[test]
fn words_formats_and_nets_know_no_queue_and_no_store() -> Result<()> {
    let reaches = |package: &str| -> Result<bool> {
        let services = ["redis v", "aws-sdk-s3 v", "tokio v", "fidelis-fleet v"];
        Ok(tree(package)?.lines().any(|line| services.iter().any(|name| line.starts_with(name))))
    };
    for package in ["fidelis-contract", "fidelis-formats", "fidelis-edm2"] {
        assert!(!reaches(package)?, "{package}");
    }
    // Guards the guard.
    assert!(reaches("fidelis-fleet")?);
    Ok(())
}

/// A new detector is a row of the table; code that spells a name would not know of it.
#[test]
fn detectors_are_named_in_their_table_alone() -> Result<()> {
    let listed = Command::new("git").args(["ls-files", "*/src/*.rs"]).current_dir(repository()).output()?;
    let mut spelled = Vec::new();
    for file in String::from_utf8(listed.stdout)?.lines().filter(|file| !file.starts_with("tests/")) {
        if file.ends_with("contract/src/detectors.rs") || file.contains("tests") {
            continue;
        }
        let text = std::fs::read_to_string(repository().join(file))?;
        // Tests stand at the end of their file.
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let names = fidelis_contract::detectors::DETECTORS.map(|detector| format!("\"{}\"", detector.name));
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        let spells = |line: &&str| names.iter().any(|name| line.contains(name));
        spelled.extend(lines.filter(spells).map(|line| format!("{file}: {}", line.trim())));
    }
    assert_eq!(spelled, Vec::<String>::new());
    Ok(())
}

/// The rooms of the control plane, each of which may know those before it.
const ROOMS: [&str; 19] = [
    "formats",
    "arithmetic",
    "compare",
    "evaluate",
    "destination",
    "fit",
    "dataset",
    "subset",
    "reduce",
    "report",
    "publish",
    "comparison",
    "verify",
    "training",
    "conduct",
    "snapshots",
    "sweep",
    "regress",
    "cli",
];

/// Data flows one way: no room knows a later one.
#[test]
fn arrows_point_down() -> Result<()> {
    let rank = |room: &str| ROOMS.iter().position(|known| *known == room);
    let listed =
        Command::new("git").args(["ls-files", "scheduler/src/*.rs"]).current_dir(repository()).output()?;
    let mut seen = 0;
    for file in String::from_utf8(listed.stdout)?.lines() {
        let inside = file.trim_start_matches("scheduler/src/");
        let room = inside.split(['/', '.']).next().unwrap_or_default();
        if ["lib", "main"].contains(&room) {
            continue;
        }
        let own =
            rank(room).with_context(|| format!("`{file}`: give the room `{room}` its place in ROOMS"))?;
        for used in used_rooms(&std::fs::read_to_string(repository().join(file))?) {
            seen += 1;
            let place = rank(&used).with_context(|| format!("`{file}` uses `{used}`, no room of ROOMS"))?;
            ensure!(place <= own, "`{file}` knows the later room `{used}`");
        }
    }
    ensure!(seen > 30, "guards the guard: {seen}");
    Ok(())
}

/// Of `crate::a::b` and `crate::{a::b, c::{d, e}}` the first names.
fn used_rooms(text: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for after in text.split("crate::").skip(1) {
        let mut depth = 0;
        let mut word = String::new();
        let mut is_first = true;
        for c in after.chars() {
            if c.is_ascii_lowercase() || c == '_' {
                word.push(c);
                continue;
            }
            if !word.is_empty() && is_first {
                rooms.push(std::mem::take(&mut word));
                is_first = false;
            }
            word.clear();
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => is_first = true,
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    rooms
}
