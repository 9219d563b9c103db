//! Schedulers and reducers that die, or meet each other.

use anyhow::Result;
use fidelis_tests::lab::{Allowed, Facts, Lab, LabSpec, check_invariants};

#[tokio::test(flavor = "multi_thread")]
async fn two_schedulers_submit_one_run() -> Result<()> {
    let (lab, spec) = (Lab::start().await?, LabSpec::default());
    let (path, run) = (spec.write(lab.folder())?.display().to_string(), spec.run(lab.folder())?);
    let go = lab.folder().join("go");
    let wait = format!("submit:after_spec = await {}", go.display());
    let start = || lab.start_fidelis(&["submit", &path], &wait);
    let (mut one, mut other) = (start()?, start()?);
    lab.moment("submit:after_spec", 2).await?;
    std::fs::write(go, "")?;
    for submit in [&mut one, &mut other] {
        assert_eq!(lab.ended("submit", submit).await?, Some(0));
    }
    assert_eq!(lab.lengths().await?, (spec.num_chunks(), 0), "each chunk is queued once");
    let _fleet = lab.workers(2)?;
    let (mut one, mut other) = (lab.watch(&run)?, lab.watch(&run)?);
    for watch in [&mut one, &mut other] {
        assert_eq!(lab.ended("watch", watch).await?, Some(0));
    }
    lab.finish(&run).await?;
    check_invariants(&lab, &spec, &Allowed::waste(0)).await.map(drop)
}

/// More chunks than are queued at a time.
async fn killed_in_submit(moment: &str) -> Result<()> {
    let lab = Lab::start().await?;
    let spec = LabSpec {
        name: "many".into(),
        num_images: 504,
        chunk_size: 1,
        millis_per_image: 0,
        latents: false,
        ..LabSpec::default()
    };
    let path = spec.write(lab.folder())?.display().to_string();
    let mut submit = lab.start_fidelis(&["submit", &path], &format!("{moment} = kill"))?;
    assert_eq!(lab.ended("submit", &mut submit).await?, None);
    assert!(lab.lengths().await?.0 < spec.num_chunks(), "it was to die before the end");
    let _fleet = lab.workers(2)?;
    let run = lab.submit(&spec).await?;
    lab.finish(&run).await?;
    check_invariants(&lab, &spec, &Allowed::waste(0)).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_spec_and_queue() -> Result<()> {
    killed_in_submit("submit:after_spec").await
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_mid_enqueue() -> Result<()> {
    killed_in_submit("submit:mid_enqueue").await
}

async fn killed_in_reduce(moment: &str) -> Result<()> {
    let (lab, spec) = (Lab::start().await?, LabSpec::default());
    let _fleet = lab.workers(2)?;
    let run = lab.submit(&spec).await?;
    let mut watch = lab.watch(&run)?;
    assert_eq!(lab.ended("watch", &mut watch).await?, Some(0));
    let mut report = lab.start_fidelis(&["report", run.as_str()], &format!("{moment} = kill"))?;
    assert_eq!(lab.ended("report", &mut report).await?, None);
    let facts = Facts::read(&lab.store().await?, &run).await?;
    assert_eq!(facts.success, None, "I5 no false success");
    lab.finish(&run).await?;
    check_invariants(&lab, &spec, &Allowed::waste(0)).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_mid_fold() -> Result<()> {
    killed_in_reduce("reduce:mid_fold").await
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_success() -> Result<()> {
    killed_in_reduce("reduce:before_success").await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_reducers_write_the_same() -> Result<()> {
    let (lab, spec) = (Lab::start().await?, LabSpec::default());
    let _fleet = lab.workers(2)?;
    let run = lab.submit(&spec).await?;
    let mut watch = lab.watch(&run)?;
    assert_eq!(lab.ended("watch", &mut watch).await?, Some(0));
    let go = lab.folder().join("go");
    let wait = format!("reduce:mid_fold = await {}", go.display());
    let start = || lab.start_fidelis(&["report", run.as_str()], &wait);
    let (mut one, mut other) = (start()?, start()?);
    lab.moment("reduce:mid_fold", 2).await?;
    std::fs::write(go, "")?;
    for report in [&mut one, &mut other] {
        assert_eq!(lab.ended("report", report).await?, Some(0));
    }
    check_invariants(&lab, &spec, &Allowed::waste(0)).await.map(drop)
}
