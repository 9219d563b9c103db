//! Narrow users, TLS, keys that expire, and secrets that stay where they are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use fidelis_contract::exit;
use fidelis_embedded::S3Server;
use fidelis_fleet::store::StoreCredentials;
use fidelis_tests::secure_redis::{SecureRedis, authority};
use fidelis_tests::{Outcome, Process, unread_detector};
use tempfile::TempDir;

const REDIS_PASSWORD: &str = "pl4nted-redis-password";
const S3_SECRET: &str = "pl4nted-s3-secret";
const URL_SECRET: &str = "pl4nted-url-secret";
const SECRETS: [&str; 3] = [REDIS_PASSWORD, S3_SECRET, URL_SECRET];

struct Place {
    redis: SecureRedis,
    s3: S3Server,
    folder: TempDir,
}

impl Place {
    async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let credentials =
            StoreCredentials { access_key: "narrow".to_owned(), secret_key: S3_SECRET.to_owned() };
        let s3 = S3Server::start(&folder.path().join("s3"), "tests", Some(credentials)).await?;
        Ok(Self { redis: SecureRedis::start(REDIS_PASSWORD)?, s3, folder })
    }

    fn env(&self) -> BTreeMap<String, String> {
        let pairs = [
            ("FIDELIS_REDIS", self.redis.url()),
            ("FIDELIS_STORE", "s3://tests/fleet".to_owned()),
            ("FIDELIS_S3_ENDPOINT", self.s3.endpoint()),
            ("AWS_ACCESS_KEY_ID", "narrow".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", S3_SECRET.to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("SSL_CERT_FILE", authority().display().to_string()),
        ];
        pairs.map(|(key, value)| (key.to_owned(), value)).into()
    }

    /// A run that needs no nets.
    fn spec(&self, more: &str) -> Result<String> {
        let detector = unread_detector(self.folder.path())?;
        let path = self.folder.path().join("secure.toml");
        let text = format!(
            "name = \"secure\"\nengine = \"synthetic\"\nseeds = \"0-63\"\nchunk_size = 8\nmicro_batch = 8\n{more}\n\
             {detector}"
        );
        fs::write(&path, text)?;
        Ok(path.display().to_string())
    }

    async fn run(&self, name: &'static str, args: &[&str], env: BTreeMap<String, String>) -> Result<Outcome> {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        let env: Vec<_> = env.into_iter().collect();
        tokio::task::spawn_blocking(move || Outcome::of(name, &args, &env)).await?
    }

    fn worker(&self, env: BTreeMap<String, String>, log: &Path) -> Result<Process> {
        let env: Vec<_> = env.into_iter().collect();
        Process::start_logged("fidelis-worker", &["run", "--name", "w", "--lease-ms", "1500"], &env, log)
    }
}

fn with(mut env: BTreeMap<String, String>, key: &str, value: &str) -> BTreeMap<String, String> {
    env.insert(key.to_owned(), value.to_owned());
    env
}

fn without(mut env: BTreeMap<String, String>, keys: &[&str]) -> BTreeMap<String, String> {
    keys.iter().for_each(|key| drop(env.remove(*key)));
    env
}

fn assert_no_secret(what: &str, text: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "`{secret}` is in {what}:\n{text}");
    }
}

/// Every file below a folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut found, mut waiting) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() { waiting.push(path) } else { found.push(path) }
        }
    }
    Ok(found)
}

/// TLS, a user of `fidelis:*` and of the commands that are used, everything logged that can be: the run is made, and
/// nowhere does a secret stand.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_over_tls_by_a_narrow_user_tells_no_secret() -> Result<()> {
    let place = Place::start().await?;
    let spec = place.spec("")?;
    let env = with(place.env(), "FIDELIS_LOG", "trace");
    let log = place.folder.path().join("worker.log");
    let mut worker = place.worker(env.clone(), &log)?;
    let outcome = place.run("fidelis", &["run", &spec], env.clone()).await?;
    ensure!(outcome.code == Some(0), "{outcome:#?}");
    assert_no_secret("the scheduler's output", &format!("{}{}", outcome.stdout, outcome.stderr));
    for command in ["status", "verify", "cancel", "retry"] {
        let outcome = place.run("fidelis", &[command, &spec], env.clone()).await?;
        ensure!(outcome.code == Some(0), "{command}: {outcome:#?}");
        assert_no_secret(command, &format!("{}{}", outcome.stdout, outcome.stderr));
    }
    worker.signal("-TERM")?;
    tokio::task::spawn_blocking(move || worker.wait()).await??;
    let said = fs::read_to_string(log)?;
    assert!(said.contains("ready"), "the worker logs: {said}");
    assert_no_secret("the worker's log", &said);
    let stored = files(&place.folder.path().join("s3"))?;
    assert!(stored.len() > 16, "{stored:?}");
    for path in stored {
        assert_no_secret(&path.display().to_string(), &String::from_utf8_lossy(&fs::read(&path)?));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_told_without_secrets() -> Result<()> {
    let place = Place::start().await?;
    let (spec, env) = (place.spec("")?, place.env());
    let elsewhere = place.redis.url().replace(REDIS_PASSWORD, URL_SECRET);
    let port = place.redis.url().rsplit(':').next().unwrap_or_default().to_owned();
    let cases = [
        // Whose certificate nobody here signed.
        ("tls", without(env.clone(), &["SSL_CERT_FILE"]), exit::INFRASTRUCTURE, "localhost"),
        (
            "password",
            with(env.clone(), "FIDELIS_REDIS", &elsewhere),
            exit::INFRASTRUCTURE,
            "refused the login",
        ),
        (
            "no tls",
            with(env.clone(), "FIDELIS_REDIS", &format!("redis://:{URL_SECRET}@localhost:{port}")),
            exit::INFRASTRUCTURE,
            "localhost",
        ),
        (
            "s3 secret",
            with(env.clone(), "AWS_SECRET_ACCESS_KEY", URL_SECRET),
            exit::INFRASTRUCTURE,
            "credentials",
        ),
        ("s3 key", with(env.clone(), "AWS_ACCESS_KEY_ID", "stranger"), exit::INFRASTRUCTURE, "credentials"),
        (
            "store url",
            with(env.clone(), "FIDELIS_STORE", &format!("s3://me:{URL_SECRET}@tests/fleet")),
            exit::USAGE,
            "s3://tests",
        ),
        (
            "endpoint",
            with(env.clone(), "FIDELIS_S3_ENDPOINT", &format!("http://me:{URL_SECRET}@localhost:1")),
            exit::USAGE,
            "http://localhost:1",
        ),
    ];
    for (name, env, code, words) in cases {
        for (binary, args) in [("fidelis", &["submit", &spec][..]), ("fidelis-worker", &["run"])] {
            let outcome = place.run(binary, args, env.clone()).await?;
            ensure!(outcome.code == Some(i32::from(code)), "{name}: {outcome:#?}");
            let line = outcome.error_line();
            assert!(line.contains(words), "{name}: `{words}` is not in: {line}");
            assert_no_secret(name, &format!("{}{}", outcome.stdout, outcome.stderr));
        }
        let env = with(env, "FIDELIS_LOG", "trace");
        let outcome = place.run("fidelis", &["submit", &spec], env).await?;
        assert_no_secret(name, &format!("{}{}", outcome.stdout, outcome.stderr));
    }
    assert_eq!(files(&place.folder.path().join("s3/tests"))?, Vec::<PathBuf>::new(), "nothing was written");
    Ok(())
}

/// Keys that last a few seconds, from a program, as roles and single sign-on hand them out. While the program still
/// has the old ones, the store refuses them: that is waited out.
#[tokio::test(flavor = "multi_thread")]
async fn keys_that_expire_are_renewed_in_mid_run() -> Result<()> {
    let place = Place::start().await?;
    let folder = place.folder.path();
    let keys = folder.join("keys");
    let program = folder.join("hand-out.sh");
    let script = format!(
        "#!/bin/sh\nread -r id secret < {}\nprintf '{{\"Version\":1,\"AccessKeyId\":\"%s\",\
         \"SecretAccessKey\":\"%s\",\"Expiration\":\"%s\"}}' \"$id\" \"$secret\" \
         \"$(date -u -d '+4 seconds' +%Y-%m-%dT%H:%M:%SZ)\"\n",
        keys.display()
    );
    fs::write(&program, script)?;
    fs::write(
        folder.join("config"),
        format!("[profile short]\ncredential_process = sh {}\n", program.display()),
    )?;
    let env = without(place.env(), &["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]);
    let env = with(
        with(env, "AWS_CONFIG_FILE", &folder.join("config").display().to_string()),
        "AWS_PROFILE",
        "short",
    );
    fs::write(&keys, format!("narrow {S3_SECRET}\n"))?;
    let spec = place.spec("synthetic = { millis_per_image = 100 }")?;
    let _worker = place.worker(env.clone(), &folder.join("worker.log"))?;
    let mut run = Process::start("fidelis", &["run", &spec], &env.clone().into_iter().collect::<Vec<_>>())?;
    let run = tokio::task::spawn_blocking(move || run.wait());
    // At its start a command looks once; in mid-run it waits.
    while !files(&folder.join("s3"))?.iter().any(|path| path.ends_with("chunks/000000.json")) {
        ensure!(!run.is_finished(), "the run ended before its first chunk");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut rotations = 0;
    while !run.is_finished() {
        tokio::time::sleep(Duration::from_millis(1200)).await;
        rotations += 1;
        let (access_key, secret_key) = (format!("short-{rotations}"), format!("{S3_SECRET}-{rotations}"));
        place.s3.rotate(StoreCredentials { access_key: access_key.clone(), secret_key: secret_key.clone() });
        tokio::time::sleep(Duration::from_millis(300)).await;
        // Renamed into place: never half a file.
        fs::write(folder.join("keys.new"), format!("{access_key} {secret_key}\n"))?;
        fs::rename(folder.join("keys.new"), &keys)?;
    }
    assert_eq!(
        run.await??,
        Some(0),
        "after {rotations} rotations; {}",
        fs::read_to_string(folder.join("worker.log"))?
    );
    assert!(rotations >= 3, "the keys were to change in mid-run");
    assert_no_secret("the worker's log", &fs::read_to_string(folder.join("worker.log"))?);
    // Nobody renews them any more: one clear line, and safe to run again.
    place.s3.rotate(StoreCredentials { access_key: "other".to_owned(), secret_key: S3_SECRET.to_owned() });
    let outcome = place.run("fidelis", &["status", &spec], env).await?;
    ensure!(outcome.code == Some(i32::from(exit::INFRASTRUCTURE)), "{outcome:#?}");
    assert!(outcome.error_line().contains("credentials"), "{}", outcome.stderr);
    Ok(())
}

/// All processes below a process, itself included.
fn family(pid: u32) -> Result<BTreeSet<u32>> {
    let mut parents = BTreeMap::new();
    for entry in fs::read_dir("/proc")? {
        let Some(child) = entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        let parent =
            stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse::<u32>().ok());
        parents.insert(child, parent.unwrap_or_default());
    }
    let mut family = BTreeSet::from([pid]);
    while let Some(child) =
        parents.iter().find(|(child, parent)| family.contains(parent) && !family.contains(child))
    {
        family.insert(*child.0);
    }
    Ok(family)
}

/// Local addresses, in the kernel's hex, on which processes listen.
fn listening(pids: &BTreeSet<u32>) -> Result<Vec<String>> {
    let mut inodes = BTreeSet::new();
    for pid in pids {
        for entry in fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
            let link = fs::read_link(entry.path()).unwrap_or_default().display().to_string();
            inodes.extend(link.strip_prefix("socket:[").map(|rest| rest.trim_end_matches(']').to_owned()));
        }
    }
    let mut found = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6", "/proc/net/udp", "/proc/net/udp6"] {
        // A machine without IPv6 has no such table.
        for line in fs::read_to_string(table).unwrap_or_default().lines().skip(1) {
            let words: Vec<&str> = line.split_whitespace().collect();
            const LISTEN: &str = "0A";
            let bound = table.contains("udp") || words.get(3) == Some(&LISTEN);
            if bound && words.get(9).is_some_and(|inode| inodes.contains(*inode)) {
                found.push(words[1].to_owned());
            }
        }
    }
    Ok(found)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_listens_on_a_public_address() -> Result<()> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("weights"), b"unused")?;
    let spec = folder.path().join("local.toml");
    let text = "name = \"local\"\nengine = \"synthetic\"\nseeds = \"0-63\"\nchunk_size = 8\nmicro_batch = 8\n\
                synthetic = { millis_per_image = 2000 }\noutputs = { latents = true }\n";
    fs::write(&spec, text)?;
    let out = folder.path().join("out");
    let args = ["local", &spec.display().to_string(), "--out", &out.display().to_string()];
    let local = Process::start("fidelis", &args, &[])?;
    let deadline = Instant::now() + Duration::from_secs(60);
    let log = out.join("logs/local-0.log");
    while !fs::read_to_string(&log).unwrap_or_default().contains("ready") {
        ensure!(Instant::now() < deadline, "no worker is ready");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let family = family(local.pid())?;
    assert!(family.len() >= 3, "fidelis, redis-server and a worker: {family:?}");
    let found = listening(&family)?;
    assert_eq!(found.len(), 1, "the embedded S3 server alone has a port: {found:?}");
    // 127.0.0.1, in the kernel's byte order.
    assert!(found.iter().all(|address| address.starts_with("0100007F:")), "{found:?}");
    local.signal("-KILL")
}
