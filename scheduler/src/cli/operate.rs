//! `fidelis retry` and `fidelis cancel`: a run's chunks back into the queue, or out of it.

use std::collections::BTreeSet;

use anyhow::anyhow;
use clap::Args;
use fidelis_shared::{exit, ids::ChunkIndex, queue::QueuedRun, seeds::Seeds};
use serde_json::json;

use super::{
    Failure,
    fleet::{FleetArgs, run_of},
};
use crate::{
    fleet::{is_cancelled, stored_chunks},
    submit,
};

/// Which dead chunks.
#[derive(Debug, Args)]
pub struct RetryArgs {
    /// Id of the run, or its spec
    run: String,
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
    /// Id of the run, or its spec
    run: String,
    #[command(flatten)]
    fleet: FleetArgs,
    /// JSON on stdout
    #[arg(long)]
    json: bool,
}

/// Queues dead chunks again, with all their attempts.
pub async fn retry(args: RetryArgs) -> Result<u8, Failure> {
    let run = run_of(&args.run, &args.fleet.store.files()).await?;
    let fleet = args.fleet.connect().await?;
    let run = submit::find(&fleet.store, &run).await?;
    if is_cancelled(&fleet.store, &run.run).await? {
        let text =
            format!("run `{}` is cancelled: submit it again, which tries its dead chunks too", run.run);
        return Err(Failure::new(exit::USAGE, anyhow!(text)));
    }
    submit::check_arithmetic(&fleet.store, &run).await?;
    let dead = fleet.queue.dead_chunks(&run.run).await?;
    let dead: BTreeSet<ChunkIndex> = dead.iter().map(|dead| dead.chunk).collect();
    let wanted = match &args.chunks {
        None => dead,
        Some(list) => among(list, &dead, &run.run.to_string())?,
    };
    let chunks: Vec<ChunkIndex> = wanted.into_iter().collect();
    let num_queued =
        if chunks.is_empty() { 0 } else { fleet.queue.enqueue(&QueuedRun::new(&run.spec), &chunks).await? };
    let line = match num_queued {
        0 => "no dead chunk to try again".to_owned(),
        _ => format!("{num_queued} dead chunks are queued again; `fidelis watch {}` follows them", run.run),
    };
    let value = json!({ "run": run.run, "queued_chunks": num_queued });
    println!("{}", if args.json { value.to_string() } else { line });
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
    let run = run_of(&args.run, &args.fleet.store.files()).await?;
    let fleet = args.fleet.connect().await?;
    let run = submit::find(&fleet.store, &run).await?;
    let stored = stored_chunks(&fleet.store, &run.run).await?;
    let num_chunks = run.plan.num_chunks();
    if run.missing(&stored).is_empty() {
        println!(
            "{}",
            match args.json {
                true =>
                    json!({ "run": run.run, "cancelled_chunks": 0, "stored_chunks": num_chunks }).to_string(),
                false => format!("nothing to cancel: all {num_chunks} chunks of {} are stored", run.run),
            }
        );
        return Ok(exit::DONE);
    }
    let num_cancelled = submit::cancel(&fleet, &run).await?;
    let value = json!({ "run": run.run, "cancelled_chunks": num_cancelled, "stored_chunks": stored.len() });
    let line = format!(
        "cancelled: {num_cancelled} chunks left the queue, {} of {num_chunks} are stored; submitting the run again \
         goes on from there",
        stored.len()
    );
    println!("{}", if args.json { value.to_string() } else { line });
    Ok(exit::DONE)
}
