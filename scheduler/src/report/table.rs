//! The comparison: the same cells for every rendering.

use super::result::{DetectorResult, RunResult};
use super::text::{duration, figure, fixed, metric_label, rate, setting, thousands, with_error};

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

/// Every detector of any run, with its metric's label; sorted by name.
pub(super) fn detectors(runs: &[RunResult]) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = (runs.iter().flat_map(|run| &run.detectors))
        .map(|(name, result)| (name.clone(), metric_label(&result.metric)))
        .collect();
    all.sort();
    all.dedup_by(|a, b| a.0 == b.0);
    all
}

/// Whether any run quotes a published figure for a detector.
fn quotes(runs: &[RunResult], detector: &str) -> bool {
    runs.iter().filter_map(|run| run.detectors.get(detector)).any(|result| result.published.is_some())
}

pub(super) fn table(runs: &[RunResult]) -> Table {
    let detectors = detectors(runs);
    let numeric = |title: &str| Column { title: title.to_owned(), numeric: true };
    let mut columns =
        vec![Column { title: "run".to_owned(), numeric: false }, numeric("guidance"), numeric("images")];
    for (name, metric) in &detectors {
        columns.push(numeric(&format!("{metric} ({name})")));
        columns.push(numeric("floor (images)"));
        columns.extend(quotes(runs, name).then(|| numeric("published")));
    }
    columns.extend(["images/s", "device time", "workers"].map(numeric));
    let rows = runs.iter().zip(labels(runs)).map(|(run, label)| {
        let mut cells = vec![label, setting(run.guidance), thousands(run.num_images)];
        for (name, _) in &detectors {
            let result = run.detectors.get(name);
            cells.extend(distance_cells(result));
            if quotes(runs, name) {
                cells.push(result.and_then(|result| result.published).map_or("–".to_owned(), figure));
            }
        }
        let timing = &run.timing;
        cells.extend([
            timing.images_per_s.map_or("–".to_owned(), rate),
            duration(timing.device_seconds),
            timing.workers.to_string(),
        ]);
        cells
    });
    Table { rows: rows.collect(), columns }
}

/// The floor and the number of images that it is of: `0.50 (10,000)`.
pub(super) fn with_images(result: &DetectorResult) -> Option<String> {
    let images = result.floor_images.map_or("?".to_owned(), thousands);
    result.floor.map(|floor| format!("{} ({images})", fixed(floor, 2)))
}

fn distance_cells(result: Option<&DetectorResult>) -> [String; 2] {
    let Some(result) = result else { return ["–".to_owned(), "–".to_owned()] };
    let mark = if result.rank_deficient { " *" } else { "" };
    let floor = with_images(result).unwrap_or("–".to_owned());
    [format!("{}{mark}", with_error(result.value, result.sd)), floor]
}
