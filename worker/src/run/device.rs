//! The one thread that owns the device.

use std::{
    any::Any,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
};

use fidelis_shared::{
    failpoint::{self, Point},
    ids::ChunkIndex,
    spec::RunSpec,
};
use tokio::sync::{mpsc, oneshot};

use crate::engine::{CancelFlag, ChunkOutput, EngineError, EngineOptions, Engines};

/// A chunk's worth of work.
#[derive(Debug)]
pub struct Job {
    /// The run's spec, with local paths of files that were checked.
    pub spec: Arc<RunSpec>,
    /// The chunk's seeds.
    pub seeds: Vec<u64>,
    /// Its place in the plan.
    pub chunk: ChunkIndex,
    /// Ends the work early.
    pub cancel: CancelFlag,
}

/// What the device made.
#[derive(Debug)]
pub struct Made {
    /// The images and what was seen in them.
    pub output: ChunkOutput,
    /// The device as the engine names it.
    pub device: String,
}

type Reply = Result<Made, EngineError>;

/// A handle on the device's thread, which ends when this is dropped and its work is done.
#[derive(Debug)]
pub struct Device {
    // Room for one: a chunk that waits here is in our hands without being worked on (I7).
    jobs: mpsc::Sender<(Job, oneshot::Sender<Reply>)>,
}

impl Device {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start(options: EngineOptions) -> io::Result<Self> {
        let (jobs, mut queue) = mpsc::channel::<(Job, oneshot::Sender<Reply>)>(1);
        thread::Builder::new().name("device".into()).spawn(move || {
            let mut engines = Engines::new(&options);
            while let Some((job, reply)) = queue.blocking_recv() {
                let made = catch_unwind(AssertUnwindSafe(|| make(&mut engines, &job)));
                let made = made.unwrap_or_else(|panic| {
                    // Whatever it was in the middle of, it starts afresh.
                    engines = Engines::new(&options);
                    Err(EngineError::Fault(format!("the engine panicked: {}", text_of(&*panic))))
                });
                // Nobody waits for it after a second signal.
                reply.send(made).ok();
            }
        })?;
        Ok(Self { jobs })
    }

    /// Makes a chunk.
    ///
    /// # Errors
    /// The engine's.
    pub async fn make(&self, job: Job) -> Result<Made, EngineError> {
        let gone = |_| EngineError::Environment("the device's thread is gone".into());
        let (reply, made) = oneshot::channel();
        self.jobs.send((job, reply)).await.map_err(|_| gone(()))?;
        made.await.map_err(|_| gone(()))?
    }
}

fn make(engines: &mut Engines, job: &Job) -> Reply {
    // A first sign of life: the job may have waited.
    job.cancel.is_set();
    if failpoint::fails(Point::DeviceBeforeMake, Some(job.chunk)) {
        return Err(EngineError::Fault("a test wants this chunk to fail".into()));
    }
    let engine = engines.get(job.spec.engine);
    let output = engine.generate(&job.spec, &job.seeds, &job.cancel)?;
    Ok(Made { output, device: engine.device() })
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a word")
}
