//! `fidelis score`: how good is a net while it is trained?

use std::{collections::HashSet, path::PathBuf, time::Duration};

use clap::Args;
use fidelis_contract::{exit, keys::SCORES, spec::RunSpec};
use fidelis_fleet::out;
use fidelis_formats::atomic;

use super::{
    Failure,
    console::Console,
    fleet::{files, prepare},
    made_at::MadeAt,
    session::Ended,
};
use crate::snapshots::{self, Every, Place, Score, with_scores};

/// How often the files of a training are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What to score, and by what.
#[derive(Debug, Args)]
pub struct ScoreArgs {
    /// What `fidelis-worker train` has as its --outdir: a folder, or s3://bucket/prefix
    #[arg(value_name = "OUTDIR")]
    outdir: String,
    /// Spec of a score (.toml or .json); each snapshot takes the place of its `net`
    #[arg(long, value_name = "SPEC")]
    spec: PathBuf,
    /// What to measure, and of how many images of the training one snapshot is scored: as fd@64000 or fid@8388608
    #[arg(long, value_name = "METRIC@IMAGES")]
    metrics: Every,
    /// EMA lengths to score, as 0.05,0.1 [default: all that there are]
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
    ema: Vec<f64>,
    /// Wait for snapshots to come, until the training has taken its last step
    #[arg(long)]
    follow: bool,
    #[command(flatten)]
    place: MadeAt,
    /// JSON on stdout: events, one per line, and the scores
    #[arg(long)]
    json: bool,
}

/// Scores what is due, and with `--follow` what comes; the scores so far are in the file beside the snapshots.
pub async fn score(args: ScoreArgs) -> Result<u8, Failure> {
    args.place.local.iter().try_for_each(|folder| atomic::check_folder(folder))?;
    let Every { metric, images } = args.metrics;
    let base = RunSpec::load(&args.spec)?;
    snapshots::check(&base, metric)?;
    let endpoint = args.place.s3_endpoint.clone();
    let (files, place) = (files(endpoint.clone()), Place::open(&args.outdir, endpoint).await?);
    let mut session = args.place.session(files.clone(), Console::of_sweep(args.json)).await?;
    let mut scored = HashSet::new();
    loop {
        // In this order: what the last step leaves is there before its numbers are.
        let is_done = snapshots::is_done(&place.read(snapshots::STATS).await?);
        let due = snapshots::due(&place.names().await?, (images, &args.ema), is_done);
        for snapshot in due.iter().filter(|snapshot| !scored.contains(&snapshot.name)) {
            let spec = snapshot.spec(&base, place.file(&snapshot.name))?;
            let spec = prepare(spec, None, &files).await?;
            let reduced = match session.complete(vec![spec]).await? {
                Ended::Finished(reduced) => reduced,
                Ended::Interrupted(code) => return Ok(code),
            };
            let scores: Vec<Score> =
                reduced.iter().flat_map(|reduced| Score::all(snapshot, metric, &reduced.result)).collect();
            place.write(SCORES, with_scores(&place.read(SCORES).await?, &scores)).await?;
            tell(&scores, args.json);
        }
        scored.extend(due.into_iter().map(|snapshot| snapshot.name));
        if is_done || !args.follow {
            break;
        }
        if let Some(code) = session.pause(LOOK_EVERY).await {
            return Ok(code);
        }
    }
    if scored.is_empty() {
        let words = "no snapshot is due in";
        out::note(format!("{words} `{}`: with `--follow` they are waited for", args.outdir));
    }
    Ok(exit::DONE)
}

fn tell(scores: &[Score], json: bool) {
    for score in scores {
        if json {
            out::json(serde_json::to_string(score).unwrap_or_default());
        } else {
            out::line(score.line());
        }
    }
}
