//! Bringing runs to their end, on a fleet or on this machine: [`prepare`], submit, follow, reduce, publish.
//!
//! A [`Conductor`] has a place, is given a spec, tells a [`Listener`] what happens, stops when a future says so, and returns
//! how the run ended. It prints nothing and reads no command line: a page, a sweep or a test conducts runs by it too.

mod error;
mod here;
mod home;
pub mod namesake;
mod prepare;
pub mod submit;
pub mod watch;

use std::{
    convert::Infallible,
    fmt,
    path::Path,
    time::{Duration, Instant},
};

use fidelis_contract::{
    dead::DeadChunk,
    events::Event,
    ids::{ChunkIndex, RunId},
    result::Making,
    run::Run,
    spec::ResolvedSpec,
};
use fidelis_fleet::{
    files::{Files, Progress},
    fleet::Fleet,
};
use tokio::select;

pub use error::ConductError;
pub use here::Machine;
pub use home::Home;
pub use prepare::{PrepareError, prepare};

use crate::reduce::Reduced;
use here::Here;
use submit::Submitted;
use watch::{Watch, Watched};

/// How often a fleet's run is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Who is told what happens on the way.
pub struct Listener<'a> {
    /// Each event, in order.
    pub events: &'a mut (dyn FnMut(&Event) + Send),
    /// Each piece of a file that is fetched.
    pub transfers: Progress<'a>,
}

impl fmt::Debug for Listener<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

impl Listener<'_> {
    fn tell(&mut self, event: &Event) {
        (self.events)(event);
    }
}

/// What was wanted, or why there is less.
pub type Ended<T, S> = Result<T, Short<S>>;

/// A run that did not come to its end; submitting it again goes on from what is stored.
#[derive(Debug, Clone, PartialEq)]
pub enum Short<S> {
    /// What is missing was given up.
    Incomplete {
        /// The run.
        run: RunId,
        /// Chunks of the whole run.
        num_chunks: u32,
        /// Those that were given up, in order.
        dead: Vec<DeadChunk>,
    },
    /// Somebody called the run off.
    Cancelled {
        /// The run.
        run: RunId,
    },
    /// We were told to stop.
    Stopped {
        /// The run.
        run: RunId,
        /// What the shutdown's future gave.
        by: S,
    },
}

/// Makes runs, one after the other, at one place.
#[derive(Debug)]
pub struct Conductor {
    place: Place,
    files: Files,
}

/// Where runs are made.
#[derive(Debug)]
enum Place {
    /// A fleet that is running.
    Fleet(Box<Fleet>),
    /// This machine, with servers and workers of our own.
    Here(Box<Here>),
}

impl Conductor {
    /// Of a fleet that is running; `files` fetches what specs name by address.
    pub fn of_fleet(fleet: Fleet, files: Files) -> Self {
        Self { place: Place::Fleet(Box::new(fleet)), files }
    }

    /// Of this machine: starts Redis and an S3 server over the folder `out`, and workers once there is something to make.
    ///
    /// # Errors
    /// Something that is needed is missing or does not start.
    pub async fn here(out: &Path, machine: &Machine, files: Files) -> Result<Self, ConductError> {
        let here = Here::start(out, machine).await?;
        Ok(Self { place: Place::Here(Box::new(here)), files })
    }

    /// What it talks to.
    pub fn fleet(&self) -> &Fleet {
        match &self.place {
            Place::Fleet(fleet) => fleet,
            Place::Here(here) => here.fleet(),
        }
    }

    /// Where runs lie, as people find them.
    pub fn home(&self) -> Home<'_> {
        let folder = match &self.place {
            Place::Fleet(_) => None,
            Place::Here(here) => Some(here.local()),
        };
        Home { store: &self.fleet().store, files: &self.files, folder }
    }

    /// Brings a run to its end. What was stored when `shutdown` came is found again by the next call.
    ///
    /// # Errors
    /// The place cannot be used, or the run's objects are not what they should be.
    pub async fn complete<S>(
        &mut self,
        spec: ResolvedSpec,
        listener: &mut Listener<'_>,
        shutdown: impl Future<Output = S>,
    ) -> Result<Ended<Reduced, S>, ConductError> {
        let (run, full) = (spec.run_id(), self.full());
        select! {
            ended = self.bring(spec, listener) => ended,
            error = full => Err(error),
            by = shutdown => Ok(Err(Short::Stopped { run, by })),
        }
    }

    /// Has the first chunks of several runs made: all are queued before the first is waited for, so that no worker waits
    /// for the slowest of another run. Tells how each ended, in the order given. What was stored when `shutdown` came is
    /// found again by the next call.
    ///
    /// # Errors
    /// The place cannot be used, or a run's objects are not what they should be.
    pub async fn complete_parts<S>(
        &mut self,
        parts: &[(Run, ChunkIndex)],
        listener: &mut Listener<'_>,
        shutdown: impl Future<Output = S>,
    ) -> Result<Result<Vec<Ended<(), Infallible>>, S>, ConductError> {
        let full = self.full();
        select! {
            ended = self.bring_parts(parts, listener) => ended.map(Ok),
            error = full => Err(error),
            by = shutdown => Ok(Err(by)),
        }
    }

    /// Forgets what the queue counted of a run, unless something of it is queued still.
    ///
    /// # Errors
    /// Redis does not answer.
    pub async fn forget(&self, run: &RunId) -> Result<(), ConductError> {
        let queue = &self.fleet().queue;
        match queue.progress(run).await? {
            Some(progress) if progress.queued == 0 => Ok(queue.forget(run).await?),
            _ => Ok(()),
        }
    }

    /// Follows a submitted run until all of it is stored.
    ///
    /// # Errors
    /// Only what will not pass by itself.
    pub async fn follow<S>(
        &mut self,
        run: &Run,
        listener: &mut Listener<'_>,
        shutdown: impl Future<Output = S>,
    ) -> Result<Ended<(), S>, ConductError> {
        select! {
            ended = self.watch(run, listener) => ended,
            by = shutdown => Ok(Err(Short::Stopped { run: run.id.clone(), by })),
        }
    }

    /// Ends what the runs needed and the results do not: workers of our own. May be dropped, which kills them.
    pub async fn rest(&mut self) {
        if let Place::Here(here) = &mut self.place {
            here.end_workers().await;
        }
    }

    /// Waits until the disk of a place of our own takes no more.
    fn full(&self) -> impl Future<Output = ConductError> + use<> {
        let full = match &self.place {
            Place::Fleet(_) => None,
            Place::Here(here) => Some(here.local().disk_failed()),
        };
        async move {
            match full {
                Some(full) => full.await.into(),
                None => std::future::pending().await,
            }
        }
    }

    /// All of it, whatever is asked of us meanwhile.
    async fn bring<S>(
        &mut self,
        spec: ResolvedSpec,
        listener: &mut Listener<'_>,
    ) -> Result<Ended<Reduced, S>, ConductError> {
        let begun = Instant::now();
        let run = Run::new(spec);
        let submitted = self.submit(&run, run.plan.num_chunks()).await?;
        listener.tell(&submitted.event());
        let nothing_to_make = run.missing(&submitted.stored).is_empty();
        let ended = match &self.place {
            Place::Here(_) if nothing_to_make => Ok(()),
            _ => self.watch(&run, listener).await?,
        };
        if let Err(short) = ended {
            return Ok(Err(short));
        }
        let reduced = self.home().conclude(&run, Some(making(&submitted, begun)), listener).await?;
        self.fleet().queue.forget(&run.id).await?;
        Ok(Ok(reduced))
    }

    async fn bring_parts(
        &mut self,
        parts: &[(Run, ChunkIndex)],
        listener: &mut Listener<'_>,
    ) -> Result<Vec<Ended<(), Infallible>>, ConductError> {
        let mut submitted = Vec::with_capacity(parts.len());
        for (run, num_chunks) in parts {
            submitted.push(self.submit(run, *num_chunks).await?);
        }
        let mut ended = Vec::with_capacity(parts.len());
        for ((run, num_chunks), submitted) in parts.iter().zip(submitted) {
            let part = run.first(*num_chunks);
            ended.push(match part.missing(&submitted.stored)[..] {
                [] => Ok(()),
                _ => {
                    listener.tell(&submitted.event());
                    self.watch(&part, listener).await?
                }
            });
        }
        Ok(ended)
    }

    async fn submit(&self, run: &Run, num_chunks: ChunkIndex) -> Result<Submitted, ConductError> {
        let submitted = submit::submit_part(self.fleet(), run, num_chunks).await;
        Ok(submitted.map_err(|error| match &self.place {
            Place::Fleet(_) => error,
            Place::Here(here) => error.local(here.local().folder()),
        })?)
    }

    async fn watch<S>(
        &mut self,
        run: &Run,
        listener: &mut Listener<'_>,
    ) -> Result<Ended<(), S>, ConductError> {
        let watched = match &mut self.place {
            Place::Fleet(fleet) => Watch::new(fleet, run, LOOK_EVERY).follow(listener.events).await?,
            Place::Here(here) => here.watch(run, listener.events).await?,
        };
        let (run, num_chunks) = (run.id.clone(), run.plan.num_chunks());
        Ok(match watched {
            Watched::Stored => Ok(()),
            Watched::Incomplete(dead) => Err(Short::Incomplete { run, num_chunks, dead }),
            Watched::Cancelled => Err(Short::Cancelled { run }),
        })
    }
}

/// What was made of a run since `begun`, of which all is stored now.
fn making(submitted: &Submitted, begun: Instant) -> Making {
    let run = &submitted.run;
    let num_images = run.plan.num_images() - run.num_images(&submitted.stored);
    Making { num_images, seconds: begun.elapsed().as_secs_f64() }
}
