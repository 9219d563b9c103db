//! Plays a schedule: keeps workers and watchers alive, does the harm, and lifts it again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use fidelis_shared::ids::RunId;

use super::schedule::{Fault, Schedule};
use crate::lab::{Lab, Link, S3Rule};
use crate::process::Process;

/// Longer than in the tests: a soak runs beside other work.
const LEASE: Duration = Duration::from_secs(3);
const TICK: Duration = Duration::from_millis(20);
/// After the last fault is lifted, a run that still goes on is stuck (I6).
const PATIENCE: Duration = Duration::from_secs(120);
/// Deaths are drawn here, and no chunk is to blame for them.
const MAX_ATTEMPTS: u64 = 50;

/// What has to be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Undo {
    Continue(usize),
    Memory,
    Link,
    Store,
}

#[derive(Debug)]
pub(super) struct Conductor<'a> {
    lab: &'a Lab,
    schedule: &'a Schedule,
    runs: &'a [RunId],
    workers: Vec<Process>,
    num_started: usize,
    watches: Vec<Option<Process>>,
    undo: Vec<(Instant, Undo)>,
    injected: BTreeMap<String, u64>,
    hit_chunks: u64,
}

impl<'a> Conductor<'a> {
    pub(super) fn new(lab: &'a Lab, schedule: &'a Schedule, runs: &'a [RunId]) -> Result<Self> {
        let watches = runs.iter().map(|run| lab.watch(run).map(Some)).collect::<Result<_>>()?;
        let mut conductor = Self {
            lab,
            schedule,
            runs,
            workers: Vec::new(),
            num_started: 0,
            watches,
            undo: Vec::new(),
            injected: BTreeMap::new(),
            hit_chunks: 0,
        };
        for _ in 0..schedule.num_workers {
            let worker = conductor.start_worker()?;
            conductor.workers.push(worker);
        }
        Ok(conductor)
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
    /// I6: a run that does not end.
    pub(super) async fn play(&mut self) -> Result<()> {
        let start = Instant::now();
        let mut events = self.schedule.events.iter().peekable();
        let mut calm_since = None;
        loop {
            while let Some(event) =
                events.next_if(|event| start.elapsed() >= Duration::from_millis(event.at_ms))
            {
                self.inject(event.fault).await?;
            }
            self.lift(false).await?;
            let stored = self.keep_alive()?;
            if stored {
                break;
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

    fn start_worker(&mut self) -> Result<Process> {
        let place = self.num_started;
        self.num_started += 1;
        let plan = self.lab.worker(&format!("w{place}")).lease(LEASE).arg("--max-attempts", MAX_ATTEMPTS);
        let rules = self.schedule.failpoints.get(place).map_or("", String::as_str);
        plan.failpoints(rules).start()
    }

    /// True when every watcher has seen the end of its run.
    fn keep_alive(&mut self) -> Result<bool> {
        for i in 0..self.workers.len() {
            if self.workers[i].try_wait()?.is_some() {
                self.note("worker died", 1);
                self.undo.retain(|(_, undo)| *undo != Undo::Continue(i));
                self.workers[i] = self.start_worker()?;
            }
        }
        for i in 0..self.watches.len() {
            let Some(watch) = &mut self.watches[i] else { continue };
            match watch.try_wait()?.map(|status| status.code()) {
                None => {}
                Some(Some(0)) => self.watches[i] = None,
                // Killed, or it found no redis when it started.
                Some(None | Some(75)) => self.watches[i] = Some(self.lab.watch(&self.runs[i])?),
                Some(code) => bail!("`watch {}` ended with {code:?}", self.runs[i]),
            }
        }
        Ok(self.watches.iter().all(Option::is_none))
    }

    fn note(&mut self, kind: &str, hit_chunks: u64) {
        *self.injected.entry(kind.to_owned()).or_default() += 1;
        self.hit_chunks += hit_chunks;
    }

    async fn inject(&mut self, fault: Fault) -> Result<()> {
        let all = self.workers.len() as u64;
        let name = format!("{fault:?}");
        // A worker's death is counted when it is seen.
        let hit = match fault {
            Fault::KillWorker(_) | Fault::TermWorker(_) | Fault::KillWatch(_) | Fault::Store(..) => 0,
            Fault::StopWorker(..) => 1,
            _ => all,
        };
        if !matches!(fault, Fault::Store(..)) {
            self.note(name.split('(').next().unwrap_or(&name), hit);
        }
        let place = |number: u64, len: usize| (number % len.max(1) as u64) as usize;
        match fault {
            Fault::KillWorker(number) => {
                drop(self.workers[place(number, self.workers.len())].signal("-KILL"))
            }
            Fault::TermWorker(number) => {
                drop(self.workers[place(number, self.workers.len())].signal("-TERM"))
            }
            Fault::StopWorker(number, ms) => {
                let place = place(number, self.workers.len());
                drop(self.workers[place].signal("-STOP"));
                self.later(ms, Undo::Continue(place));
            }
            Fault::KillWatch(number) => {
                let place = place(number, self.watches.len());
                if let Some(watch) = &self.watches[place] {
                    drop(watch.signal("-KILL"));
                }
            }
            Fault::FlushRedis => self.lab.redis.ask(&["FLUSHALL"]).await?,
            Fault::KillRedis => {
                self.lab.redis.kill()?;
                self.lab.redis.start_again().await?;
            }
            Fault::RedisOutOfMemory(ms) => {
                self.lab.redis.ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await?;
                self.later(ms, Undo::Memory);
            }
            Fault::CutRedis(ms) => self.link(Link::Cut, ms),
            Fault::HalfOpenRedis(ms) => self.link(Link::HalfOpen, ms),
            Fault::LostReplies(ms) => self.link(Link::LostReplies, ms),
            Fault::SlowRedis(ms) => self.link(Link::Slow(Duration::from_millis(50)), ms),
            Fault::Store(fault, one_in, ms) => {
                let rule = S3Rule::always("PUT", fault).on("/chunks/").likely(1.0 / one_in as f64);
                self.lab.s3_proxy.set(vec![rule]);
                self.later(ms, Undo::Store);
            }
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
                // It may have died meanwhile.
                Undo::Continue(place) => drop(self.workers[place].signal("-CONT")),
                Undo::Memory => self.lab.redis.ask(&["CONFIG", "SET", "maxmemory", "0"]).await?,
                Undo::Link => self.lab.redis_proxy.set(Link::Open),
                Undo::Store => self.lab.s3_proxy.set(Vec::new()),
            }
        }
        Ok(())
    }
}
