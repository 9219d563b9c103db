//! Where the words and the results of commands go: pipes that close, disks that are full, places that cannot be written,
//! terminals that hang up.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fidelis_contract::exit;
use fidelis_tests::{Fleet, Outcome, Process, fashion_mnist, repository, unread_detector};
use serde_json::Value;

fn demo(file: &str) -> String {
    repository().join("infra/demo").join(file).display().to_string()
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// A pipe whose reader has gone away.
fn closed_pipe() -> Result<Stdio> {
    Ok(std::io::pipe()?.1.into())
}

fn full_disk() -> Result<File> {
    Ok(File::options().write(true).open("/dev/full")?)
}

/// Commands that only print.
fn listings() -> Vec<(&'static str, Vec<String>)> {
    let net = demo("models/fashion-cnn.safetensors");
    let (test, train) = (demo("refs/fashion-test.npz"), demo("refs/fashion-train.npz"));
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    let metrics = ["metrics", "--features", &test, "--ref", &train, "--detector", "fashion-cnn"];
    vec![
        ("fidelis", words(&["presets"])),
        ("fidelis", words(&["presets", "--json"])),
        ("fidelis", words(&["presets", "edm2-img512-s-autog-fid"])),
        ("fidelis", words(&metrics)),
        ("fidelis", words(&["--help"])),
        ("fidelis-worker", words(&["info", &net])),
        ("fidelis-worker", words(&["info", &net, "--json"])),
        ("fidelis-worker", words(&["--version"])),
    ]
}

/// A run without a net, of `num_images` images that take as long as `more` says.
fn spec(folder: &Path, num_images: u64, more: &str) -> Result<String> {
    let detector = unread_detector(folder)?;
    let path = folder.join("quick.toml");
    let last = num_images - 1;
    let text = format!(
        "name = \"quick\"\nengine = \"synthetic\"\nseeds = \"0-{last}\"\nchunk_size = 16\nmicro_batch = 8\n{more}\n\
         {detector}"
    );
    fs::write(&path, text)?;
    Ok(self::text(&path))
}

#[test]
fn a_reader_that_went_away_ends_a_listing_quietly() -> Result<()> {
    for (name, args) in listings() {
        let outcome = Outcome::with_stdout(closed_pipe()?, name, &args)?;
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{name} {args:?}");
    }
    Ok(())
}

#[test]
fn a_full_disk_is_one_line_and_75() -> Result<()> {
    for (name, args) in listings() {
        let outcome = Outcome::with_stdout(full_disk()?, name, &args)?;
        assert_eq!(outcome.code, Some(i32::from(exit::INFRASTRUCTURE)), "{name} {args:?} {outcome:?}");
        let line = outcome.error_line();
        assert!(line.contains("cannot write to stdout") && line.contains("No space left"), "{line}");
    }
    Ok(())
}

#[test]
fn a_closed_stderr_is_no_reason_to_panic() -> Result<()> {
    let wrong = ["metrics", "--features", "/nowhere.npz", "--ref", "/nowhere.npz"];
    let code = Outcome::code_with_outputs([Stdio::null(), closed_pipe()?], "fidelis", &wrong)?;
    assert_eq!(code, Some(i32::from(exit::USAGE)));
    let code = Outcome::code_with_outputs([Stdio::null(), closed_pipe()?], "fidelis-worker", &["nonsense"])?;
    assert_eq!(code, Some(i32::from(exit::USAGE)));
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("out");
    let args = ["local", &spec(folder.path(), 64, "")?, "--out", &text(&out)];
    let code = Outcome::code_with_outputs([closed_pipe()?, closed_pipe()?], "fidelis", &args)?;
    assert_eq!(code, Some(0));
    assert!(out.join("report.html").exists(), "the work went on");
    Ok(())
}

/// `fidelis local … --json | head -1`: the reader leaves in the middle of the work.
#[test]
fn a_job_goes_on_when_its_reader_goes_away() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("out");
    let args = ["local", &spec(folder.path(), 64, "")?, "--out", &text(&out), "--json"];
    let outcome = Outcome::with_stdout(closed_pipe()?, "fidelis", &args)?;
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    assert!(out.join("report.html").exists() && !outcome.stderr.contains("panicked"), "{outcome:#?}");
    // Nor does a full disk undo what was done; but it is told.
    let outcome = Outcome::with_stdout(full_disk()?, "fidelis", &args)?;
    assert_eq!(outcome.code, Some(i32::from(exit::INFRASTRUCTURE)), "{outcome:#?}");
    assert!(outcome.stderr.lines().last().is_some_and(|line| line.contains("cannot write to stdout")));
    Ok(())
}

fn images(folder: &Path) -> Result<String> {
    fs::create_dir(folder)?;
    for (i, pixels) in fashion_mnist::test_images(8)?.iter().enumerate() {
        fs::write(folder.join(format!("{i}.png")), fashion_mnist::png(pixels)?)?;
    }
    Ok(text(folder))
}

/// What was computed is never only in a store that goes with the command.
#[test]
fn a_score_that_cannot_be_printed_is_kept_and_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (images, reference) = (images(&folder.path().join("images"))?, demo("refs/fashion-test.npz"));
    let weights = demo("models/fashion-cnn.safetensors");
    let mut args = vec!["calc", "--images", &images, "--ref", &reference, "--detector", "fashion-cnn"];
    args.extend(["--weights", &weights]);
    let outcome = Outcome::with_stdout(full_disk()?, "fidelis", &args)?;
    assert_eq!(outcome.code, Some(i32::from(exit::INFRASTRUCTURE)), "{outcome:#?}");
    let line = outcome.stderr.lines().find(|line| line.contains("is kept as")).context("nothing is kept")?;
    let kept = Path::new(line.split('`').nth(1).context("no path")?);
    let result: Value = serde_json::from_slice(&fs::read(kept)?)?;
    assert_eq!(result["num_images"], 8);
    fs::remove_dir_all(kept.parent().context("no folder")?)?;
    Ok(())
}

/// Each command with its output in the place of `OUT`. What they would read is not there: were it looked at first, that
/// would be the complaint.
const WRITERS: [(&str, &str); 7] = [
    ("fidelis", "ref --data /nowhere --detector fashion-cnn --weights /nowhere --dest OUT.npz"),
    ("fidelis", "ref --features /nowhere.safetensors --dest OUT.npz"),
    ("fidelis-worker", "sample --net /nowhere.pkl --seeds 0 --out OUT.safetensors"),
    ("fidelis-worker", "sample --net /nowhere.pkl --seeds 0 --out /tmp/never.safetensors --png OUT.png"),
    (
        "fidelis-worker",
        "features --images /nowhere --detector fashion-cnn --weights /nowhere --out OUT.safetensors",
    ),
    ("fidelis-worker", "convert /nowhere.pkl OUT.safetensors"),
    ("fidelis-worker", "train detector --data /nowhere --test /nowhere --out OUT.safetensors"),
];

/// The same for folders.
const FOLDERS: [(&str, &str); 4] = [
    ("fidelis-worker", "train --recipe /nowhere.toml --data /nowhere --outdir OUT"),
    ("fidelis", "local /nowhere.toml --out OUT"),
    ("fidelis", "calc --images /nowhere --ref /nowhere --detector fashion-cnn --weights /nowhere --work OUT"),
    (
        "fidelis",
        "ref --data /nowhere --detector fashion-cnn --weights /nowhere --dest /tmp/never.npz --work OUT",
    ),
];

fn refused(name: &str, words: &str, out: &Path) -> Result<()> {
    let out = text(out);
    let args: Vec<String> = words.split(' ').map(|word| word.replace("OUT", &out)).collect();
    let outcome = Outcome::of(name, &args, &[])?;
    let line = outcome.error_line();
    assert_eq!(outcome.code, Some(i32::from(exit::USAGE)), "{args:?} {outcome:#?}");
    assert!(
        line.contains("cannot write `") && line.contains(&out) && !line.contains("nowhere"),
        "{args:?}: {line}"
    );
    Ok(())
}

#[test]
fn an_output_that_cannot_be_written_is_found_before_anything_is_read() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    fs::write(at("file"), "old")?;
    for suffix in [".npz", ".safetensors", ".png"] {
        fs::create_dir(at(&format!("taken{suffix}")))?;
    }
    for (name, words) in WRITERS {
        refused(name, words, Path::new("/proc/x"))?;
        refused(name, words, &at("file/x"))?;
        refused(name, words, &at("taken"))?;
    }
    for (name, words) in FOLDERS {
        refused(name, words, Path::new("/proc/x"))?;
        refused(name, words, &at("file"))?;
    }
    let left: Vec<_> = fs::read_dir(folder.path())?.collect::<Result<_, _>>()?;
    assert_eq!((left.len(), fs::read(at("file"))?), (4, b"old".to_vec()), "nothing new, nothing cut short");
    Ok(())
}

#[test]
fn two_outputs_are_two_files() -> Result<()> {
    let args = ["sample", "--net", "/nowhere", "--seeds", "0", "--out", "/tmp/x.png", "--png", "/tmp/x.png"];
    let outcome = Outcome::of("fidelis-worker", &args, &[])?;
    assert!(outcome.error_line().contains("`--out` and `--png`"), "{outcome:#?}");
    Ok(())
}

/// Starts a command whose SIGHUP is as `env` is told, waits until `sign` is there, hangs up, and waits for its end.
fn hung_up(env: &str, args: &[&str], sign: &Path) -> Result<Option<i32>> {
    let by = ["env".to_owned(), env.to_owned()];
    let mut process = Process::start_by(&by, "fidelis", args, &[])?;
    let deadline = Instant::now() + Duration::from_secs(30);
    while !sign.exists() {
        ensure!(Instant::now() < deadline, "`{}` never came", sign.display());
        std::thread::sleep(Duration::from_millis(20));
    }
    process.signal("-HUP")?;
    process.wait()
}

#[test]
fn a_terminal_that_hangs_up_ends_a_job_as_other_signals_do_unless_nohup_says_otherwise() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let long = spec(folder.path(), 64, "synthetic = { millis_per_image = 100 }")?;
    let out = folder.path().join("out");
    let args = ["local", &long, "--out", &text(&out)];
    let log = out.join("logs/local-0.log");
    assert_eq!(hung_up("--default-signal=HUP", &args, &log)?, Some(i32::from(exit::HUNG_UP)));
    assert!(!out.join("report.html").exists());
    fs::remove_file(&log)?;
    assert_eq!(hung_up("--ignore-signal=HUP", &args, &log)?, Some(0));
    assert!(out.join("report.html").exists());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_terminal_hangs_up_hands_its_chunk_back() -> Result<()> {
    let fleet = Fleet::start().await?;
    let long = spec(fleet.folder(), 64, "synthetic = { millis_per_image = 1000 }")?;
    let submitted = fleet.fidelis(&["submit", &long]).await?;
    ensure!(submitted.code == Some(0), "{submitted:#?}");
    let by = ["env".to_owned(), "--default-signal=HUP".to_owned()];
    let args = ["run", "--name", "left", "--grace-s", "0"].map(OsStr::new);
    let mut worker = Process::start_by(&by, "fidelis-worker", &args, &fleet.env())?;
    fleet.holds_chunk("left").await?;
    worker.signal("-HUP")?;
    assert_eq!(worker.wait()?, Some(i32::from(exit::HUNG_UP)));
    Ok(())
}

/// Names from elsewhere may hold what a terminal obeys.
#[test]
fn nothing_that_a_terminal_obeys_is_printed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let evil = folder.path().join("\x1b[2J\u{9b}31m.npz");
    fs::copy(demo("refs/fashion-test.npz"), &evil)?;
    let shown = |name: &str, args: &[&str]| -> Result<()> {
        let outcome = Outcome::of(name, args, &[])?;
        let all = outcome.stdout.clone() + &outcome.stderr;
        let obeyed = |c: char| c.is_control() && c != '\n' && c != '\t';
        assert!(!all.contains(obeyed) && all.contains("31m"), "{args:?}: {outcome:#?}");
        Ok(())
    };
    let evil = text(&evil);
    shown("fidelis-worker", &["info", &evil])?;
    shown("fidelis-worker", &["info", &evil, "--json"])?;
    shown("fidelis-worker", &["info", &format!("{evil}.gone")])?;
    shown("fidelis-worker", &["sample", "--seeds", &evil])?;
    shown("fidelis", &["metrics", "--features", &evil, "--ref", &demo("refs/none.npz\u{9b}31m")])?;
    shown("fidelis", &["status", &evil, "--store", "s3://x"])?;
    Ok(())
}
