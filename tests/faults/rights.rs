//! Keys that may not do everything.

use anyhow::Result;
use fidelis_contract::{exit, keys};
use fidelis_tests::lab::{Allowed, Lab, LabSpec, S3Fault, S3Rule, check_invariants};

/// Keys of one prefix: the bucket itself is refused, so are listings of more, and to delete; and what is not there is denied
/// rather than missing, as S3 does where the whole bucket may not be listed.
fn scoped(lab: &Lab) -> Vec<S3Rule> {
    vec![
        S3Rule::always("DELETE", S3Fault::Denied),
        S3Rule::always("", S3Fault::Denied).outside(lab.place()),
        S3Rule::always("GET", S3Fault::Hidden),
        S3Rule::always("HEAD", S3Fault::Hidden),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_one_prefix_do_for_a_whole_run() -> Result<()> {
    let (lab, spec) = (Lab::start().await?, LabSpec { num_images: 96, ..LabSpec::default() });
    lab.s3_proxy.set(scoped(&lab));
    let _fleet = lab.workers(2)?;
    let run = lab.submit(&spec).await?;
    lab.finish(&run).await?;
    for command in ["verify", "status", "reduce"] {
        let outcome = lab.fidelis(&[command, run.as_str()]).await?;
        assert_eq!(outcome.code, Some(0), "{command}: {outcome:#?}");
    }
    assert_eq!(lab.submit(&spec).await?, run, "and once more");
    let injected = lab.s3_proxy.injected();
    assert!(injected[&S3Fault::Denied] > 0 && injected[&S3Fault::Hidden] > 0, "{injected:?}");
    check_invariants(&lab, &spec, &Allowed::waste(0)).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_only_read_are_refused_in_one_line() -> Result<()> {
    let (lab, spec) = (Lab::start().await?, LabSpec::default());
    lab.s3_proxy.set(["PUT", "POST", "DELETE"].map(|m| S3Rule::always(m, S3Fault::Denied)).to_vec());
    let path = spec.write(lab.folder())?.display().to_string();
    for (program, args) in
        [("fidelis-under-test", &["submit", &path][..]), ("fidelis-worker-under-test", &["run"])]
    {
        let outcome = lab.ran(program, args).await?;
        assert_eq!(outcome.code, Some(i32::from(exit::INFRASTRUCTURE)), "{outcome:#?}");
        let (line, refused) = (outcome.error_line(), format!("create `s3:/{}{}`", lab.place(), keys::PROBE));
        assert!(line.contains(&refused) && line.contains("AccessDenied"), "`{refused}`: {line}");
    }
    assert_eq!(lab.store().await?.list("").await?, [], "nothing is stored");
    let left: Vec<String> = lab.redis.ask(&["KEYS", "*"]).await?;
    assert!(left.is_empty(), "nothing is queued: {left:?}");
    Ok(())
}
