//! Plays a schedule: does its harm when it is due, and keeps workers and watchers alive.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use fidelis_contract::{exit, ids::RunId};

use super::monitor::Monitor;
use super::schedule::Schedule;
use crate::lab::{IN_HAND, Lab, S3Fault};
use crate::process::Process;

/// Longer than in the tests: a soak runs beside other work.
const LEASE: Duration = Duration::from_secs(3);
const TICK: Duration = Duration::from_millis(20);
/// How often the promises are looked at that hold at every moment.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// After the last fault is lifted, a run that still goes on is stuck (I6).
const PATIENCE: Duration = Duration::from_secs(120);
/// Deaths are drawn here, and no chunk is to blame for them.
const MAX_ATTEMPTS: u64 = 50;

const INCOMPLETE: i32 = exit::INCOMPLETE as i32;
const INFRASTRUCTURE: i32 = exit::INFRASTRUCTURE as i32;

/// What has to be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Undo {
    Continue(u64),
    Size,
    Cancel(usize),
    Memory,
    Link,
    Store(S3Fault),
}

#[derive(Debug)]
pub(super) struct Conductor<'a> {
    pub(super) lab: &'a Lab,
    pub(super) schedule: &'a Schedule,
    pub(super) runs: &'a [RunId],
    monitor: Monitor,
    /// By the number of their start.
    pub(super) workers: BTreeMap<u64, Process>,
    num_started: u64,
    /// How many workers there are to be.
    pub(super) size: u64,
    pub(super) watches: Vec<Option<Process>>,
    pub(super) cancelled: BTreeSet<usize>,
    pub(super) undo: Vec<(Instant, Undo)>,
    injected: BTreeMap<String, u64>,
    hit_chunks: u64,
}

impl<'a> Conductor<'a> {
    pub(super) async fn new(lab: &'a Lab, schedule: &'a Schedule, runs: &'a [RunId]) -> Result<Self> {
        let watches = runs.iter().map(|run| lab.watch(run).map(Some)).collect::<Result<_>>()?;
        Ok(Self {
            lab,
            schedule,
            runs,
            monitor: Monitor::new(lab).await?,
            workers: BTreeMap::new(),
            num_started: 0,
            size: schedule.num_workers,
            watches,
            cancelled: BTreeSet::new(),
            undo: Vec::new(),
            injected: BTreeMap::new(),
            hit_chunks: 0,
        })
    }

    pub(super) fn injected(&self) -> BTreeMap<String, u64> {
        let mut all = self.injected.clone();
        for (fault, times) in self.lab.s3_proxy.injected() {
            let name = format!("{fault:?}");
            *all.entry(format!("s3 {}", name.split('(').next().unwrap_or(&name))).or_default() += times;
        }
        all
    }

    /// Chunks that were in somebody's hands when a fault came (I7).
    pub(super) fn hit_chunks(&self) -> u64 {
        self.hit_chunks
    }

    /// Until every run is stored; then everything that was stopped goes on, to see what it does.
    ///
    /// # Errors
    /// A promise that is broken meanwhile; I6: a run that does not end.
    pub(super) async fn play(&mut self) -> Result<()> {
        let start = Instant::now();
        let mut events = self.schedule.events.iter().peekable();
        let (mut calm_since, mut looked) = (None, start);
        loop {
            while let Some(event) =
                events.next_if(|event| start.elapsed() >= Duration::from_millis(event.at_ms))
            {
                self.inject(event.fault).await?;
            }
            self.lift(false).await?;
            self.keep_workers()?;
            if self.keep_watches()? {
                break;
            }
            if looked.elapsed() >= LOOK_EVERY {
                looked = Instant::now();
                for run in self.runs {
                    self.monitor.look(run).await?;
                }
            }
            if events.peek().is_none() && self.undo.is_empty() {
                let since: &Instant = calm_since.get_or_insert_with(Instant::now);
                if since.elapsed() > PATIENCE {
                    bail!("I6 liveness: a run is stuck {} s after the last fault", PATIENCE.as_secs());
                }
            }
            tokio::time::sleep(TICK).await;
        }
        self.lift(true).await
    }

    /// Looks for the last time, when nobody is at work any more.
    ///
    /// # Errors
    /// A promise that is broken.
    pub(super) async fn look(&mut self) -> Result<()> {
        for run in self.runs {
            self.monitor.look(run).await?;
        }
        Ok(())
    }

    fn start_worker(&mut self) -> Result<()> {
        let number = self.num_started;
        self.num_started += 1;
        let mut plan =
            self.lab.worker(&format!("w{number}")).lease(LEASE).arg("--max-attempts", MAX_ATTEMPTS);
        if let Some(flaw) = self.schedule.flaws.get(number as usize) {
            plan = plan.failpoints(&flaw.rule);
            if flaw.rule.contains("doze") {
                self.note("worker told to doze", IN_HAND);
            }
            if !flaw.clock.is_empty() {
                plan = plan.clock(flaw.clock)?;
                self.note("worker with a wrong clock", 0);
            }
        }
        self.workers.insert(number, plan.start()?);
        Ok(())
    }

    /// Others in the place of those that died, and as many as there are to be.
    fn keep_workers(&mut self) -> Result<()> {
        let mut ended = Vec::new();
        for (number, worker) in &mut self.workers {
            if worker.try_wait()?.is_some() {
                ended.push(*number);
            }
        }
        for number in ended {
            self.workers.remove(&number);
            self.undo.retain(|(_, undo)| *undo != Undo::Continue(number));
            self.note("worker died", IN_HAND);
        }
        while (self.workers.len() as u64) < self.size {
            self.start_worker()?;
        }
        Ok(())
    }

    /// True when every watcher has seen the end of its run.
    fn keep_watches(&mut self) -> Result<bool> {
        for i in 0..self.watches.len() {
            let Some(watch) = &mut self.watches[i] else { continue };
            match watch.try_wait()?.map(|status| status.code()) {
                None => {}
                Some(Some(0)) => self.watches[i] = None,
                Some(Some(INCOMPLETE)) if self.cancelled.contains(&i) => self.watches[i] = None,
                // It saw the run called off that is resumed by now.
                Some(Some(INCOMPLETE)) if self.injected.contains_key("CancelRun") => {
                    self.watches[i] = Some(self.lab.watch(&self.runs[i])?);
                }
                // Killed, or it found no redis when it started.
                Some(None | Some(INFRASTRUCTURE)) => self.watches[i] = Some(self.lab.watch(&self.runs[i])?),
                Some(code) => bail!("`watch {}` ended with {code:?}", self.runs[i]),
            }
        }
        Ok(self.watches.iter().all(Option::is_none) && self.cancelled.is_empty())
    }

    pub(super) fn note(&mut self, kind: &str, hit_chunks: u64) {
        *self.injected.entry(kind.to_owned()).or_default() += 1;
        self.hit_chunks += hit_chunks;
    }
}
