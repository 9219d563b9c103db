//! Two chunks in a worker's hands: one is stored while the next one is made.

use anyhow::Result;
use fidelis_tests::lab::{
    Allowed, Facts, IN_HAND, LEASE, Lab, LabSpec, S3Fault, S3Rule, check_invariants, record,
};

fn spec() -> LabSpec {
    LabSpec { num_images: 96, ..LabSpec::default() }
}

async fn assert_no_blame(lab: &Lab, spec: &LabSpec) -> Result<()> {
    let facts = Facts::read(&lab.store().await?, &spec.run(lab.folder())?).await?;
    let attempts: Vec<u64> = facts.receipts.values().map(|(receipt, _)| receipt.attempt).collect();
    assert!(attempts.iter().all(|attempt| *attempt == 1), "I8 fair blame: {attempts:?}");
    Ok(())
}

/// The store takes as long as it likes: the next chunk is made, and waits in hand, and no third one is taken.
#[tokio::test(flavor = "multi_thread")]
async fn the_next_chunk_is_made_while_one_is_stored() -> Result<()> {
    let (lab, spec) = (Lab::start().await?, spec());
    let go = lab.folder().join("go");
    let wait = format!("worker:after_put_before_receipt = await {} if nth 1", go.display());
    let _worker = lab.worker("w").failpoints(&wait).start()?;
    let run = lab.submit(&spec).await?;
    lab.moment("worker:after_make", IN_HAND as usize).await?;
    assert_eq!(lab.num_receipts(&run).await?, 0, "the first one is not stored");
    // Both leases are renewed meanwhile.
    tokio::time::sleep(2 * LEASE).await;
    assert_eq!((lab.lengths().await?.1, lab.count("worker:after_claim") as u64), (IN_HAND, IN_HAND));
    std::fs::write(go, "")?;
    lab.finish(&run).await?;
    check_invariants(&lab, &spec, &Allowed::waste(0)).await?;
    assert_no_blame(&lab, &spec).await
}

/// What it dies with: one chunk made and waiting, one half stored.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_loses_two_chunks() -> Result<()> {
    let (lab, spec) = (Lab::start().await?, spec());
    let never = lab.folder().join("never");
    let rules = format!(
        "worker:after_put_before_receipt = await {} if nth 1; worker:after_make = kill if nth 2",
        never.display()
    );
    let mut victim = lab.worker("victim").failpoints(&rules).start()?;
    let run = lab.submit(&spec).await?;
    assert_eq!(lab.ended("the victim", &mut victim).await?, None);
    let _others = lab.workers(2)?;
    lab.finish(&run).await?;
    assert_eq!(check_invariants(&lab, &spec, &Allowed::workers(1)).await?, IN_HAND);
    Ok(())
}

/// Told to stop at once with both hands full and no way to put down either: both go back, and count for nothing.
#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_with_both_hands_full() -> Result<()> {
    let (lab, spec) = (Lab::start().await?, spec());
    let own = lab.another_s3_proxy(1).await?;
    own.set(vec![S3Rule::always("PUT", S3Fault::Reset).on("/chunks/")]);
    let mut victim = lab.worker("victim").s3(&own).arg("--grace-s", 0).start()?;
    let run = lab.submit(&spec).await?;
    lab.moment("worker:after_make", IN_HAND as usize).await?;
    victim.signal("-TERM")?;
    assert_eq!(lab.ended("the victim", &mut victim).await?, Some(143));
    let _others = lab.workers(2)?;
    // Dated back, they are anybody's at once.
    lab.until("both to be taken", async || Ok(lab.held_by("victim").await? == 0)).await?;
    lab.finish(&run).await?;
    check_invariants(&lab, &spec, &Allowed::workers(1)).await?;
    assert_no_blame(&lab, &spec).await
}

/// Where the device does nothing although there are chunks, that is told: to whoever watches, asks, or collects figures.
#[tokio::test(flavor = "multi_thread")]
async fn the_devices_idle_share_is_told() -> Result<()> {
    let (lab, spec) = (Lab::start().await?, spec());
    let metrics = lab.folder().join("worker.prom");
    // Too slow a store: behind it the device waits.
    lab.s3_proxy.set(vec![S3Rule::always("PUT", S3Fault::Slow(100)).on("/chunks/")]);
    let mut worker = lab.worker("w").arg("--metrics", metrics.display()).start()?;
    let run = lab.submit(&spec).await?;
    lab.moment("worker:after_ack", spec.num_chunks() as usize).await?;
    let status = lab.fidelis(&["status", run.as_str(), "--json"]).await?;
    let status: serde_json::Value = serde_json::from_str(&status.stdout)?;
    let seconds = |name: &str| status[name].as_f64().unwrap_or_default();
    let (busy, idle) = (seconds("device_busy_seconds"), seconds("device_idle_seconds"));
    record("idle share", format!("{:.2}", idle / (busy + idle)))?;
    assert!(busy > 0.0 && idle > 0.0, "{status}");
    worker.signal("-TERM")?;
    assert_eq!(lab.ended("the worker", &mut worker).await?, Some(143));
    let text = std::fs::read_to_string(metrics)?;
    let counted = |name: &str| {
        let sample = text.lines().find_map(|line| line.strip_prefix(&format!("{name}{{worker=\"w\"}} ")));
        sample.and_then(|value| value.parse::<f64>().ok()).unwrap_or_default()
    };
    assert_eq!(counted("fidelis_worker_images_total"), spec.num_images as f64, "{text}");
    assert!((counted("fidelis_worker_device_idle_seconds_total") - idle).abs() < 0.001, "{idle}: {text}");
    lab.finish(&run).await
}
