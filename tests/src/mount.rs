//! File systems that are full or read-only, and really so: a tmpfs that one program and its children see.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

/// In namespaces of their own, for mounts, and for processes, so that all of them end with the first.
const UNSHARE: [&str; 6] = ["unshare", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child"];

/// A tmpfs with `options` of mount(8) on an existing folder.
#[derive(Debug, Clone)]
pub struct Tmpfs<'a> {
    pub folder: &'a Path,
    pub options: &'a str,
}

impl Tmpfs<'_> {
    /// Words to start a program by, which then sees it; its stderr goes to the file `log`.
    pub fn around(&self, log: &Path) -> Vec<String> {
        self.script(&format!("exec \"$@\" 2>>'{}'", log.display()))
    }

    /// Words that mount it and then go on with a shell script, whose arguments are to follow.
    pub fn script(&self, rest: &str) -> Vec<String> {
        let Self { folder, options } = self;
        let script = format!("set -e; mount -t tmpfs -o {options} tmpfs '{}'; {rest}", folder.display());
        UNSHARE.into_iter().chain(["sh", "-c", &script, "sh"]).map(str::to_owned).collect()
    }
}

/// Whether this machine lets us mount; else says on stderr that a test is skipped, and why.
pub fn is_permitted() -> Result<bool> {
    let folder = tempfile::tempdir()?;
    let words = Tmpfs { folder: folder.path(), options: "size=4k" }.script("true");
    let output = Command::new(&words[0]).args(&words[1..]).output();
    let refusal = match output {
        Ok(output) if output.status.success() => return Ok(true),
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    eprintln!("SKIPPED: `{}` is not permitted here: {refusal}", UNSHARE.join(" "));
    Ok(false)
}
