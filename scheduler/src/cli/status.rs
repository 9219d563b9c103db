//! `fidelis status`: how far a run is.

use std::{collections::BTreeMap, time::Duration};

use clap::Args;
use fidelis_contract::{dead::DeadChunk, exit, ids::RunId, keys, outcome::Outcome};
use fidelis_fleet::{
    out,
    queue::{Progress, Queue, QueueError, QueueSettings, UnfitWorker},
    stored,
};
use serde_json::{Value, json};

use super::{Failure, stored_at::StoredAt, target::TargetArgs};
use crate::training::{self, Training};

/// Of a dead chunk's last log lines; `--json` has all that were kept.
const LOG_LINES: usize = 5;

/// Which run.
#[derive(Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    stored: StoredAt,
    /// Redis server; without it, only the store is asked
    #[arg(long, value_name = "URL", env = "FIDELIS_REDIS", hide_env_values = true)]
    redis: Option<String>,
    /// JSON on stdout
    #[arg(long)]
    json: bool,
}

/// Prints how far the run is.
pub async fn status(args: StatusArgs) -> Result<u8, Failure> {
    let target = args.target.read(&args.stored.files()).await?;
    let opened = args.stored.open().await?;
    let store = opened.store();
    let run = target.find(store).await?;
    let chunks = stored::chunk_indices(store, &run.id).await?;
    let is_complete = store.get(&keys::success(&run.id)).await?.is_some();
    let (num_chunks, num_images) = (run.plan.num_chunks(), run.plan.num_images());
    let stored_images = run.num_images(&chunks);
    // What is stored to the end was called off too late.
    let is_off = !run.missing(&chunks).is_empty() && stored::is_cancelled(store, &run.id).await?;
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
        match run.spec.engine.train() {
            None => {
                let stored = chunks.len();
                format!("stored   {stored} of {num_chunks} chunks, {stored_images} of {num_images} images")
            }
            Some(_) if chunks.is_empty() => {
                "stored   not yet: a training is one chunk, stored at its end".to_owned()
            }
            Some(_) => "stored   the whole training".to_owned(),
        },
        format!("success  {}", if is_complete { "yes: reduced, verified and reported" } else { "not yet" }),
    ];
    if is_off {
        lines.push("cancelled  submitting the run again goes on".to_owned());
    }
    if run.spec.engine.train().is_some() {
        let training = training::seen(store, &run.id).await?;
        lines.extend(lines_of(&training));
        found["training"] = json!(training);
    }
    // A folder's runs are in no queue.
    if let Some(redis) = args.redis.as_ref().filter(|_| args.stored.local.is_none()) {
        match Seen::of(redis, &run.id).await {
            Ok(seen) => {
                lines.extend(seen.lines());
                seen.add_to(&mut found);
            }
            // The store has answered, and it is the one that knows what is done.
            Err(error) if error.is_retryable() => {
                lines.push(format!("queued   not known: {error}"));
                found["redis_error"] = json!(error.to_string());
            }
            Err(error) => return Err(error.into()),
        }
    }
    if args.json {
        out::json(found)
    } else {
        out::line(lines.join("\n"))
    }
    Ok(exit::DONE)
}

fn lines_of(training: &Training) -> Vec<String> {
    let Training { last, state, snapshot, num_snapshots, page } = training;
    let numbers = last.as_ref().map_or_else(
        || "training has left no numbers yet".to_owned(),
        |last| {
            let loss = last.loss.unwrap_or(f64::NAN);
            format!(
                "training step {} of {}, {} images seen, loss {loss:.4}, {:.1} images/s",
                last.step, last.steps, last.images, last.images_per_s
            )
        },
    );
    let mut lines = vec![numbers];
    lines.extend(state.as_ref().map(|name| format!("state    `{name}`: what another worker goes on from")));
    lines.extend(snapshot.as_ref().map(|name| format!("snapshot `{name}`, the last of {num_snapshots}")));
    lines.extend(page.as_ref().map(|url| format!("page     {url}")));
    lines
}

/// What Redis knows of the run.
struct Seen {
    progress: Option<Progress>,
    dead: Vec<DeadChunk>,
    unfit: Vec<(String, UnfitWorker)>,
    setbacks: BTreeMap<String, String>,
}

impl Seen {
    async fn of(redis: &str, run: &RunId) -> Result<Self, QueueError> {
        let queue = Queue::connect(redis, QueueSettings::default()).await?;
        Ok(Self {
            progress: queue.progress(run).await?,
            dead: queue.dead_chunks(run).await?,
            unfit: queue.unfit_workers(run).await?,
            setbacks: queue.setbacks(run).await?,
        })
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = vec![match &self.progress {
            Some(progress) => format!("queued   {} chunks, waiting or being made", progress.queued),
            None => "queued   nothing: redis does not know the run".to_owned(),
        }];
        if let Some((device, share)) =
            self.progress.and_then(|progress| Some((progress.device, progress.device.idle_share()?)))
        {
            let (busy, idle) = (device.busy.as_secs_f64(), device.idle.as_secs_f64());
            lines.push(format!("devices  busy {busy:.1} s, waiting {idle:.1} s ({:.1} %)", 100.0 * share));
        }
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
        let seconds =
            |pick: fn(Progress) -> Duration| json!(self.progress.map(|seen| pick(seen).as_secs_f64()));
        found["device_busy_seconds"] = seconds(|progress| progress.device.busy);
        found["device_idle_seconds"] = seconds(|progress| progress.device.idle);
        found["dead"] = json!(self.dead);
        let unfit = |(worker, unfit): &(String, UnfitWorker)| json!({ "worker": worker, "reports": unfit.reports, "cause": unfit.cause });
        found["setbacks"] = json!(self.setbacks);
        found["unfit"] = self.unfit.iter().map(unfit).collect();
    }
}
