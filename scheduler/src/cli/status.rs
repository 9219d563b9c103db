//! `fidelis status`: how far a run is.

use clap::Args;
use fidelis_shared::{
    exit, keys,
    queue::{Queue, QueueSettings},
};
use serde_json::json;

use super::{
    Failure,
    fleet::{StoreArgs, run_of},
};
use crate::{fleet::stored_chunks, submit};

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
    let run = submit::find(&store, &run).await?;
    let stored = stored_chunks(&store, &run.run).await?;
    let is_complete = store.get(&keys::success(&run.run)).await?.is_some();
    let (num_chunks, num_images) = (run.plan.num_chunks(), run.plan.num_images());
    let stored_images = run.num_images(&stored);
    let mut found = json!({
        "run": run.run,
        "num_chunks": num_chunks,
        "num_images": num_images,
        "stored_chunks": stored.len(),
        "stored_images": stored_images,
        "success": is_complete,
    });
    let mut lines = vec![
        format!("run      {}", run.run),
        format!("stored   {} of {num_chunks} chunks, {stored_images} of {num_images} images", stored.len()),
        format!("success  {}", if is_complete { "yes: reduced, verified and reported" } else { "not yet" }),
    ];
    if let Some(redis) = &args.redis {
        let queue = Queue::connect(redis, QueueSettings::default()).await?;
        let progress = queue.progress(&run.run).await?;
        let dead = queue.dead_chunks(&run.run).await?;
        lines.push(match progress {
            Some(progress) => format!("queued   {} chunks, waiting or being made", progress.queued),
            None => "queued   nothing: redis does not know the run".to_owned(),
        });
        lines.extend(dead.iter().map(|dead| {
            format!("dead     chunk {} after {} attempts: {}", dead.chunk, dead.deliveries, dead.cause)
        }));
        found["queued_chunks"] = json!(progress.map(|progress| progress.queued));
        found["dead"] = json!(dead);
    }
    println!("{}", if args.json { found.to_string() } else { lines.join("\n") });
    Ok(exit::DONE)
}
