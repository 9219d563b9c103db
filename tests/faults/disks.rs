//! Disks that are full or read-only where a worker keeps what it fetched, or lack a file that another's have.

use std::process::Command;
use std::sync::Arc;

use anyhow::Result;
use fidelis_contract::exit;
use fidelis_tests::lab::{Allowed, Facts, Lab, LabSpec, NET, WEIGHTS, check_invariants};
use fidelis_tests::mount::{self, Tmpfs};
use fidelis_tests::{HttpServer, Served, binary, repository};

/// Real images; net and detector begin with `models`.
fn spec(models: String) -> LabSpec {
    LabSpec {
        name: "real".into(),
        num_images: 24,
        chunk_size: 4,
        micro_batch: 4,
        models: Some(models),
        ..LabSpec::default()
    }
}

/// Serves the demo's models; gives what their addresses begin with.
fn serve(server: &HttpServer) -> Result<String> {
    let mut address = String::new();
    for name in [NET, WEIGHTS] {
        let bytes = Arc::new(std::fs::read(repository().join("infra/demo/models").join(name))?);
        let served = Served { bytes, etag: Some("\"1\"".into()), ..Served::default() };
        address = server.put(name, served).replace(&format!("/{name}"), "");
    }
    Ok(address)
}

/// A worker that cannot make the run for what `tmpfs` does, beside a sound one, which makes all of it: no chunk is the worse
/// for having been in the other's hands.
async fn ill_beside_sound(lab: &Lab, spec: &LabSpec, tmpfs: Tmpfs<'_>, words: &[&str]) -> Result<()> {
    let (log, go) = (lab.folder().join("ill.log"), lab.folder().join("go"));
    let run = lab.submit(spec).await?;
    let wait = format!("device:before_make = await {} if nth 1", go.display());
    let _sound = lab.worker("sound").failpoints(&wait).start()?;
    lab.moment("device:before_make", 1).await?;
    let around = tmpfs.around(&log);
    let around: Vec<&str> = around.iter().map(String::as_str).collect();
    let cache = lab.folder().join("its-cache").display().to_string();
    let _ill = lab.worker("ill").started_by(&around).env("FIDELIS_CACHE", &cache).start()?;
    let what = format!("a line with {words:?}");
    let told = lab.until(&what, async || {
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        Ok(said.lines().any(|line| words.iter().all(|word| line.contains(word))))
    });
    told.await?;
    std::fs::write(go, "")?;
    lab.finish(&run).await?;
    check_invariants(lab, spec, &Allowed::waste(0)).await?;
    for (chunk, (receipt, _)) in Facts::read(&lab.store().await?, &run).await?.receipts {
        assert_eq!((receipt.worker.as_str(), receipt.attempt), ("sound", 1), "I8 fair blame: chunk {chunk}");
    }
    Ok(())
}

async fn ill_cache(options: &str, said: &str) -> Result<()> {
    if !mount::is_permitted()? {
        return Ok(());
    }
    let (lab, server) = (Lab::start().await?, HttpServer::start().await?);
    let cache = lab.folder().join("its-cache");
    std::fs::create_dir(&cache)?;
    let tmpfs = Tmpfs { folder: &cache, options };
    let words = ["cannot use the cache", &cache.display().to_string(), said, "FIDELIS_CACHE"];
    ill_beside_sound(&lab, &spec(serve(&server)?), tmpfs, &words).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_on_a_full_disk() -> Result<()> {
    ill_cache("size=64k", "No space left on device").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_on_a_read_only_disk() -> Result<()> {
    ill_cache("ro", "Read-only file system").await
}

/// The files are named by path, and on its machine nothing is there.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_lacks_the_files() -> Result<()> {
    if !mount::is_permitted()? {
        return Ok(());
    }
    let lab = Lab::start().await?;
    let models = lab.folder().join("models");
    std::fs::create_dir(&models)?;
    for name in [NET, WEIGHTS] {
        std::fs::copy(repository().join("infra/demo/models").join(name), models.join(name))?;
    }
    let tmpfs = Tmpfs { folder: &models, options: "size=64k" };
    let words = ["left to others", NET, "No such file"];
    ill_beside_sound(&lab, &spec(models.display().to_string()), tmpfs, &words).await
}

/// What commands write is there whole or not at all.
#[tokio::test(flavor = "multi_thread")]
async fn outputs_on_a_full_disk() -> Result<()> {
    if !mount::is_permitted()? {
        return Ok(());
    }
    let net = repository().join("infra/demo/models").join(NET).display().to_string();
    for args in [&["convert", &net][..], &["sample", "--net", &net, "--seeds=0-31", "--steps=2", "--out"]] {
        let folder = tempfile::tempdir()?;
        let [out, said] = ["out", "said"].map(|name| folder.path().join(name));
        std::fs::create_dir(&out)?;
        let (path, said) = (out.join("x.safetensors").display().to_string(), said.display().to_string());
        let script = format!("\"$@\" 2>'{said}' || echo $?; ls -A '{}'", out.display());
        let words = Tmpfs { folder: &out, options: "size=64k" }.script(&script);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg(binary("fidelis-worker")?).args(args).arg(&path);
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        let (printed, said) = (String::from_utf8(output.stdout)?, std::fs::read_to_string(said)?);
        assert_eq!(printed, format!("{}\n", exit::INFRASTRUCTURE), "its code, and no file: {said}");
        assert!(
            said.lines().count() == 1 && said.contains(&path) && said.contains("No space left"),
            "{said}"
        );
    }
    Ok(())
}
