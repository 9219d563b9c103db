//! `fidelis up`: what it prints, a shell evaluates; then a fleet is there to be used.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use fidelis_contract::exit;
use fidelis_tests::{Outcome, Process, binary};

/// Evaluates the block in the file `$1` and becomes the rest.
const EVAL: &str = r#"eval "$(cat "$1")"; shift; exec "$@""#;

/// A server at a desk; killed when dropped.
struct Desk {
    server: Child,
    block: PathBuf,
    said: PathBuf,
}

impl Desk {
    /// Waits until the block is on its stdout.
    fn start(folder: &Path) -> Result<Self> {
        let (block, said) = (folder.join("block"), folder.join("said"));
        let mut command = Command::new(binary("fidelis")?);
        command.arg("up").arg("--out").arg(folder.join("it's a desk"));
        command.stdin(Stdio::null()).stdout(File::create(&block)?).stderr(File::create(&said)?);
        // One that would not be taken.
        command.env("AWS_SESSION_TOKEN", "theirs").env("AWS_PROFILE", "theirs");
        let desk = Self { server: command.spawn()?, block, said };
        let deadline = Instant::now() + Duration::from_secs(30);
        while !fs::read_to_string(&desk.said)?.contains("a terminal that is to use them") {
            ensure!(Instant::now() < deadline, "it is not up: {}", fs::read_to_string(&desk.said)?);
            sleep(Duration::from_millis(20));
        }
        Ok(desk)
    }

    fn before(&self) -> Vec<String> {
        ["sh", "-c", EVAL, "sh", &self.block.display().to_string()].map(str::to_owned).into()
    }

    fn fidelis(&self, args: &[&str]) -> Result<Outcome> {
        let before = self.before();
        let mut command = Command::new(&before[0]);
        command.args(&before[1..]).arg(binary("fidelis")?).args(args);
        command.env("AWS_SESSION_TOKEN", "theirs").env("AWS_PROFILE", "theirs");
        let output = command.stdin(Stdio::null()).output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let outcome = Outcome {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        };
        ensure!(outcome.code == Some(0), "{args:?}: {outcome:#?}");
        Ok(outcome)
    }

    fn stop(mut self, signal: &str) -> Result<Option<i32>> {
        let told = Command::new("kill").args([signal, &self.server.id().to_string()]).status()?;
        ensure!(told.success(), "kill {signal} failed");
        Ok(self.server.wait()?.code())
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.server.kill().ok();
        self.server.wait().ok();
    }
}

/// The socket's folder, which goes with the server.
fn redis_of(block: &str) -> Result<PathBuf> {
    let line = block.lines().find_map(|line| line.strip_prefix("export FIDELIS_REDIS=unix://"));
    let socket = line.with_context(|| format!("no socket in: {block}"))?;
    Ok(PathBuf::from(socket).parent().context("no folder")?.to_owned())
}

#[test]
fn a_fleet_at_a_desk_keeps_its_store() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let spec = folder.path().join("desk.toml");
    let text = "name = \"desk\"\nengine = \"synthetic\"\nseeds = \"0-63\"\nchunk_size = 8\nmicro_batch = 8\n\
                outputs = { latents = true }\n";
    fs::write(&spec, text)?;
    let spec = spec.display().to_string();
    let desk = Desk::start(folder.path())?;
    let block = fs::read_to_string(&desk.block)?;
    assert!(block.lines().all(|line| line.starts_with("export ") || line.starts_with("unset ")), "{block}");
    for name in ["FIDELIS_REDIS", "FIDELIS_STORE", "FIDELIS_S3_ENDPOINT", "AWS_SECRET_ACCESS_KEY"] {
        assert_eq!(block.matches(&format!("export {name}=")).count(), 1, "{block}");
    }
    let file = folder.path().join("it's a desk/fleet.env");
    assert_eq!(fs::read_to_string(&file)?, block);
    assert_eq!(fs::metadata(&file)?.permissions().mode() & 0o777, 0o600);

    let run = desk.fidelis(&["submit", &spec])?.stdout.trim().to_owned();
    let mut worker = Process::start_by(&desk.before(), "fidelis-worker", &["run", "--name", "w"], &[])?;
    desk.fidelis(&["watch", &run])?;
    desk.fidelis(&["report", &run])?;
    worker.signal("-TERM")?;
    worker.wait()?;
    let success = folder.path().join("it's a desk/store/fidelis/runs").join(&run).join("_SUCCESS");
    assert!(success.is_file(), "the store lies in the folder");

    let redis = redis_of(&block)?;
    assert!(redis.is_dir());
    let busy = Outcome::of(
        "fidelis",
        &["up".to_owned(), "--out".to_owned(), folder.path().join("it's a desk").display().to_string()],
        &[],
    )?;
    assert_eq!(busy.code, Some(i32::from(exit::INFRASTRUCTURE)), "{busy:#?}");
    assert!(busy.error_line().contains("served by another fidelis"), "{}", busy.stderr);
    assert_eq!(fs::read_to_string(&file)?, block, "the one that runs is not disturbed");
    assert_eq!(desk.stop("-TERM")?, Some(i32::from(exit::TERMINATED)));
    assert!(!file.exists() && !redis.exists(), "keys and queue go with the servers");

    let desk = Desk::start(folder.path())?;
    // Nothing is left to make, so no worker is needed.
    let again = desk.fidelis(&["run", &spec])?;
    assert!(again.stderr.contains("8 of 8 chunks are stored already"), "{again:#?}");
    assert_eq!(desk.stop("-INT")?, Some(i32::from(exit::INTERRUPTED)));
    Ok(())
}

#[test]
fn a_folder_that_cannot_be_served_is_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("file");
    fs::write(&file, "")?;
    let outcome = Outcome::of("fidelis", &["up", "--out", &file.display().to_string()], &[])?;
    if outcome.code != Some(i32::from(exit::USAGE)) {
        bail!("{outcome:#?}");
    }
    assert!(outcome.error_line().contains(&file.display().to_string()), "{}", outcome.stderr);
    assert_eq!(outcome.stdout, "");
    Ok(())
}
