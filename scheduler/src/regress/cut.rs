//! How a night's seeds are cut: into blocks, each of images that are compared one by one and of the rest.

use fidelis_contract::{
    baseline::Baseline,
    ids::Digest,
    seeds::Seeds,
    spec::{EngineKind, ResolvedSpec},
};

use super::RegressError;

/// Fewest images of a block: ten blocks of a jackknife with two images each.
const LEAST: u64 = 20;

/// Blocks of seeds, of as many images each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Images of each block, the first ones, that are compared one by one.
    pub num_identity: u64,
    /// Disjoint.
    pub blocks: Vec<Seeds>,
}

impl Cut {
    /// Cuts seeds into blocks of equal size.
    ///
    /// # Errors
    /// They are too few, or do not divide.
    pub fn new(seeds: &Seeds, num_blocks: u32, num_identity: u64) -> Result<Self, RegressError> {
        let (len, blocks) = (seeds.len(), u64::from(num_blocks));
        let size = len.checked_div(blocks).unwrap_or_default();
        if size < LEAST || !len.is_multiple_of(blocks) {
            return Err(RegressError::Cut(format!(
                "`{len}` seeds are not `{num_blocks}` blocks of one size and of at least `{LEAST}`: change `seeds`, or \
                 `--blocks`"
            )));
        }
        if num_identity < 2 {
            return Err(RegressError::Cut(format!(
                "`--identity {num_identity}` is too few: compare 256 images"
            )));
        }
        let blocks = (0..blocks).map(|block| seeds.slice(block * size, size)).collect();
        // A rest of one image would have no covariance.
        let num_identity = if num_identity + 1 >= size { size } else { num_identity };
        Ok(Self { num_identity, blocks })
    }

    /// Cuts the seeds of a run that is there: its chunks, so that a night makes the same ones. What is left of them behind the
    /// last block is in none.
    ///
    /// # Errors
    /// They are too few.
    pub fn of_chunks(spec: &ResolvedSpec, num_blocks: u32, num_identity: u64) -> Result<Self, RegressError> {
        let (len, chunk_size) = (spec.seeds.len(), u64::from(spec.chunk_size.max(1)));
        let size = len / chunk_size / u64::from(num_blocks.max(1)) * chunk_size;
        if size < LEAST {
            return Err(RegressError::Cut(format!(
                "`{len}` images in chunks of `{chunk_size}` are not `{num_blocks}` blocks of whole chunks and of at least \
                 `{LEAST}` images: accept its spec by `--spec`, which makes the images anew"
            )));
        }
        let num_identity = num_identity.div_ceil(chunk_size).max(1) * chunk_size;
        Self::new(&spec.seeds.slice(0, size * u64::from(num_blocks)), num_blocks, num_identity)
    }

    /// As a baseline's seeds were cut.
    pub fn of(baseline: &Baseline) -> Self {
        let blocks = baseline.blocks.iter().map(|block| block.seeds.clone()).collect();
        Self { num_identity: baseline.num_identity, blocks }
    }

    /// The runs that make a block on a night: first the images that are compared one by one, with their latents, then the
    /// rest, if any. Their names are the night's, so that no other night's images are taken for theirs.
    ///
    /// # Errors
    /// Names that are too long.
    pub fn runs(
        &self,
        spec: &ResolvedSpec,
        night: &str,
        block: usize,
    ) -> Result<Vec<ResolvedSpec>, RegressError> {
        let seeds = &self.blocks[block];
        let parts =
            [("i", seeds.slice(0, self.num_identity)), ("r", seeds.slice(self.num_identity, seeds.len()))];
        let parts = parts.into_iter().filter(|(_, seeds)| !seeds.is_empty());
        let runs = parts.map(|(part, seeds)| {
            let mut run = (**spec).clone();
            run.name = format!("{}-{night}-{block}{part}", spec.name);
            run.seeds = seeds;
            run.outputs.latents |= part == "i" && spec.engine.kind() != EngineKind::Dataset;
            Ok(ResolvedSpec::new(run)?)
        });
        runs.collect()
    }

    /// Which block is looked at first on a night: over many nights all of them.
    pub fn block_of(&self, night: &str) -> usize {
        usize::from(Digest::of(night.as_bytes()).0[0]) % self.blocks.len()
    }
}

#[cfg(test)]
mod tests {
    use fidelis_contract::spec::RunSpec;

    use super::*;

    #[test]
    fn every_seed_is_in_one_run() {
        let seeds: Seeds = "0-99".parse().unwrap();
        let cut = Cut::new(&seeds, 2, 32).unwrap();
        let text = "name = \"n\"\nengine = \"synthetic\"\nseeds = \"0-99\"\noutputs = { images = true }\n";
        let spec = ResolvedSpec::new(RunSpec::from_toml(text, "test").unwrap()).unwrap();
        let runs: Vec<ResolvedSpec> =
            (0..2).flat_map(|block| cut.runs(&spec, "tonight", block).unwrap()).collect();
        let shown: Vec<(String, String, bool)> =
            (runs.iter()).map(|run| (run.name.clone(), run.seeds.to_string(), run.outputs.latents)).collect();
        let expected = [
            ("n-tonight-0i", "0-31", true),
            ("n-tonight-0r", "32-49", false),
            ("n-tonight-1i", "50-81", true),
            ("n-tonight-1r", "82-99", false),
        ];
        assert_eq!(shown, expected.map(|(name, seeds, latents)| (name.into(), seeds.into(), latents)));
        let other = cut.runs(&spec, "tomorrow", 0).unwrap();
        assert_ne!(other[0].run_id(), runs[0].run_id(), "another night's images are made anew");
        assert!(cut.runs(&spec, &"x".repeat(60), 0).unwrap_err().to_string().contains("no run name"));
        let all = Cut::new(&seeds, 2, 49).unwrap();
        assert_eq!((all.num_identity, all.runs(&spec, "t", 0).unwrap().len()), (50, 1));
        let looked_at = (0..20).map(|night| cut.block_of(&night.to_string()));
        assert_eq!(looked_at.collect::<std::collections::BTreeSet<_>>(), [0, 1].into());
    }

    #[test]
    fn what_is_there_is_cut_between_its_chunks() {
        let cut = |seeds: &str, chunk_size: u32, num_blocks: u32, num_identity: u64| {
            let text = format!(
                "name = \"n\"\nengine = \"synthetic\"\nseeds = \"{seeds}\"\nchunk_size = {chunk_size}\nmicro_batch = 1\n\
                 outputs = {{ latents = true }}\n"
            );
            let spec = ResolvedSpec::new(RunSpec::from_toml(&text, "test").unwrap()).unwrap();
            let cut = Cut::of_chunks(&spec, num_blocks, num_identity).map_err(|error| error.to_string())?;
            let blocks: Vec<String> = cut.blocks.iter().map(Seeds::to_string).collect();
            Ok::<_, String>((blocks.join(" "), cut.num_identity))
        };
        assert_eq!(cut("0-399", 40, 2, 60).unwrap(), ("0-199 200-399".to_owned(), 80));
        assert_eq!(cut("0-49999", 256, 2, 256).unwrap(), ("0-24831 24832-49663".to_owned(), 256));
        assert_eq!(cut("10-109", 25, 2, 60).unwrap(), ("10-59 60-109".to_owned(), 50));
        let refused = cut("0-399", 256, 2, 60).unwrap_err();
        assert!(refused.contains("`400` images in chunks of `256` are not `2` blocks"), "{refused}");
        assert!(refused.contains("`--spec`"), "{refused}");
    }

    #[test]
    fn what_cannot_be_cut_is_refused() {
        let seeds: Seeds = "0-99".parse().unwrap();
        for (num_blocks, num_identity, words) in
            [(3, 10, "3` blocks"), (0, 10, "0` blocks"), (10, 10, "at least `20`"), (2, 1, "--identity 1")]
        {
            let error = Cut::new(&seeds, num_blocks, num_identity).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
