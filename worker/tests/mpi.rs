//! Training by several processes, as `mpirun` starts them (`make test-mpi`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use fidelis_edm2::checkpoint::TensorFile;
use fidelis_formats::images::{Image, Members, edm_zip};

struct Place(tempfile::TempDir);

impl Place {
    fn new(steps: u64) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let recipe = include_str!("../../tests/fixtures/recipe-tiny.toml");
        let recipe =
            recipe.replace("steps = 12", &format!("steps = {steps}")).replace("[net]", "xflip = true\n[net]");
        fs::write(place.at("recipe.toml"), recipe).unwrap();
        let mut zip = edm_zip::EdmZip::new(&place.at("data.zip"), Members::Images).unwrap();
        for index in 0..12_usize {
            let pixels = (0..16).map(|pixel| ((pixel * 5 + index * 17) % 256) as u8).collect();
            let png = edm_zip::png(&Image { shape: [1, 4, 4], pixels }).unwrap();
            zip.add(&png, Some(index as i64 % 2)).unwrap();
        }
        zip.finish().unwrap();
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Trains into `outdir` with as many ranks; one is no MPI's.
    fn train(&self, outdir: &str, ranks: u64, more: &[&str]) -> Child {
        let worker = env!("CARGO_BIN_EXE_fidelis-worker");
        let mut command = Command::new(if ranks > 1 { "mpirun" } else { worker });
        if ranks > 1 {
            command.args(["-n", &ranks.to_string(), worker]);
        }
        command
            .arg("train")
            .arg("--recipe")
            .arg(self.at("recipe.toml"))
            .arg("--data")
            .arg(self.at("data.zip"));
        command.arg("--outdir").arg(self.at(outdir)).args(["--threads", "1", "--stats", "1"]);
        command.args(if ranks > 1 { &["--mpi"][..] } else { &[] }).args(more);
        command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn state(&self, outdir: &str) -> TensorFile {
        let folder = self.at(outdir);
        let names =
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut states: Vec<String> = names.filter(|name| name.starts_with("training-state-")).collect();
        states.sort();
        TensorFile::read(&folder.join(states.last().unwrap())).unwrap()
    }
}

fn succeeds(child: Child) {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn two_ranks_at_half_batch_are_one_at_full_batch() {
    let place = Place::new(5);
    for (outdir, ranks) in [("one", 1), ("two", 2)] {
        succeeds(place.train(outdir, ranks, &[]));
    }
    let (one, two) = (place.state("one"), place.state("two"));
    let mut worst = 0.0_f64;
    for (name, tensor) in one.tensors.iter().filter(|(name, _)| !name.starts_with("adam")) {
        let off = (tensor - &two.tensors[name]).abs().max().double_value(&[]);
        let largest = tensor.abs().max().double_value(&[]).max(1e-30);
        worst = worst.max(off / largest);
        assert!(off <= 1e-4 * largest, "{name}: {:.1e}", off / largest);
    }
    assert!(worst > 0.0, "two ranks add up in another order");
    let losses = |outdir: &str| -> Vec<f64> {
        let stats = fs::read_to_string(place.at(outdir).join("stats.jsonl")).unwrap();
        let loss =
            |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["loss"].as_f64().unwrap();
        stats.lines().map(loss).collect()
    };
    for (one, two) in losses("one").into_iter().zip(losses("two")) {
        assert!((one - two).abs() < 1e-5 * one.abs(), "{one} {two}");
    }
}

/// The first child of a process that runs the worker.
fn rank_of(mpirun: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{mpirun}/task/{mpirun}/children")).ok()?;
    let is_worker = |pid: &u32| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("fidelis-worker"))
    };
    children.split_whitespace().filter_map(|pid| pid.parse().ok()).rfind(is_worker)
}

fn has_state(folder: &Path) -> bool {
    let is_state = |entry: fs::DirEntry| entry.file_name().to_string_lossy().starts_with("training-state-");
    fs::read_dir(folder).is_ok_and(|entries| entries.flatten().any(is_state))
}

#[test]
fn a_rank_that_is_killed_ends_the_job_and_it_goes_on_to_the_same_bits() {
    let place = Place::new(400);
    let often = ["--checkpoint", "1000", "--snapshot", "20000"];
    succeeds(place.train("whole", 2, &often));
    let job = place.train("killed", 2, &often);
    let start = Instant::now();
    while !has_state(&place.at("killed")) {
        assert!(start.elapsed() < Duration::from_secs(120), "no state was saved");
        sleep(Duration::from_millis(5));
    }
    let rank = rank_of(job.id()).unwrap();
    Command::new("kill").args(["-KILL", &rank.to_string()]).status().unwrap();
    let killed = Instant::now();
    let output = job.wait_with_output().unwrap();
    assert!(!output.status.success() && output.status.code().is_some(), "{output:?}");
    assert!(killed.elapsed() < Duration::from_secs(30), "the others waited");
    succeeds(place.train("killed", 2, &often));
    let (whole, again) = (place.state("whole"), place.state("killed"));
    for (name, tensor) in &whole.tensors {
        assert_eq!(tensor, &again.tensors[name], "{name}");
    }
}

#[test]
fn what_one_rank_cannot_do_ends_all() {
    let place = Place::new(5);
    let output = place.train("odd", 2, &["--batch", "251"]).wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("`251`") && said.contains("`2` equal parts"), "{said}");
}
