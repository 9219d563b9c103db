//! Chunks that harm whoever takes them: given up after three attempts, with the cause, while the rest goes on.

use anyhow::Result;
use fidelis_contract::{dead::DeadChunk, exit};
use fidelis_tests::Process;
use fidelis_tests::lab::{
    Allowed, Lab, LabSpec, S3Fault, S3Rule, WorkerPlan, check_incomplete, check_invariants,
};

const POISON: u32 = 3;

fn spec() -> LabSpec {
    LabSpec { num_images: 96, ..LabSpec::default() }
}

/// Watches a run to its end, and starts workers again as often as they die.
async fn supervised(lab: &Lab, watch: &mut Process, plans: &[WorkerPlan<'_>]) -> Result<Option<i32>> {
    let mut fleet = plans.iter().map(WorkerPlan::start).collect::<Result<Vec<_>>>()?;
    let keep_alive = lab.until("the end of the run", async || {
        for (worker, plan) in fleet.iter_mut().zip(plans) {
            if worker.try_wait()?.is_some() {
                *worker = plan.start()?;
            }
        }
        Ok(watch.try_wait()?.is_some())
    });
    keep_alive.await?;
    Ok(watch.try_wait()?.and_then(|status| status.code()))
}

/// Two workers with `rules`, whose store is slow, so that there is a chunk being stored when the poison is made; the one dead chunk that they leave. A sound fleet then finishes the run.
async fn poisoned(rules: &str, arg: Option<(&str, u64)>) -> Result<DeadChunk> {
    let (lab, spec) = (Lab::start().await?, spec());
    let run = lab.submit(&spec).await?;
    let mut watch = lab.watch(&run)?;
    lab.s3_proxy.set(vec![S3Rule::always("PUT", S3Fault::Slow(100)).on("/chunks/")]);
    let plan = |name: &str| {
        let plan = lab.worker(name).failpoints(rules);
        if let Some((name, value)) = arg { plan.arg(name, value) } else { plan }
    };
    let code = supervised(&lab, &mut watch, &[plan("w0"), plan("w1")]).await?;
    assert_eq!(code, Some(i32::from(exit::INCOMPLETE)));
    check_incomplete(&lab, &spec, &[POISON]).await?;
    let dead = lab.queue().await?.dead_chunks(&run).await?.remove(0);
    assert_eq!(dead.deliveries, 3, "{dead:#?}");
    let _sound = lab.workers(1)?;
    lab.submit(&spec).await?;
    lab.finish(&run).await?;
    // Where it kills: the chunk that its first worker was storing.
    check_invariants(&lab, &spec, &Allowed::waste(1)).await?;
    Ok(dead)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_panics() -> Result<()> {
    let dead = poisoned("device:before_make = panic if chunk 3", None).await?;
    assert!(dead.cause.contains("panicked: a test wants a panic here") && !dead.log.is_empty(), "{dead:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_fails() -> Result<()> {
    let dead = poisoned("device:before_make = fail if chunk 3", None).await?;
    assert!(dead.cause.contains("a test wants this chunk to fail"), "{dead:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_kills_its_process() -> Result<()> {
    let dead = poisoned("device:before_make = abort if chunk 3", None).await?;
    assert!(dead.cause.contains("died `3` times"), "{dead:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_never_ends() -> Result<()> {
    let dead = poisoned("device:before_make = hang if chunk 3", Some(("--stall-s", 2))).await?;
    assert!(dead.cause.contains("the device did nothing that could be seen"), "{dead:#?}");
    Ok(())
}

/// Once: another attempt gives the right values. Always: dead, and the seed is named.
#[tokio::test(flavor = "multi_thread")]
async fn features_that_are_no_numbers() -> Result<()> {
    let (lab, spec) = (Lab::start().await?, spec());
    let once = format!("synthetic:features = fail if token {}", lab.folder().join("once").display());
    let worker = lab.worker("once").failpoints(&once).start()?;
    let run = lab.submit(&spec).await?;
    lab.finish(&run).await?;
    check_invariants(&lab, &spec, &Allowed::waste(1)).await?;
    drop(worker);
    let _worker = lab.worker("always").failpoints("synthetic:features = fail").start()?;
    let one = LabSpec { name: "nan".into(), num_images: 16, ..spec };
    let run = lab.submit(&one).await?;
    let mut watch = lab.watch(&run)?;
    assert_eq!(lab.ended("watch", &mut watch).await?, Some(i32::from(exit::INCOMPLETE)));
    let dead = lab.queue().await?.dead_chunks(&run).await?;
    // The hook spoils the last value of the last row.
    assert_eq!((dead.len(), dead[0].deliveries), (1, 3), "{dead:#?}");
    assert!(dead[0].cause.contains("`features-probe` of seed `20` are not finite"), "{dead:#?}");
    assert_eq!(lab.num_receipts(&run).await?, 0);
    Ok(())
}
