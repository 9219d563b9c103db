//! Runs that are called off in the middle of trouble, and go on later.

use anyhow::Result;
use fidelis_contract::exit;
use fidelis_tests::lab::{Allowed, Lab, LabSpec, Persistence, check_invariants};

const CANCELLED: Option<i32> = Some(exit::INCOMPLETE as i32);

/// The store remembers: whoever finds Redis empty leaves the run alone until it is submitted again.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_stays_cancelled_when_redis_forgets() -> Result<()> {
    let (lab, spec) = (Lab::start().await?, LabSpec::default());
    let fleet = lab.workers(2)?;
    let run = lab.submit(&spec).await?;
    let mut watch = lab.watch(&run)?;
    lab.receipts(&run, 4).await?;
    let outcome = lab.fidelis(&["cancel", run.as_str()]).await?;
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    assert_eq!(lab.ended("watch", &mut watch).await?, CANCELLED);
    lab.redis.ask::<()>(&["FLUSHALL"]).await?;
    drop(fleet);
    let mut watch = lab.watch(&run)?;
    assert_eq!(lab.ended("watch after the flush", &mut watch).await?, CANCELLED);
    assert_eq!(lab.lengths().await?, (0, 0), "nothing was queued");
    let outcome = lab.fidelis(&["status", run.as_str(), "--json"]).await?;
    assert!(outcome.stdout.contains("\"cancelled\":true"), "{outcome:#?}");
    let _fleet = lab.workers(2)?;
    lab.submit(&spec).await?;
    lab.finish(&run).await?;
    let allowed = Allowed { redis_lost: true, ..Allowed::workers(2) };
    check_invariants(&lab, &spec, &allowed).await?;
    let outcome = lab.fidelis(&["status", run.as_str(), "--json"]).await?;
    assert!(outcome.stdout.contains("\"cancelled\":false"), "{outcome:#?}");
    Ok(())
}

/// What a worker stored of a cancelled run, and died before it could say so, is done and not cancelled.
#[tokio::test(flavor = "multi_thread")]
async fn cancelled_with_a_chunk_stored_by_a_worker_that_died() -> Result<()> {
    let (lab, spec) = (Lab::start().await?, LabSpec { num_images: 96, ..LabSpec::default() });
    let go = lab.folder().join("go");
    let wait = format!("worker:after_make = await {} if nth 2", go.display());
    let rules = format!("{wait}; worker:after_receipt_before_ack = kill if nth 2");
    let mut dying = lab.worker("dying").failpoints(&rules).start()?;
    let run = lab.submit(&spec).await?;
    lab.moment("worker:after_make", 2).await?;
    let outcome = lab.fidelis(&["cancel", run.as_str()]).await?;
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    std::fs::write(go, "")?;
    assert_eq!(lab.ended("the dying worker", &mut dying).await?, None);
    assert_eq!(lab.num_receipts(&run).await?, 2);
    let _other = lab.workers(1)?;
    lab.submit(&spec).await?;
    lab.finish(&run).await?;
    check_invariants(&lab, &spec, &Allowed::waste(0)).await.map(drop)
}

/// One worker dies with a cancelled chunk made, another one stores what was called off in its hands; Redis is killed
/// and keeps what it answered.
#[tokio::test(flavor = "multi_thread")]
async fn cancelled_with_chunks_in_dying_hands_and_resumed() -> Result<()> {
    let (lab, spec) = (Lab::start_with(Persistence::Always).await?, LabSpec::default());
    let go = lab.folder().join("go");
    let wait = format!("worker:after_make = await {} if nth 3", go.display());
    let mut dying =
        lab.worker("dying").failpoints(&format!("{wait}; worker:before_put = kill if nth 5")).start()?;
    let _slow = lab.worker("slow").failpoints(&wait).start()?;
    let run = lab.submit(&spec).await?;
    // Both have two stored, and a third one made.
    lab.moment("worker:after_make", 6).await?;
    let outcome = lab.fidelis(&["cancel", run.as_str()]).await?;
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    lab.redis.kill()?;
    lab.redis.start_again().await?;
    std::fs::write(go, "")?;
    assert_eq!(lab.ended("the dying worker", &mut dying).await?, None);
    lab.receipts(&run, 5).await?;
    let mut watch = lab.watch(&run)?;
    assert_eq!(lab.ended("watch", &mut watch).await?, CANCELLED);
    let _others = lab.workers(2)?;
    lab.submit(&spec).await?;
    lab.finish(&run).await?;
    // The dying one's.
    assert_eq!(check_invariants(&lab, &spec, &Allowed::waste(1)).await?, 1);
    Ok(())
}
