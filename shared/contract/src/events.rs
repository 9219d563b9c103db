//! What the control plane tells people and scripts while it works: one enum feeds every output.

use serde::{Deserialize, Serialize};

use crate::{
    dead::DeadChunk,
    ids::{ChunkIndex, RunId, SweepId},
};

/// How far a training is: what a line of its `stats.jsonl` says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingNumbers {
    /// Steps done.
    pub step: u64,
    /// Steps to be done in all.
    pub steps: u64,
    /// Images seen.
    pub images: u64,
    /// Mean per element over the last steps; none where it is no number.
    pub loss: Option<f64>,
    /// Images seen per second.
    pub images_per_s: f64,
    /// At this speed.
    pub seconds_left: f64,
}

/// Something worth a line. As JSON its `event` field names the variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run is in the store and what it lacks is queued.
    Submitted {
        /// The run.
        run: RunId,
        /// Chunks of the whole run.
        num_chunks: u64,
        /// Chunks that the store already had.
        num_stored: u64,
        /// Chunks newly queued; fewer than missing when they were queued already.
        num_queued: u64,
        /// Images of the whole run.
        num_images: u64,
        /// Whether it trains a net and makes no images.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_training: bool,
    },
    /// How far the run is.
    Progress {
        /// The run.
        run: RunId,
        /// Images that are stored.
        done_images: u64,
        /// Images of the whole run.
        num_images: u64,
        /// Images made in chunks that are still in hand; lost with their workers.
        making_images: u64,
        /// Chunks that are stored.
        done_chunks: u64,
        /// Chunks of the whole run.
        num_chunks: u64,
        /// Workers that told of a chunk in hand.
        workers: u64,
        /// Seconds since we watch.
        elapsed_s: f64,
        /// Recent throughput; 0 until an image is made.
        images_per_s: f64,
        /// Seconds to the end at this throughput, once there is one.
        eta_s: Option<f64>,
    },
    /// How far a training is, which is one chunk.
    Training {
        /// The run.
        run: RunId,
        /// What it told last, once it has.
        numbers: Option<TrainingNumbers>,
        /// Snapshots that it has left.
        num_snapshots: u64,
        /// Workers that have it in hand: one, or none.
        workers: u64,
        /// Seconds since we watch.
        elapsed_s: f64,
    },
    /// A training has come to its end.
    Trained {
        /// The run.
        run: RunId,
        /// Images seen.
        num_images: Option<u64>,
        /// Snapshots that it has left.
        num_snapshots: u64,
        /// Where they are.
        folder: String,
    },
    /// Redis lost chunks that the store lacks; they are queued again.
    Requeued {
        /// The run.
        run: RunId,
        /// How many.
        num_chunks: u64,
    },
    /// A chunk is given up; the rest of the run goes on.
    ChunkDead {
        /// The run.
        run: RunId,
        /// Which chunk, and why.
        dead: DeadChunk,
    },
    /// A worker handed a chunk back for something that is nobody's fault.
    HandedBack {
        /// The run.
        run: RunId,
        /// The worker, as the queue knows it.
        worker: String,
        /// One line.
        cause: String,
    },
    /// Somebody called the run off.
    Cancelled {
        /// The run.
        run: RunId,
        /// Chunks that are stored, and found again by the next submit.
        num_stored: u64,
        /// Chunks of the whole run.
        num_chunks: u64,
    },
    /// All chunks are stored.
    Stored {
        /// The run.
        run: RunId,
        /// Images of the whole run.
        num_images: u64,
        /// Share of the devices' time in which there were chunks to be had and they did nothing; of what was made since Redis
        /// knows the run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device_idle: Option<f64>,
    },
    /// Manifest and statistics are written.
    Reduced {
        /// The run.
        run: RunId,
        /// Images folded.
        num_images: u64,
        /// Chunks verified.
        num_chunks: ChunkIndex,
    },
    /// Cells of a sweep are looked at with more images.
    SweepLook {
        /// The sweep.
        sweep: SweepId,
        /// 0 for the first grid, 1 for the first finer one.
        round: u32,
        /// Cells that are looked at.
        num_cells: u64,
        /// Images of each.
        num_images: u64,
        /// Images of all that no earlier look needed, whoever makes them.
        more_images: u64,
    },
    /// Cells of a sweep are worse than the best by more than chance explains: the rest of their images is not made.
    SweepStopped {
        /// The sweep.
        sweep: SweepId,
        /// How many.
        num_cells: u64,
        /// Images that each was looked at with.
        num_images: u64,
    },
    /// Result and reports are written, `_SUCCESS` last.
    Reported {
        /// The run.
        run: RunId,
        /// Where the result is: a file, or an address in the store.
        result: String,
        /// Where the HTML report is.
        report: String,
    },
}
