//! `fidelis status`: how far a run is.

use std::collections::BTreeMap;

use clap::Args;
use fidelis_contract::{dead::DeadChunk, exit, keys};
use fidelis_fleet::{
    queue::{Progress, Queue, QueueSettings, UnfitWorker},
    stored,
};
use serde_json::{Value, json};

use super::{
    Failure,
    fleet::{StoreArgs, run_of},
};

/// Of a dead chunk's last log lines; `--json` has all that were kept.
const LOG_LINES: usize = 5;

/// Which run.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Id of the run, or its spec
    run: String,
    #[command(flatten)]
    store: StoreArgs,
    /// Redis server; without it, only the store is asked
    #[arg(long, value_name = "URL", env = "FIDELIS_REDIS", hide_env_values = true)]
    redis: Option<String>,
    /// JSON on stdout
    #[arg(long)]
    json: bool,
}

/// Prints how far the run is.
pub async fn status(args: StatusArgs) -> Result<u8, Failure> {
    let run = run_of(&args.run, &args.store.files()).await?;
    let store = args.store.connect().await?;
    let run = stored::find(&store, &run).await?;
    let chunks = stored::chunk_indices(&store, &run.id).await?;
    let is_complete = store.get(&keys::success(&run.id)).await?.is_some();
    let (num_chunks, num_images) = (run.plan.num_chunks(), run.plan.num_images());
    let stored_images = run.num_images(&chunks);
    // What is stored to the end was called off too late.
    let is_off = !run.missing(&chunks).is_empty() && stored::is_cancelled(&store, &run.id).await?;
    let mut found = json!({
        "run": run.id,
        "num_chunks": num_chunks,
        "num_images": num_images,
        "stored_chunks": chunks.len(),
        "stored_images": stored_images,
        "success": is_complete,
        "cancelled": is_off,
    });
    let mut lines = vec![
        format!("run      {}", run.id),
        format!("stored   {} of {num_chunks} chunks, {stored_images} of {num_images} images", chunks.len()),
        format!("success  {}", if is_complete { "yes: reduced, verified and reported" } else { "not yet" }),
    ];
    if is_off {
        lines.push("cancelled  submitting the run again goes on".to_owned());
    }
    if let Some(redis) = &args.redis {
        let queue = Queue::connect(redis, QueueSettings::default()).await?;
        let seen = Seen {
            progress: queue.progress(&run.id).await?,
            dead: queue.dead_chunks(&run.id).await?,
            unfit: queue.unfit_workers(&run.id).await?,
            setbacks: queue.setbacks(&run.id).await?,
        };
        lines.extend(seen.lines());
        seen.add_to(&mut found);
    }
    println!("{}", if args.json { found.to_string() } else { lines.join("\n") });
    Ok(exit::DONE)
}

/// What Redis knows of the run.
struct Seen {
    progress: Option<Progress>,
    dead: Vec<DeadChunk>,
    unfit: Vec<(String, UnfitWorker)>,
    setbacks: BTreeMap<String, String>,
}

impl Seen {
    fn lines(&self) -> Vec<String> {
        let mut lines = vec![match &self.progress {
            Some(progress) => format!("queued   {} chunks, waiting or being made", progress.queued),
            None => "queued   nothing: redis does not know the run".to_owned(),
        }];
        if let Some(progress) = self.progress.filter(|progress| progress.is_cancelled) {
            lines.push(format!("called off {} chunks", progress.cancelled_chunks));
        }
        for dead in &self.dead {
            let DeadChunk { chunk, cause, worker, device, deliveries, log } = dead;
            let device = if device.is_empty() { "an unknown device" } else { device };
            lines.push(format!("dead     chunk {chunk} after {deliveries} attempts: {cause}"));
            lines.push(format!("         last on worker `{worker}`, {device}; its last lines:"));
            lines.extend(log.iter().rev().take(LOG_LINES).rev().map(|line| format!("           {line}")));
        }
        for (worker, unfit) in &self.unfit {
            lines.push(format!("unfit    worker `{worker}` cannot make it: {}", unfit.cause));
        }
        for (worker, cause) in &self.setbacks {
            lines.push(format!("waiting  worker `{worker}` handed a chunk back: {cause}"));
        }
        if !self.dead.is_empty() {
            lines.push("next     mend the cause, then `fidelis retry` the run".to_owned());
        }
        lines
    }

    fn add_to(&self, found: &mut Value) {
        let count = |pick: fn(Progress) -> u64| json!(self.progress.map(pick));
        found["queued_chunks"] = count(|progress| progress.queued);
        found["submitted_chunks"] = count(|progress| progress.submitted_chunks);
        found["done_chunks"] = count(|progress| progress.done_chunks);
        found["dead_chunks"] = count(|progress| progress.dead_chunks);
        found["cancelled_chunks"] = count(|progress| progress.cancelled_chunks);
        found["copies"] = count(|progress| progress.copies);
        found["dead"] = json!(self.dead);
        let unfit = |(worker, unfit): &(String, UnfitWorker)| json!({ "worker": worker, "reports": unfit.reports, "cause": unfit.cause });
        found["setbacks"] = json!(self.setbacks);
        found["unfit"] = self.unfit.iter().map(unfit).collect();
    }
}
