//! The numbers: against an independent implementation, and against themselves.

use std::path::PathBuf;

use fidelis_formats::stats::{Statistics, npz};
use fidelis_metrics::{
    FeatureChunk, Fold, Folded, Frechet, Gaussian, MetricError, Moments, RowNames, frechet::FrechetError,
    jackknife,
};
use proptest::prelude::*;
use safetensors::SafeTensors;

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A features fixture, row-major, and its width.
fn features(name: &str) -> (Vec<f32>, usize) {
    let bytes = fixture("features.safetensors");
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = tensors.tensor(name).unwrap();
    let values = tensor.data().as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
    (values, tensor.shape()[1])
}

fn golden(name: &str) -> f64 {
    let numbers: serde_json::Value = serde_json::from_slice(&fixture("numbers.json")).unwrap();
    numbers[name].as_f64().unwrap()
}

fn gaussian(values: &[f32], dim: usize) -> Gaussian {
    Gaussian::new(&Moments::of(values, dim).unwrap().statistics().unwrap()).unwrap()
}

fn reference() -> (Statistics, Gaussian) {
    let statistics = npz::decode(&fixture("ref-stats.npz")).unwrap();
    let gaussian = Gaussian::new(&statistics).unwrap();
    (statistics, gaussian)
}

fn close(ours: f64, theirs: f64, tolerance: f64) -> bool {
    (ours - theirs).abs() <= tolerance * theirs.abs().max(1.0)
}

/// Folds rows in chunks of `chunk_size`, a wave at a time.
fn fold(values: &[f32], dim: usize, chunk_size: usize) -> Folded {
    let mut fold = Fold::new((values.len() / dim) as u64, 10);
    let chunks: Vec<FeatureChunk> = (values.chunks(chunk_size * dim))
        .map(|part| FeatureChunk { values: part.to_vec(), dim, names: RowNames::From(0) })
        .collect();
    chunks.chunks(3).for_each(|wave| fold.push(wave).unwrap());
    fold.finish().unwrap()
}

#[test]
fn statistics_are_the_golden_ones() {
    let (values, dim) = features("f2");
    let ours = fold(&values, dim, 256).total.statistics().unwrap();
    let (theirs, _) = reference();
    assert_eq!((ours.num_images, ours.mu.len(), ours.sigma.len()), (700, 64, 64 * 64));
    let pairs = ours.mu.iter().zip(&theirs.mu).chain(ours.sigma.iter().zip(&theirs.sigma));
    pairs.for_each(|(a, b)| assert!(close(*a, *b, 1e-9), "{a} against {b}"));
}

#[test]
fn distances_are_the_golden_ones() {
    let (values, dim) = features("f1");
    let (_, reference) = reference();
    let whole = gaussian(&values, dim).distance(&reference).unwrap();
    let expected = golden("fid_f1_vs_f2");
    assert!((whole.value / expected - 1.0).abs() < 1e-9, "{} against {expected}", whole.value);
    assert!(!whole.rank_deficient);

    // 40 rows of 64 features: sigma has rank 39.
    let few = gaussian(&values[..40 * dim], dim);
    let expected = golden("fid_f1_first40_vs_f2");
    for Frechet { value, .. } in [few.distance(&reference).unwrap(), reference.distance(&few).unwrap()] {
        assert!((value / expected - 1.0).abs() < 1e-9, "{value} against {expected}");
    }
    assert!(few.distance(&reference).unwrap().rank_deficient);
}

/// A covariance with other eigenvalues than it has: the least of them.
fn with_least(statistics: &Statistics, share: f64) -> Statistics {
    let dim = statistics.mu.len();
    // A rotation of diag(1, …, 1, share) that leaves no zero anywhere: I − (1 − share)·uuᵀ for a unit u.
    let u: Vec<f64> = (0..dim)
        .map(|i| (1.0 + i as f64) / ((dim * (dim + 1) * (2 * dim + 1)) as f64 / 6.0).sqrt())
        .collect();
    let entry = |i: usize, j: usize| if i == j { 1.0 } else { 0.0 } - (1.0 - share) * u[i] * u[j];
    let sigma = (0..dim * dim).map(|k| entry(k / dim, k % dim)).collect();
    Statistics { sigma, ..statistics.clone() }
}

#[test]
fn a_sigma_that_is_no_covariance_is_refused_with_its_eigenvalues() {
    let (statistics, reference) = reference();
    for num_images in [0, 700, 40] {
        let of = |share| Statistics { num_images, ..with_least(&statistics, share) };
        for (share, likely) in [(-0.5, "another matrix"), (-2e-4, "too low a precision")] {
            let error = Gaussian::new(&of(share)).unwrap_err();
            let FrechetError::Indefinite { least, largest, .. } = error else { panic!("{error}") };
            assert!(close(least, share, 1e-9) && close(largest, 1.0, 1e-9), "{error}");
            let line = error.to_string();
            assert!(line.contains("not positive semi-definite") && line.contains(likely), "{line}");
        }
        // Sums in single precision leave such: taken, and the mass is told.
        for share in [-9e-5, -1e-6] {
            let rounded = Gaussian::new(&of(share)).unwrap();
            let distance = rounded.distance(&reference).unwrap();
            assert!(close(distance.sigma_clipped_mass, -share, 1e-9), "{distance:?}");
            let clipped = Gaussian::new(&of(0.0)).unwrap().distance(&reference).unwrap();
            assert!(close(distance.value, clipped.value, 1e-9), "{distance:?} and {clipped:?}");
            let same = rounded.distance(&rounded).unwrap();
            assert!(same.value < 1e-9 && same.rank_deficient, "{same:?}");
        }
    }
    // Of negative variance, of nothing but negative eigenvalues, and of none but zeros.
    let diagonal = |first: f64, rest: f64| {
        let sigma = (0..9)
            .map(|k| {
                if k == 0 {
                    first
                } else if k % 4 == 0 {
                    rest
                } else {
                    0.0
                }
            })
            .collect();
        Gaussian::new(&Statistics { mu: vec![0.0; 3], sigma, num_images: 0, detector: None })
    };
    assert!(matches!(diagonal(-1.0, 1.0), Err(FrechetError::Indefinite { .. })));
    assert!(matches!(diagonal(-1.0, -1.0), Err(FrechetError::Indefinite { .. })));
    assert!(matches!(diagonal(-1e-300, 0.0), Err(FrechetError::Indefinite { .. })));
    assert_eq!(diagonal(0.0, 0.0).unwrap().distance(&diagonal(0.0, 0.0).unwrap()).unwrap().value, 0.0);
    assert_eq!(diagonal(-1e-9, 1.0).unwrap().distance(&diagonal(0.0, 1.0).unwrap()).unwrap().value, 0.0);
}

/// A count of images that is too small for the rank that sigma has must not cut the rank.
#[test]
fn a_count_that_is_wrong_changes_no_distance() {
    let (values, dim) = features("f1");
    let whole = Moments::of(&values, dim).unwrap().statistics().unwrap();
    let miscounted = Gaussian::new(&Statistics { num_images: 12, ..whole }).unwrap();
    let distance = miscounted.distance(&reference().1).unwrap();
    assert!(close(distance.value, golden("fid_f1_vs_f2"), 1e-9), "{distance:?}");
}

#[test]
fn what_is_no_distance_is_never_told() {
    let of = |mu: f64| Statistics { mu: vec![mu], sigma: vec![1.0], num_images: 0, detector: None };
    let (low, high) = (Gaussian::new(&of(-1e200)).unwrap(), Gaussian::new(&of(1e200)).unwrap());
    let error = low.distance(&high).unwrap_err();
    assert!(
        matches!(error, FrechetError::NoDistance { .. }) && error.to_string().contains("`inf`"),
        "{error}"
    );
    for (mu, sigma) in [(f64::NAN, 1.0), (0.0, f64::INFINITY)] {
        let broken = Statistics { sigma: vec![sigma], ..of(mu) };
        assert!(Gaussian::new(&broken).unwrap_err().to_string().contains("an infinity or a NaN"));
    }
    let skewed =
        Statistics { mu: vec![0.0; 2], sigma: vec![1.0, 0.1, 0.2, 1.0], num_images: 0, detector: None };
    assert!(Gaussian::new(&skewed).unwrap_err().to_string().contains("not symmetric"));
}

/// Features of a reference that is too small are told of too.
#[test]
fn either_side_may_be_rank_deficient() {
    let (values, dim) = features("f1");
    let (few, (_, reference)) = (gaussian(&values[..40 * dim], dim), reference());
    assert!(few.distance(&reference).unwrap().rank_deficient);
    assert!(reference.distance(&few).unwrap().rank_deficient);
}

/// Float64 features are folded as they are.
#[test]
fn double_precision_is_kept() {
    let wide = [1.0 + 1e-12, 1.0, 1.0 - 1e-12, 1.0];
    let statistics = Moments::of(&wide, 1).unwrap().statistics().unwrap();
    assert!(close(statistics.sigma[0] * 1e24, 2.0 / 3.0, 1e-3), "{statistics:?}");
}

/// Features that are constant leave a covariance that Cholesky must not be trusted with.
#[test]
fn dead_and_doubled_features_are_a_lower_rank() {
    let (values, dim) = features("f1");
    let widened: Vec<f32> = values
        .chunks(dim)
        .flat_map(|row| row.iter().copied().chain([0.25, row[0], row[1] + row[2]]))
        .collect();
    let wide = gaussian(&widened, dim + 3);
    let same = wide.distance(&wide).unwrap();
    assert!(same.rank_deficient && same.value.abs() < 1e-6, "{same:?}");
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let (values, dim) = features("f1");
    let mut broken = values.clone();
    broken[3 * dim + 1] = f32::NAN;
    broken[5 * dim] = f32::INFINITY;
    let chunk = |names| FeatureChunk { values: broken.clone(), dim, names };
    let error = |names| Fold::new(500, 10).push(&[chunk(names)]).unwrap_err().to_string();
    assert!(error(RowNames::From(0)).starts_with("non-finite features at rows `3,5`: "));
    let seeds = (0..500).map(|i| 1000 + i).collect();
    assert!(error(RowNames::Seeds(seeds)).starts_with("non-finite features at seeds `1003,1005`: "));

    let one = Moments::of(&values[..dim], dim).unwrap();
    assert_eq!(one.statistics().unwrap_err().to_string(), "`1` image has no covariance: evaluate at least 2");
    let narrow = gaussian(&values[..dim * 32], dim / 2);
    assert!(narrow.distance(&reference().1).unwrap_err().to_string().contains("`32`"));
    let whole = FeatureChunk { values, dim, names: RowNames::From(0) };
    let rows = |num_rows| Fold::new(num_rows, 10).push(std::slice::from_ref(&whole));
    assert_eq!(rows(499), Err(MetricError::Rows { expected: 499, got: 500 }));
    let mut short = Fold::new(501, 10);
    short.push(std::slice::from_ref(&whole)).unwrap();
    assert_eq!(short.finish(), Err(MetricError::Rows { expected: 501, got: 500 }));
}

/// Ten blocks of fifty rows, left out the slow way.
#[test]
fn the_error_bar_is_the_delete_block_jackknife() {
    let (values, dim) = features("f1");
    let (_, reference) = reference();
    let folded = fold(&values, dim, 64);
    let counts: Vec<u64> = folded.blocks.iter().map(Moments::count).collect();
    assert_eq!(counts, [50; 10]);
    let without = |block: usize| {
        let (from, to) = (block * 50 * dim, (block + 1) * 50 * dim);
        gaussian(&[&values[..from], &values[to..]].concat(), dim).distance(&reference).unwrap().value
    };
    let distances: Vec<f64> = (0..10).map(without).collect();
    let mean = distances.iter().sum::<f64>() / 10.0;
    let expected = (0.9 * distances.iter().map(|d| (d - mean).powi(2)).sum::<f64>()).sqrt();
    let sd = jackknife::standard_error(&folded.blocks, &reference).unwrap().unwrap();
    assert!((sd / expected - 1.0).abs() < 1e-9, "{sd} against {expected}");
    assert_eq!(jackknife::standard_error(&folded.blocks[..1], &reference), Ok(None));
}

/// I3: threads decide who computes, never what.
#[test]
fn bits_do_not_depend_on_the_number_of_threads() {
    let (values, dim) = features("f2");
    let (_, reference) = reference();
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let folded = fold(&values, dim, 37);
            let statistics = folded.total.statistics().unwrap();
            let value = Gaussian::new(&statistics).unwrap().distance(&reference).unwrap().value;
            let sd = jackknife::standard_error(&folded.blocks, &reference).unwrap().unwrap();
            let numbers = [statistics.mu, statistics.sigma, vec![value, sd]].concat();
            numbers.into_iter().map(f64::to_bits).collect::<Vec<u64>>()
        })
    };
    let alone = run(1);
    for threads in [2, 3, 8] {
        assert!(run(threads) == alone, "{threads} threads");
    }
}

fn rows(dim: usize, most: usize) -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(-4.0_f32..4.0, dim * 6..dim * most).prop_map(move |mut values| {
        values.truncate(values.len() / dim * dim);
        values
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However rows are cut into chunks and whichever way the parts are merged, to the last few bits.
    #[test]
    fn partition_and_order_do_not_matter(values in rows(5, 80), size in 1_usize..40, shift in 0_usize..8) {
        let whole = Moments::of(&values, 5).unwrap().statistics().unwrap();
        let mut parts: Vec<Moments> =
            values.chunks(size * 5).map(|part| Moments::of(part, 5).unwrap()).collect();
        let turned = shift % parts.len();
        parts.rotate_left(turned);
        let merged = Moments::merged(&parts).unwrap().statistics().unwrap();
        prop_assert_eq!(merged.num_images, whole.num_images);
        for (a, b) in merged.mu.iter().zip(&whole.mu).chain(merged.sigma.iter().zip(&whole.sigma)) {
            prop_assert!(close(*a, *b, 1e-12), "{} against {}", a, b);
        }
    }

    /// The blocks behind the error bar leave the total alone, and cover it.
    #[test]
    fn blocks_change_nothing(values in rows(3, 60), size in 1_usize..30, num_blocks in 0_u64..14) {
        let num_rows = (values.len() / 3) as u64;
        let chunks: Vec<FeatureChunk> = values
            .chunks(size * 3)
            .map(|part| FeatureChunk { values: part.to_vec(), dim: 3, names: RowNames::From(0) })
            .collect();
        let folded = |blocks| {
            let mut fold = Fold::new(num_rows, blocks);
            fold.push(&chunks).unwrap();
            fold.finish().unwrap()
        };
        let with = folded(num_blocks);
        prop_assert_eq!(&with.total, &folded(0).total);
        let sizes: Vec<u64> = with.blocks.iter().map(Moments::count).collect();
        if !sizes.is_empty() {
            prop_assert_eq!(sizes.iter().sum::<u64>(), num_rows);
            prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
        }
    }

    /// Of full rank or not: a set is no way from itself, and as far from another as the other from it.
    #[test]
    fn distances_are_distances(a in rows(8, 30), b in rows(8, 30)) {
        let (ours, theirs) = (gaussian(&a, 8), gaussian(&b, 8));
        let trace = |values: &[f32]| {
            let statistics = Moments::of(values, 8).unwrap().statistics().unwrap();
            (0..8).map(|i| statistics.sigma[i * 9]).sum::<f64>()
        };
        prop_assert!(ours.distance(&ours).unwrap().value.abs() <= 1e-6 * trace(&a));
        let (there, back) = (ours.distance(&theirs).unwrap().value, theirs.distance(&ours).unwrap().value);
        prop_assert!(there >= -1e-6 * trace(&a));
        prop_assert!((there - back).abs() <= 1e-6 * (trace(&a) + trace(&b)), "{there} and {back}");
    }
}
