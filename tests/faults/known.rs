//! Runs whose distance is known before they begin.

use anyhow::{Context, Result};
use fidelis_tests::lab::{Allowed, Facts, Lab, LabSpec, check_invariants};

#[tokio::test(flavor = "multi_thread")]
async fn fifty_thousand_images_have_the_distance_that_they_must() -> Result<()> {
    let lab = Lab::start().await?;
    let spec = LabSpec {
        name: "known".into(),
        num_images: 50_000,
        chunk_size: 2_000,
        millis_per_image: 0,
        latents: false,
        ..LabSpec::default()
    };
    let _fleet = lab.workers(2)?;
    let run = lab.submit(&spec).await?;
    lab.finish(&run).await?;
    let facts = Facts::read(&lab.store().await?, &run).await?;
    let result =
        facts.result.as_ref().and_then(|result| result.detectors.get("probe")).context("no result")?;
    let (value, sd) = (result.value().context("no distance")?, result.sd().context("no error bar")?);
    let known = spec.known_distance();
    assert!(sd > 0.0 && sd < 0.05 * known, "{sd}");
    assert!((value - known).abs() < 5.0 * sd, "{value} ± {sd} where {known} is known");
    check_invariants(&lab, &spec, &Allowed::waste(0)).await.map(drop)
}
