//! The one thread that owns the device.

use std::{
    any::Any,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
};

use fidelis_edm2::generate::GenerateError;
use fidelis_shared::{
    failpoint::{self, Point},
    ids::ChunkIndex,
    spec::RunSpec,
};
use tokio::sync::{mpsc, oneshot};

use crate::engine::{CancelFlag, ChunkOutput, EngineError, EngineOptions, Engines, Work, edm2};

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
                let made = catch_unwind(AssertUnwindSafe(|| make(&mut engines, &job)));
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

/// Halves the micro-batch for as long as the device's memory does not hold it; at 1 that is nobody's fault.
fn make(engines: &mut Engines, job: &Job) -> Reply {
    // A first sign of life: the job may have waited.
    job.cancel.is_set();
    if failpoint::fails(Point::DeviceBeforeMake, Some(job.chunk)) {
        return Err(EngineError::Fault("a test wants this chunk to fail".into()));
    }
    let engine = engines.get(job.spec.engine);
    let mut micro_batch = job.spec.micro_batch;
    loop {
        let work = Work { seeds: &job.seeds, micro_batch, cancel: &job.cancel };
        match engine.generate(&job.spec, &work) {
            Err(EngineError::OutOfMemory(cause)) if micro_batch > 1 => {
                tracing::warn!("{cause}; trying micro-batch `{}`", micro_batch / 2);
                micro_batch /= 2;
            }
            Err(EngineError::OutOfMemory(cause)) => return Err(EngineError::Environment(cause)),
            result => return result.map(|output| Made { output, device: engine.device(), micro_batch }),
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

    fn made(max_micro_batch: u32) -> Reply {
        let text = format!(
            "name = \"m\"\nengine = \"synthetic\"\nseeds = \"0-15\"\nmicro_batch = 8\nchunk_size = 16\n\
             outputs = {{ latents = true }}\nsynthetic = {{ max_micro_batch = {max_micro_batch} }}"
        );
        let spec = Arc::new(RunSpec::from_toml(&text, "test").unwrap());
        let mut engines = Engines::new(&EngineOptions { device: "cpu".into(), lanes: None });
        make(&mut engines, &Job { spec, seeds: (0..16).collect(), chunk: 0, cancel: CancelFlag::new() })
    }

    #[test]
    fn the_micro_batch_is_halved_until_it_fits() {
        for (max, expected) in [(8, 8), (7, 4), (4, 4), (3, 2), (1, 1)] {
            assert_eq!(made(max).map(|made| made.micro_batch), Ok(expected), "room for {max}");
        }
    }

    #[test]
    fn one_image_that_does_not_fit_is_nobodys_fault() {
        let error = made(0).map(|made| made.micro_batch);
        assert_eq!(error, Err(EngineError::Environment("out of memory at micro-batch `1`".into())));
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
