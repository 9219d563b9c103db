//! The second stage: what was made is stored and acknowledged while the device makes the next chunk.
//!
//! One chunk at a time: with the one that is being made, a worker has two in hand at most (I7). A chunk that is made waits
//! here, its lease renewed, until the one before is stored; meanwhile the device waits and nothing is claimed.

use std::{
    panic::resume_unwind,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use fidelis_contract::{ids::PoolId, plan::Chunk, run::Run};
use fidelis_fleet::{
    failpoint::{Point, reach},
    queue::{Claim, DeviceTime},
};
use tokio::{select, task::JoinHandle};
use tracing::Instrument;

use super::{
    Next,
    commit::Commit,
    common::{Common, Done},
    device::Made,
    hand::Hand,
    setback::Setback,
};

/// A chunk that is made and not stored.
#[derive(Debug)]
pub struct Part {
    pub run: Run,
    pub chunk: Chunk,
    pub made: Made,
    /// What the device did for it.
    pub device: DeviceTime,
    /// From its claim until it was made.
    pub took: Duration,
}

/// The chunk that is being stored, if any.
#[derive(Debug, Default)]
pub struct Storing(Option<Held>);

#[derive(Debug)]
struct Held {
    pool: PoolId,
    id: String,
    is_suspect: bool,
    waits_for_store: Arc<AtomicBool>,
    task: JoinHandle<Next>,
}

impl Storing {
    /// Begins to store a chunk once the one before is, which may take long; gives what to do after that one.
    pub async fn pass(&mut self, common: &Arc<Common>, hand: Hand, part: Part) -> Next {
        let before = self.settled().await;
        let (pool, id) = (hand.claim.pool.clone(), hand.claim.id.clone());
        let (is_suspect, waits_for_store) = (hand.is_suspect(), hand.waits_for_store());
        let span = hand.span.clone();
        let task = tokio::spawn(store(common.clone(), hand, part).instrument(span));
        self.0 = Some(Held { pool, id, is_suspect, waits_for_store, task });
        before
    }

    /// Waits until nothing is being stored; gives what to do after it.
    pub async fn settled(&mut self) -> Next {
        // Stays where it is if we are dropped in the middle.
        let Some(stage) = &mut self.0 else { return Next::Claim };
        let next = match (&mut stage.task).await {
            Ok(next) => next,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // Nobody aborts it.
                Err(_) => Next::Claim,
            },
        };
        self.0 = None;
        next
    }

    /// Whether nothing is being stored.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Whether nothing may be claimed beside what is being stored: it is under suspicion, or the store does not take it.
    /// What is stored already only has to be taken note of.
    pub fn is_to_settle(&self) -> bool {
        self.0.as_ref().is_some_and(|stage| {
            stage.is_suspect || stage.waits_for_store.load(Ordering::Relaxed) || stage.task.is_finished()
        })
    }

    /// Whether this very chunk is being stored: a claim of it, after its lease ran out, is one too many.
    pub fn holds(&self, claim: &Claim) -> bool {
        self.0.as_ref().is_some_and(|stage| stage.pool == claim.pool && stage.id == claim.id)
    }
}

async fn store(common: Arc<Common>, hand: Hand, part: Part) -> Next {
    let Part { run, chunk, made, device, took } = part;
    let num_images = chunk.seeds.len();
    let commit = Commit { common: &common, hand: &hand, run: &run, chunk: &chunk };
    let result = select! {
        result = commit.store(made, took) => result,
        () = common.stop.demanded() => Err(Setback::Stopped),
    };
    if result.is_ok() {
        reach(Point::WorkerAfterReceiptBeforeAck, Some(chunk.index));
        common.pace.note(&hand.claim.task, hand.start.elapsed());
        common.tally.count(num_images, device);
        tracing::info!(images = num_images, seconds = hand.start.elapsed().as_secs_f64(), "stored");
    }
    let result = result.map(|()| Done { num_images, device: Some(device) });
    common.settle(&hand.let_go(), &result).await;
    result.err().map_or(Next::Claim, |setback| setback.next())
}
