//! Bad input ends in one clear line and the documented exit code, with nothing left behind.

use std::path::Path;

use anyhow::Result;
use fidelis_contract::exit;
use fidelis_tests::{Fleet, Outcome, repository};

fn models() -> String {
    repository().join("infra/demo/models").display().to_string()
}

fn spec(more: &str) -> String {
    let models = models();
    format!(
        r#"
name = "bad"
{more}
micro_batch = 4
chunk_size = 4
net = "{models}/fashion-net.safetensors"
[sampler]
num_steps = 2
[[detectors]]
name = "fashion-cnn"
weights = "{models}/fashion-cnn.safetensors"
"#
    )
}

fn check(outcome: &Outcome, code: u8, words: &[&str]) {
    let line = outcome.error_line();
    assert_eq!(outcome.code, Some(i32::from(code)), "{outcome:#?}");
    for word in words {
        assert!(line.contains(word), "`{word}` is not in: {line}");
    }
}

async fn submit(fleet: &Fleet, text: &str) -> Result<Outcome> {
    let path = fleet.spec("bad", text)?.display().to_string();
    fleet.fidelis(&["submit", &path]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_spec_is_refused_by_field() -> Result<()> {
    let fleet = Fleet::start().await?;
    let cases: [(&str, &[&str]); 6] = [
        ("seeds = \"0-7\"\nguidence = 2", &["guidence"]),
        ("seeds = \"0-7\"\nguidance = 2", &["guidance", "gnet"]),
        ("seeds = \"5-7,0-3\"", &["seeds"]),
        ("seeds = \"1,1\"", &["seeds"]),
        ("seeds = \"\"", &["seeds"]),
        ("seeds = \"0-7\"\ngnet = \"/nowhere/gnet.safetensors\"", &["gnet", "/nowhere/gnet.safetensors"]),
    ];
    for (more, words) in cases {
        check(&submit(&fleet, &spec(more)).await?, exit::USAGE, words);
    }
    assert!(fleet.keys().await?.is_empty(), "a refused spec leaves nothing in the store");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_are_not_there_are_named() -> Result<()> {
    let fleet = Fleet::start().await?;
    let path = fleet.spec("bad", &spec("seeds = \"0-7\""))?.display().to_string();
    let with = |key: &str, value: &str| {
        let mut env = fleet.env();
        env.retain(|(k, _)| k != key);
        env.push((key.to_owned(), value.to_owned()));
        env
    };
    let run = async |env: Vec<(String, String)>, name: &'static str, args: Vec<String>| {
        tokio::task::spawn_blocking(move || Outcome::of(name, &args, &env)).await?
    };
    let submit = || vec!["submit".to_owned(), path.clone()];
    let work = || vec!["run".to_owned()];
    for (name, args) in [("fidelis", submit()), ("fidelis-worker", work())] {
        let no_redis = run(with("FIDELIS_REDIS", "redis://:secret@127.0.0.1:1"), name, args.clone()).await?;
        check(&no_redis, exit::INFRASTRUCTURE, &["127.0.0.1:1"]);
        assert!(!no_redis.stderr.contains("secret"), "{}", no_redis.stderr);
        let no_bucket = run(with("FIDELIS_STORE", "s3://nowhere/fleet"), name, args.clone()).await?;
        check(&no_bucket, exit::INFRASTRUCTURE, &["nowhere"]);
        let no_server = run(with("FIDELIS_S3_ENDPOINT", "http://127.0.0.1:1"), name, args).await?;
        check(&no_server, exit::INFRASTRUCTURE, &["127.0.0.1:1"]);
    }
    Ok(())
}

fn sample(net: &Path, more: &[&str]) -> Result<Outcome> {
    let folder = tempfile::tempdir()?;
    let (out, net) = (folder.path().join("out.safetensors"), net.display().to_string());
    let out_text = out.display().to_string();
    let mut args = vec!["sample", "--net", &net, "--out", &out_text];
    args.extend(more);
    let outcome = Outcome::of("fidelis-worker", &args, &[])?;
    assert_eq!(std::fs::read_dir(folder.path())?.count(), 0, "nothing half-written stays: {outcome:#?}");
    Ok(outcome)
}

#[test]
fn a_missing_or_damaged_net_is_named() -> Result<()> {
    check(
        &sample(Path::new("/nowhere/net.safetensors"), &["--seeds", "0"])?,
        exit::USAGE,
        &["/nowhere/net.safetensors"],
    );
    let folder = tempfile::tempdir()?;
    let whole = std::fs::read(Path::new(&models()).join("fashion-net.safetensors"))?;
    let damaged = folder.path().join("damaged.safetensors");
    for bytes in [&whole[..whole.len() / 2], &whole[..5], &[0xff; 4096], b""] {
        std::fs::write(&damaged, bytes)?;
        check(&sample(&damaged, &["--seeds", "0"])?, exit::USAGE, &["damaged.safetensors"]);
    }
    // A weight that is not a number: the file is well formed, the net is not.
    let mut broken = whole.clone();
    let end = broken.len();
    broken[end - 2..].copy_from_slice(&[0xff, 0x7f]);
    std::fs::write(&damaged, broken)?;
    check(&sample(&damaged, &["--seeds", "0"])?, exit::USAGE, &["damaged.safetensors", "not finite"]);
    Ok(())
}

#[test]
fn sampling_refuses_what_it_cannot_do() -> Result<()> {
    let net = Path::new(&models()).join("fashion-net.safetensors");
    check(&sample(&net, &["--seeds", "0", "--guidance", "2"])?, exit::USAGE, &["guidance", "gnet"]);
    check(&sample(&net, &["--seeds", ""])?, exit::USAGE, &["seed"]);
    check(&sample(&net, &["--seeds", "0", "--class", "10"])?, exit::USAGE, &["10"]);
    check(
        &sample(&net, &["--seeds", "0", "--sigma-min", "5", "--sigma-max", "1"])?,
        exit::USAGE,
        &["sigma_min"],
    );
    check(&sample(&net, &["--seeds", "0", "--device", "cuda:0"])?, exit::USAGE, &["cuda:0"]);
    Ok(())
}

/// Nothing is started, and nothing queued, for a run whose files make none.
#[test]
fn files_that_make_no_run_are_refused_before_a_chunk_is_queued() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let whole = std::fs::read(Path::new(&models()).join("fashion-net.safetensors"))?;
    std::fs::write(folder.path().join("damaged.safetensors"), &whole[..whole.len() / 2])?;
    let damaged = spec("seeds = \"0-7\"").replace(&format!("{}/fashion-net", models()), "damaged");
    let fixtures = repository().join("tests/fixtures").display().to_string();
    let misfit = spec(&format!("seeds = \"0-7\"\nguidance = 2\ngnet = \"{fixtures}/edm2-guide.pkl\""));
    let cases: [(&str, &str, &[&str]); 3] = [
        ("damaged", &damaged, &["`net`", "damaged.safetensors"]),
        ("misfit", &misfit, &["net and gnet do not fit", "image shape"]),
        (
            "reference",
            &(spec("seeds = \"0-7\"") + &format!("reference = \"{fixtures}/ref-stats.npz\"")),
            &["64", "128"],
        ),
    ];
    for (name, text, words) in cases {
        let path = folder.path().join(format!("{name}.toml"));
        std::fs::write(&path, text)?;
        let out = folder.path().join("out");
        let args = ["local", &path.display().to_string(), "--out", &out.display().to_string()];
        check(&Outcome::of("fidelis", &args, &[])?, exit::USAGE, words);
        assert!(!out.exists(), "{name}");
    }
    Ok(())
}
