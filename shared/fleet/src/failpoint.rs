//! The one registry of moments at which tests make things go wrong, and of faults that tests plant on purpose.
//!
//! The code names its moments with [`reach`] and its plants with [`planted`]; both ask a hook of the process. The
//! shipped binaries install none and nothing outside can, so there each costs one look at an empty cell. What a hook
//! does when a moment comes is compiled into the test binaries alone.

use std::{fmt, sync::OnceLock};

use fidelis_contract::{ids::ChunkIndex, text_enum};

text_enum! {
    /// A named moment, as `stage:moment`.
    Point: "failpoint" {
        /// A chunk is in our hands, nothing is done about it yet.
        WorkerAfterClaim = "worker:after_claim",
        /// What is in our hands is a copy of a chunk that takes somebody else unusually long.
        WorkerTookCopy = "worker:took_copy",
        /// On the device's thread, before the engine begins a chunk.
        DeviceBeforeMake = "device:before_make",
        /// Before each try of a chunk at some micro-batch: an error here is out of memory.
        DeviceBeforeBatch = "device:before_batch",
        /// The engine has made a chunk; nothing of it is stored.
        WorkerAfterMake = "worker:after_make",
        /// Before each object of a chunk is put.
        WorkerBeforePut = "worker:before_put",
        /// All objects are put, the receipt is not.
        WorkerAfterPutBeforeReceipt = "worker:after_put_before_receipt",
        /// The receipt is put, the chunk is not acknowledged.
        WorkerAfterReceiptBeforeAck = "worker:after_receipt_before_ack",
        /// The chunk is acknowledged.
        WorkerAfterAck = "worker:after_ack",
        /// The synthetic engine has features: an error here makes one of them no number.
        SyntheticFeatures = "synthetic:features",
        /// The spec is stored, nothing is queued.
        SubmitAfterSpec = "submit:after_spec",
        /// One batch of a run's chunks is queued, more are to follow.
        SubmitMidEnqueue = "submit:mid_enqueue",
        /// Some of a detector's chunks are folded.
        ReduceMidFold = "reduce:mid_fold",
        /// Everything of a run is written but `_SUCCESS`.
        ReduceBeforeSuccess = "reduce:before_success",
    }
}

text_enum! {
    /// A mistake that somebody might make; tests plant each and must find it.
    Bug: "planted bug" {
        /// The worker acknowledges a chunk before it stores it.
        AckBeforePut = "ack_before_put",
        /// Chunk objects are put over what is there.
        OverwritingPut = "overwriting_put",
        /// The synthetic engine's noise depends on the process that draws it.
        NoiseOfWorker = "noise_of_worker",
        /// Whether a lease is over is judged by the worker's own clock.
        LeaseByWorkerClock = "lease_by_worker_clock",
        /// An object that the store says is there is taken for our own.
        Believed412 = "believed_412",
    }
}

/// What a test has in store for this process.
pub trait Hook: Send + Sync + fmt::Debug {
    /// A moment has come, for a chunk where it is about one. May end the process, or not return for long. True: the
    /// caller is to fail.
    fn reach(&self, point: Point, chunk: Option<ChunkIndex>) -> bool;

    /// Whether this process is to make the mistake.
    fn plants(&self, bug: Bug) -> bool;
}

static HOOK: OnceLock<Box<dyn Hook>> = OnceLock::new();

/// Gives the process its hook; the first one stays. For test binaries.
pub fn install(hook: Box<dyn Hook>) {
    HOOK.set(hook).ok();
}

/// A named moment has come.
pub fn reach(point: Point, chunk: Option<ChunkIndex>) {
    fails(point, chunk);
}

/// A named moment has come at which a test may ask for a failure: then true.
pub fn fails(point: Point, chunk: Option<ChunkIndex>) -> bool {
    HOOK.get().is_some_and(|hook| hook.reach(point, chunk))
}

/// True only under a test that planted this mistake.
pub fn planted(bug: Bug) -> bool {
    HOOK.get().is_some_and(|hook| hook.plants(bug))
}
