//! `fidelis up`: a Redis and an S3 server for a desk, for as long as it runs.

use std::{
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Args;
use fidelis_embedded::LocalFleet;
use fidelis_fleet::{out, queue::QueueSettings, signals::Signals};
use tokio::select;

use super::Failure;

/// What other terminals read, in the folder.
const ENV_FILE: &str = "fleet.env";

/// Where the store lies.
#[derive(Debug, Args)]
pub struct UpArgs {
    /// Folder for the store; what an earlier `up` or `local` left there is found again
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Serves until told to stop; the exit code is then the signal's. Stdout has the lines that a shell evaluates, and
/// nothing else.
pub async fn up(args: UpArgs) -> Result<u8, Failure> {
    let mut signals = Signals::watch().context("cannot watch for signals")?;
    let mut fleet = select! {
        fleet = LocalFleet::start(&args.out, QueueSettings::default().lease) => fleet?,
        code = signals.next() => return Ok(code),
    };
    let block = exports(&fleet.worker_env());
    let file = EnvFile::write(&args.out.join(ENV_FILE), &block)?;
    out::text(&block);
    out::note(format!(
        "redis and an S3 server are up, on this machine alone; the store is `{}`",
        args.out.join("store").display()
    ));
    out::note(format!("a terminal that is to use them: . {}", quoted(&file.0.display().to_string())));
    let disk_failed = fleet.disk_failed();
    select! {
        code = signals.next() => {
            out::note("stopped: the store stays, and the same command serves it again");
            Ok(code)
        }
        error = fleet.failed() => Err(error.into()),
        error = disk_failed => Err(error.into()),
    }
}

/// Lines for a shell. A token of the user's own would go with other keys.
fn exports(env: &[(String, String)]) -> String {
    let lines = env.iter().map(|(name, value)| format!("export {name}={}\n", quoted(value)));
    lines.chain(["unset AWS_SESSION_TOKEN AWS_PROFILE\n".to_owned()]).collect()
}

/// One word of a shell, whatever is in it.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/:._-=+@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Holds a key, so it is for its owner alone, and goes with the server that takes the key.
struct EnvFile(PathBuf);

impl EnvFile {
    fn write(path: &Path, block: &str) -> Result<Self, Failure> {
        // An older one may be open to others.
        fs::remove_file(path).ok();
        let file = fs::File::options().write(true).create_new(true).mode(0o600).open(path);
        let written = file.and_then(|mut file| file.write_all(block.as_bytes()));
        written.with_context(|| format!("cannot write `{}`", path.display()))?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for EnvFile {
    fn drop(&mut self) {
        fs::remove_file(&self.0).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_what_was_meant() {
        let odd = "it's `a` $HOME \"x\" #1";
        let block = exports(&[("A".to_owned(), odd.to_owned()), ("B".to_owned(), "s3://b-1".to_owned())]);
        assert!(block.contains("export B=s3://b-1\n"), "{block}");
        let script = format!("{block}printf '%s' \"$A\"");
        let said = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(String::from_utf8(said.stdout).unwrap(), odd);
    }
}
