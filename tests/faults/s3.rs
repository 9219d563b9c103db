//! A way to the store on which requests and answers suffer. Every request is signed, and the server checks.

use anyhow::Result;
use fidelis_tests::lab::{Allowed, Lab, LabSpec, S3Fault, S3Rule, check_invariants};

/// A run whose chunks' requests suffer `rules`, until all is stored.
async fn suffering(spec: &LabSpec, rules: Vec<S3Rule>) -> Result<Lab> {
    let lab = Lab::start().await?;
    let run = lab.submit(spec).await?;
    let mut watch = lab.watch(&run)?;
    lab.s3_proxy.set(rules);
    let _fleet = lab.workers(3)?;
    assert_eq!(lab.ended("watch", &mut watch).await?, Some(0));
    let injected = lab.s3_proxy.injected();
    assert!(!injected.is_empty(), "nothing was injected");
    lab.s3_proxy.set(Vec::new());
    lab.finish(&run).await?;
    check_invariants(&lab, spec, &Allowed::waste(0)).await?;
    Ok(lab)
}

/// The first requests of a method about chunks suffer one fault.
async fn first(method: &'static str, fault: S3Fault, times: u64) -> Result<()> {
    let rule = S3Rule::always(method, fault).on("/chunks/").at_most(times);
    let lab = suffering(&LabSpec { num_images: 96, ..LabSpec::default() }, vec![rule]).await?;
    assert_eq!(lab.s3_proxy.injected().get(&fault), Some(&times));
    Ok(())
}

/// For a minute. About chunks, and not what a program looks at once when it starts: there it gives up after six tries,
/// as it should.
#[tokio::test(flavor = "multi_thread")]
async fn slow_down_for_three_requests_in_ten() -> Result<()> {
    let rule = S3Rule::always("", S3Fault::SlowDown).on("/chunks/").likely(0.3);
    // A minute of three workers.
    let spec =
        LabSpec { name: "minute".into(), num_images: 960, millis_per_image: 188, ..LabSpec::default() };
    suffering(&spec, vec![rule]).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_at_once() -> Result<()> {
    let faults = [
        S3Fault::SlowDown,
        S3Fault::InternalError,
        S3Fault::Conflict,
        S3Fault::Reset,
        S3Fault::ReplyLost,
        S3Fault::FalseFailure,
        S3Fault::FlippedUpload,
        S3Fault::Slow(200),
    ];
    let rules = faults.map(|fault| S3Rule::always("PUT", fault).on("/chunks/").likely(0.08)).to_vec();
    suffering(&LabSpec::default(), rules).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn internal_errors() -> Result<()> {
    first("PUT", S3Fault::InternalError, 9).await
}

#[tokio::test(flavor = "multi_thread")]
async fn resets() -> Result<()> {
    first("", S3Fault::Reset, 12).await
}

/// The retry finds its own bytes: 412, and HEAD says that they are ours.
#[tokio::test(flavor = "multi_thread")]
async fn replies_lost_after_the_write_landed() -> Result<()> {
    first("PUT", S3Fault::ReplyLost, 6).await
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_that_were_none() -> Result<()> {
    first("PUT", S3Fault::FalseFailure, 6).await
}

#[tokio::test(flavor = "multi_thread")]
async fn conflicts() -> Result<()> {
    first("PUT", S3Fault::Conflict, 9).await
}

/// 412 is only believed of an object that is there.
#[tokio::test(flavor = "multi_thread")]
async fn preconditions_that_failed_for_nothing() -> Result<()> {
    first("PUT", S3Fault::FalsePrecondition, 5).await
}

/// The signature covers the body: the server refuses what arrived, and it is sent again.
#[tokio::test(flavor = "multi_thread")]
async fn bits_flipped_on_the_way_to_the_store() -> Result<()> {
    first("PUT", S3Fault::FlippedUpload, 6).await
}

/// Computed, and kept until the store is there again: nobody computes it twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_cut_off_from_the_store() -> Result<()> {
    let (lab, spec) = (Lab::start().await?, LabSpec::default());
    let own = lab.another_s3_proxy(1).await?;
    let go = lab.folder().join("go");
    let wait = format!("worker:after_make = await {} if nth 1", go.display());
    let _victim = lab.worker("victim").s3(&own).failpoints(&wait).start()?;
    let run = lab.submit(&spec).await?;
    lab.moment("worker:after_make", 1).await?;
    own.set(vec![S3Rule::always("", S3Fault::Reset)]);
    std::fs::write(go, "")?;
    let _others = lab.workers(2)?;
    // All but the one in the victim's hands.
    lab.receipts(&run, spec.num_chunks() as usize - 1).await?;
    own.set(Vec::new());
    lab.finish(&run).await?;
    check_invariants(&lab, &spec, &Allowed::waste(0)).await.map(drop)
}

/// What a reducer reads may suffer on the way; it looks again before it blames the store.
async fn reading(fault: S3Fault) -> Result<()> {
    let (lab, spec) = (Lab::start().await?, LabSpec { num_images: 96, ..LabSpec::default() });
    let _fleet = lab.workers(2)?;
    let run = lab.submit(&spec).await?;
    let mut watch = lab.watch(&run)?;
    assert_eq!(lab.ended("watch", &mut watch).await?, Some(0));
    let rules = [".safetensors", "spec.json", "/chunks/0"]
        .map(|target| S3Rule::always("GET", fault).on(target).at_most(3));
    lab.s3_proxy.set(rules.to_vec());
    lab.finish(&run).await?;
    assert_eq!(lab.s3_proxy.injected().get(&fault), Some(&9));
    check_invariants(&lab, &spec, &Allowed::waste(0)).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_cut_short() -> Result<()> {
    reading(S3Fault::Truncated).await
}

#[tokio::test(flavor = "multi_thread")]
async fn bits_flipped_on_the_way_from_the_store() -> Result<()> {
    reading(S3Fault::FlippedDownload).await
}
