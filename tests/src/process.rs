//! The binaries under test, as child processes.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context, Result, ensure};

/// The repository's folder.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the repository")
}

/// One of our binaries, beside the program that is running or, for a test, one folder up: `make test` builds them first.
pub fn binary(name: &str) -> Result<PathBuf> {
    let running = std::env::current_exe()?;
    let mut places = running.ancestors().skip(1).take(2).map(|folder| folder.join(name));
    places.find(|path| path.exists()).with_context(|| format!("`{name}` is not built: run `make build`"))
}

/// How a command ended.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    /// Runs `binary` with nothing of the caller's own fidelis settings.
    pub fn of<S: AsRef<OsStr>>(name: &str, args: &[S], env: &[(String, String)]) -> Result<Self> {
        let output = command(name, args, env)?.output()?;
        Ok(Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs `binary` with its stdout elsewhere; only what it says on stderr is kept.
    pub fn with_stdout<S: AsRef<OsStr>>(stdout: impl Into<Stdio>, name: &str, args: &[S]) -> Result<Self> {
        let mut command = command(name, args, &[])?;
        let output = command.stdout(stdout).stderr(Stdio::piped()).spawn()?.wait_with_output()?;
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok(Self { code: output.status.code(), stdout: String::new(), stderr })
    }

    /// Runs `binary` with both of its outputs elsewhere; gives its exit code.
    pub fn code_with_outputs<S: AsRef<OsStr>>(
        outputs: [Stdio; 2],
        name: &str,
        args: &[S],
    ) -> Result<Option<i32>> {
        let [stdout, stderr] = outputs;
        Ok(command(name, args, &[])?.stdout(stdout).stderr(stderr).status()?.code())
    }

    /// The one line that the command had to say about its failure.
    pub fn error_line(&self) -> &str {
        let lines: Vec<&str> = self.stderr.lines().filter(|line| !line.trim().is_empty()).collect();
        assert_eq!(lines.len(), 1, "one clear line was expected on stderr: {self:#?}");
        lines[0]
    }
}

/// A child that is killed when dropped.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts `binary`; its words go to the test's own stderr.
    pub fn start<S: AsRef<OsStr>>(name: &str, args: &[S], env: &[(String, String)]) -> Result<Self> {
        Self::start_by(&[], name, args, env)
    }

    /// Starts `binary` by another program, whose words stand before.
    pub fn start_by<S: AsRef<OsStr>>(
        before: &[String],
        name: &str,
        args: &[S],
        env: &[(String, String)],
    ) -> Result<Self> {
        let mut command = match before.split_first() {
            Some((program, words)) => {
                let mut command = Command::new(program);
                command.args(words).arg(binary(name)?);
                command
            }
            None => Command::new(binary(name)?),
        };
        prepare(&mut command, args, env);
        Ok(Self(command.stdout(Stdio::null()).spawn()?))
    }

    /// Starts any program; its words go to the test's own stderr.
    pub fn start_program<S: AsRef<OsStr>>(program: &str, args: &[S]) -> Result<Self> {
        let mut command = Command::new(program);
        prepare(&mut command, args, &[]);
        Ok(Self(command.stdout(Stdio::null()).spawn()?))
    }

    /// Starts `binary`; all its words go to a file.
    pub fn start_logged<S: AsRef<OsStr>>(
        name: &str,
        args: &[S],
        env: &[(String, String)],
        log: &Path,
    ) -> Result<Self> {
        let log = std::fs::File::create(log)?;
        Ok(Self(command(name, args, env)?.stdout(log.try_clone()?).stderr(log).spawn()?))
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Sends a signal, such as `-KILL` or `-TERM`.
    pub fn signal(&self, signal: &str) -> Result<()> {
        let status = Command::new("kill").args([signal, &self.pid().to_string()]).status()?;
        ensure!(status.success(), "kill {signal} failed");
        Ok(())
    }

    /// How it ended, if it has.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.0.try_wait()?)
    }

    /// Waits for the end; none when a signal ended it.
    pub fn wait(&mut self) -> Result<Option<i32>> {
        Ok(self.0.wait()?.code())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Already gone is as good.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn command<S: AsRef<OsStr>>(name: &str, args: &[S], env: &[(String, String)]) -> Result<Command> {
    let mut command = Command::new(binary(name)?);
    prepare(&mut command, args, env);
    Ok(command)
}

fn prepare<S: AsRef<OsStr>>(command: &mut Command, args: &[S], env: &[(String, String)]) {
    for (key, _) in std::env::vars().filter(|(key, _)| key.starts_with("FIDELIS_") || key.starts_with("AWS_"))
    {
        if key != "FIDELIS_REDIS_SERVER" {
            command.env_remove(key);
        }
    }
    command.args(args).envs(env.iter().cloned()).stdin(Stdio::null());
}
