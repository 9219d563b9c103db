//! Following a run to its end. The store decides what exists; Redis only says where to look (I5, I6).

mod rate;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use fidelis_contract::{
    dead::DeadChunk, events::Event, ids::ChunkIndex, outcome::Outcome, plan::Plan, run::Run,
};
use fidelis_fleet::{
    fleet::{Fleet, FleetError},
    queue::Progress,
    retry::Backoff,
    stored,
};
use tokio::time::{Instant, sleep};

use crate::training::{self, Training};
use rate::Rate;

/// How often the store is listed although Redis reports nothing new.
const LIST_EVERY: Duration = Duration::from_secs(15);
/// How often a training's own files are looked at.
const TRAINING_EVERY: Duration = Duration::from_secs(5);
/// Waits after looks that failed.
const OUTAGE: Backoff =
    Backoff { base: Duration::from_millis(250), cap: Duration::from_secs(10), max_attempts: u32::MAX };

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watched {
    /// The store has every receipt.
    Stored,
    /// What is missing was given up; in order.
    Incomplete(Vec<DeadChunk>),
    /// Somebody called the run off, and something is missing.
    Cancelled,
}

/// What one look at the run found.
enum Look {
    Going,
    Ended(Watched),
}

/// Follows a run.
#[derive(Debug)]
pub struct Watch<'a> {
    fleet: &'a Fleet,
    /// What is waited for: all of it, or its first chunks.
    run: &'a Run,
    /// What the queue knows it as.
    whole: Run,
    /// How long to wait between looks.
    every: Duration,
    stored: BTreeSet<ChunkIndex>,
    listed: Option<Instant>,
    /// Images and chunks that Redis had counted at the last listing.
    counted: u64,
    counted_chunks: u64,
    begun: Instant,
    dead: BTreeSet<ChunkIndex>,
    /// What was told of each worker.
    setbacks: BTreeMap<String, String>,
    rate: Rate,
    /// What a training told of itself, and when it was asked.
    training: Option<(Instant, Training)>,
}

impl<'a> Watch<'a> {
    /// A watch of a submitted run that looks every `every`.
    pub fn new(fleet: &'a Fleet, run: &'a Run, every: Duration) -> Self {
        Self {
            fleet,
            run,
            whole: Run { plan: Plan::new(&run.spec), ..run.clone() },
            every,
            stored: BTreeSet::new(),
            listed: None,
            counted: 0,
            counted_chunks: 0,
            begun: Instant::now(),
            dead: BTreeSet::new(),
            setbacks: BTreeMap::new(),
            rate: Rate::default(),
            training: None,
        }
    }

    /// Watches to the end; what Redis forgot is queued again. May be dropped at any moment.
    ///
    /// # Errors
    /// Only what will not pass by itself.
    pub async fn follow(mut self, tell: &mut (dyn FnMut(&Event) + Send)) -> Result<Watched, FleetError> {
        let mut failures = 0;
        loop {
            match self.look(tell).await {
                Ok(Look::Ended(watched)) => return Ok(watched),
                Ok(Look::Going) => failures = 0,
                Err(error) if error.is_retryable() => {
                    failures += 1;
                    tracing::warn!("{error}; trying again");
                }
                Err(error) => return Err(error),
            }
            let outage = if failures > 0 { OUTAGE.delay(failures) } else { Duration::ZERO };
            sleep(self.every + outage).await;
        }
    }

    async fn look(&mut self, tell: &mut (dyn FnMut(&Event) + Send)) -> Result<Look, FleetError> {
        let progress = self.fleet.queue.progress(&self.run.id).await;
        let progress = match progress {
            Ok(progress) => progress,
            Err(error) => {
                // The end does not need Redis.
                self.list((self.counted, self.counted_chunks)).await?;
                return if self.is_stored() { Ok(self.end(None, tell)) } else { Err(error.into()) };
            }
        };
        let counted = progress.map_or((0, 0), |progress| (progress.done_images, progress.done_chunks));
        if self.is_listing_due(progress.as_ref()) {
            self.list(counted).await?;
        }
        if self.is_stored() {
            return Ok(self.end(progress.as_ref(), tell));
        }
        if progress.is_some_and(|progress| progress.is_cancelled) {
            return Ok(self.cancelled(tell));
        }
        self.tell_dead(progress.as_ref(), tell).await?;
        self.tell_setbacks(tell).await?;
        tell(&self.how_far(progress.as_ref()).await?);
        match progress {
            Some(progress) if progress.queued > 0 => Ok(Look::Going),
            _ => self.requeue(tell).await,
        }
    }

    /// Nothing is queued and something is missing: either it is dead, or Redis lost it.
    async fn requeue(&mut self, tell: &mut (dyn FnMut(&Event) + Send)) -> Result<Look, FleetError> {
        let missing = self.run.missing(&self.stored);
        let lost: Vec<ChunkIndex> = missing.into_iter().filter(|chunk| !self.dead.contains(chunk)).collect();
        if lost.is_empty() {
            let dead = self.fleet.queue.dead_chunks(&self.run.id).await?;
            return Ok(if dead.is_empty() {
                // Flushed since the last look.
                self.dead.clear();
                Look::Going
            } else {
                Look::Ended(Watched::Incomplete(dead))
            });
        }
        if stored::is_cancelled(&self.fleet.store, &self.run.id).await? {
            return Ok(self.cancelled(tell));
        }
        let num_chunks = self.fleet.queue.enqueue(&self.whole, &lost).await?;
        if num_chunks > 0 {
            tell(&Event::Requeued { run: self.run.id.clone(), num_chunks });
        }
        Ok(Look::Going)
    }

    async fn tell_dead(
        &mut self,
        progress: Option<&Progress>,
        tell: &mut (dyn FnMut(&Event) + Send),
    ) -> Result<(), FleetError> {
        let num_dead = progress.map_or(0, |progress| progress.dead_chunks);
        if num_dead == self.dead.len() as u64 {
            return Ok(());
        }
        let dead = self.fleet.queue.dead_chunks(&self.run.id).await?;
        for dead in dead.iter().filter(|dead| !self.dead.contains(&dead.chunk)) {
            tell(&Event::ChunkDead { run: self.run.id.clone(), dead: dead.clone() });
        }
        self.dead = dead.iter().map(|dead| dead.chunk).collect();
        Ok(())
    }

    /// What nobody is to blame for counts for nothing, but may go on for ever: a full disk, too little memory.
    async fn tell_setbacks(&mut self, tell: &mut (dyn FnMut(&Event) + Send)) -> Result<(), FleetError> {
        let setbacks = self.fleet.queue.setbacks(&self.run.id).await?;
        for (worker, cause) in &setbacks {
            if self.setbacks.get(worker) != Some(cause) {
                let (run, worker, cause) = (self.run.id.clone(), worker.clone(), cause.clone());
                tell(&Event::HandedBack { run, worker, cause });
            }
        }
        // One that was told stays told: a worker that fails now and then says the same each time.
        self.setbacks.extend(setbacks);
        Ok(())
    }

    /// When Redis thinks that all is done, or knows nothing, or has not been checked for long.
    fn is_listing_due(&self, progress: Option<&Progress>) -> bool {
        let stale = self.listed.is_none_or(|listed| listed.elapsed() >= LIST_EVERY);
        stale || progress.is_none_or(|progress| progress.queued == 0 || progress.is_cancelled)
    }

    async fn list(&mut self, counted: (u64, u64)) -> Result<(), FleetError> {
        self.stored = stored::chunk_indices(&self.fleet.store, &self.run.id).await?;
        (self.listed, (self.counted, self.counted_chunks)) = (Some(Instant::now()), counted);
        Ok(())
    }

    /// What the last listing held, and what Redis counted since.
    fn done_images(&self, counted: u64) -> u64 {
        let listed = self.run.num_images(&self.stored);
        (listed + counted.saturating_sub(self.counted)).min(self.run.plan.num_images())
    }

    async fn how_far(&mut self, seen: Option<&Progress>) -> Result<Event, FleetError> {
        if self.run.spec.engine.train().is_none() {
            return Ok(self.progress(seen));
        }
        let (_, training) = match self.training.take() {
            Some(told) if told.0.elapsed() < TRAINING_EVERY => self.training.insert(told),
            _ => {
                let seen = training::seen(&self.fleet.store, &self.run.id).await?;
                self.training.insert((Instant::now(), seen))
            }
        };
        Ok(Event::Training {
            run: self.run.id.clone(),
            numbers: training.last.clone(),
            num_snapshots: training.num_snapshots,
            workers: seen.map_or(0, |seen| seen.making_workers),
            elapsed_s: self.begun.elapsed().as_secs_f64(),
        })
    }

    /// How far the run is, with what workers told of the chunks in their hands.
    fn progress(&mut self, seen: Option<&Progress>) -> Event {
        let seen = seen.copied().unwrap_or_default();
        let num_images = self.run.plan.num_images();
        let done_images = self.done_images(seen.done_images);
        let making_images = seen.making_images.min(num_images - done_images);
        let pace = self.rate.pace(Instant::now(), done_images + making_images, num_images);
        let counted_chunks = self.stored.len() as u64 + seen.done_chunks.saturating_sub(self.counted_chunks);
        let num_chunks = u64::from(self.run.plan.num_chunks());
        Event::Progress {
            run: self.run.id.clone(),
            done_images,
            num_images,
            making_images,
            done_chunks: counted_chunks.min(num_chunks),
            num_chunks,
            workers: seen.making_workers,
            elapsed_s: self.begun.elapsed().as_secs_f64(),
            images_per_s: pace.images_per_s,
            eta_s: pace.eta_s,
        }
    }

    fn is_stored(&self) -> bool {
        self.run.missing(&self.stored).is_empty()
    }

    fn end(&mut self, seen: Option<&Progress>, tell: &mut (dyn FnMut(&Event) + Send)) -> Look {
        // Whoever concludes a training tells of its end.
        if self.run.spec.engine.train().is_none() {
            let num_images = self.run.plan.num_images();
            tell(&self.progress(None));
            let device_idle = seen.and_then(|seen| seen.device.idle_share());
            tell(&Event::Stored { run: self.run.id.clone(), num_images, device_idle });
        }
        Look::Ended(Watched::Stored)
    }

    fn cancelled(&mut self, tell: &mut (dyn FnMut(&Event) + Send)) -> Look {
        tell(&Event::Cancelled {
            run: self.run.id.clone(),
            num_stored: self.stored.len() as u64,
            num_chunks: u64::from(self.run.plan.num_chunks()),
        });
        Look::Ended(Watched::Cancelled)
    }
}
