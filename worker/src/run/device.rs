//! The one thread that owns the device.

use std::{
    any::Any,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
};

use fidelis_contract::{ids::ChunkIndex, maker::Maker, spec::LocalSpec};
use fidelis_edm2::generate::GenerateError;
use fidelis_fleet::failpoint::{self, Point};
use tokio::sync::{mpsc, oneshot};

use crate::engine::{
    CancelFlag, ChunkOutput, EngineError, EngineOptions, Engines, Materials, Work, edm2, maker,
};

/// A chunk's worth of work.
#[derive(Debug)]
pub struct Job {
    /// The run's spec, with local paths of files that were checked.
    pub spec: Arc<LocalSpec>,
    /// The chunk's seeds.
    pub seeds: Vec<u64>,
    /// Its place in the plan.
    pub chunk: ChunkIndex,
    /// Ends the work early.
    pub cancel: CancelFlag,
    /// Of a training.
    pub materials: Option<Materials>,
}

/// What the device made.
#[derive(Debug)]
pub struct Made {
    /// The images and what was seen in them.
    pub output: ChunkOutput,
    /// The device as receipts name it.
    pub device: String,
    /// What it is, and when it did this.
    pub maker: Maker,
    /// Images that went through it together: fewer than the spec says where memory was short.
    pub micro_batch: u32,
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
                let made = catch_unwind(AssertUnwindSafe(|| make(&mut engines, &options, &job)));
                let made = made.unwrap_or_else(|panic| {
                    // Whatever it was in the middle of, it starts afresh.
                    engines = Engines::new(&options);
                    Err(of_panic(&*panic))
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

fn make(engines: &mut Engines, options: &EngineOptions, job: &Job) -> Reply {
    // A first sign of life: the job may have waited.
    job.cancel.beat();
    if failpoint::fails(Point::DeviceBeforeMake, Some(job.chunk)) {
        return Err(EngineError::Fault("a test wants this chunk to fail".into()));
    }
    let (output, micro_batch) = halving(job.spec.micro_batch, |micro_batch| {
        if failpoint::fails(Point::DeviceBeforeBatch, Some(job.chunk)) {
            return Err(EngineError::OutOfMemory(format!("a test has no room for `{micro_batch}` images")));
        }
        job.cancel.begin();
        let (seeds, cancel, materials) = (&job.seeds[..], &job.cancel, job.materials.as_ref());
        engines.generate(&job.spec, &Work { seeds, micro_batch, cancel, materials })
    })?;
    let (device, maker) = (options.device.clone(), maker::dated(&options.maker));
    Ok(Made { output, device, maker, micro_batch })
}

/// Halves the micro-batch for as long as the device's memory does not hold it; at 1 that is nobody's fault.
fn halving<T>(
    mut micro_batch: u32,
    mut attempt: impl FnMut(u32) -> Result<T, EngineError>,
) -> Result<(T, u32), EngineError> {
    loop {
        match attempt(micro_batch) {
            Err(EngineError::OutOfMemory(cause)) if micro_batch > 1 => {
                tracing::warn!("{cause}; trying micro-batch `{}`", micro_batch / 2);
                micro_batch /= 2;
            }
            Err(EngineError::OutOfMemory(cause)) => return Err(EngineError::Environment(cause)),
            result => return result.map(|made| (made, micro_batch)),
        }
    }
}

/// A panic outside the lanes, as of nets that do not fit the device, or a device that is lost.
fn of_panic(panic: &(dyn Any + Send)) -> EngineError {
    match edm2::classed(GenerateError::from_panic(panic)) {
        EngineError::OutOfMemory(cause) => EngineError::Environment(cause),
        lost @ EngineError::Device(_) => lost,
        _ => EngineError::Fault(format!("the engine panicked: {}", text_of(panic))),
    }
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a word")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chunk of micro-batch 8 where `room` images fit: what it got, and what was tried.
    fn made(room: u32) -> (Result<u32, EngineError>, Vec<u32>) {
        let mut tried = Vec::new();
        let made = halving(8, |micro_batch| {
            tried.push(micro_batch);
            if micro_batch > room { Err(EngineError::OutOfMemory("no room".into())) } else { Ok(()) }
        });
        (made.map(|((), micro_batch)| micro_batch), tried)
    }

    #[test]
    fn the_micro_batch_is_halved_until_it_fits() {
        for (room, tried) in [(8, vec![8]), (7, vec![8, 4]), (4, vec![8, 4]), (3, vec![8, 4, 2])] {
            assert_eq!(made(room), (Ok(tried[tried.len() - 1]), tried), "room for {room}");
        }
        assert_eq!(made(1), (Ok(1), vec![8, 4, 2, 1]));
    }

    #[test]
    fn one_image_that_does_not_fit_is_nobodys_fault() {
        assert_eq!(made(0), (Err(EngineError::Environment("no room".into())), vec![8, 4, 2, 1]));
    }

    #[test]
    fn other_failures_are_not_tried_again() {
        let (mut tries, fault) = (0, EngineError::Fault("not finite".into()));
        let made = halving(8, |_| {
            tries += 1;
            Err::<(), _>(fault.clone())
        });
        assert_eq!((made, tries), (Err(fault), 1));
    }

    #[test]
    fn a_panic_tells_whose_fault_it_is() {
        let class = |text: &'static str| of_panic(&text);
        assert!(matches!(class("CUDA out of memory. Tried to allocate"), EngineError::Environment(_)));
        assert!(matches!(class("CUDA error: device-side assert triggered"), EngineError::Device(_)));
        assert_eq!(
            class("index out of bounds"),
            EngineError::Fault("the engine panicked: index out of bounds".into())
        );
    }
}
