//! Work that is cut into blocks, by one thread or by those of rayon's pool that the caller is in.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::packed::Panels;
use super::simd::Pack;

/// What a block needs beside its input and its output.
#[derive(Debug, Default)]
pub struct Scratch {
    pub window: Vec<Pack>,
    pub input: Vec<Pack>,
    pub output: Vec<Pack>,
    pub starts: Vec<usize>,
    pub panels: [Panels; 2],
}

/// Scratch for as many threads as ever worked at once.
#[derive(Debug, Default)]
pub struct Crew {
    idle: Mutex<Vec<Scratch>>,
}

impl Crew {
    /// How many threads share the work: one outside a pool.
    pub fn threads() -> usize {
        if rayon::current_thread_index().is_some() { rayon::current_num_threads() } else { 1 }
    }

    /// Cuts `out` into `count` neighbouring blocks of `size(i)` packs and gives each to `work(i, block, scratch)`.
    pub fn run(
        &self,
        out: &mut [Pack],
        (count, size): (usize, impl Fn(usize) -> usize),
        work: impl Fn(usize, &mut [Pack], &mut Scratch) + Sync,
    ) {
        let mut rest = out;
        let mut cut = |i| rest.split_off_mut(..size(i)).unwrap_or_default();
        if Self::threads() == 1 {
            let mut scratch = self.take();
            (0..count).for_each(|i| work(i, cut(i), &mut scratch));
            self.put(scratch);
        } else {
            let blocks: Vec<&mut [Pack]> = (0..count).map(cut).collect();
            blocks.into_par_iter().enumerate().for_each(|(i, block)| {
                let mut scratch = self.take();
                work(i, block, &mut scratch);
                self.put(scratch);
            });
        }
    }

    fn take(&self) -> Scratch {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn put(&self, scratch: Scratch) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
    }
}
