//! `fidelis retry` and `fidelis cancel`: a run's chunks back into the queue, or out of it.

use std::collections::BTreeSet;

use anyhow::anyhow;
use clap::Args;
use fidelis_contract::{exit, ids::ChunkIndex, seeds::Seeds};
use fidelis_fleet::{out, stored};
use serde_json::{Value, json};

use super::{Failure, fleet::FleetArgs, target::TargetArgs};
use crate::conduct::submit;

/// Which dead chunks.
#[derive(Debug, Args)]
pub struct RetryArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Dead chunks to try again, as 0-3,7 [default: all of them]
    #[arg(long, value_name = "LIST")]
    chunks: Option<Seeds>,
    #[command(flatten)]
    fleet: FleetArgs,
    /// JSON on stdout
    #[arg(long)]
    json: bool,
}

/// Which run.
#[derive(Debug, Args)]
pub struct CancelArgs {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    fleet: FleetArgs,
    /// JSON on stdout
    #[arg(long)]
    json: bool,
}

/// Queues dead chunks again, with all their attempts.
pub async fn retry(args: RetryArgs) -> Result<u8, Failure> {
    let target = args.target.read(&args.fleet.store.files()).await?;
    let fleet = args.fleet.connect().await?;
    let run = target.find(&fleet.store).await?;
    if stored::is_cancelled(&fleet.store, &run.id).await? {
        let text = format!("run `{}` is cancelled: submit it again, which tries its dead chunks too", run.id);
        return Err(Failure::new(exit::USAGE, anyhow!(text)));
    }
    submit::check_arithmetic(&fleet.store, &run).await?;
    let dead = fleet.queue.dead_chunks(&run.id).await?;
    let dead: BTreeSet<ChunkIndex> = dead.iter().map(|dead| dead.chunk).collect();
    let wanted = match &args.chunks {
        None => dead,
        Some(list) => among(list, &dead, &run.id.to_string())?,
    };
    let chunks: Vec<ChunkIndex> = wanted.into_iter().collect();
    let num_queued = if chunks.is_empty() { 0 } else { fleet.queue.enqueue(&run, &chunks).await? };
    let line = match num_queued {
        0 => "no dead chunk to try again".to_owned(),
        _ => format!("{num_queued} dead chunks are queued again; `fidelis watch {}` follows them", run.id),
    };
    let value = json!({ "run": run.id, "queued_chunks": num_queued });
    say(args.json, &value, &line);
    Ok(exit::DONE)
}

fn among(list: &Seeds, dead: &BTreeSet<ChunkIndex>, run: &str) -> Result<BTreeSet<ChunkIndex>, Failure> {
    let mut wanted = BTreeSet::new();
    for chunk in list.iter() {
        let found = ChunkIndex::try_from(chunk).ok().filter(|chunk| dead.contains(chunk));
        let refusal = || {
            let text = format!(
                "chunk `{chunk}` of run `{run}` is not dead: `fidelis status {run}` lists those that are"
            );
            Failure::new(exit::USAGE, anyhow!(text))
        };
        wanted.insert(found.ok_or_else(refusal)?);
    }
    Ok(wanted)
}

/// Takes a run out of the queue.
pub async fn cancel(args: CancelArgs) -> Result<u8, Failure> {
    let target = args.target.read(&args.fleet.store.files()).await?;
    let fleet = args.fleet.connect().await?;
    let run = target.find(&fleet.store).await?;
    let stored = stored::chunk_indices(&fleet.store, &run.id).await?;
    let num_chunks = run.plan.num_chunks();
    if run.missing(&stored).is_empty() {
        let value = json!({ "run": run.id, "cancelled_chunks": 0, "stored_chunks": num_chunks });
        let line = format!("nothing to cancel: all {num_chunks} chunks of {} are stored", run.id);
        say(args.json, &value, &line);
        return Ok(exit::DONE);
    }
    let num_cancelled = submit::cancel(&fleet, &run).await?;
    let value = json!({ "run": run.id, "cancelled_chunks": num_cancelled, "stored_chunks": stored.len() });
    let line = format!(
        "cancelled: {num_cancelled} chunks left the queue, {} of {num_chunks} are stored; submitting the run again \
         goes on from there",
        stored.len()
    );
    say(args.json, &value, &line);
    Ok(exit::DONE)
}

fn say(json: bool, value: &Value, line: &str) {
    if json { out::json(value) } else { out::line(line) }
}
