//! A Redis that is cut off, forgets, dies, is replaced, is full, refuses.

use std::time::Duration;

use anyhow::Result;
use fidelis_contract::exit;
use fidelis_tests::lab::{
    Allowed, Facts, Lab, LabSpec, Link, Persistence, RedisNode, RedisProxy, check_invariants, check_run,
    check_waste,
};

/// Workers of these tests; what they have in hand a fault of Redis hits.
const WORKERS: u64 = 3;

fn lost() -> Allowed {
    Allowed { redis_lost: true, ..Allowed::workers(WORKERS) }
}

/// A worker without Redis for longer than a lease, with its chunk made; the store is there.
async fn without_redis(link: Link) -> Result<()> {
    let (lab, spec) = (Lab::start().await?, LabSpec::default());
    let own = RedisProxy::start(&lab.redis.address()).await?;
    let go = lab.folder().join("go");
    let wait = format!("worker:after_make = await {}", go.display());
    let mut victim = lab.worker("victim").redis(&own).failpoints(&wait).start()?;
    let run = lab.submit(&spec).await?;
    lab.moment("worker:after_make", 1).await?;
    own.set(link);
    let _others = lab.workers(2)?;
    // Also the victim's chunk, once its lease is over.
    lab.receipts(&run, spec.num_chunks() as usize).await?;
    std::fs::write(go, "")?;
    lab.moment("worker:after_receipt_before_ack", spec.num_chunks() as usize + 1).await?;
    own.set(Link::Open);
    lab.finish(&run).await?;
    check_invariants(&lab, &spec, &Allowed::waste(1)).await?;
    assert!(victim.try_wait()?.is_none(), "an outage is no reason to end");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_cut_off_for_longer_than_a_lease() -> Result<()> {
    without_redis(Link::Cut).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_behind_a_half_open_connection() -> Result<()> {
    without_redis(Link::HalfOpen).await
}

/// Nobody's fault: a claim whose answer was lost is no attempt at the chunk.
#[tokio::test(flavor = "multi_thread")]
async fn lost_replies_count_for_nothing() -> Result<()> {
    let (lab, spec) = (Lab::start().await?, LabSpec { num_images: 64, ..LabSpec::default() });
    let own = RedisProxy::start(&lab.redis.address()).await?;
    let plan = lab.worker("victim").redis(&own).lease(Duration::from_secs(60)).arg("--max-attempts", 1);
    let _victim = plan.start()?;
    let warm = lab.submit(&LabSpec { name: "warm".into(), num_images: 16, ..LabSpec::default() }).await?;
    lab.receipts(&warm, 1).await?;
    own.set(Link::LostReplies);
    let run = lab.submit(&spec).await?;
    lab.until("a claim whose answer is lost", async || Ok(lab.lengths().await?.1 > 0)).await?;
    own.set(Link::Open);
    lab.finish(&run).await?;
    let facts = Facts::read(&lab.store().await?, &run).await?;
    assert!(facts.receipts.values().all(|(receipt, _)| receipt.attempt == 1), "I8 fair blame");
    // The other run's last message may not be gone when this one's are added.
    check_run(&lab, &spec, &Allowed { stray_messages: 1, ..Allowed::waste(0) }).await?;
    // The other run has one.
    check_waste(&lab, spec.num_chunks() + 1, &Allowed::waste(0)).map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_redis() -> Result<()> {
    let (lab, spec) = (Lab::start().await?, LabSpec { num_images: 96, ..LabSpec::default() });
    let _fleet = lab.workers(2)?;
    lab.redis_proxy.set(Link::Slow(Duration::from_millis(100)));
    let run = lab.submit(&spec).await?;
    lab.finish(&run).await?;
    check_invariants(&lab, &spec, &Allowed::waste(0)).await.map(drop)
}

/// What is stored is not made again, and its receipts stay.
#[tokio::test(flavor = "multi_thread")]
async fn flushed_in_mid_run() -> Result<()> {
    let (lab, spec) = (Lab::start().await?, LabSpec::default());
    let _fleet = lab.workers(WORKERS as usize)?;
    let run = lab.submit(&spec).await?;
    lab.receipts(&run, 4).await?;
    let before = Facts::read(&lab.store().await?, &run).await?;
    lab.redis.ask::<()>(&["FLUSHALL"]).await?;
    lab.finish(&run).await?;
    check_invariants(&lab, &spec, &lost()).await?;
    let after = Facts::read(&lab.store().await?, &run).await?;
    assert!(before.receipts.iter().all(|(chunk, receipt)| after.receipts.get(chunk) == Some(receipt)));
    Ok(())
}

async fn killed(persistence: Persistence, allowed: &Allowed) -> Result<()> {
    let (lab, spec) = (Lab::start_with(persistence).await?, LabSpec::default());
    let _fleet = lab.workers(WORKERS as usize)?;
    let run = lab.submit(&spec).await?;
    let mut watch = lab.watch(&run)?;
    lab.receipts(&run, 4).await?;
    lab.redis.kill()?;
    lab.redis.start_again().await?;
    assert_eq!(lab.ended("watch", &mut watch).await?, Some(0));
    lab.finish(&run).await?;
    check_invariants(&lab, &spec, allowed).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_without_persistence() -> Result<()> {
    killed(Persistence::None, &lost()).await
}

/// Every write that was answered is there again, so the counters agree as well.
#[tokio::test(flavor = "multi_thread")]
async fn killed_with_persistence() -> Result<()> {
    killed(Persistence::Always, &Allowed::workers(WORKERS)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_misses_the_last_writes_takes_over() -> Result<()> {
    let (mut lab, spec) = (Lab::start().await?, LabSpec { millis_per_image: 20, ..LabSpec::default() });
    let mut replica = RedisNode::start(Persistence::None).await?;
    let _fleet = lab.workers(WORKERS as usize)?;
    let run = lab.submit(&spec).await?;
    let mut watch = lab.watch(&run)?;
    lab.receipts(&run, 3).await?;
    replica.follow(&lab.redis).await?;
    replica.ask::<()>(&["REPLICAOF", "NO", "ONE"]).await?;
    lab.receipts(&run, lab.num_receipts(&run).await? + 4).await?;
    std::mem::swap(&mut lab.redis, &mut replica);
    lab.redis_proxy.redirect(&lab.redis.address());
    replica.kill()?;
    assert_eq!(lab.ended("watch", &mut watch).await?, Some(0));
    lab.finish(&run).await?;
    check_invariants(&lab, &spec, &lost()).await.map(drop)
}

/// The primary becomes a replica under its clients' feet: they must leave it by themselves.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_becomes_a_replica_is_left() -> Result<()> {
    let (mut lab, spec) = (Lab::start().await?, LabSpec::default());
    let mut replica = RedisNode::start(Persistence::None).await?;
    let mut fleet = lab.workers(WORKERS as usize)?;
    lab.connected(WORKERS as usize).await?;
    let run = lab.submit(&spec).await?;
    let mut watch = lab.watch(&run)?;
    lab.receipts(&run, 3).await?;
    replica.follow(&lab.redis).await?;
    replica.ask::<()>(&["REPLICAOF", "NO", "ONE"]).await?;
    std::mem::swap(&mut lab.redis, &mut replica);
    lab.redis_proxy.redirect(&lab.redis.address());
    replica.follow(&lab.redis).await?;
    assert_eq!(lab.ended("watch", &mut watch).await?, Some(0));
    lab.finish(&run).await?;
    check_invariants(&lab, &spec, &lost()).await?;
    for worker in &mut fleet {
        assert!(worker.try_wait()?.is_none(), "a failover is no reason to end");
    }
    Ok(())
}

/// A full Redis takes nothing new and everything that is done; what it forgot is queued when there is room again.
#[tokio::test(flavor = "multi_thread")]
async fn out_of_memory_in_mid_run() -> Result<()> {
    let (lab, spec) = (Lab::start().await?, LabSpec::default());
    // The run must not be over before there is harm done to it.
    let full = lab.folder().join("full");
    let rules = format!("device:before_make = await {} if nth 3", full.display());
    let fleet = (0..WORKERS).map(|i| lab.worker(&format!("w{i}")).failpoints(&rules).start());
    let _fleet = fleet.collect::<Result<Vec<_>>>()?;
    let run = lab.submit(&spec).await?;
    let mut watch = lab.watch(&run)?;
    lab.moment("device:before_make", 3 * WORKERS as usize).await?;
    lab.redis.ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await?;
    std::fs::write(full, "")?;
    lab.moment("worker:after_ack", 3 * WORKERS as usize).await?;
    let path = spec.write(lab.folder())?.display().to_string();
    let outcome = lab.fidelis(&["submit", &path, "--new", "--seeds", "1000-1099"]).await?;
    assert_eq!(outcome.code, Some(i32::from(exit::INFRASTRUCTURE)), "{outcome:#?}");
    lab.redis.ask::<()>(&["FLUSHALL"]).await?;
    lab.until("refusals", async || {
        let stats: String = lab.redis.ask(&["INFO", "errorstats"]).await?;
        let count = stats.lines().find_map(|line| line.strip_prefix("errorstat_OOM:count="));
        Ok(count.and_then(|count| count.trim().parse::<u64>().ok()).is_some_and(|count| count >= 2))
    })
    .await?;
    lab.redis.ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]).await?;
    assert_eq!(lab.ended("watch", &mut watch).await?, Some(0));
    lab.finish(&run).await?;
    check_invariants(&lab, &spec, &lost()).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn loading_and_busy_are_waited_out() -> Result<()> {
    let (lab, spec) = (Lab::start().await?, LabSpec::default());
    let mut fleet = lab.workers(WORKERS as usize)?;
    // One that is only starting may end for a refusal: 75, safe to run again.
    lab.connected(WORKERS as usize).await?;
    let run = lab.submit(&spec).await?;
    let mut watch = lab.watch(&run)?;
    lab.receipts(&run, 2).await?;
    let refusals = [
        "LOADING Redis is loading the dataset in memory",
        "BUSY Redis is busy running a script",
        "MASTERDOWN Link with MASTER is down",
        "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
    ];
    for refusal in refusals {
        lab.redis_proxy.set(Link::Refusing(refusal));
        // As long as the refusal lasts; nothing is expected within it.
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    lab.redis_proxy.set(Link::Open);
    assert_eq!(lab.ended("watch", &mut watch).await?, Some(0));
    lab.finish(&run).await?;
    check_invariants(&lab, &spec, &Allowed::workers(WORKERS)).await?;
    for worker in &mut fleet {
        assert!(worker.try_wait()?.is_none(), "a refusal that passes is no reason to end");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_evicts_is_refused_by_all() -> Result<()> {
    let (lab, spec) = (Lab::start().await?, LabSpec::default());
    lab.redis.ask::<()>(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await?;
    let path = spec.write(lab.folder())?.display().to_string();
    let outcome = lab.fidelis(&["submit", &path]).await?;
    assert_eq!(outcome.code, Some(i32::from(exit::INFRASTRUCTURE)), "{outcome:#?}");
    assert!(outcome.error_line().contains("noeviction"), "{outcome:#?}");
    let mut worker = lab.worker("w").start()?;
    assert_eq!(lab.ended("the worker", &mut worker).await?, Some(i32::from(exit::INFRASTRUCTURE)));
    Ok(())
}
