//! Real processes that fetch, wait for each other and are killed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fidelis_contract::{
    exit,
    payload::{self, Tensor},
};
use fidelis_tests::{HttpServer, Outcome, Process, Served, binary, repository};

const DETECTOR: &str = "fashion-cnn.safetensors";

fn model(name: &str) -> Result<Served> {
    let bytes = std::fs::read(repository().join("infra/demo/models").join(name))?;
    Ok(Served { bytes: Arc::new(bytes), etag: Some("\"1\"".into()), ..Served::default() })
}

/// Four grey images for the detector.
fn images(folder: &Path) -> Result<PathBuf> {
    let path = folder.join("images.safetensors");
    let pixels = (0..4 * 28 * 28).map(|i| (i % 256) as u8).collect();
    std::fs::write(&path, payload::encode(&[Tensor::from_u8("images", &[4, 1, 28, 28], pixels)])?)?;
    Ok(path)
}

fn features(folder: &Path, weights: &str, out: &str) -> Result<Vec<String>> {
    let images = images(folder)?.display().to_string();
    let out = folder.join(out).display().to_string();
    let args =
        ["features", "--images", &images, "--detector", "fashion-cnn", "--weights", weights, "--out", &out];
    Ok(args.map(str::to_owned).to_vec())
}

fn cache(folder: &Path) -> Vec<(String, String)> {
    vec![("FIDELIS_CACHE".to_owned(), folder.join("cache").display().to_string())]
}

async fn worker(args: Vec<String>, env: Vec<(String, String)>) -> Result<Outcome> {
    tokio::task::spawn_blocking(move || Outcome::of("fidelis-worker", &args, &env)).await?
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_processes_download_once() -> Result<()> {
    let (server, folder) = (HttpServer::start().await?, tempfile::tempdir()?);
    let slow = Served { pause: Duration::from_millis(20), ..model(DETECTOR)? };
    let url = server.put(DETECTOR, slow.clone());
    let start = |i: u32| {
        let args = features(folder.path(), &url, &format!("{i}.safetensors"))?;
        Process::start("fidelis-worker", &args, &cache(folder.path()))
    };
    let mut processes = (0..8).map(start).collect::<Result<Vec<_>>>()?;
    let codes = tokio::task::spawn_blocking(move || {
        processes.iter_mut().map(Process::wait).collect::<Result<Vec<_>>>()
    });
    assert_eq!(codes.await??, [Some(0); 8]);
    let counts = server.counts(DETECTOR);
    assert_eq!((counts.downloads, counts.num_bytes), (1, slow.bytes.len()), "{counts:?}");
    let local = repository().join("infra/demo/models").join(DETECTOR).display().to_string();
    let direct = worker(features(folder.path(), &local, "direct.safetensors")?, vec![]).await?;
    ensure!(direct.code == Some(0), "{direct:#?}");
    let read = |name: &str| std::fs::read(folder.path().join(name));
    assert!(read("0.safetensors")? == read("direct.safetensors")?, "the fetched weights give other features");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_download_is_resumed() -> Result<()> {
    let (server, folder) = (HttpServer::start().await?, tempfile::tempdir()?);
    let whole = model("fashion-net.safetensors")?;
    let num_bytes = whole.bytes.len();
    let url = server.put("net.safetensors", Served { pause: Duration::from_millis(5), ..whole.clone() });
    let out = folder.path().join("out.safetensors").display().to_string();
    let args = ["sample", "--net", &url, "--seeds", "0-1", "--steps", "2", "--out", &out].map(str::to_owned);
    let mut first = Process::start("fidelis-worker", &args, &cache(folder.path()))?;
    while server.counts("net.safetensors").num_bytes < num_bytes / 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    first.signal("-KILL")?;
    assert_eq!(first.wait()?, None);
    let before = server.counts("net.safetensors").num_bytes;
    server.put("net.safetensors", whole);
    let second = worker(args.to_vec(), cache(folder.path())).await?;
    ensure!(second.code == Some(0), "{second:#?}");
    let after = server.counts("net.safetensors").num_bytes;
    // What the dead process had not written is sent again: what lay in the sockets' buffers and its own.
    assert!(after - before < num_bytes * 7 / 8, "{before} bytes, then {} of {num_bytes}", after - before);
    assert!(after >= num_bytes && Path::new(&out).exists());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_fetched_is_one_line() -> Result<()> {
    let (server, folder) = (HttpServer::start().await?, tempfile::tempdir()?);
    let absent = server.put("x", Served::default()).replace("/x", "/absent.safetensors?sig=hunter2");
    for (weights, code, words) in [
        (absent.as_str(), exit::USAGE, "404"),
        ("http://127.0.0.1:1/w.safetensors", exit::INFRASTRUCTURE, "127.0.0.1:1"),
        ("http://mirror.example/w.safetensors", exit::USAGE, "pinned sha256"),
        ("https://ada:hunter2@mirror.example/w.safetensors", exit::USAGE, "password"),
        ("gopher://host/w", exit::USAGE, "`gopher`"),
    ] {
        let env = cache(folder.path());
        let outcome = worker(features(folder.path(), weights, "o.safetensors")?, env).await?;
        let line = outcome.error_line();
        assert_eq!(outcome.code, Some(code.into()), "{line}");
        assert!(line.contains(words) && !line.contains("hunter2"), "{line}");
    }
    Ok(())
}

/// The control plane's files may lie elsewhere too.
#[tokio::test(flavor = "multi_thread")]
async fn metrics_takes_addresses() -> Result<()> {
    let (server, folder) = (HttpServer::start().await?, tempfile::tempdir()?);
    let refs = repository().join("infra/demo/refs");
    let put = |name: &str| -> Result<String> {
        let bytes = Arc::new(std::fs::read(refs.join(name))?);
        Ok(server.put(name, Served { bytes, ..Served::default() }))
    };
    let paths = ["fashion-test.npz", "fashion-train.npz"].map(|name| refs.join(name).display().to_string());
    let addresses = [put("fashion-test.npz")?, put("fashion-train.npz")?];
    let mut found = Vec::new();
    for [features, reference] in [paths, addresses] {
        let args = ["metrics", "--features", &features, "--ref", &reference, "--json"].map(str::to_owned);
        let env = cache(folder.path());
        let outcome = tokio::task::spawn_blocking(move || Outcome::of("fidelis", &args, &env)).await??;
        ensure!(outcome.code == Some(0), "{outcome:#?}");
        found.push(outcome.stdout);
    }
    assert!(found[0].contains("\"fd\"") && found[0] == found[1], "{found:?}");
    Ok(())
}

/// What a page or a pointer is called, it is called with the address that led to it.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_files_are_named_with_their_address() -> Result<()> {
    let (server, folder) = (HttpServer::start().await?, tempfile::tempdir()?);
    let put = |name: &str, bytes: &[u8]| {
        server.put(name, Served { bytes: Arc::new(bytes.to_vec()), ..Served::default() })
    };
    let page = put("page.pkl", b"<!DOCTYPE html><title>Sign in</title>");
    let pointer = put("pointer.pkl", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n");
    let gzip = put("net.pkl", b"\x1f\x8b\x08\0\0\0\0\0\0\0\0\0\0\0");
    let out = folder.path().join("out.safetensors").display().to_string();
    let path = repository().join("infra/demo/refs/fashion-test.npz").display().to_string();
    for (name, args, address, words) in [
        ("fidelis-worker", vec!["info", &page], &page, "is an HTML page"),
        ("fidelis-worker", vec!["convert", &pointer, &out], &pointer, "is a Git LFS pointer"),
        (
            "fidelis-worker",
            vec!["sample", "--net", &gzip, "--seeds", "0", "--out", &out],
            &gzip,
            "is a gzip file",
        ),
        ("fidelis", vec!["metrics", "--features", &path, "--ref", &pointer], &pointer, "git lfs pull"),
    ] {
        let (args, env): (Vec<String>, _) =
            (args.into_iter().map(str::to_owned).collect(), cache(folder.path()));
        let outcome = tokio::task::spawn_blocking(move || Outcome::of(name, &args, &env)).await??;
        let line = outcome.error_line();
        assert_eq!(outcome.code, Some(exit::USAGE.into()), "{line}");
        assert!(line.contains(words) && line.contains(address.as_str()), "{line}");
    }
    Ok(())
}

/// What `sample` fetches, `info` and `convert` do too.
#[tokio::test(flavor = "multi_thread")]
async fn info_and_convert_take_addresses() -> Result<()> {
    let (server, folder) = (HttpServer::start().await?, tempfile::tempdir()?);
    let url = server.put("net.safetensors", model("fashion-net.safetensors")?);
    let local = repository().join("infra/demo/models/fashion-net.safetensors");
    let told = worker(["info", &url].map(str::to_owned).to_vec(), cache(folder.path())).await?;
    ensure!(told.code == Some(0), "{told:#?}");
    assert!(
        told.stdout.contains(&url) && told.stdout.contains("kind                     net"),
        "{}",
        told.stdout
    );
    let out = folder.path().join("out.SafeTensors");
    let args = ["convert", &url, &out.display().to_string()].map(str::to_owned);
    let made = worker(args.to_vec(), cache(folder.path())).await?;
    ensure!(made.code == Some(0), "{made:#?}");
    let tensors = |path: &Path| Ok::<_, anyhow::Error>(fidelis_formats::net::read(path)?.tensors);
    assert!(tensors(&out)? == tensors(&local)?);
    Ok(())
}

/// A limit on the length of files stands in for a disk that is full.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_one_line_and_resumable() -> Result<()> {
    let (server, folder) = (HttpServer::start().await?, tempfile::tempdir()?);
    let whole = model(DETECTOR)?;
    let url = server.put(DETECTOR, whole.clone());
    let args = features(folder.path(), &url, "o.safetensors")?;
    let mut limited = Command::new("sh");
    let script = "trap '' XFSZ; ulimit -f 16; exec \"$@\"";
    limited.args(["-c", script, "sh"]).arg(binary("fidelis-worker")?).args(&args).envs(cache(folder.path()));
    let output = tokio::task::spawn_blocking(move || limited.output()).await??;
    let text = String::from_utf8(output.stderr)?;
    assert_eq!(
        (output.status.code(), text.lines().count()),
        (Some(exit::INFRASTRUCTURE.into()), 1),
        "{text}"
    );
    assert!(text.contains("cannot use the cache") && text.contains("FIDELIS_CACHE"), "{text}");
    let kept = std::fs::read_dir(folder.path().join("cache/urls"))?.map(|entry| Ok(entry?.path())).find(
        |path: &Result<PathBuf>| {
            path.as_ref().is_ok_and(|path| path.extension().is_some_and(|e| e == "part"))
        },
    );
    let kept = std::fs::metadata(kept.context("no part was kept")??)?.len();
    let outcome = worker(args, cache(folder.path())).await?;
    ensure!(outcome.code == Some(0), "{outcome:#?}");
    let sent = server.counts(DETECTOR);
    assert!(kept > 0 && sent.downloads == 2, "{kept} bytes kept, {sent:?}");
    Ok(())
}
