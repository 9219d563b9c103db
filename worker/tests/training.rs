//! Training as a user runs it: stopped at any moment, and refused before the first step.

#![allow(clippy::disallowed_macros, reason = "the words of a test")]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

static RECIPE: LazyLock<String> = LazyLock::new(|| {
    [("batch = 250", "batch = 500"), ("steps = 12", "steps = 40"), ("img_channels = 1", "img_channels = 3")]
        .iter()
        .fold(include_str!("../../tests/fixtures/recipe-tiny.toml").to_owned(), |text, (old, new)| {
            text.replace(old, new)
        })
});

fn worker(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fidelis-worker"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str]) -> Output {
    worker(arguments).output().unwrap()
}

/// A run that must succeed; gives what it printed.
fn ok(arguments: &[&str]) -> String {
    let output = run(arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// The one line that a refused run says.
fn refused(arguments: &[&str]) -> String {
    let output = run(arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{arguments:?}: {said}");
    said
}

/// A folder of work: its recipe, its pictures in two folders that are classes, and the dataset made of them.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::write(place.0.path().join("recipe.toml"), RECIPE.as_str()).unwrap();
        for index in 0..12 {
            let folder = place.0.path().join(format!("pictures/class{}", index % 2));
            fs::create_dir_all(&folder).unwrap();
            let mut bytes = b"P5 8 6 255\n".to_vec();
            bytes.extend((0..48).map(|pixel| ((pixel * 5 + index * 17) % 256) as u8));
            fs::write(folder.join(format!("{index:02}.pgm")), bytes).unwrap();
        }
        let (source, dest) = (place.at("pictures"), place.at("data.zip"));
        let said = ok(&[
            "encode",
            "--source",
            &source,
            "--dest",
            &dest,
            "--resolution",
            "4",
            "--transform",
            "center-crop",
        ]);
        assert!(said.contains("12 images, with classes"), "{said}");
        place
    }

    fn at(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn arguments(&self, outdir: &str) -> Vec<String> {
        let (recipe, data, outdir) = (self.at("recipe.toml"), self.at("data.zip"), self.at(outdir));
        let words = ["train", "--recipe", &recipe, "--data", &data, "--outdir", &outdir];
        let words = words.into_iter().chain([
            "--snapshot",
            "5000",
            "--checkpoint",
            "1000",
            "--threads",
            "1",
            "--stats",
            "10",
        ]);
        words.map(str::to_owned).collect()
    }

    fn train(&self, outdir: &str) -> Child {
        let arguments = self.arguments(outdir);
        worker(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).spawn().unwrap()
    }

    /// Every snapshot, by its name.
    fn snapshots(&self, outdir: &str) -> Vec<(String, Vec<u8>)> {
        let entries = fs::read_dir(self.0.path().join(outdir)).unwrap().flatten();
        let named =
            entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()));
        let mut snapshots: Vec<_> = named.filter(|(name, _)| name.starts_with("network-snapshot")).collect();
        snapshots.sort();
        snapshots
    }
}

fn wait_for_a_state(folder: &Path) {
    let start = Instant::now();
    let is_state = |entry: fs::DirEntry| entry.file_name().to_string_lossy().starts_with("training-state");
    while !fs::read_dir(folder).is_ok_and(|entries| entries.flatten().any(is_state)) {
        assert!(start.elapsed() < Duration::from_secs(60), "no state was saved");
        sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_training_that_was_killed_ends_with_the_bits_of_one_that_was_not() {
    let place = Place::new();
    assert!(place.train("whole").wait().unwrap().success());
    let expected = place.snapshots("whole");
    assert_eq!(expected.len(), 5 * 2, "at 0, 5, 10, 15 and 20 thousand images");
    let mut killed = place.train("killed");
    wait_for_a_state(&place.0.path().join("killed"));
    killed.kill().unwrap();
    assert!(!killed.wait().unwrap().success(), "it was over before it was killed");
    assert!(place.snapshots("killed").len() < expected.len());
    assert!(place.train("killed").wait().unwrap().success());
    assert!(place.snapshots("killed") == expected, "other bits");

    // Told to stop, it saves and says that it can go on.
    let mut told = place.train("told");
    wait_for_a_state(&place.0.path().join("told"));
    Command::new("kill").args(["-TERM", &told.id().to_string()]).status().unwrap();
    assert_eq!(told.wait().unwrap().code(), Some(143));
    assert!(place.train("told").wait().unwrap().success());
    assert!(place.snapshots("told") == expected, "other bits");

    // Averages of the snapshots, by the name and number that they have.
    let (snapshots, out) = (place.at("whole"), place.at("phema"));
    ok(&["phema", "--in", &snapshots, "--std", "0.07,0.050", "--at", "20", "--out", &out]);
    let made = |name: &str| fs::read(Path::new(&out).join(name)).unwrap();
    assert!(made("phema-0000020-0.070.safetensors") != made("phema-0000020-0.050.safetensors"));
    let error = refused(&["phema", "--in", &snapshots, "--std", "0.07", "--at", "7", "--out", &out]);
    assert!(error.contains("`7` kimg") && error.contains("`5`, `10`, `15`, `20`"), "{error}");
    let error = refused(&["phema", "--in", &snapshots, "--std", "0.3", "--out", &out]);
    assert!(error.contains("`0.3`"), "{error}");
}

#[test]
fn what_cannot_be_trained_on_is_refused_in_one_line_before_the_first_step() {
    let place = Place::new();
    let outdir = place.at("out");
    let with = |recipe: &str, data: &str| {
        fs::write(place.at("recipe.toml"), recipe).unwrap();
        refused(&[
            "train",
            "--recipe",
            &place.at("recipe.toml"),
            "--data",
            &place.at(data),
            "--outdir",
            &outdir,
        ])
    };
    let error = with(&RECIPE.replace("img_resolution = 4", "img_resolution = 8"), "data.zip");
    assert!(error.contains("[3, 8, 8]") && error.contains("[3, 4, 4]"), "{error}");
    let error = with(&RECIPE.replace("label_dim = 2", "label_dim = 1"), "data.zip");
    assert!(error.contains("label 1"), "{error}");
    let error = with(&RECIPE, "pictures");
    assert!(error.contains("[1, 6, 8]") || error.contains("without labels"), "{error}");
    let bytes = fs::read(place.at("data.zip")).unwrap();
    fs::write(place.at("cut.zip"), &bytes[..bytes.len() / 2]).unwrap();
    assert!(with(&RECIPE, "cut.zip").contains("cut.zip"));
    // In the middle of a picture's bytes, which are stored as they are.
    let mut flipped = bytes.clone();
    let place_of_second = bytes.windows(4).enumerate().filter(|(_, word)| word == b"IDAT").nth(1).unwrap().0;
    flipped[place_of_second + 6] ^= 0xff;
    fs::write(place.at("flipped.zip"), flipped).unwrap();
    assert!(with(&RECIPE, "flipped.zip").contains("img00000001.png"));
    assert!(!Path::new(&outdir).exists(), "nothing was begun");
}

#[test]
fn a_dry_run_prints_the_recipe_and_what_it_takes() {
    let said = ok(&[
        "train",
        "--preset",
        "edm2-img64-xs-0134217",
        "--batch",
        "1024",
        "--set",
        "net.dropout=0.05",
        "--dry-run",
    ]);
    for words in
        ["batch = 1024", "steps = 131072", "dropout = 0.05", "parameters           124710949", "134217728"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    let error = refused(&["train", "--preset", "edm2-img64-xs", "--set", "net.dropuot=0.05", "--dry-run"]);
    assert!(error.contains("dropuot"), "{error}");
    assert!(refused(&["train", "--preset", "edm2-img65-xs", "--dry-run"]).contains("edm2-img64-xs"));
}

#[test]
fn a_dataset_is_the_same_bytes_every_time() {
    let place = Place::new();
    let (source, dest) = (place.at("pictures"), place.at("again.zip"));
    ok(&["encode", "--source", &source, "--dest", &dest, "--resolution", "4", "--transform", "center-crop"]);
    assert!(fs::read(&dest).unwrap() == fs::read(place.at("data.zip")).unwrap());
    let error =
        refused(&["encode", "--source", &source, "--dest", &place.at("other.zip"), "--resolution", "4"]);
    assert!(error.contains("class0/00.pgm") && error.contains("8x6"), "{error}");
    assert!(!Path::new(&place.at("other.zip")).exists());
}

/// Posteriors, as EDM2's trainer has them, out of pictures in one folder with a file of classes; trained on without the
/// autoencoder.
#[test]
fn pictures_become_latents_that_are_trained_on() {
    let place = Place::new();
    for index in 0..5 {
        fs::create_dir_all(place.at("flat")).unwrap();
        let (from, to) = (
            format!("pictures/class{}/{index:02}.pgm", index % 2),
            format!("flat/n{}_{index}.pgm", index % 2),
        );
        fs::copy(place.at(&from), place.at(&to)).unwrap();
    }
    fs::write(place.at("classes.txt"), "n1 odd ones\nn0\n").unwrap();
    let vae = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/vae-tiny.safetensors");
    let (source, classes) = (place.at("flat"), place.at("classes.txt"));
    let encode = |dest: &str| {
        let words = [
            "encode",
            "--source",
            &source,
            "--dest",
            dest,
            "--resolution",
            "32",
            "--transform",
            "center-crop",
        ];
        ok(&[&words[..], &["--labels", &classes, "--vae", vae]].concat())
    };
    let said = encode(&place.at("latents.zip"));
    assert!(said.contains("5 images, with classes"), "{said}");
    encode(&place.at("again.zip"));
    assert!(
        fs::read(place.at("latents.zip")).unwrap() == fs::read(place.at("again.zip")).unwrap(),
        "other bytes"
    );

    let recipe = RECIPE.replace("rgb", "stability-vae").replace("img_channels = 3", "img_channels = 4");
    let recipe = recipe.replace("batch = 500\nsteps = 40", "batch = 500\nsteps = 2");
    fs::write(place.at("recipe.toml"), &recipe).unwrap();
    fs::rename(place.at("latents.zip"), place.at("data.zip")).unwrap();
    assert!(place.train("latents").wait().unwrap().success());
    assert_eq!(place.snapshots("latents").len(), 2 * 2);
    fs::write(place.at("recipe.toml"), recipe.replace("label_dim = 2", "label_dim = 1")).unwrap();
    let arguments = place.arguments("one-class");
    let error = refused(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(error.contains("label 1"), "{error}");
}

#[test]
fn the_2d_example_is_trained_sampled_and_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    ok(&["toy", "train", "--net", "main", "--iterations", "2", "--out", &at("main.safetensors")]);
    let said = ok(&[
        "toy",
        "sample",
        "--net",
        &at("main.safetensors"),
        "--points",
        "64",
        "--out",
        &at("samples.safetensors"),
    ]);
    let measured: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert!(measured["outside"].as_f64().unwrap() > 0.2, "two iterations teach nothing: {said}");
    let said = ok(&["toy", "sample", "--points", "1024", "--out", &at("truth.safetensors")]);
    let measured: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert!(measured["outside"].as_f64().unwrap() < 0.03, "{said}");
    let error = refused(&["toy", "replay", &at("main.safetensors"), "--out", &at("replayed.safetensors")]);
    assert!(error.contains("`run`"), "{error}");
}

/// Nets that are there are taken as they are: with hardly trained ones the whole example takes no time.
#[test]
fn the_2d_example_takes_nets_that_are_there_and_leaves_its_table_and_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    for seed in ["0", "1"] {
        for net in ["main", "autoguidance", "cfg"] {
            let path = at(&format!("{net}-{seed}.safetensors"));
            ok(&["toy", "train", "--net", net, "--iterations", "1", "--seed", seed, "--out", &path]);
        }
    }
    let said = ok(&["toy", "run", "--trainings", "2", "--points", "256", "--out", &at("")]);
    let last: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    for way in ["truth", "unguided", "cfg", "autoguidance"] {
        for value in ["outside", "coverage", "misplaced"] {
            let number =
                |name: &str| last[way][name].as_f64().unwrap_or_else(|| panic!("{way} {name}: {said}"));
            assert!(
                (0.0..=1.0).contains(&number(value)) && number(&format!("{value}_error")) >= 0.0,
                "{said}"
            );
        }
    }
    let outside = |way: &str| last[way]["outside"].as_f64().unwrap();
    assert!(outside("truth") < 0.05 && outside("unguided") > 0.2, "one iteration teaches nothing: {said}");
    for (name, panels) in [("figure1", 4), ("figure2", 6)] {
        let svg = fs::read_to_string(at(&format!("{name}.svg"))).unwrap();
        assert_eq!(svg.matches("<svg x=").count(), panels, "{name}");
        assert!(fs::read(at(&format!("{name}.png"))).unwrap().starts_with(b"\x89PNG"), "{name}");
    }
}
