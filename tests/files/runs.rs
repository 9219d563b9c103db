//! Runs whose files lie elsewhere.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use fidelis_contract::{exit, ids::Digest};
use fidelis_tests::{Fleet, HttpServer, Outcome, Process, Served, repository};

/// The demo's pair, with `{}` where its files are.
fn spec(net: &str, gnet: &str, more: &str) -> String {
    let demo = repository().join("infra/demo").display().to_string();
    format!(
        r#"
name = "elsewhere"
seeds = "0-7"
net = {net}
gnet = {gnet}
guidance = 1.5
chunk_size = 4
micro_batch = 4
[sampler]
num_steps = 2
[[detectors]]
name = "fashion-cnn"
weights = "{demo}/models/fashion-cnn.safetensors"
{more}
"#
    )
}

fn model(name: &str) -> Result<Vec<u8>> {
    Ok(std::fs::read(repository().join("infra/demo").join(name))?)
}

fn with_cache(fleet: &Fleet, name: &str) -> Vec<(String, String)> {
    let mut env = fleet.env();
    env.push(("FIDELIS_CACHE".to_owned(), fleet.folder().join(name).display().to_string()));
    env
}

async fn fidelis(args: &[&str], env: Vec<(String, String)>) -> Result<Outcome> {
    let args: Vec<String> = args.iter().map(ToString::to_string).collect();
    tokio::task::spawn_blocking(move || Outcome::of("fidelis", &args, &env)).await?
}

/// Submitted here with nets in S3 and a reference on a web server, made there: the worker shares nothing with us but
/// the store and the queue.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_on_another_machine_fetches_what_it_needs() -> Result<()> {
    let (fleet, server) = (Fleet::start().await?, HttpServer::start().await?);
    let net = fleet.put_object("models/net.safetensors", model("models/fashion-net.safetensors")?).await?;
    let gnet = fleet.put_object("models/gnet.safetensors", model("models/fashion-gnet.safetensors")?).await?;
    let reference = Arc::new(model("refs/fashion-train.npz")?);
    let pinned = Digest::of(&reference);
    let reference = Served { bytes: reference, ..Served::default() };
    let reference = server.put("train.npz", reference);
    let more = format!("reference = {{ path = \"{reference}\", sha256 = \"{pinned}\" }}\npublished = 7.5");
    let text = spec(&format!("\"{net}\""), &format!("\"{gnet}\""), &more);
    let path = fleet.spec("elsewhere", &text)?.display().to_string();
    let args = ["run", "--name", "there", "--lanes", "2", "--grace-s", "5"];
    let _worker = Process::start("fidelis-worker", &args, &with_cache(&fleet, "there"))?;
    let outcome = fidelis(&["run", &path], with_cache(&fleet, "here")).await?;
    ensure!(outcome.code == Some(0), "{outcome:#?}");
    assert!(outcome.stdout.contains("published") && outcome.stdout.contains("7.50"), "{}", outcome.stdout);

    let found = fleet.files(&fleet.run_id("elsewhere").await?).await?;
    assert_eq!(found.result["detectors"]["fashion-cnn"]["published"], 7.5);
    let sha256 = Digest::of(&model("models/fashion-net.safetensors")?).to_string();
    assert_eq!(found.result["provenance"]["net_sha256"], sha256);
    assert!(fleet.folder().join("there/sha256").join(&sha256).exists(), "the worker has a copy of its own");
    // Addresses and paths are one run: the digests name it.
    let demo = repository().join("infra/demo");
    let local = |name: &str| format!("\"{}\"", demo.join(name).display());
    let reference = format!("reference = {}", local("refs/fashion-train.npz"));
    let text =
        spec(&local("models/fashion-net.safetensors"), &local("models/fashion-gnet.safetensors"), &reference);
    let path = fleet.spec("paths", &text)?.display().to_string();
    let status = fidelis(&["status", &path, "--json"], with_cache(&fleet, "nowhere")).await?;
    assert!(status.stdout.contains(found.manifest.run.as_str()), "{status:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_pin_is_refused_before_anything_is_queued() -> Result<()> {
    let (fleet, server) = (Fleet::start().await?, HttpServer::start().await?);
    let bytes = Arc::new(model("models/fashion-net.safetensors")?);
    let found = Digest::of(&bytes);
    let url = server.put("net.safetensors", Served { bytes, ..Served::default() });
    let wrong = Digest([7; 32]);
    let gnet = format!("\"{}\"", repository().join("infra/demo/models/fashion-gnet.safetensors").display());
    let text = spec(&format!("{{ path = \"{url}\", sha256 = \"{wrong}\" }}"), &gnet, "");
    let path = fleet.spec("wrong", &text)?.display().to_string();
    for command in ["submit", "run"] {
        let outcome = fidelis(&[command, &path], with_cache(&fleet, "cache")).await?;
        let line = outcome.error_line();
        assert_eq!(outcome.code, Some(exit::USAGE.into()), "{line}");
        for word in ["`net`", &wrong.to_string(), &found.to_string()] {
            assert!(line.contains(word), "{line}");
        }
    }
    assert!(fleet.keys().await?.is_empty(), "nothing is stored");
    assert!(fleet.redis_keys().await?.is_empty(), "nothing is queued");
    assert!(
        !fleet.folder().join("cache/sha256").join(found.to_string()).exists(),
        "the wrong bytes are gone"
    );
    Ok(())
}

/// The digests alone name a run: to look at one, nothing is fetched for what is pinned.
#[tokio::test(flavor = "multi_thread")]
async fn looking_at_a_run_fetches_nothing() -> Result<()> {
    let fleet = Fleet::start().await?;
    let pin = |name: &str| -> Result<String> {
        Ok(format!("{{ path = \"http://127.0.0.1:1/{name}\", sha256 = \"{}\" }}", Digest::of(&model(name)?)))
    };
    let text = spec(&pin("models/fashion-net.safetensors")?, &pin("models/fashion-gnet.safetensors")?, "");
    let path = fleet.spec("pinned", &text)?.display().to_string();
    let outcome = fidelis(&["status", &path], with_cache(&fleet, "cache")).await?;
    assert!(outcome.error_line().contains("the store has no run `elsewhere-"), "{outcome:#?}");
    assert!(!fleet.folder().join("cache").exists());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_in_addresses_go_nowhere() -> Result<()> {
    let fleet = Fleet::start().await?;
    let gnet = "\"https://h.example/g.pkl\"";
    for (net, words) in [
        ("https://ada:hunter2@h.example/net.pkl", "a user's name or password"),
        ("https://h.example/net.pkl?X-Amz-Signature=hunter2", "holds a secret"),
    ] {
        let path = fleet.spec("secret", &spec(&format!("\"{net}\""), gnet, ""))?.display().to_string();
        let outcome = fidelis(&["submit", &path], with_cache(&fleet, "cache")).await?;
        let line = outcome.error_line();
        assert_eq!(outcome.code, Some(exit::USAGE.into()), "{line}");
        assert!(line.contains("`net`") && line.contains(words) && !line.contains("hunter2"), "{line}");
    }
    assert!(fleet.keys().await?.is_empty());
    Ok(())
}

/// S3 objects have versions, ranges and credentials of the store.
#[tokio::test(flavor = "multi_thread")]
async fn objects_that_cannot_be_read_are_one_line() -> Result<()> {
    let fleet = Fleet::start().await?;
    let gnet = format!("\"{}\"", repository().join("infra/demo/models/fashion-gnet.safetensors").display());
    for (net, code, words) in [
        ("s3://tests/models/absent.pkl", exit::USAGE, "there is no such object"),
        ("s3://nowhere/net.pkl", exit::INFRASTRUCTURE, "bucket `nowhere` does not exist"),
        ("s3://tests/models/", exit::USAGE, "it names a folder"),
    ] {
        let path = fleet.spec("absent", &spec(&format!("\"{net}\""), &gnet, ""))?.display().to_string();
        let outcome = fidelis(&["submit", &path], with_cache(&fleet, "cache")).await?;
        let line = outcome.error_line();
        assert!(
            outcome.code == Some(code.into()) && line.contains(words) && line.contains("`net`"),
            "{line}"
        );
    }
    Ok(())
}

/// A preset's files from a site of one's own: what is missing there is named before anything is queued.
#[tokio::test(flavor = "multi_thread")]
async fn a_preset_is_a_spec() -> Result<()> {
    let (fleet, server) = (Fleet::start().await?, HttpServer::start().await?);
    let site = server.put("x", Served::default()).replace("/x", "/mirror");
    let name = "edm2-img64-s-autog-fid";
    let preset = ["submit", "--preset", name, "--seeds", "0-3", "--models-url", &site, "--precision", "fp32"];
    let outcome = fidelis(&preset, with_cache(&fleet, "cache")).await?;
    let missing = "/mirror/posthoc-reconstructions/edm2-img64-s-1073741-0.045.pkl";
    assert!(
        outcome.code == Some(exit::USAGE.into()) && outcome.error_line().contains(missing),
        "{outcome:#?}"
    );
    let list = fidelis(&["presets", "--json", "--models-url", &site], vec![]).await?;
    let list: Vec<serde_json::Value> = serde_json::from_str(&list.stdout)?;
    let row = list.iter().find(|row| row["name"] == name).context("the preset is not listed")?;
    assert!(row["net"].as_str().is_some_and(|net| net.ends_with(missing)), "{row}");
    assert_eq!((&row["published"], list.len()), (&serde_json::json!(1.01), 36));
    // Printed, it is a spec like any other.
    let printed = fidelis(&["presets", name, "--models-url", &site], vec![]).await?;
    let path = fleet.spec("printed", &printed.stdout)?.display().to_string();
    let outcome = fidelis(&["submit", &path], with_cache(&fleet, "cache")).await?;
    assert!(outcome.error_line().contains(missing), "{outcome:#?}");
    for (args, words) in [
        (vec!["submit", "--preset", "edm3"], "there is no preset `edm3`"),
        (vec!["submit", "--preset", name, "--preset", name], "one preset at a time"),
        (vec!["submit", "--preset", name, &path], "cannot be used with"),
        (vec!["submit"], "required"),
    ] {
        let outcome = fidelis(&args, with_cache(&fleet, "cache")).await?;
        assert!(outcome.code == Some(exit::USAGE.into()) && outcome.stderr.contains(words), "{outcome:#?}");
    }
    assert!(fleet.keys().await?.is_empty());
    Ok(())
}
