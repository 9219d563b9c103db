//! Workers whose clock is wrong: only Redis's counts.

use anyhow::Result;
use fidelis_tests::lab::{Allowed, Facts, Lab, LabSpec, check_invariants};

/// Two sound workers, of which one dies with a chunk in its hands, and one whose clock is wrong by hundreds of leases.
async fn wrong_by(offset: &str) -> Result<()> {
    let lab = Lab::start().await?;
    let spec = LabSpec { name: "clock".into(), num_images: 64, millis_per_image: 50, ..LabSpec::default() };
    let run = lab.submit(&spec).await?;
    let mut victim = lab.worker("victim").failpoints("worker:after_claim = kill if nth 2").start()?;
    lab.ended("the victim", &mut victim).await?;
    let held = lab.held_by("victim").await? as u64;
    let _sound = lab.worker("sound").start()?;
    lab.moment("device:before_make", 2).await?;
    let _wrong = lab.worker("wrong").clock(offset)?.start()?;
    lab.finish(&run).await?;
    check_invariants(&lab, &spec, &Allowed::workers(1)).await?;
    let facts = Facts::read(&lab.store().await?, &run).await?;
    let attempts: Vec<u64> = facts.receipts.values().map(|(receipt, _)| receipt.attempt).collect();
    let more = attempts.iter().sum::<u64>() - spec.num_chunks();
    // One that it had stored keeps the receipt of the first attempt.
    assert!(
        1 <= more && more <= held,
        "the dead worker's `{held}` chunks alone were taken over: {attempts:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_minutes_ahead() -> Result<()> {
    wrong_by("+10m").await
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_minutes_behind() -> Result<()> {
    wrong_by("-10m").await
}

/// S3 refuses what such a clock signs. The client may go on by the time that the server names, or the worker may end:
/// either way the run is what it would have been.
#[tokio::test(flavor = "multi_thread")]
async fn an_hour_ahead() -> Result<()> {
    wrong_by("+1h").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_behind() -> Result<()> {
    wrong_by("-1h").await
}
