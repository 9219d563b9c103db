//! A night: its images are made and pass the gates, one after the other, as far as there is something to compare.

use std::collections::BTreeMap;

use fidelis_contract::spec::ResolvedSpec;
use fidelis_fleet::{
    files::{Files, Progress},
    store::Store,
};
use fidelis_metrics::Gaussian;
use tokio::task::block_in_place;

use super::{
    Cut, Kept, NightResult, RegressError,
    accept::{joined, read},
    fingerprint::{self, Allowed},
    identity::{IdentityGate, Sameness},
    reference::references,
    result::{BaselineName, unjudged},
    sample::Sample,
    statistics::{Against, Look, StatisticsGate, look},
};
use crate::compare::Rule;

/// Where runs lie and where their files come from.
pub struct Place<'a> {
    pub store: Store,
    pub files: Files,
    pub progress: Progress<'a>,
}

impl std::fmt::Debug for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Place")
    }
}

/// What is judged, and by what.
#[derive(Clone, Debug)]
pub struct Night {
    /// In the names of its runs: those of another night are never taken for its own.
    pub name: String,
    /// As it is tonight.
    pub spec: ResolvedSpec,
    /// What it is compared with.
    pub kept: Kept,
    /// What may differ.
    pub allowed: Allowed,
    /// When a difference of distances counts.
    pub rule: Rule,
    /// The block that is looked at first.
    pub block: usize,
}

impl Night {
    /// Makes what is to be compared, through `make`, and judges it.
    ///
    /// # Errors
    /// What `make` says, and what keeps the images from being compared.
    pub async fn judge<E: From<RegressError>>(
        &self,
        place: &Place<'_>,
        make: &mut impl AsyncFnMut(Vec<ResolvedSpec>) -> Result<(), E>,
    ) -> Result<NightResult, E> {
        let mut result = self.unjudged()?;
        if result.fingerprint.iter().all(|change| change.allowed) {
            self.compare(place, make, &mut result).await?;
        }
        result.conclude();
        Ok(result)
    }

    /// With what is known before any image is made.
    fn unjudged(&self) -> Result<NightResult, RegressError> {
        let baseline = &self.kept.baseline;
        let was = ResolvedSpec::new(baseline.run_spec()?)?;
        let name = BaselineName {
            name: baseline.name.clone(),
            number: baseline.number,
            sha256: self.kept.sha256,
            accepted: baseline.accepted.clone(),
        };
        let mut result = unjudged(&self.name, name, self.spec.digest(), self.block);
        result.fingerprint = fingerprint::of_specs(&was, &self.spec, &self.allowed)?;
        Ok(result)
    }

    async fn compare<E: From<RegressError>>(
        &self,
        place: &Place<'_>,
        make: &mut impl AsyncFnMut(Vec<ResolvedSpec>) -> Result<(), E>,
        result: &mut NightResult,
    ) -> Result<(), E> {
        let baseline = self.kept.block(&place.store, self.block).await?;
        let references = references(&self.spec, &place.files, place.progress).await?;
        let mut runs = Cut::of(&self.kept.baseline).runs(&self.spec, &self.name, self.block)?;
        let rest = runs.split_off(1);
        let first = made(place, runs, make, result).await?;
        self.compare_machines(&first, result);
        let gate = self.identity(&baseline, &first, result);
        result.identity = Some(gate?);
        if result.fingerprint.iter().any(|change| !change.allowed) {
            return Ok(());
        }
        let all = match rest.is_empty() {
            true => first,
            false => joined(first, made(place, rest, make, result).await?)?,
        };
        self.compare_machines(&all, result);
        for (detector, look) in self.look(self.block, [&baseline, &all], &references)? {
            result.statistics.insert(detector.clone(), StatisticsGate::new(&detector, look, self.rule));
        }
        if result.statistics.values().any(StatisticsGate::needs_confirming) {
            self.confirm((place, &references), make, result).await?;
        }
        Ok(())
    }

    /// Asks a block of other seeds, which tonight's and the baseline's images have nothing in common with so far.
    async fn confirm<E: From<RegressError>>(
        &self,
        (place, references): (&Place<'_>, &BTreeMap<String, Gaussian>),
        make: &mut impl AsyncFnMut(Vec<ResolvedSpec>) -> Result<(), E>,
        result: &mut NightResult,
    ) -> Result<(), E> {
        let block = (self.block + 1) % self.kept.baseline.blocks.len();
        let mut looks = BTreeMap::new();
        if block != self.block {
            let baseline = self.kept.block(&place.store, block).await?;
            let runs = Cut::of(&self.kept.baseline).runs(&self.spec, &self.name, block)?;
            let tonight = made(place, runs, make, result).await?;
            looks = self.look(block, [&baseline, &tonight], references)?;
        }
        for (detector, gate) in &mut result.statistics {
            if gate.needs_confirming() {
                gate.confirm(looks.remove(detector));
            }
        }
        Ok(())
    }

    fn compare_machines(&self, tonight: &Sample, result: &mut NightResult) {
        result.environment = tonight.environment();
        let found =
            fingerprint::of_environments(&self.kept.baseline.environment, &result.environment, &self.allowed);
        for change in found {
            if !result.fingerprint.contains(&change) {
                result.fingerprint.push(change);
            }
        }
    }

    fn identity(
        &self,
        baseline: &Sample,
        tonight: &Sample,
        result: &NightResult,
    ) -> Result<IdentityGate, RegressError> {
        let kept = &self.kept.baseline;
        let noise = &kept.blocks[self.block].noise;
        let gate = IdentityGate::of((baseline, noise), tonight, kept.bound);
        let mut gate = gate.map_err(|error| RegressError::Internal(error.to_string()))?;
        if gate.verdict == Sameness::Changed && result.fingerprint.iter().any(|change| change.changes_images)
        {
            gate.verdict = Sameness::NotJudged;
        }
        Ok(gate)
    }

    /// Minutes of arithmetic, where features are wide.
    fn look(
        &self,
        block: usize,
        [baseline, tonight]: [&Sample; 2],
        references: &BTreeMap<String, Gaussian>,
    ) -> Result<BTreeMap<String, Look>, RegressError> {
        let kept = &self.kept.baseline.blocks[block];
        let against = Against { sample: baseline, seeds: &kept.seeds, figures: &kept.figures };
        block_in_place(|| look(against, tonight, references, self.rule))
    }
}

/// The images of some runs, made and read back.
async fn made<E: From<RegressError>>(
    place: &Place<'_>,
    runs: Vec<ResolvedSpec>,
    make: &mut impl AsyncFnMut(Vec<ResolvedSpec>) -> Result<(), E>,
    result: &mut NightResult,
) -> Result<Sample, E> {
    make(runs.clone()).await?;
    result.num_made += runs.iter().map(|run| run.seeds.len()).sum::<u64>();
    Ok(read(place, runs).await?)
}
