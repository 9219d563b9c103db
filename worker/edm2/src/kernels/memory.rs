//! Buffers that are used again.

use std::sync::{Mutex, PoisonError};

use super::crew::Crew;
use super::simd::{Pack, WIDTH};

/// Activations that nobody holds now, and scratch for blocks of work: evaluations at the same time share them.
#[derive(Debug, Default)]
pub struct Memory {
    pub crew: Crew,
    free: Mutex<Vec<Vec<Pack>>>,
}

impl Memory {
    /// `len` packs of any content.
    ///
    /// # Panics
    /// Out of memory.
    pub fn take(&self, len: usize) -> Vec<Pack> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |buffer: &Vec<Pack>| buffer.capacity() >= len;
        let smallest = (0..free.len()).filter(|&i| fits(&free[i])).min_by_key(|&i| free[i].capacity());
        let mut buffer = smallest.map(|i| free.swap_remove(i)).unwrap_or_default();
        drop(free);
        let missing = len.saturating_sub(buffer.len());
        // As torch does where memory is short, so that who hears of it takes a smaller micro-batch: else the process ended.
        assert!(buffer.try_reserve_exact(missing).is_ok(), "out of memory: {missing} packs of activations");
        buffer.resize(len, [0.0; WIDTH]);
        buffer
    }

    pub fn give_back(&self, buffer: Vec<Pack>) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }
}
