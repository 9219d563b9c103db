//! Plays a schedule: keeps workers and watchers alive, does the harm, and lifts it again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fidelis_shared::exit;
use fidelis_shared::ids::RunId;
use fidelis_shared::keys;

use super::fault::Fault;
use super::monitor::Monitor;
use super::schedule::Schedule;
use crate::lab::{Lab, Link, S3Fault, S3Rule};
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
enum Undo {
    Continue(u64),
    Size,
    Cancel(usize),
    Memory,
    Link,
    Store(S3Fault),
}

#[derive(Debug)]
pub(super) struct Conductor<'a> {
    lab: &'a Lab,
    schedule: &'a Schedule,
    runs: &'a [RunId],
    monitor: Monitor,
    /// By the number of their start.
    workers: BTreeMap<u64, Process>,
    num_started: u64,
    /// How many workers there are to be.
    size: u64,
    watches: Vec<Option<Process>>,
    cancelled: BTreeSet<usize>,
    undo: Vec<(Instant, Undo)>,
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
                self.note("worker told to doze", 1);
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
            self.note("worker died", 1);
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

    fn note(&mut self, kind: &str, hit_chunks: u64) {
        *self.injected.entry(kind.to_owned()).or_default() += 1;
        self.hit_chunks += hit_chunks;
    }

    fn signal(&self, place: u64, signal: &str) -> Option<u64> {
        let (number, worker) =
            self.workers.iter().nth((place % self.workers.len().max(1) as u64) as usize)?;
        // It may have died meanwhile.
        worker.signal(signal).ok();
        Some(*number)
    }

    async fn inject(&mut self, fault: Fault) -> Result<()> {
        let all = self.workers.len() as u64;
        // A worker's death is counted when it is seen.
        let hit = match fault {
            Fault::KillWorker(_) | Fault::TermWorker(_) | Fault::ResizeFleet { .. } => 0,
            Fault::KillWatch(_) | Fault::Store { .. } => 0,
            Fault::StopWorker { .. } => 1,
            Fault::DuplicateMessage => self.runs.len() as u64,
            _ => all,
        };
        if !matches!(fault, Fault::Store { .. }) {
            self.note(&fault.kind(), hit);
        }
        let run = |number: u64| (number % self.runs.len().max(1) as u64) as usize;
        match fault {
            Fault::KillWorker(place) => drop(self.signal(place, "-KILL")),
            Fault::TermWorker(place) => drop(self.signal(place, "-TERM")),
            Fault::StopWorker { worker, ms } => {
                if let Some(number) = self.signal(worker, "-STOP") {
                    self.later(ms, Undo::Continue(number));
                }
            }
            Fault::ResizeFleet { workers, ms } => {
                self.size = workers;
                for worker in self.workers.values().skip(workers as usize) {
                    worker.signal("-TERM").ok();
                }
                self.later(ms, Undo::Size);
            }
            Fault::KillWatch(number) => {
                if let Some(watch) = &self.watches[run(number)] {
                    drop(watch.signal("-KILL"));
                }
            }
            Fault::CancelRun { run: number, ms } => {
                let place = run(number);
                // With Redis away it may not be called off.
                self.lab.fidelis(&["cancel", self.runs[place].as_str()]).await?;
                self.cancelled.insert(place);
                self.later(ms, Undo::Cancel(place));
            }
            Fault::DuplicateMessage => self.duplicate().await?,
            Fault::FlushRedis => self.lab.redis.ask(&["FLUSHALL"]).await?,
            Fault::KillRedis => {
                self.lab.redis.kill()?;
                self.lab.redis.start_again().await?;
            }
            Fault::RedisOutOfMemory { ms } => {
                self.lab.redis.ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await?;
                self.later(ms, Undo::Memory);
            }
            Fault::CutRedis { ms } => self.link(Link::Cut, ms),
            Fault::HalfOpenRedis { ms } => self.link(Link::HalfOpen, ms),
            Fault::LostReplies { ms } => self.link(Link::LostReplies, ms),
            Fault::SlowRedis { ms } => self.link(Link::Slow(Duration::from_millis(50)), ms),
            Fault::RefusingRedis { ms } => {
                self.link(Link::Refusing("LOADING Redis is loading the dataset"), ms)
            }
            Fault::Store { fault, one_in, ms } => {
                let reading = matches!(fault, S3Fault::FlippedDownload | S3Fault::Truncated);
                let method = if reading { "GET" } else { "PUT" };
                let rule = S3Rule::always(method, fault).on("/chunks/").likely(1.0 / one_in as f64);
                self.lab.s3_proxy.add(rule);
                self.later(ms, Undo::Store(fault));
            }
        }
        Ok(())
    }

    async fn duplicate(&self) -> Result<()> {
        let copy = "local m = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1] \
                    if m then redis.pcall('XADD', KEYS[1], '*', unpack(m[2])) end";
        let pools: Vec<String> = self.lab.redis.ask(&["ZRANGE", keys::REDIS_POOLS, "0", "-1"]).await?;
        for pool in pools {
            let stream = keys::redis_stream(&pool.parse().context("a pool without a name")?);
            self.lab.redis.ask::<()>(&["EVAL", copy, "1", &stream]).await?;
        }
        Ok(())
    }

    fn link(&mut self, link: Link, ms: u64) {
        self.lab.redis_proxy.set(link);
        self.later(ms, Undo::Link);
    }

    fn later(&mut self, ms: u64, undo: Undo) {
        // A later fault of the same kind takes the place of an earlier one.
        self.undo.retain(|(_, other)| *other != undo);
        self.undo.push((Instant::now() + Duration::from_millis(ms), undo));
    }

    async fn lift(&mut self, all: bool) -> Result<()> {
        let now = Instant::now();
        let (due, rest) = self.undo.iter().partition(|(at, _)| all || *at <= now);
        self.undo = rest;
        let due: Vec<(Instant, Undo)> = due;
        for (_, undo) in due {
            match undo {
                Undo::Continue(number) => {
                    if let Some(worker) = self.workers.get(&number) {
                        worker.signal("-CONT").ok();
                    }
                }
                Undo::Size => self.size = self.schedule.num_workers,
                Undo::Cancel(place) => self.resume(place).await?,
                Undo::Memory => self.lab.redis.ask(&["CONFIG", "SET", "maxmemory", "0"]).await?,
                Undo::Link => self.lab.redis_proxy.set(Link::Open),
                Undo::Store(fault) => self.lab.s3_proxy.lift(fault),
            }
        }
        Ok(())
    }

    /// Submits a run again, as soon as it can be.
    async fn resume(&mut self, place: usize) -> Result<()> {
        if self.lab.submit(&self.schedule.specs[place]).await.is_err() {
            self.later(500, Undo::Cancel(place));
            return Ok(());
        }
        self.cancelled.remove(&place);
        if self.watches[place].is_none() {
            self.watches[place] = Some(self.lab.watch(&self.runs[place])?);
        }
        Ok(())
    }
}
