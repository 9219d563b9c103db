//! A run: its name, what it is, and how it is cut.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    ids::{ChunkIndex, RunId},
    plan::Plan,
    spec::ResolvedSpec,
};

/// A run. Cheap to clone.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Name and digest.
    pub id: RunId,
    /// What it is.
    pub spec: Arc<ResolvedSpec>,
    /// How it is cut.
    pub plan: Plan,
}

impl Run {
    /// The run of a spec.
    pub fn new(spec: ResolvedSpec) -> Self {
        Self { id: spec.run_id(), plan: Plan::new(&spec), spec: Arc::new(spec) }
    }

    /// The same run as far as its first chunks: what is missing of it, and how many images it has, is told of these alone.
    #[must_use]
    pub fn first(&self, num_chunks: ChunkIndex) -> Self {
        let chunk_size = u64::from(self.spec.chunk_size.max(1));
        let seeds = self.spec.seeds.slice(0, u64::from(num_chunks) * chunk_size);
        Self { plan: Plan::of_seeds(seeds, self.spec.chunk_size), ..self.clone() }
    }

    /// How many images the given chunks hold.
    pub fn num_images(&self, chunks: &BTreeSet<ChunkIndex>) -> u64 {
        self.with_images(chunks).into_iter().map(|(_, num_images)| num_images).sum()
    }

    /// The given chunks with the images that each holds.
    pub fn with_images(&self, chunks: &BTreeSet<ChunkIndex>) -> Vec<(ChunkIndex, u64)> {
        let images = |&index| Some((index, self.plan.chunk(index)?.seeds.len()));
        chunks.iter().filter_map(images).collect()
    }

    /// The chunks that are not among the given ones.
    pub fn missing(&self, chunks: &BTreeSet<ChunkIndex>) -> Vec<ChunkIndex> {
        (0..self.plan.num_chunks()).filter(|index| !chunks.contains(index)).collect()
    }
}
