//! A contact sheet out of stored images.

use std::collections::{BTreeSet, HashMap, HashSet};

use fidelis_contract::{
    kind::Kind,
    manifest::{Manifest, ManifestEntry},
};
use fidelis_fleet::{store::Store, stored};

use super::PublishError;
use crate::report::sheet::{self, Picker, Picture, Row};

/// A PNG of complete runs, stacked in the order given: for every class the first ten seeds that have it in the first
/// run, of the seeds that all runs have. `None` when one of them kept no images, when no seed is in all of them, or when
/// their pictures are of shapes that no sheet can hold.
pub async fn contact_sheet(store: &Store, runs: &[&Manifest]) -> Result<Option<Vec<u8>>, PublishError> {
    let kept = |run: &&Manifest| run.chunks.iter().all(|entry| entry.objects.contains_key(&Kind::Images));
    let Some(first) = runs.first().filter(|_| runs.iter().all(kept)) else { return Ok(None) };
    let others: Vec<HashSet<u64>> = runs.iter().skip(1).map(|run| seeds(run)).collect();
    let rows = pick(store, first, &|seed| others.iter().all(|seeds| seeds.contains(&seed))).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let mut panels = Vec::with_capacity(runs.len());
    for run in runs {
        let mut pictures = pictures(store, run, &rows).await?;
        let panel = rows.iter().map(|row| row.seeds.iter().map(|seed| pictures.remove(seed)).collect());
        panels.push(panel.collect());
    }
    let png = tokio::task::spawn_blocking(move || sheet::png(&panels)).await;
    match png.map_err(|error| PublishError::Internal(error.to_string()))? {
        Ok(png) => Ok(Some(png)),
        // Nets of two resolutions are compared by their distances all the same.
        Err(error) => {
            tracing::warn!("no contact sheet: {error}");
            Ok(None)
        }
    }
}

fn seeds(run: &Manifest) -> HashSet<u64> {
    run.chunks.iter().flat_map(ManifestEntry::rows).collect()
}

/// Reads labels chunk by chunk, from the smallest kind there is, until there are enough seeds that are `wanted`.
async fn pick(
    store: &Store,
    run: &Manifest,
    wanted: &(dyn Fn(u64) -> bool + Sync),
) -> Result<Vec<Row>, PublishError> {
    let mut picker = Picker::default();
    for entry in run.chunks.iter().filter(|entry| entry.rows().any(wanted)) {
        let is_features = |kind: &&Kind| matches!(kind, Kind::Features(_));
        let kind = entry.objects.keys().find(is_features).unwrap_or(&Kind::Images);
        for object in stored::chunks(store, &run.run, kind, std::slice::from_ref(entry)).await? {
            let images = object.seeds.iter().zip(&object.labels).filter(|(seed, _)| wanted(**seed));
            images.for_each(|(&seed, &label)| picker.add(seed, label));
        }
        if picker.is_full() {
            break;
        }
    }
    Ok(picker.rows())
}

/// The pictures of the rows' seeds, out of the chunks that hold them, one chunk at a time.
async fn pictures(
    store: &Store,
    run: &Manifest,
    rows: &[Row],
) -> Result<HashMap<u64, Picture>, PublishError> {
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
