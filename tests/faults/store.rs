//! Objects that are not what they should be, where they lie.

use anyhow::{Context, Result};
use bytes::Bytes;
use fidelis_contract::{exit, ids::Digest, keys, kind::Kind};
use fidelis_tests::lab::{Allowed, Facts, Lab, LabSpec, check_invariants};

const CHUNK: u32 = 2;

/// Somebody else's bytes where a chunk belongs: loud, with both digests, and never overwritten.
#[tokio::test(flavor = "multi_thread")]
async fn other_bytes_are_nondeterminism_with_both_digests() -> Result<()> {
    let (lab, spec) = (Lab::start().await?, LabSpec { num_images: 96, ..LabSpec::default() });
    let run = lab.submit(&spec).await?;
    let (key, others) = (keys::chunk(&run, &Kind::Latents, CHUNK), Bytes::from_static(b"others' bytes"));
    lab.store().await?.create(&key, others.clone()).await?;
    let _fleet = lab.workers(2)?;
    let mut watch = lab.watch(&run)?;
    assert_eq!(lab.ended("watch", &mut watch).await?, Some(i32::from(exit::INCOMPLETE)));
    let dead = lab.queue().await?.dead_chunks(&run).await?;
    assert_eq!((dead.len(), dead[0].chunk, dead[0].deliveries), (1, CHUNK, 1), "dead at once: {dead:#?}");
    let theirs = Digest::of(&others).to_string();
    let digests = dead[0].cause.split('`').filter(|word| word.len() == 64).collect::<Vec<_>>();
    assert!(digests.len() == 2 && digests.contains(&theirs.as_str()), "{}", dead[0].cause);
    let facts = Facts::read(&lab.store().await?, &run).await?;
    assert_eq!(facts.success, None, "I5 no false success");
    assert_eq!(lab.store().await?.get(&key).await?, Some(others), "I4 single commit");
    // The rest of the run is there, and removing the strange object is all that it takes.
    std::fs::remove_file(lab.path_of(&key))?;
    assert_eq!(lab.submit(&spec).await?, run);
    lab.finish(&run).await?;
    check_invariants(&lab, &spec, &Allowed::waste(1)).await.map(drop)
}

/// Damages an object of a stored run by `damage`; then reporting must fail as an integrity error that names it.
async fn damaged(damage: fn(Vec<u8>) -> Vec<u8>, already_reported: bool) -> Result<()> {
    let (lab, spec) = (Lab::start().await?, LabSpec { num_images: 96, ..LabSpec::default() });
    let _fleet = lab.workers(2)?;
    let run = lab.submit(&spec).await?;
    let mut watch = lab.watch(&run)?;
    assert_eq!(lab.ended("watch", &mut watch).await?, Some(0));
    if already_reported {
        lab.finish(&run).await?;
    }
    let facts = Facts::read(&lab.store().await?, &run).await?;
    let features = facts.objects.keys().find(|(chunk, kind)| *chunk == CHUNK && *kind != Kind::Latents);
    let (_, kind) = features.context("no features")?;
    let key = keys::chunk(&run, kind, CHUNK);
    let bytes = std::fs::read(lab.path_of(&key))?;
    std::fs::write(lab.path_of(&key), damage(bytes))?;
    for command in ["reduce", "report"] {
        let outcome = lab.fidelis(&[command, run.as_str()]).await?;
        assert_eq!(outcome.code, Some(i32::from(exit::INTEGRITY)), "{outcome:#?}");
        assert!(outcome.stderr.contains(&key), "{outcome:#?}");
    }
    let success = Facts::read(&lab.store().await?, &run).await?.success;
    assert_eq!(success.is_some(), already_reported, "I5 no false success");
    Ok(())
}

fn flip(mut bytes: Vec<u8>) -> Vec<u8> {
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    bytes
}

fn cut(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() - 7);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_before_success() -> Result<()> {
    damaged(flip, false).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_after_success() -> Result<()> {
    damaged(flip, true).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_object_before_success() -> Result<()> {
    damaged(cut, false).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_object_after_success() -> Result<()> {
    damaged(cut, true).await
}
