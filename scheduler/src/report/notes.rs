//! What the numbers mean and what they do not: the captions of every rendering.

use std::collections::{BTreeSet, HashSet};

use fidelis_contract::{
    arithmetic,
    result::{DetectorResult, Method, RunResult},
};

use super::table::detectors;
use super::text::thousands;

/// One paragraph each, most important first. Backticks mark names.
pub(super) fn notes(runs: &[RunResult]) -> Vec<String> {
    let mut notes = Vec::new();
    let all = || runs.iter().flat_map(|run| run.detectors.values());
    if all().any(|result| result.value().is_some()) {
        notes.push(bias(runs));
    }
    if let Some(first) = runs.first()
        && runs.iter().any(|run| run.provenance.reference_sha256 != first.provenance.reference_sha256)
    {
        notes.push("These runs were measured against different references: do not compare them.".to_owned());
    }
    if common_seeds(runs) == Some(0) {
        notes.push(
            "These runs have no seed in common: there are no pictures to show side by side.".to_owned(),
        );
    }
    let measured = || all().flat_map(|result| &result.metrics);
    let blocks = measured().filter_map(|measured| match measured.method {
        Method::Frechet { blocks, .. } => measured.sd.map(|_| blocks),
    });
    notes.extend(blocks.take(1).map(error_bar));
    notes.extend(floor(runs));
    if all().any(|result| result.published.is_some()) {
        notes.push(PUBLISHED.to_owned());
    }
    for (name, metric) in detectors(runs).iter().filter(|(_, metric)| metric == "FD") {
        notes.push(format!(
            "{metric} is the Fréchet distance between features of the detector `{name}`. It is not FID: \
             distances of different detectors have different units and cannot be compared."
        ));
    }
    notes.extend(runs.iter().filter(|run| !run.unreadable.is_empty()).map(unreadable));
    notes.extend(runs.iter().filter(|run| !run.other_micro_batch.is_empty()).map(other_micro_batch));
    notes.extend(runs.iter().filter_map(other_arithmetic));
    let floor = |result: &DetectorResult| result.floor.is_some_and(|floor| floor.rank_deficient);
    if all().any(|result| result.rank_deficient || floor(result)) {
        notes.push(
            "* A covariance is rank-deficient, the images', the reference's or the floor's: there are fewer images than features, or \
             features that depend on each other. The distance is computed on the subspace there is."
                .to_owned(),
        );
    }
    for (name, result) in runs.iter().flat_map(|run| &run.detectors) {
        let masses = result.metrics.iter().filter_map(|measured| match measured.method {
            Method::Frechet { sigma_clipped_mass, .. } => sigma_clipped_mass,
        });
        notes.extend(masses.map(|mass| {
            format!(
                "A covariance of `{name}`'s features has eigenvalues below 0, as rounded statistics have. They count as \
                 0; their mass is {mass:e}."
            )
        }));
    }
    if runs.iter().any(|run| run.timing.images_per_s.is_some()) {
        notes.push(SPEED.to_owned());
    }
    if all().any(|result| result.value().is_none()) {
        notes.push("A dash stands where the spec names no reference statistics to compare with.".to_owned());
    }
    notes
}

fn unreadable(run: &RunResult) -> String {
    const NAMED: usize = 20;
    let names = run.unreadable.iter().take(NAMED).map(|image| format!("`{}` {}", image.name, image.cause));
    let more = match run.unreadable.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("; and {more} more, which `result.json` names"),
    };
    format!(
        "{} of the images could not be read and are left out: {}{more}.",
        thousands(run.unreadable.len() as u64),
        names.collect::<Vec<_>>().join("; ")
    )
}

/// Workers' own rates, added up, would leave out all that they wait for.
const SPEED: &str = "images/s is by the clock on the wall, from submission to the last image stored, in the command that \
                     last made any. Device time is what all workers spent on chunks, added up.";

/// How many seeds all runs have, where they do not have the same.
pub(super) fn common_seeds(runs: &[RunResult]) -> Option<u64> {
    let (first, others) = runs.split_first()?;
    let first = &first.provenance.seeds;
    if others.iter().all(|run| run.provenance.seeds == *first) {
        return None;
    }
    let others: Vec<HashSet<u64>> = others.iter().map(|run| run.provenance.seeds.iter().collect()).collect();
    Some(first.iter().filter(|seed| others.iter().all(|seeds| seeds.contains(seed))).count() as u64)
}

/// Presets quote minima over three runs, which one run exceeds more often than not.
const PUBLISHED: &str = "Published is the figure that the spec quotes beside the distance; nothing here computed it. Those of \
                         `fidelis presets` are each the lowest of three runs of 50,000 images.";

fn other_micro_batch(run: &RunResult) -> String {
    let others = &run.other_micro_batch;
    let smallest = others.iter().map(|other| other.micro_batch).min().unwrap_or_default();
    format!(
        "{} of the chunks of `{}` were made with a smaller micro-batch than the {} of the spec, down to {smallest}, as \
         memory was short. Their images may differ in the last bits from those of a device with more (`result.json` \
         names them).",
        thousands(others.len() as u64),
        run.name,
        run.provenance.micro_batch
    )
}

fn other_arithmetic(run: &RunResult) -> Option<String> {
    let (of_run, made) = (run.provenance.arithmetic?, arithmetic::of(run.provenance.engine));
    (of_run != made).then(|| {
        format!(
            "The images of `{}` were made in arithmetic {of_run}, by a version of fidelis before this one, and its \
             figures are of that; this version makes arithmetic {made}. Do not compare the two: under another name \
             the run is made in this one.",
            run.name
        )
    })
}

fn bias(runs: &[RunResult]) -> String {
    let mut counts: Vec<u64> = runs.iter().map(|run| run.num_images).collect();
    counts.sort_unstable();
    counts.dedup();
    match counts[..] {
        [count] => format!(
            "Lower is better. A Fréchet distance estimated from {} images is biased upward: with more images \
             the same net measures lower. Compare only runs with the same number of images.",
            thousands(count)
        ),
        _ => "Lower is better. A Fréchet distance is biased upward, the more so the fewer the images: these runs \
              differ in number of images, and their distances cannot be compared directly."
            .to_owned(),
    }
}

fn error_bar(blocks: u64) -> String {
    format!(
        "± is one standard error (sd), from leaving out each of {blocks} contiguous blocks of seeds in turn. It says \
         how far other seeds of the same nets would scatter; it holds neither the bias above nor the spread \
         between nets trained anew."
    )
}

/// One paragraph for all floors; `None` where there is none.
fn floor(runs: &[RunResult]) -> Option<String> {
    let of = |run: &RunResult| {
        let floors = run.detectors.values().filter_map(|result| Some(result.floor?.num_images));
        floors.map(|images| (run.num_images, images)).collect::<Vec<_>>()
    };
    let floors: Vec<(u64, Option<u64>)> = runs.iter().flat_map(of).collect();
    let counts: BTreeSet<Option<u64>> = floors.iter().map(|(_, images)| *images).collect();
    let images = |count: &Option<u64>| count.map_or("an unknown number of".to_owned(), thousands);
    let images = counts.iter().map(images).collect::<Vec<_>>().join(" or ");
    let is_fewer = |&(run, floor): &(u64, Option<u64>)| floor.is_some_and(|floor| floor > run);
    let fewer = match floors.iter().any(is_fewer) {
        true => ". With the fewer images of a run, even perfect samples would measure more",
        false => "",
    };
    (!counts.is_empty()).then(|| {
        format!(
            "The floor is the distance of {images} held-out real images to the same reference: about what perfect \
             samples would measure at that number of images{fewer}."
        )
    })
}
