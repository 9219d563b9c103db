//! Devices that run short of memory, are lost, or take their time.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use fidelis_contract::{exit, ids::ChunkIndex, receipt::Receipt};
use fidelis_tests::Process;
use fidelis_tests::lab::{Allowed, Facts, Lab, LabSpec, check_invariants};

fn spec() -> LabSpec {
    LabSpec { num_images: 96, micro_batch: 8, ..LabSpec::default() }
}

async fn receipts(lab: &Lab, spec: &LabSpec) -> Result<BTreeMap<ChunkIndex, Receipt>> {
    let facts = Facts::read(&lab.store().await?, &spec.run(lab.folder())?).await?;
    Ok(facts.receipts.into_iter().map(|(chunk, (receipt, _))| (chunk, receipt)).collect())
}

/// I8: what befell a worker counts against no chunk.
fn assert_no_blame(receipts: &BTreeMap<ChunkIndex, Receipt>) {
    let attempts: Vec<u64> = receipts.values().map(|receipt| receipt.attempt).collect();
    assert!(attempts.iter().all(|attempt| *attempt == 1), "I8 fair blame: {attempts:?}");
}

/// Chunks 1, 2 and 3 fit at 4, 2 and 1 image at once, chunk 5 not even then: it goes back, and to a worker with more room.
#[tokio::test(flavor = "multi_thread")]
async fn memory_that_holds_ever_fewer_images() -> Result<()> {
    let (lab, spec) = (Lab::start().await?, spec());
    let fail = |chunk: u32, nth: u32| format!("device:before_batch = fail if chunk {chunk}, nth {nth};");
    let mut rules: String = (1..=3).flat_map(|chunk| (1..=chunk).map(move |nth| fail(chunk, nth))).collect();
    rules += "device:before_batch = fail if chunk 5";
    let _short = lab.worker("short").failpoints(&rules).start()?;
    let run = lab.submit(&spec).await?;
    // Chunk by chunk, down to the last one's 8, 4, 2 and 1.
    lab.moment("device:before_batch", 1 + 2 + 3 + 4 + 1 + 4).await?;
    let (log, words) =
        (lab.folder().join("watch.log"), "handed a chunk back: a test has no room for `1` images");
    let _watch = Process::start_logged("fidelis-under-test", &["watch", run.as_str()], &lab.env(), &log)?;
    let told = async || Ok(std::fs::read_to_string(&log)?.contains(words));
    lab.until("what the run waits for", told).await?;
    let status = lab.fidelis(&["status", run.as_str()]).await?;
    assert!(status.stdout.contains(words), "{status:#?}");
    let _roomy = lab.worker("roomy").start()?;
    lab.finish(&run).await?;
    check_invariants(&lab, &spec, &Allowed::waste(0)).await?;

    let receipts = receipts(&lab, &spec).await?;
    let micro_batches: Vec<u32> = receipts.values().map(|receipt| receipt.micro_batch).collect();
    assert_eq!(micro_batches, [8, 4, 2, 1, 8, 8]);
    assert_eq!(receipts[&5].worker, "roomy");
    assert_no_blame(&receipts);
    let result = Facts::read(&lab.store().await?, &run).await?.result.context("no result")?;
    assert_eq!(result.other_micro_batch.len(), 3, "the result says so");
    let verified = lab.fidelis(&["verify", run.as_str()]).await?;
    assert!(
        verified.code == Some(0) && verified.stdout.contains("3 chunks were made with a smaller micro-batch"),
        "{verified:#?}"
    );
    Ok(())
}

/// Torch panics with the text of CUDA's error, and nothing works in that process any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_device_ends_its_worker_and_blames_no_chunk() -> Result<()> {
    let (lab, spec) = (Lab::start().await?, spec());
    let lost = "device:before_make = panic CUDA error: device-side assert triggered if nth 2";
    let mut victim = lab.worker("victim").failpoints(lost).start()?;
    let run = lab.submit(&spec).await?;
    assert_eq!(lab.ended("the victim", &mut victim).await?, Some(i32::from(exit::INFRASTRUCTURE)));
    assert_eq!(lab.num_receipts(&run).await?, 1, "it ended with its second chunk");
    let _other = lab.worker("other").start()?;
    lab.finish(&run).await?;
    check_invariants(&lab, &spec, &Allowed::waste(0)).await?;
    assert_no_blame(&receipts(&lab, &spec).await?);
    Ok(())
}

/// One worker is held up at `moment` with its last chunk, its lease renewed all the while. An idle one makes a copy, and
/// the run ends with the other still in it; what that one does afterwards changes nothing.
async fn straggling(moment: &str) -> Result<()> {
    let (lab, spec) = (Lab::start().await?, spec());
    let last = spec.num_chunks() - 1;
    let go = lab.folder().join("go");
    let wait = format!("{moment} = await {} if chunk {last}", go.display());
    // Alone, so that the last chunk is its; the chunks before are what "unusually long" is measured by.
    let _sleeper = lab.worker("sleeper").failpoints(&wait).start()?;
    let run = lab.submit(&spec).await?;
    lab.moment(moment, spec.num_chunks() as usize).await?;
    let _idle = lab.worker("idle").start()?;
    lab.finish(&run).await?;
    assert_eq!(lab.count("worker:took_copy"), 1);
    let progress = lab.queue().await?.progress(&run).await?.context("redis does not know the run")?;
    assert_eq!(progress.copies, 1);
    let before = receipts(&lab, &spec).await?;
    assert_eq!(before[&(last as ChunkIndex)].worker, "idle");
    assert_no_blame(&before);

    std::fs::write(go, "")?;
    lab.moment("worker:after_ack", spec.num_chunks() as usize + 1).await?;
    check_invariants(&lab, &spec, &Allowed::waste(0)).await?;
    assert_eq!(receipts(&lab, &spec).await?, before, "I4 single commit");
    Ok(())
}

/// It finds out that its lease is gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_straggler_is_overtaken_by_a_copy() -> Result<()> {
    straggling("device:before_make").await
}

/// It has made the chunk, and finds its own bytes in the store.
#[tokio::test(flavor = "multi_thread")]
async fn a_straggler_comes_second_with_the_same_bytes() -> Result<()> {
    straggling("worker:after_make").await
}
