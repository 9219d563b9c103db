//! The promises, checked one by one from what lies in the store, and for I9 and I10 in Redis.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use fidelis_contract::{
    ids::{ChunkIndex, Digest, RunId},
    keys,
};

use super::{Baseline, Facts, Lab, LabSpec, record};

/// Chunks that a worker has in hand at most: one is being made, one is being stored.
pub const IN_HAND: u64 = 2;

/// What the faults of a test excuse.
#[derive(Debug, Clone, Default)]
pub struct Allowed {
    /// Chunks that may have been computed once more: one for each chunk in somebody's hands that a fault hit (I7).
    pub wasted_chunks: u64,
    /// Redis lost writes, so its counters may lack some.
    pub redis_lost: bool,
    /// Messages that the test itself added.
    pub stray_messages: u64,
}

impl Allowed {
    /// Faults that hit so many chunks.
    pub fn waste(wasted_chunks: u64) -> Self {
        Self { wasted_chunks, ..Self::default() }
    }

    /// Faults that hit so many workers, with all that each had in hand.
    pub fn workers(num_workers: u64) -> Self {
        Self::waste(IN_HAND * num_workers)
    }
}

/// Checks I1 to I10 of a run that ended well; gives the chunks that were computed beyond those asked for.
///
/// # Errors
/// The first promise that is broken, by name.
pub async fn check_invariants(lab: &Lab, spec: &LabSpec, allowed: &Allowed) -> Result<u64> {
    check_run(lab, spec, allowed).await?;
    check_waste(lab, spec.num_chunks(), allowed)
}

/// Checks all but I7, which is about all runs of a lab together.
///
/// # Errors
/// The first promise that is broken, by name.
pub async fn check_run(lab: &Lab, spec: &LabSpec, allowed: &Allowed) -> Result<()> {
    let run = spec.run(lab.folder())?;
    let facts = Facts::read(&lab.store().await?, &run).await?;
    check_stored(&facts, &run, spec).await?;
    blame(lab, &run, &[]).await?;
    bounded(lab, spec, allowed).await?;
    conservation(lab, &facts, spec, allowed).await
}

/// Checks I1 to I5: what the store has to say, whoever made it.
///
/// # Errors
/// The first promise that is broken, by name.
pub async fn check_stored(facts: &Facts, run: &RunId, spec: &LabSpec) -> Result<()> {
    let baseline = Baseline::of(spec).await?;
    coverage(facts, spec)?;
    content(facts, &baseline)?;
    metric(facts, &baseline)?;
    single_commit(facts, run, spec)?;
    success(facts)
}

/// Checks I7 of all runs of a lab, of so many chunks; gives those that were computed beyond.
///
/// # Errors
/// More were computed than the faults excuse.
pub fn check_waste(lab: &Lab, num_chunks: u64, allowed: &Allowed) -> Result<u64> {
    let wasted = (lab.count("worker:after_make") as u64).saturating_sub(num_chunks);
    // A copy of a straggler is waste that the queue chose, once for each chunk.
    let most = allowed.wasted_chunks + lab.count("worker:took_copy") as u64;
    record("chunks computed beyond", wasted)?;
    ensure!(wasted <= most, "I7 bounded waste: `{wasted}` chunks were computed beyond, `{most}` may be");
    Ok(wasted)
}

/// Checks that nothing is acknowledged that is not stored (I10): holds at any moment, also with nobody at work.
///
/// # Errors
/// Redis counts more than there is.
pub async fn check_acknowledged(lab: &Lab, run: &RunId) -> Result<()> {
    let Some(progress) = lab.queue().await?.progress(run).await? else { return Ok(()) };
    let (done, stored) = (progress.done_chunks, lab.num_receipts(run).await? as u64);
    ensure!(done <= stored, "I10 conservation: `{done}` chunks are acknowledged, `{stored}` are stored");
    Ok(())
}

/// Checks what must hold of a run of which these chunks, and no others, are dead.
///
/// # Errors
/// The first promise that is broken, by name.
pub async fn check_incomplete(lab: &Lab, spec: &LabSpec, dead: &[ChunkIndex]) -> Result<()> {
    let (run, baseline) = (spec.run(lab.folder())?, Baseline::of(spec).await?);
    let facts = Facts::read(&lab.store().await?, &run).await?;
    ensure!(facts.success.is_none(), "I5 no false success: a run with dead chunks has `_SUCCESS`");
    ensure!(facts.manifest.is_none(), "I5 no false success: a run with dead chunks has a manifest");
    let stored: BTreeSet<ChunkIndex> = facts.receipts.keys().copied().collect();
    let rest = (0..spec.num_chunks() as ChunkIndex).filter(|chunk| !dead.contains(chunk)).collect();
    ensure!(stored == rest, "I1 coverage: of all but `{dead:?}` the store has `{stored:?}`");
    for (key, digest) in &Baseline::of_facts(&facts).objects {
        ensure!(baseline.objects.get(key) == Some(digest), "I2 content: object `{key}` differs");
    }
    blame(lab, &run, dead).await?;
    bounded(lab, spec, &Allowed::default()).await?;
    conservation(lab, &facts, spec, &Allowed::default()).await
}

fn coverage(facts: &Facts, spec: &LabSpec) -> Result<()> {
    let manifest = facts.manifest.as_ref().context("I1 coverage: no manifest")?;
    let seeds = manifest.chunks.iter().flat_map(|entry| entry.seeds.to_vec());
    let asked = spec.first_seed..spec.first_seed + spec.num_images;
    ensure!(seeds.eq(asked), "I1 coverage: the manifest does not name each seed once, in order");
    for entry in &manifest.chunks {
        let (_, digest) =
            facts.receipts.get(&entry.chunk).context("I1 coverage: a chunk without a receipt")?;
        ensure!(*digest == entry.receipt_sha256, "I1 coverage: another receipt of chunk `{}`", entry.chunk);
    }
    Ok(())
}

fn content(facts: &Facts, baseline: &Baseline) -> Result<()> {
    for (chunk, (receipt, _)) in &facts.receipts {
        for (kind, stored) in &receipt.objects {
            let found = facts.objects.get(&(*chunk, kind.clone()));
            ensure!(
                found == Some(&stored.sha256),
                "I2 content: `{kind}` of chunk `{chunk}` is not what its receipt says"
            );
        }
    }
    let found = Baseline::of_facts(facts);
    for (key, digest) in &baseline.objects {
        ensure!(
            found.objects.get(key) == Some(digest),
            "I2 content: `{key}` is not that of the fault-free run"
        );
    }
    ensure!(found.noise == baseline.noise, "I2 content: noise digests differ from the fault-free run's");
    Ok(())
}

fn metric(facts: &Facts, baseline: &Baseline) -> Result<()> {
    let found = Baseline::of_facts(facts);
    ensure!(!found.stats.is_empty() && found.stats == baseline.stats, "I3 metric: mu or sigma differ");
    ensure!(found.distances == baseline.distances, "I3 metric: a distance differs: {found:?}");
    Ok(())
}

fn single_commit(facts: &Facts, run: &RunId, spec: &LabSpec) -> Result<()> {
    let under_chunks =
        facts.keys.iter().filter(|key| key.starts_with(&keys::receipts_prefix(run))).count() as u64;
    let num_kinds = 1 + u64::from(spec.latents);
    let expected = spec.num_chunks() * (num_kinds + 1);
    ensure!(
        under_chunks == expected,
        "I4 single commit: `{under_chunks}` objects where there should be `{expected}`"
    );
    Ok(())
}

fn success(facts: &Facts) -> Result<()> {
    let manifest = facts.manifest.as_ref().context("I5 no false success: no manifest")?;
    let expected = format!("{}\n", Digest::of(&manifest.to_json()));
    ensure!(
        facts.success.as_ref() == Some(&expected),
        "I5 no false success: `_SUCCESS` is `{:?}`",
        facts.success
    );
    Ok(())
}

async fn blame(lab: &Lab, run: &RunId, dead: &[ChunkIndex]) -> Result<()> {
    let found = lab.queue().await?.dead_chunks(run).await?;
    let chunks: Vec<ChunkIndex> = found.iter().map(|dead| dead.chunk).collect();
    ensure!(chunks == dead, "I8 fair blame: `{dead:?}` were to be dead: {found:#?}");
    Ok(())
}

async fn bounded(lab: &Lab, spec: &LabSpec, allowed: &Allowed) -> Result<()> {
    // Somebody may still have to find out that a chunk is stored already.
    let drained =
        lab.until("I9 bounded resources: empty streams", async || Ok(lab.lengths().await? == (0, 0)));
    drained.await.with_context(|| "I9 bounded resources")?;
    let (longest, most) = (lab.longest(), spec.num_chunks() + allowed.stray_messages);
    ensure!(
        longest <= most,
        "I9 bounded resources: `{longest}` messages at once where there are `{most}` chunks"
    );
    Ok(())
}

async fn conservation(lab: &Lab, facts: &Facts, spec: &LabSpec, allowed: &Allowed) -> Result<()> {
    let (queue, run) = (lab.queue().await?, spec.run(lab.folder())?);
    let dead = queue.dead_chunks(&run).await?.len() as u64;
    let committed = facts.receipts.len() as u64;
    let submitted = spec.num_chunks();
    ensure!(
        committed + dead == submitted,
        "I10 conservation: {submitted} submitted, {committed} committed, {dead} dead"
    );
    let Some(progress) = queue.progress(&run).await? else {
        ensure!(allowed.redis_lost, "I10 conservation: redis does not know the run");
        return Ok(());
    };
    ensure!(progress.queued == 0, "I10 conservation: redis counts `{}` chunks as queued", progress.queued);
    let done = progress.done_chunks;
    let agrees = if allowed.redis_lost { done <= committed } else { done == committed };
    ensure!(agrees, "I10 conservation: redis counts `{done}` chunks as done, the store has `{committed}`");
    Ok(())
}
