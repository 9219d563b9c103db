//! One detector's features: folded, and measured against the spec's statistics.

use fidelis_contract::{
    detectors::Metric,
    kind::Kind,
    manifest::Manifest,
    result::{DetectorResult, Floor, Measured, Method, Reference},
    spec::{DetectorSpec, FileRef},
};
use fidelis_fleet::{
    failpoint::{Point, reach},
    folder,
    store::Store,
    stored,
};
use fidelis_formats::stats::{self, Statistics};
use fidelis_metrics::{
    FeatureChunk, Fold, Folded, Gaussian, JACKKNIFE_BLOCKS, MetricError, RowNames, jackknife,
};

use super::{ReduceError, held_out};
use crate::evaluate::{self, EvaluateError};

/// Folds a detector's features in chunk order (I3), a few chunks at a time.
pub(super) async fn fold(store: &Store, manifest: &Manifest, detector: &str) -> Result<Folded, ReduceError> {
    let kind = Kind::Features(detector.to_owned());
    let mut fold = Fold::new(manifest.num_images, JACKKNIFE_BLOCKS);
    let mut chunks = stored::Chunks::of(store, &manifest.run, &kind, &manifest.chunks);
    loop {
        let objects = chunks.wave(Fold::wave()).await?;
        if objects.is_empty() {
            break;
        }
        let features = objects.into_iter().map(|object| {
            let values = object.data.to_f32().map_err(|error| error.to_string())?;
            let dim = object.data.shape.get(1).copied().unwrap_or_default();
            Ok(FeatureChunk { values, dim, names: RowNames::Seeds(object.seeds) })
        });
        let features: Vec<FeatureChunk> =
            features.collect::<Result<_, _>>().map_err(ReduceError::Internal)?;
        // A chunk of which no image could be read has no rows, and no width.
        let features: Vec<FeatureChunk> = features.into_iter().filter(|f| !f.values.is_empty()).collect();
        fold = computed(detector, move || fold.push(&features).map(|()| fold)).await?;
        reach(Point::ReduceMidFold, None);
    }
    computed(detector, move || fold.finish()).await
}

/// The statistics and the distance of a run's moments; of held-out features as many count as the run has images.
pub(super) async fn measure(
    detector: &DetectorSpec,
    folded: Folded,
    num_images: u64,
) -> Result<(Statistics, DetectorResult), ReduceError> {
    let reference = statistics(detector, "reference", detector.reference.as_ref())?;
    let held_out = match &detector.held_out {
        Some(file) if is_features(file) => Some(held_out::fold(detector, file, num_images).await?),
        file => statistics(detector, "held_out", file.as_ref())?,
    };
    let (id, published, name) = (Metric::of(&detector.name).id(), detector.published, detector.name.clone());
    let measured = move || {
        let statistics = Statistics { detector: Some(name), ..folded.total.statistics()? };
        let mut result = DetectorResult {
            rank_deficient: statistics.num_images <= statistics.dim() as u64,
            published,
            ..DetectorResult::default()
        };
        let known = |num_images: u64| Some(num_images).filter(|&n| n > 0);
        if let Some(reference) = &reference {
            result.reference = Some(Reference { num_images: known(reference.num_images) });
            let (reference, ours) = rayon::join(|| Gaussian::new(reference), || Gaussian::new(&statistics));
            let (reference, ours) = (reference?, ours?);
            let estimate = jackknife::estimate(&ours, (&folded.total, &folded.blocks), &reference)?;
            let (distance, sd) = (estimate.distance, estimate.sd());
            result.rank_deficient |= distance.rank_deficient;
            let method = Method::Frechet {
                blocks: if sd.is_some() { folded.blocks.len() as u64 } else { 0 },
                clipped_mass: distance.clipped_mass,
                sigma_clipped_mass: Some(distance.sigma_clipped_mass).filter(|&mass| mass > 0.0),
            };
            result.metrics.push(Measured {
                id: id.to_owned(),
                value: distance.value,
                sd,
                method,
                num_images: statistics.num_images,
            });
            if let Some(held_out) = &held_out {
                let distance = Gaussian::new(held_out)?.distance(&reference)?;
                result.floor = Some(Floor {
                    value: distance.value,
                    num_images: known(held_out.num_images),
                    rank_deficient: distance.rank_deficient,
                });
            }
        }
        Ok((statistics, result))
    };
    computed(&detector.name, measured).await
}

/// Whether a file holds features instead of statistics. One that cannot be read is told of by whoever reads it.
fn is_features(file: &FileRef) -> bool {
    stats::kind_of(file.path.as_ref()).is_ok_and(|kind| kind == stats::Kind::None)
}

/// Statistics that the spec names, as they were at submission.
pub(super) fn statistics(
    detector: &DetectorSpec,
    field: &'static str,
    file: Option<&FileRef>,
) -> Result<Option<Statistics>, ReduceError> {
    let Some(FileRef { path, sha256 }) = file else { return Ok(None) };
    let file = format!("`{field}` of detector `{}`, `{path}`", detector.name);
    let unread = |source| ReduceError::Statistics { file: file.clone(), source };
    let found = folder::digest(path.as_ref()).map_err(|error| unread(error.into()))?;
    match *sha256 {
        Some(expected) if expected != found => Err(ReduceError::OtherStatistics { file, expected, found }),
        _ => match evaluate::load(path.as_ref(), Some(&detector.name)) {
            Ok(statistics) => Ok(Some(statistics)),
            Err(EvaluateError::File { source, .. }) => Err(unread(source)),
            Err(source) => Err(ReduceError::Reference { file, source }),
        },
    }
}

/// Runs arithmetic away from the threads that serve connections.
pub(super) async fn computed<T: Send + 'static>(
    detector: &str,
    work: impl FnOnce() -> Result<T, MetricError> + Send + 'static,
) -> Result<T, ReduceError> {
    let done = tokio::task::spawn_blocking(work).await;
    let result = done.map_err(|error| ReduceError::Internal(error.to_string()))?;
    result.map_err(|source| ReduceError::Metric { detector: detector.to_owned(), source })
}
