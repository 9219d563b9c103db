//! `fidelis local` in a folder whose disk is full or read-only.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use fidelis_contract::exit;
use fidelis_embedded::LocalStore;
use fidelis_tests::lab::{Baseline, Facts, Lab, LabSpec, check_stored};
use fidelis_tests::mount::{self, Tmpfs};
use fidelis_tests::{Process, binary};

/// `fidelis local`, run as often as a script says into a folder of its own, which no other process sees.
struct Place {
    lab: Lab,
    spec: LabSpec,
}

/// One call, and how the folder was left.
struct Called {
    code: i32,
    stderr: String,
    folder: PathBuf,
}

impl Place {
    async fn new() -> Result<Self> {
        let spec = LabSpec { name: "local".into(), ..LabSpec::default() };
        Ok(Self { lab: Lab::start().await?, spec })
    }

    fn out(&self) -> PathBuf {
        self.lab.folder().join("out")
    }

    /// Goes through `steps` in a tmpfs of `options`; `call N` among them is the command, `$OUT` the folder.
    async fn run(&self, options: &str, steps: &str) -> Result<()> {
        let (out, spec) = (self.out(), self.spec.write(self.lab.folder())?);
        std::fs::create_dir(&out)?;
        // A command that waits for ever is to be a failure and not a hang.
        let script = format!(
            "export OUT='{}'; cd '{}'
             call() {{ n=$1; shift; s=0; timeout 90 '{}' local '{}' --out \"$OUT\" 2>$n.err || s=$?
                      echo $s >$n.code; cp -r \"$OUT\" $n; }}
             {steps}",
            out.display(),
            self.lab.folder().display(),
            binary("fidelis")?.display(),
            spec.display()
        );
        let words = Tmpfs { folder: &out, options }.script(&script);
        let (program, args) = words.split_first().context("no words")?;
        let mut command = Process::start_program(program, args)?;
        assert_eq!(self.lab.ended("the script", &mut command).await?, Some(0));
        Ok(())
    }

    fn called(&self, n: u32) -> Result<Called> {
        let path = |name: String| self.lab.folder().join(name);
        let stderr = std::fs::read_to_string(path(format!("{n}.err")))?;
        let code = std::fs::read_to_string(path(format!("{n}.code")))?.trim().parse()?;
        Ok(Called { code, stderr, folder: path(n.to_string()) })
    }

    async fn facts(&self, folder: &Path) -> Result<Facts> {
        Facts::read(&LocalStore::open(folder).await?.store, &self.spec.run(self.lab.folder())?).await
    }

    async fn check(&self, folder: &Path) -> Result<()> {
        let (facts, run) = (self.facts(folder).await?, self.spec.run(self.lab.folder())?);
        check_stored(&facts, &run, &self.spec).await
    }
}

impl Called {
    /// The one line about how it ended, among those about how it went.
    fn assert_ended(&self, code: u8, words: &[&str]) {
        assert_eq!(self.code, i32::from(code), "{}", self.stderr);
        let lines: Vec<&str> = self.stderr.lines().filter(|line| line.starts_with("fidelis: ")).collect();
        assert_eq!(lines.len(), 1, "{}", self.stderr);
        for word in words {
            assert!(lines[0].contains(word), "`{word}` is not in: {}", lines[0]);
        }
        assert!(!self.stderr.contains("resp=Response"), "a server's own words: {}", self.stderr);
    }
}

/// Full in mid-run: it ends and says what to do, and what it left is what a run leaves. With more room, the same command
/// goes on from there.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_up() -> Result<()> {
    if !mount::is_permitted()? {
        return Ok(());
    }
    let place = Place::new().await?;
    place.run("size=300k", "call 1; mount -o remount,size=64m \"$OUT\"; call 2").await?;
    let out = place.out().display().to_string();
    let (first, second) = (place.called(1)?, place.called(2)?);
    first.assert_ended(exit::INFRASTRUCTURE, &[&out, "No space left on device", "run the same command"]);
    let left = place.facts(&first.folder).await?;
    let stored = left.receipts.len() as u64;
    assert!(0 < stored && stored < place.spec.num_chunks(), "in mid-run: {stored} chunks are stored");
    assert!(left.success.is_none() && left.manifest.is_none(), "I5 no false success");
    let baseline = Baseline::of(&place.spec).await?;
    for (key, digest) in &Baseline::of_facts(&left).objects {
        assert_eq!(baseline.objects.get(key), Some(digest), "I2 content: `{key}`");
    }
    assert_eq!(second.code, 0, "{}", second.stderr);
    place.check(&second.folder).await?;
    let resumed = place.facts(&second.folder).await?;
    assert!(left.receipts.iter().all(|(chunk, receipt)| resumed.receipts.get(chunk) == Some(receipt)));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_from_the_start() -> Result<()> {
    if !mount::is_permitted()? {
        return Ok(());
    }
    let place = Place::new().await?;
    place.run("size=4k", "call 1").await?;
    let out = place.out().display().to_string();
    let words = [out.as_str(), "No space left on device", "run the same command"];
    place.called(1)?.assert_ended(exit::INFRASTRUCTURE, &words);
    Ok(())
}

/// Nothing there yet, and a whole run there already: the folder is the wrong one, and stays as it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_read_only() -> Result<()> {
    if !mount::is_permitted()? {
        return Ok(());
    }
    let place = Place::new().await?;
    let steps = "mount -o remount,ro \"$OUT\"; call 1; mount -o remount,rw \"$OUT\"; call 2; \
                 mount -o remount,ro \"$OUT\"; call 3";
    place.run("size=64m", steps).await?;
    let out = place.out().display().to_string();
    for n in [1, 3] {
        place.called(n)?.assert_ended(exit::USAGE, &[&out, "Read-only file system"]);
    }
    assert_eq!(std::fs::read_dir(place.called(1)?.folder)?.count(), 0, "nothing half-written");
    assert_eq!(place.called(2)?.code, 0);
    place.check(&place.called(3)?.folder).await
}
