//! Chunks of two arithmetics are never mixed: what an earlier version left is reported as what it is, or made anew.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use fidelis_contract::{
    arithmetic, exit,
    ids::{ChunkIndex, Digest, RunId},
    keys,
    kind::Kind,
    payload::ChunkObject,
    receipt::{FIRST_ARITHMETIC, Receipt},
    run::Run,
    spec::{EngineKind, ResolvedSpec, RunSpec},
};
use fidelis_embedded::LocalStore;
use fidelis_fleet::{
    queue::{Queue, QueueSettings},
    store::Store,
};
use fidelis_tests::{Fleet, Outcome, Process, RunFiles, repository};

const NUM_CHUNKS: ChunkIndex = 4;

/// The arithmetic of this build's nets.
fn now() -> u32 {
    arithmetic::of(EngineKind::Edm2)
}

/// Four chunks of the demo's net.
fn spec(fleet: &Fleet) -> Result<String> {
    let demo = repository().join("infra/demo").display().to_string();
    let text = format!(
        r#"
name = "old"
seeds = "0-15"
micro_batch = 4
chunk_size = 4
net = "{demo}/models/fashion-net.safetensors"
outputs = {{ latents = true }}
[sampler]
num_steps = 2
[[detectors]]
name = "fashion-cnn"
weights = "{demo}/models/fashion-cnn.safetensors"
reference = "{demo}/refs/fashion-train.npz"
"#
    );
    Ok(fleet.spec("old", &text)?.display().to_string())
}

fn ended(outcome: &Outcome, code: u8) -> Result<()> {
    ensure!(outcome.code == Some(i32::from(code)), "{outcome:#?}");
    Ok(())
}

/// Makes a chunk look as a version of the first arithmetic left it: other bits, and a receipt that says nothing.
async fn age(store: &Store, run: &RunId, chunk: ChunkIndex) -> Result<()> {
    let key = keys::receipt(run, chunk);
    let mut receipt = Receipt::from_json(&store.get(&key).await?.context("a receipt")?)?;
    let kinds: Vec<Kind> = receipt.objects.keys().cloned().collect();
    for kind in kinds {
        let place = keys::chunk(run, &kind, chunk);
        let mut object = ChunkObject::decode(&kind, &store.get(&place).await?.context("an object")?)?;
        object.data.data[0] ^= 1;
        let bytes = object.encode(&kind)?;
        let stored = receipt.objects.get_mut(&kind).context("its own kind")?;
        stored.sha256 = Digest::of(&bytes);
        store.replace(&place, bytes.into(), "application/octet-stream").await?;
    }
    (receipt.arithmetic, receipt.maker) = (FIRST_ARITHMETIC, None);
    let json = receipt.to_json()?;
    ensure!(!String::from_utf8_lossy(&json).contains("arithmetic"), "as it was written then");
    Ok(store.replace(&key, json.into(), "application/json").await?)
}

/// The run never came to its end.
async fn unfinish(store: &Store, run: &RunId) -> Result<()> {
    for key in [keys::success(run), keys::manifest(run), keys::result(run)] {
        store.remove(&key).await?;
    }
    Ok(())
}

/// A run of [`spec`] that ended, on a fleet of one worker.
struct Made {
    fleet: Fleet,
    _worker: Process,
    spec: String,
    run: RunId,
    id: String,
    store: Store,
    files: RunFiles,
}

impl Made {
    async fn new() -> Result<Self> {
        let fleet = Fleet::start().await?;
        let spec = spec(&fleet)?;
        let worker = fleet.worker("one", 1)?;
        ended(&fleet.fidelis(&["run", &spec]).await?, exit::DONE)?;
        let run = fleet.run_id("old").await?;
        let (id, files, store) = (run.to_string(), fleet.files(&run).await?, fleet.store().await?);
        Ok(Self { fleet, _worker: worker, spec, run, id, store, files })
    }

    async fn age(&self, chunks: impl IntoIterator<Item = ChunkIndex>) -> Result<()> {
        for chunk in chunks {
            age(&self.store, &self.run, chunk).await?;
        }
        Ok(())
    }

    /// What `args` printed, which ended with `code`.
    async fn fidelis(&self, args: &[&str], code: u8) -> Result<Outcome> {
        let outcome = self.fleet.fidelis(args).await?;
        ended(&outcome, code)?;
        Ok(outcome)
    }

    /// Runs the command that a refusal names, after which chunks are missing.
    async fn obey(&self, refusal: &Outcome) -> Result<()> {
        ended(&fidelis(&self.fleet, &named_command(refusal)?).await?, exit::INCOMPLETE)
    }

    /// Makes what is missing; the run is whole then.
    async fn make_again(&self) -> Result<RunFiles> {
        self.fidelis(&["run", &self.spec], exit::DONE).await?;
        let after = self.fleet.files(&self.run).await?;
        ensure!(after.fd_bits() == self.files.fd_bits(), "other bits than those of a run that was never old");
        self.fidelis(&["verify", &self.id], exit::DONE).await?;
        Ok(after)
    }
}

/// The command that a refusal names, as its words.
fn named_command(outcome: &Outcome) -> Result<Vec<String>> {
    let line = outcome.stderr.lines().last().unwrap_or_default();
    ensure!(line.contains(&format!("arithmetic `1` where this build makes `{}`", now())), "{line}");
    let command = line.split('`').find(|part| part.starts_with("fidelis ")).context("no command is named")?;
    Ok(command.split_whitespace().skip(1).map(str::to_owned).collect())
}

async fn fidelis(fleet: &Fleet, args: &[String]) -> Result<Outcome> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    fleet.fidelis(&args).await
}

fn objects(receipts: &[Receipt]) -> Vec<BTreeMap<Kind, Digest>> {
    let digests =
        |receipt: &Receipt| receipt.objects.iter().map(|(kind, o)| (kind.clone(), o.sha256)).collect();
    receipts.iter().map(digests).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unfinished_run_of_the_old_arithmetic_is_refused_and_made_anew_by_the_command_named() -> Result<()>
{
    let made = Made::new().await?;
    let Made { fleet, run, id, store, files: before, .. } = &made;
    assert!(before.receipts.iter().all(|receipt| receipt.arithmetic == now()));
    assert_eq!(before.result["provenance"]["arithmetic"], now());

    // All old; one of them lost its receipt, and nobody knows whose the objects are.
    made.age(0..NUM_CHUNKS).await?;
    store.remove(&keys::receipt(run, 3)).await?;
    unfinish(store, run).await?;
    for command in ["submit", "run", "watch", "reduce", "report", "retry"] {
        let target = if matches!(command, "submit" | "run") { &made.spec } else { id };
        let outcome = made.fidelis(&[command, target], exit::INTEGRITY).await.context(command)?;
        assert_eq!(named_command(&outcome)?, ["verify", id, "--repair"], "{command}");
        outcome.error_line();
    }
    assert_eq!(fleet.num_receipts(run).await?, 3, "nothing was added to it");

    let found = made.fidelis(&["verify", id], exit::INTEGRITY).await?;
    assert!(found.stdout.contains("is of arithmetic `1` where this build makes"), "{}", found.stdout);
    made.fidelis(&["verify", id, "--repair"], exit::INCOMPLETE).await?;
    assert_eq!(fleet.num_receipts(run).await?, 0);
    let after = made.make_again().await?;
    assert_eq!(objects(&after.receipts), objects(&before.receipts), "the bits of a run that was never old");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_of_two_arithmetics_are_never_mixed() -> Result<()> {
    let made = Made::new().await?;
    // Two workers of an earlier version had a hand in it, whatever `_SUCCESS` says.
    made.age([1, 2]).await?;
    let refused = made.fidelis(&["report", &made.id], exit::INTEGRITY).await?;
    made.obey(&refused).await?;
    assert_eq!(made.fleet.num_receipts(&made.run).await?, 2, "those that are good stay");
    made.make_again().await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_run_of_the_old_arithmetic_says_which_its_figures_are_of() -> Result<()> {
    let made = Made::new().await?;
    let Made { fleet, run, id, store, spec, .. } = &made;
    made.age(0..NUM_CHUNKS).await?;
    for args in [["report", id], ["run", spec]] {
        let outcome = made.fidelis(&args, exit::DONE).await?;
        let words = outcome.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("The images of old were made in arithmetic 1"), "{words}");
    }
    assert_eq!(fleet.files(run).await?.result["provenance"]["arithmetic"], 1);
    for key in [keys::report_html(run), keys::report_md(run)] {
        let text = String::from_utf8(store.get(&key).await?.context("a report")?.to_vec())?;
        assert!(text.contains("were made in arithmetic 1"), "{key}");
    }
    let verified = made.fidelis(&["verify", id], exit::DONE).await?;
    assert!(verified.stdout.contains("the run is of arithmetic 1"), "{}", verified.stdout);

    // A chunk of it is damaged: only the version that made it could mend that, so all are made anew.
    store.remove(&keys::chunk(run, &Kind::Latents, 2)).await?;
    made.fidelis(&["verify", id, "--repair"], exit::INCOMPLETE).await?;
    let refused = made.fidelis(&["run", spec], exit::INTEGRITY).await?;
    made.obey(&refused).await?;
    let after = made.make_again().await?;
    assert_eq!(after.result["provenance"]["arithmetic"], now());
    Ok(())
}

/// As after an upgrade in the middle of a run: the queue is full, and nobody submits anything.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_leaves_a_run_of_the_old_arithmetic_alone() -> Result<()> {
    let fleet = Fleet::start().await?;
    let path = spec(&fleet)?;
    let first = fleet.worker("first", 1)?;
    ended(&fleet.fidelis(&["run", &path]).await?, exit::DONE)?;
    drop(first);
    let run = fleet.run_id("old").await?;
    let store = fleet.store().await?;
    age(&store, &run, 0).await?;
    unfinish(&store, &run).await?;
    let spec = String::from_utf8(store.get(&keys::spec(&run)).await?.context("a spec")?.to_vec())?;
    let spec = RunSpec::from_json(&spec, "spec.json")?;
    for chunk in 1..NUM_CHUNKS {
        for key in
            spec.kinds().iter().map(|kind| keys::chunk(&run, kind, chunk)).chain([keys::receipt(&run, chunk)])
        {
            store.remove(&key).await?;
        }
    }
    fleet.flush_redis().await?;
    let url = fleet.env().into_iter().find(|(key, _)| key == "FIDELIS_REDIS").context("a url")?.1;
    let queue = Queue::connect(&url, QueueSettings::default()).await?;
    queue.enqueue(&Run::new(ResolvedSpec::new(spec)?), &[1, 2, 3]).await?;
    let _second = fleet.worker("second", 1)?;
    let dead = async {
        loop {
            let dead = queue.dead_chunks(&run).await?;
            if dead.len() == 3 {
                return anyhow::Ok(dead);
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let dead = tokio::time::timeout(std::time::Duration::from_secs(60), dead).await??;
    assert!(dead.iter().all(|dead| dead.cause.contains("holds `1` chunks of arithmetic `1`")), "{dead:?}");
    assert_eq!(fleet.num_receipts(&run).await?, 1, "it was not extended");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_run_names_the_command_with_its_folder() -> Result<()> {
    let fleet = Fleet::start().await?;
    let (spec, out) = (spec(&fleet)?, fleet.folder().join("out"));
    let out_text = out.display().to_string();
    let local = async || fleet.fidelis(&["local", &spec, "--out", &out_text]).await;
    ended(&local().await?, exit::DONE)?;
    let place = LocalStore::open(&out).await?;
    let run = std::fs::read_dir(out.join("store/fidelis/runs"))?.next().context("a run")??.file_name();
    let run: RunId = run.to_string_lossy().parse()?;
    for chunk in 0..NUM_CHUNKS {
        age(&place.store, &run, chunk).await?;
    }
    unfinish(&place.store, &run).await?;
    drop(place);
    let refused = local().await?;
    ended(&refused, exit::INTEGRITY)?;
    ended(&fidelis(&fleet, &named_command(&refused)?).await?, exit::INCOMPLETE)?;
    ended(&local().await?, exit::DONE)
}

#[test]
fn only_the_arithmetic_of_nets_and_images_moved_on() {
    let of = [EngineKind::Edm2, EngineKind::Dataset, EngineKind::Synthetic].map(arithmetic::of);
    assert_eq!(of, [5, 3, 1]);
}
