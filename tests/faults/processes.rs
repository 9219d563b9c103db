//! Workers that die, stop, wake up, come and go.

use std::time::Instant;

use anyhow::{Result, ensure};
use fidelis_contract::keys;
use fidelis_tests::lab::{
    Allowed, Facts, IN_HAND, LEASE, Lab, LabSpec, check_acknowledged, check_invariants, record,
};

/// A worker kills itself at `moment`, the `nth` time that it comes; others find what it left. What it had made of the chunk
/// of that moment is lost if `is_lost`; what it had in its other hand may be.
async fn killed_at(moment: &str, nth: u32, is_lost: bool) -> Result<()> {
    let (lab, spec) = (Lab::start().await?, LabSpec::default());
    let mut victim = lab.worker("victim").failpoints(&format!("{moment} = kill if nth {nth}")).start()?;
    let run = lab.submit(&spec).await?;
    let code = lab.ended("the victim", &mut victim).await?;
    assert_eq!(code, None, "it was to die by a signal");
    let died = Instant::now();
    check_acknowledged(&lab, &run).await?;
    let held = lab.held_by("victim").await?;
    assert!(held <= IN_HAND as usize && (held > 0 || moment == "worker:after_ack"), "{held}");
    let _others = lab.workers(2)?;
    if held > 0 {
        lab.until("a takeover", async || Ok(lab.held_by("victim").await? == 0)).await?;
        record("leases until takeover", format!("{:.2}", died.elapsed().div_duration_f64(LEASE)))?;
    }
    lab.finish(&run).await?;
    let wasted = check_invariants(&lab, &spec, &Allowed::workers(1)).await?;
    assert!(wasted >= u64::from(is_lost), "{wasted}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_claim() -> Result<()> {
    killed_at("worker:after_claim", 2, false).await
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_make() -> Result<()> {
    killed_at("worker:after_make", 2, true).await
}

/// Between the two objects of its first chunk.
#[tokio::test(flavor = "multi_thread")]
async fn killed_before_put() -> Result<()> {
    killed_at("worker:before_put", 2, true).await
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_put_before_receipt() -> Result<()> {
    killed_at("worker:after_put_before_receipt", 2, true).await
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_receipt_before_ack() -> Result<()> {
    killed_at("worker:after_receipt_before_ack", 2, false).await
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_ack() -> Result<()> {
    killed_at("worker:after_ack", 2, false).await
}

/// The attempts are used up, and what the first of them stored counts all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_stored_chunk_whose_workers_died_is_not_dead() -> Result<()> {
    let (lab, spec) = (Lab::start().await?, LabSpec { num_images: 96, ..LabSpec::default() });
    let run = lab.submit(&spec).await?;
    for moment in ["worker:after_receipt_before_ack", "worker:after_claim", "worker:after_claim"] {
        let mut victim = lab.worker("victim").failpoints(&format!("{moment} = kill if chunk 3")).start()?;
        assert_eq!(lab.ended("the victim", &mut victim).await?, None);
    }
    // On a slow machine the last two may come too late for the chunks behind it.
    assert!(lab.num_receipts(&run).await? > 3, "chunk 3 and those before it are stored");
    let _others = lab.workers(1)?;
    lab.finish(&run).await?;
    // What the three had in their other hands.
    check_invariants(&lab, &spec, &Allowed::waste(3)).await.map(drop)
}

/// Chunks of a second, so that there is time to be told to stop in one.
fn slow() -> LabSpec {
    LabSpec {
        name: "slow".into(),
        num_images: 24,
        chunk_size: 4,
        millis_per_image: 250,
        ..LabSpec::default()
    }
}

async fn told_to_stop(grace_s: u64) -> Result<(Lab, usize)> {
    let (lab, spec) = (Lab::start().await?, slow());
    let mut victim = lab.worker("victim").arg("--grace-s", grace_s).start()?;
    let run = lab.submit(&spec).await?;
    lab.moment("device:before_make", 2).await?;
    victim.signal("-TERM")?;
    assert_eq!(lab.ended("the victim", &mut victim).await?, Some(143));
    assert_eq!(lab.lengths().await?.1 - handed_back(&lab).await?, 0, "nothing stays in its hands");
    let stored = lab.num_receipts(&run).await?;
    let _others = lab.workers(2)?;
    lab.finish(&run).await?;
    check_invariants(&lab, &spec, &Allowed::waste(0)).await?;
    let facts = Facts::read(&lab.store().await?, &run).await?;
    let attempts: Vec<u64> = facts.receipts.values().map(|(receipt, _)| receipt.attempt).collect();
    assert!(
        attempts.iter().all(|attempt| *attempt == 1),
        "I8 fair blame: a stop counts for nothing: {attempts:?}"
    );
    Ok((lab, stored))
}

/// What is handed back stays listed under its last holder, dated 1970.
async fn handed_back(lab: &Lab) -> Result<u64> {
    let pools: Vec<String> = lab.redis.ask(&["ZRANGE", keys::REDIS_POOLS, "0", "-1"]).await?;
    let stream = keys::redis_stream(&pools[0].parse()?);
    let day_ms = "86400000";
    let idle: Vec<redis::Value> =
        lab.redis.ask(&["XPENDING", &stream, keys::REDIS_GROUP, "IDLE", day_ms, "-", "+", "9"]).await?;
    Ok(idle.len() as u64)
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_with_time_enough_finishes_its_chunk() -> Result<()> {
    let (_, stored) = told_to_stop(20).await?;
    assert_eq!(stored, 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_at_once_hands_its_chunk_back() -> Result<()> {
    told_to_stop(0).await.map(drop)
}

/// It wakes up when its chunk is stored by another: it finds its own bytes and leaves the receipt alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_zombie_does_not_overwrite() -> Result<()> {
    let (lab, spec) = (Lab::start().await?, LabSpec::default());
    let zombie = lab.worker("zombie").failpoints("worker:after_make = stop if nth 1").start()?;
    let run = lab.submit(&spec).await?;
    lab.moment("worker:after_make", 1).await?;
    let _others = lab.workers(2)?;
    lab.receipts(&run, spec.num_chunks() as usize).await?;
    let before = Facts::read(&lab.store().await?, &run).await?;
    zombie.signal("-CONT")?;
    lab.moment("worker:after_receipt_before_ack", spec.num_chunks() as usize + 1).await?;
    lab.finish(&run).await?;
    check_invariants(&lab, &spec, &Allowed::waste(1)).await?;
    let after = Facts::read(&lab.store().await?, &run).await?;
    assert_eq!(before.receipts, after.receipts, "I4 single commit");
    assert!(after.receipts.values().all(|(receipt, _)| receipt.worker != "zombie"));
    Ok(())
}

/// It wakes up while its chunk is in another's hands, and lets go of it without a word.
#[tokio::test(flavor = "multi_thread")]
async fn a_zombie_does_not_unclaim() -> Result<()> {
    let (lab, spec) = (Lab::start().await?, LabSpec { num_images: 16, ..LabSpec::default() });
    let zombie = lab.worker("zombie").failpoints("worker:after_claim = stop if nth 1").start()?;
    let run = lab.submit(&spec).await?;
    lab.moment("worker:after_claim", 1).await?;
    let go = lab.folder().join("go");
    let wait = format!("worker:after_make = await {}", go.display());
    let _holder = lab.worker("holder").failpoints(&wait).start()?;
    lab.moment("worker:after_make", 1).await?;
    zombie.signal("-CONT")?;
    // Its own word on the end of that chunk.
    lab.moment("worker:after_ack", 1).await?;
    let pools: Vec<String> = lab.redis.ask(&["ZRANGE", keys::REDIS_POOLS, "0", "-1"]).await?;
    let stream = keys::redis_stream(&pools[0].parse()?);
    let held: redis::streams::StreamPendingCountReply =
        lab.redis.ask(&["XPENDING", &stream, keys::REDIS_GROUP, "-", "+", "9"]).await?;
    let held: Vec<&str> = held.ids.iter().map(|id| id.consumer.as_str()).collect();
    ensure!(held.len() == 1 && held[0].starts_with("holder"), "in other hands: {held:?}");
    std::fs::write(go, "")?;
    lab.finish(&run).await?;
    check_invariants(&lab, &spec, &Allowed::waste(1)).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_of_one_then_eight_then_none_then_three() -> Result<()> {
    let lab = Lab::start().await?;
    let spec = LabSpec {
        name: "tides".into(),
        num_images: 480,
        chunk_size: 8,
        millis_per_image: 8,
        ..LabSpec::default()
    };
    let mut fleet = lab.workers(1)?;
    let run = lab.submit(&spec).await?;
    lab.receipts(&run, 3).await?;
    for i in 1..8 {
        fleet.push(lab.worker(&format!("w{i}")).start()?);
    }
    lab.receipts(&run, 20).await?;
    for worker in &fleet {
        worker.signal("-TERM")?;
    }
    for mut worker in fleet {
        // One that was only starting has no handler yet.
        assert!(matches!(lab.ended("a worker", &mut worker).await?, Some(143) | None));
    }
    let _fleet = lab.workers(3)?;
    lab.finish(&run).await?;
    check_invariants(&lab, &spec, &Allowed::waste(0)).await.map(drop)
}

/// The message of one chunk eight times, all eight made before the first is put.
#[tokio::test(flavor = "multi_thread")]
async fn one_chunk_in_eight_hands_is_committed_once() -> Result<()> {
    let (lab, spec) = (Lab::start().await?, LabSpec { num_images: 16, ..LabSpec::default() });
    let run = lab.submit(&spec).await?;
    let pools: Vec<String> = lab.redis.ask(&["ZRANGE", keys::REDIS_POOLS, "0", "-1"]).await?;
    let stream = keys::redis_stream(&pools[0].parse()?);
    let copy = "local m = redis.call('XRANGE', KEYS[1], '-', '+')[1][2] \
                for _ = 1, 7 do redis.call('XADD', KEYS[1], '*', unpack(m)) end";
    lab.redis.ask::<redis::Value>(&["EVAL", copy, "1", &stream]).await?;
    let go = lab.folder().join("go");
    let wait = format!("worker:after_make = await {}", go.display());
    let plans = (0..8).map(|i| lab.worker(&format!("w{i}")).failpoints(&wait).start());
    let _fleet = plans.collect::<Result<Vec<_>>>()?;
    lab.moment("worker:after_make", 8).await?;
    std::fs::write(go, "")?;
    lab.moment("worker:after_ack", 8).await?;
    lab.finish(&run).await?;
    let allowed = Allowed { stray_messages: 7, ..Allowed::waste(7) };
    check_invariants(&lab, &spec, &allowed).await.map(drop)
}
