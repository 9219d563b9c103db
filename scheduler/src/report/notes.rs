//! What the numbers mean and what they do not: the captions of every rendering.

use fidelis_shared::arithmetic;

use super::result::{DetectorResult, RunResult};
use super::table::detectors;
use super::text::thousands;

/// One paragraph each, most important first. Backticks mark names.
pub(super) fn notes(runs: &[RunResult]) -> Vec<String> {
    let mut notes = Vec::new();
    let all = || runs.iter().flat_map(|run| run.detectors.values());
    if all().any(|result| result.value.is_some()) {
        notes.push(bias(runs));
    }
    if let Some(first) = runs.first()
        && runs.iter().any(|run| run.provenance.reference_sha256 != first.provenance.reference_sha256)
    {
        notes.push("These runs were measured against different references: do not compare them.".to_owned());
    }
    if let Some(result) = all().find(|result| result.sd.is_some()) {
        notes.push(error_bar(result));
    }
    if let Some(result) = all().find(|result| result.floor.is_some()) {
        notes.push(floor(result));
    }
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
    if all().any(|result| result.rank_deficient) {
        notes.push(
            "* The covariance is rank-deficient: there are fewer images than features, or features that depend \
             on each other. The distance is computed on the subspace there is."
                .to_owned(),
        );
    }
    if all().any(|result| result.value.is_none()) {
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

fn error_bar(result: &DetectorResult) -> String {
    format!(
        "± is one standard error (sd), from leaving out each of {} contiguous blocks of seeds in turn. It says \
         how far other seeds of the same nets would scatter; it holds neither the bias above nor the spread \
         between nets trained anew.",
        result.blocks
    )
}

fn floor(result: &DetectorResult) -> String {
    let images = match result.floor_images {
        Some(count) => format!("{} held-out real images", thousands(count)),
        None => "held-out real images".to_owned(),
    };
    format!(
        "The floor is the distance of {images} to the same reference: about what perfect samples would measure \
         at that number of images."
    )
}
