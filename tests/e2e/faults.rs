//! A fleet under faults gives the bits that one undisturbed worker gives (I1–I4, D2).

use std::time::Duration;

use anyhow::{Result, ensure};
use fidelis_tests::{Fleet, Process, RunFiles, repository};

const NUM_IMAGES: u64 = 160;
const CHUNK_SIZE: u64 = 16;

/// The demo's pair with few steps: small chunks, so that there is always one to disturb.
fn spec() -> String {
    let demo = repository().join("infra/demo").display().to_string();
    format!(
        r#"
name = "faults"
seeds = "1000-{last}"
net = "{demo}/models/fashion-net.safetensors"
gnet = "{demo}/models/fashion-gnet.safetensors"
guidance = 1.5
chunk_size = {CHUNK_SIZE}
micro_batch = 8
outputs = {{ images = true, latents = true }}
[sampler]
num_steps = 6
[[detectors]]
name = "fashion-cnn"
weights = "{demo}/models/fashion-cnn.safetensors"
reference = "{demo}/refs/fashion-train.npz"
"#,
        last = 1000 + NUM_IMAGES - 1
    )
}

/// The run by one worker that nothing disturbs.
async fn undisturbed() -> Result<RunFiles> {
    let fleet = Fleet::start().await?;
    let _worker = fleet.worker("alone", 2)?;
    let spec = fleet.spec("faults", &spec())?;
    let outcome = fleet.fidelis(&["run", &spec.display().to_string()]).await?;
    ensure!(outcome.code == Some(0), "{outcome:#?}");
    fleet.files(&fleet.run_id("faults").await?).await
}

async fn finish(fleet: &Fleet, mut run: Process) -> Result<RunFiles> {
    let code = tokio::task::spawn_blocking(move || run.wait()).await??;
    ensure!(code == Some(0), "`fidelis run` ended with {code:?}");
    fleet.files(&fleet.run_id("faults").await?).await
}

async fn assert_same_as_undisturbed(fleet: &Fleet, found: &RunFiles) -> Result<()> {
    let expected = undisturbed().await?;
    assert_eq!(found.seeds(), (1000..1000 + NUM_IMAGES).collect::<Vec<_>>(), "each seed exactly once");
    assert_eq!(found.fd_bits(), expected.fd_bits(), "FD");
    assert!(found.stats == expected.stats, "mu and sigma differ");
    for (found, expected) in found.receipts.iter().zip(&expected.receipts) {
        assert_eq!(found.objects, expected.objects, "objects of chunk {}", found.chunk);
        assert_eq!(found.noise_sha256, expected.noise_sha256, "noise of chunk {}", found.chunk);
    }
    // Spec, manifest, statistics and reports stand beside the chunks; of those there is one for each kind and receipt.
    let objects = fleet.keys().await?.into_iter().filter(|key| key.contains("/chunks/")).count() as u64;
    assert_eq!(
        objects,
        NUM_IMAGES / CHUNK_SIZE * 4,
        "three kinds and a receipt for each chunk, and nothing else"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_in_mid_chunk_changes_no_bit() -> Result<()> {
    let fleet = Fleet::start().await?;
    let (_first, victim, _third) =
        (fleet.worker("first", 1)?, fleet.worker("victim", 1)?, fleet.worker("third", 1)?);
    let spec = fleet.spec("faults", &spec())?;
    let run = fleet.start_fidelis(&["run", &spec.display().to_string()])?;
    fleet.holds_chunk("victim").await?;
    victim.signal("-KILL")?;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(fleet.pending_of("victim").await?, 1, "it was to die with a chunk in its hands");
    let files = finish(&fleet, run).await?;
    let retried = files.receipts.iter().filter(|receipt| receipt.attempt > 1).count();
    assert_eq!(retried, 1, "one chunk was taken over from the dead worker");
    assert_same_as_undisturbed(&fleet, &files).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flushed_redis_changes_no_bit() -> Result<()> {
    let fleet = Fleet::start().await?;
    let _workers = (fleet.worker("first", 1)?, fleet.worker("second", 1)?);
    let spec = fleet.spec("faults", &spec())?;
    let run = fleet.start_fidelis(&["run", &spec.display().to_string()])?;
    fleet.has_receipts("faults", 2).await?;
    fleet.flush_redis().await?;
    let files = finish(&fleet, run).await?;
    assert_same_as_undisturbed(&fleet, &files).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_interrupted_goes_on_from_the_store() -> Result<()> {
    let fleet = Fleet::start().await?;
    let spec = fleet.spec("faults", &spec())?.display().to_string();
    let worker = fleet.worker("before", 1)?;
    let mut run = fleet.start_fidelis(&["run", &spec])?;
    fleet.has_receipts("faults", 2).await?;
    run.signal("-TERM")?;
    let code = tokio::task::spawn_blocking(move || run.wait()).await??;
    assert_eq!(code, Some(143));
    drop(worker);
    fleet.flush_redis().await?;
    let id = fleet.run_id("faults").await?;
    let before = fleet.num_receipts(&id).await?;
    assert!(before < (NUM_IMAGES / CHUNK_SIZE) as usize, "there was to be something left to do");
    let _worker = fleet.worker("after", 1)?;
    let run = fleet.start_fidelis(&["run", &spec])?;
    let files = finish(&fleet, run).await?;
    let kept = files.receipts.iter().filter(|receipt| receipt.worker.starts_with("before")).count();
    assert_eq!(kept, before, "what the store had was not made again");
    assert_same_as_undisturbed(&fleet, &files).await
}
