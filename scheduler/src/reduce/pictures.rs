//! A contact sheet out of stored images.

use std::collections::{BTreeSet, HashMap};

use fidelis_contract::kind::Kind;
use fidelis_contract::manifest::{Manifest, ManifestEntry};
use fidelis_fleet::store::Store;
use fidelis_fleet::stored;

use super::ReduceError;
use crate::report::sheet::{self, Picker, Picture, Row};

/// A PNG of complete runs, stacked in the order given: for every class the first ten seeds that have it in the first
/// run, and the same seeds of the others. `None` when one of them kept no images.
pub async fn contact_sheet(store: &Store, runs: &[&Manifest]) -> Result<Option<Vec<u8>>, ReduceError> {
    let kept = |run: &&Manifest| run.chunks.iter().all(|entry| entry.objects.contains_key(&Kind::Images));
    let Some(first) = runs.first().filter(|_| runs.iter().all(kept)) else { return Ok(None) };
    let rows = pick(store, first).await?;
    let mut panels = Vec::with_capacity(runs.len());
    for run in runs {
        let mut pictures = pictures(store, run, &rows).await?;
        let panel = rows.iter().map(|row| row.seeds.iter().map(|seed| pictures.remove(seed)).collect());
        panels.push(panel.collect());
    }
    let png = tokio::task::spawn_blocking(move || sheet::png(&panels)).await;
    Ok(Some(png.map_err(|error| ReduceError::Internal(error.to_string()))??))
}

/// Reads labels chunk by chunk, from the smallest kind there is, until there are enough.
async fn pick(store: &Store, run: &Manifest) -> Result<Vec<Row>, ReduceError> {
    let mut picker = Picker::default();
    for entry in &run.chunks {
        let is_features = |kind: &&Kind| matches!(kind, Kind::Features(_));
        let kind = entry.objects.keys().find(is_features).unwrap_or(&Kind::Images);
        for object in stored::chunks(store, &run.run, kind, std::slice::from_ref(entry)).await? {
            object.seeds.iter().zip(&object.labels).for_each(|(&seed, &label)| picker.add(seed, label));
        }
        if picker.is_full() {
            break;
        }
    }
    Ok(picker.rows())
}

/// The pictures of the rows' seeds, out of the chunks that hold them, one chunk at a time.
async fn pictures(store: &Store, run: &Manifest, rows: &[Row]) -> Result<HashMap<u64, Picture>, ReduceError> {
    let wanted: BTreeSet<u64> = rows.iter().flat_map(|row| row.seeds.iter().copied()).collect();
    let holds = |entry: &&ManifestEntry| entry.seeds.iter().any(|seed| wanted.contains(&seed));
    let mut pictures = HashMap::new();
    for entry in run.chunks.iter().filter(holds) {
        for object in stored::chunks(store, &run.run, &Kind::Images, std::slice::from_ref(entry)).await? {
            let &[_, channels, height, width] = &object.data.shape[..] else { continue };
            let shape = [channels, height, width];
            let images = object.data.data.chunks_exact((channels * height * width).max(1));
            for (seed, pixels) in object.seeds.iter().zip(images).filter(|(seed, _)| wanted.contains(seed)) {
                pictures.insert(*seed, Picture { shape, pixels: pixels.to_vec() });
            }
        }
    }
    Ok(pictures)
}
