//! Seeds to chunks: pure arithmetic. The same spec gives the same plan, for ever.

use crate::{ids::ChunkIndex, seeds::Seeds, spec::RunSpec};

/// A run cut into chunks of `chunk_size` seeds; the last may be shorter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    seeds: Seeds,
    chunk_size: u32,
}

/// The seeds a worker takes at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Its place in the plan.
    pub index: ChunkIndex,
    /// Its seeds, in the spec's order; never empty.
    pub seeds: Seeds,
}

impl Plan {
    /// The plan of a spec.
    pub fn new(spec: &RunSpec) -> Self {
        Self::of_seeds(spec.seeds.clone(), spec.chunk_size)
    }

    /// A plan of any seeds; a `chunk_size` of 0 counts as 1.
    pub fn of_seeds(seeds: Seeds, chunk_size: u32) -> Self {
        Self { seeds, chunk_size: chunk_size.max(1) }
    }

    /// How many chunks there are. Fits: a list has at most 1e9 seeds.
    pub fn num_chunks(&self) -> ChunkIndex {
        self.seeds.len().div_ceil(u64::from(self.chunk_size)) as ChunkIndex
    }

    /// How many images the run makes: one per seed.
    pub fn num_images(&self) -> u64 {
        self.seeds.len()
    }

    /// One chunk, or `None` beyond the end.
    pub fn chunk(&self, index: ChunkIndex) -> Option<Chunk> {
        let size = u64::from(self.chunk_size);
        let seeds = self.seeds.slice(u64::from(index) * size, size);
        (!seeds.is_empty()).then_some(Chunk { index, seeds })
    }

    /// All chunks in order.
    pub fn chunks(&self) -> impl Iterator<Item = Chunk> + '_ {
        (0..self.num_chunks()).filter_map(|index| self.chunk(index))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_demo_plan() {
        let plan = Plan::of_seeds("0-1999".parse().unwrap(), 256);
        assert_eq!((plan.num_chunks(), plan.num_images()), (8, 2000));
        assert_eq!(plan.chunk(7).unwrap().seeds.to_string(), "1792-1999");
        assert_eq!(plan.chunk(8), None);
    }

    proptest! {
        /// I1, at its source.
        #[test]
        fn each_seed_once_in_order(gaps in prop::collection::vec((0u64..5, 1u64..40), 1..20), size in 1u32..50) {
            let mut next = 0;
            let ranges = gaps.iter().map(|(gap, len)| {
                let first = next + gap;
                next = first + len;
                (first, next - 1)
            });
            let seeds = Seeds::from_ranges(ranges).unwrap();
            let plan = Plan::of_seeds(seeds.clone(), size);
            let chunks: Vec<Chunk> = plan.chunks().collect();
            let joined: Vec<u64> = chunks.iter().flat_map(|chunk| chunk.seeds.to_vec()).collect();
            prop_assert_eq!(joined, seeds.to_vec());
            prop_assert_eq!(chunks.len(), plan.num_chunks() as usize);
            let (last, full) = chunks.split_last().unwrap();
            prop_assert!(full.iter().all(|chunk| chunk.seeds.len() == u64::from(size)));
            prop_assert!((1..=u64::from(size)).contains(&last.seeds.len()));
            prop_assert!(chunks.iter().enumerate().all(|(i, chunk)| chunk.index == i as u32));
        }
    }
}
