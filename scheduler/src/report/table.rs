//! The comparison: the same cells for every rendering.

use super::text::{duration, figure, fixed, metric_label, rate, setting, thousands, with_error};
use fidelis_contract::{
    detectors::Metric,
    result::{DetectorResult, Measured, RunResult},
    spec::EngineKind,
};

/// A header and a row per run.
pub(super) struct Table {
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<String>>,
}

/// A column's title, and whether it holds numbers.
pub(super) struct Column {
    pub title: String,
    pub numeric: bool,
}

/// How runs are called: by name, or by id where two share a name.
pub(super) fn labels(runs: &[RunResult]) -> Vec<String> {
    let unique = |name: &str| runs.iter().filter(|run| run.name == name).count() == 1;
    runs.iter().map(|run| if unique(&run.name) { run.name.clone() } else { run.run.to_string() }).collect()
}

/// Every detector of any run, with the label of the metric that runs are compared by; sorted by name.
pub(super) fn detectors(runs: &[RunResult]) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = (runs.iter().flat_map(|run| &run.detectors))
        .map(|(name, result)| (name.clone(), headline_label(name, result)))
        .collect();
    all.sort();
    all.dedup_by(|a, b| a.0 == b.0);
    all
}

/// Of a detector without a reference, what it would measure.
pub(super) fn headline_label(detector: &str, result: &DetectorResult) -> String {
    let measured = result.headline().map(|measured| measured.id.as_str());
    metric_label(measured.unwrap_or(Metric::of(detector).id()))
}

/// The metrics beside the headline that any run has of a detector; in the order of the first run that has each.
fn others<'a>(runs: &'a [RunResult], detector: &str) -> Vec<&'a str> {
    let mut ids: Vec<&str> = Vec::new();
    for result in runs.iter().filter_map(|run| run.detectors.get(detector)) {
        for Measured { id, .. } in result.metrics.iter().skip(1) {
            if !ids.contains(&id.as_str()) {
                ids.push(id);
            }
        }
    }
    ids
}

/// Whether any run quotes a published figure for a detector.
fn quotes(runs: &[RunResult], detector: &str) -> bool {
    runs.iter().filter_map(|run| run.detectors.get(detector)).any(|result| result.published.is_some())
}

pub(super) fn trains(run: &RunResult) -> bool {
    run.provenance.engine == EngineKind::Train
}

pub(super) fn table(runs: &[RunResult]) -> Table {
    let detectors = detectors(runs);
    let numeric = |title: &str| Column { title: title.to_owned(), numeric: true };
    let mut columns =
        vec![Column { title: "run".to_owned(), numeric: false }, numeric("guidance"), numeric("images")];
    for (name, metric) in &detectors {
        columns.push(numeric(&format!("{metric} ({name})")));
        columns.push(numeric("floor (images)"));
        columns.extend(
            others(runs, name).into_iter().map(|id| numeric(&format!("{} ({name})", metric_label(id)))),
        );
        columns.extend(quotes(runs, name).then(|| numeric("published")));
    }
    columns.extend(["images/s", "device time", "workers"].map(numeric));
    let rows = runs.iter().zip(labels(runs)).map(|(run, label)| {
        // A training makes no images.
        let of_images = |text: String| if trains(run) { "–".to_owned() } else { text };
        let mut cells = vec![label, of_images(setting(run.guidance)), of_images(thousands(run.num_images))];
        for (name, _) in &detectors {
            let result = run.detectors.get(name);
            cells.extend(distance_cells(result));
            cells.extend(others(runs, name).into_iter().map(|id| {
                let measured =
                    result.and_then(|result| result.metrics.iter().find(|measured| measured.id == id));
                with_error(measured.map(|measured| measured.value), measured.and_then(|measured| measured.sd))
            }));
            if quotes(runs, name) {
                cells.push(result.and_then(|result| result.published).map_or("–".to_owned(), figure));
            }
        }
        let timing = &run.timing;
        cells.extend([
            of_images(timing.images_per_s.map_or("–".to_owned(), rate)),
            duration(timing.device_seconds),
            timing.workers.to_string(),
        ]);
        cells
    });
    Table { rows: rows.collect(), columns }
}

/// The floor and the number of images that it is of: `0.50 (10,000)`.
pub(super) fn with_images(result: &DetectorResult) -> Option<String> {
    let floor = result.floor?;
    let (images, mark) = (floor.num_images.map_or("?".to_owned(), thousands), mark(floor.rank_deficient));
    Some(format!("{} ({images}){mark}", fixed(floor.value, 2)))
}

/// What the note on rank deficiency is found by.
fn mark(rank_deficient: bool) -> &'static str {
    if rank_deficient { " *" } else { "" }
}

fn distance_cells(result: Option<&DetectorResult>) -> [String; 2] {
    let Some(result) = result else { return ["–".to_owned(), "–".to_owned()] };
    let mark = mark(result.rank_deficient);
    let floor = with_images(result).unwrap_or("–".to_owned());
    [format!("{}{mark}", with_error(result.value(), result.sd())), floor]
}
