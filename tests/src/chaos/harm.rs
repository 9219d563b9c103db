//! The harm that a schedule does, and how it is lifted again.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use fidelis_contract::keys;

use super::conductor::{Conductor, Undo};
use super::fault::Fault;
use crate::lab::{IN_HAND, Link, S3Fault, S3Rule};

impl Conductor<'_> {
    fn signal(&self, place: u64, signal: &str) -> Option<u64> {
        let (number, worker) =
            self.workers.iter().nth((place % self.workers.len().max(1) as u64) as usize)?;
        // It may have died meanwhile.
        worker.signal(signal).ok();
        Some(*number)
    }

    pub(super) async fn inject(&mut self, fault: Fault) -> Result<()> {
        let all = IN_HAND * self.workers.len() as u64;
        // A worker's death is counted when it is seen.
        let hit = match fault {
            Fault::KillWorker(_) | Fault::TermWorker(_) | Fault::ResizeFleet { .. } => 0,
            Fault::KillWatch(_) | Fault::Store { .. } => 0,
            Fault::StopWorker { .. } => IN_HAND,
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

    pub(super) async fn lift(&mut self, all: bool) -> Result<()> {
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
