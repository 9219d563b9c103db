//! Batches side by side, results in the batches' order.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::GenerateError;

/// Does `work` on every batch, each lane taking the next one that is left. The first failure ends all lanes at their
/// next question whether to stop.
pub fn run<L: Send, B: Sync, P: Send>(
    lanes: &mut [L],
    batches: &[B],
    stop: &(dyn Fn() -> bool + Sync),
    work: impl Fn(&mut L, &B, &(dyn Fn() -> bool + Sync)) -> Result<P, GenerateError> + Sync,
) -> Result<Vec<P>, GenerateError> {
    let parts: Vec<Mutex<Option<P>>> = batches.iter().map(|_| Mutex::new(None)).collect();
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(None);
    let drain = |lane: &mut L| -> Result<(), GenerateError> {
        let stop =
            || stop() || failed.lock().is_ok_and(|f: std::sync::MutexGuard<'_, Option<_>>| f.is_some());
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(batch) = batches.get(at) else { return Ok(()) };
            let part = work(lane, batch, &stop)?;
            *parts[at].lock().unwrap_or_else(PoisonError::into_inner) = Some(part);
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = lanes.iter_mut().map(|lane| scope.spawn(|| drain(lane))).collect();
        for thread in threads {
            let end = thread.join().unwrap_or_else(|panic| Err(GenerateError::from_panic(&*panic)));
            if let (Err(error), Ok(mut failed)) = (end, failed.lock()) {
                failed.get_or_insert(error);
            }
        }
    });
    match failed.into_inner() {
        Ok(None) => Ok(parts.into_iter().filter_map(|part| part.into_inner().ok().flatten()).collect()),
        Ok(Some(error)) => Err(error),
        Err(_) => Err(GenerateError::Torch("a lane ended without a word".to_owned())),
    }
}

/// Does `work` within a pool of so many threads, which what knows how to share its work uses; on this thread where one
/// would be all, or where no threads can be had.
pub fn with_team<P: Send>(threads: usize, work: impl FnOnce() -> P + Send) -> P {
    if threads < 2 {
        return work();
    }
    match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
        Ok(pool) => pool.install(work),
        Err(_) => work(),
    }
}
