//! Messages that nobody of ours wrote: dead letters, and the run goes on.

use anyhow::Result;
use fidelis_contract::{ids::Digest, keys, wire::ChunkTask};
use fidelis_tests::lab::{Allowed, Lab, LabSpec, check_invariants};

#[tokio::test(flavor = "multi_thread")]
async fn malformed_oversized_and_foreign_messages() -> Result<()> {
    let (lab, spec) = (Lab::start().await?, LabSpec { num_images: 96, ..LabSpec::default() });
    let run = lab.submit(&spec).await?;
    let pools: Vec<String> = lab.redis.ask(&["ZRANGE", keys::REDIS_POOLS, "0", "-1"]).await?;
    let stream = keys::redis_stream(&pools[0].parse()?);
    let digest = Digest::of(b"of no spec");
    let stranger =
        ChunkTask { run: format!("stranger-{}", digest.short()).parse()?, chunk: 0, spec_digest: digest };
    let beyond = ChunkTask { run: run.clone(), chunk: 9999, spec_digest: digest };
    let mut newer = stranger.encode();
    newer[0] = 99;
    let messages = [
        Vec::new(),
        vec![1, 2, 3],
        vec![1; 5000],
        newer,
        stranger.encode(),
        beyond.encode(),
        b"\xff\x00{}".to_vec(),
    ];
    for message in &messages {
        let mut add = redis::cmd("XADD");
        add.arg(&stream).arg("*").arg("task").arg(message.as_slice());
        lab.redis.send(&add).await?;
    }
    lab.redis.ask::<()>(&["XADD", &stream, "*", "no", "sense"]).await?;
    let _fleet = lab.workers(2)?;
    lab.finish(&run).await?;
    let num_stray = messages.len() as u64 + 1;
    assert_eq!(
        lab.redis.ask::<u64>(&["XLEN", keys::REDIS_DEAD]).await?,
        num_stray,
        "each is kept with its cause"
    );
    // A chunk that the plan does not have is dead in redis's books; it was never submitted.
    lab.redis.ask::<()>(&["HDEL", &keys::redis_dead_chunks(&run), "9999"]).await?;
    check_invariants(&lab, &spec, &Allowed { stray_messages: num_stray, ..Allowed::waste(0) }).await.map(drop)
}
