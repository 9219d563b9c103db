//! Metrics of single images: against numpy, scipy and `prdc` (tests/fixtures/metrics/make.py), against the slow way, and
//! against themselves.

use std::path::PathBuf;

use fidelis_metrics::balls::{Radii, TwoSets, hits};
use fidelis_metrics::inception_score::LastLayer;
use fidelis_metrics::neighbours::Neighbours;
use fidelis_metrics::{
    FeatureChunk, FeatureSet, Gaussian, Inputs, Measured, Metric, MetricError, RowNames, jackknife, kid,
    registry,
};
use proptest::prelude::*;
use safetensors::SafeTensors;
use serde_json::Value;

const SEED: u32 = 2020;

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn tensor(file: &str, name: &str) -> (Vec<f32>, usize) {
    let bytes = fixture(file);
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = tensors.tensor(name).unwrap();
    let values = tensor.data().as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
    (values, tensor.shape()[1])
}

/// A features fixture, whose classes are 0, 1, 2, 0, 1, 2, …
fn features(name: &str) -> FeatureSet {
    let (values, dim) = tensor("features.safetensors", name);
    let labels: Vec<i64> = (0..(values.len() / dim) as i64).map(|row| row % 3).collect();
    let mut set = FeatureSet::new(dim);
    set.push(FeatureChunk { values, dim, names: RowNames::From(0) }, Some(&labels)).unwrap();
    set
}

fn last_layer() -> LastLayer {
    let (weight, dim) = tensor("metrics/last-layer.safetensors", "fc.weight");
    LastLayer::new(weight.into_iter().map(f64::from).collect(), dim).unwrap()
}

fn gaussian(set: &FeatureSet) -> Gaussian {
    Gaussian::new(&set.folded(0).unwrap().total.statistics().unwrap()).unwrap()
}

/// Every metric that looks at single images.
fn all() -> Vec<Metric> {
    registry::METRICS.iter().map(|entry| entry.metric).filter(|metric| metric.distance().is_none()).collect()
}

fn inputs<'a>(ours: &'a FeatureSet, reference: &'a FeatureSet) -> Inputs<'a> {
    Inputs { ours, reference: Some(reference), statistics: None, last_layer: None, k: None, seed: SEED }
}

fn measure(ours: &FeatureSet, reference: &FeatureSet, metrics: &[Metric]) -> Vec<Measured> {
    let (statistics, layer) = (gaussian(reference), last_layer());
    let last_layer = (ours.dim() == 64).then_some(&layer);
    Inputs { statistics: Some(&statistics), last_layer, ..inputs(ours, reference) }.measure(metrics).unwrap()
}

fn close(ours: f64, theirs: f64, tolerance: f64) -> bool {
    (ours - theirs).abs() <= tolerance * theirs.abs()
}

#[test]
fn values_are_the_golden_ones() {
    let numbers: Value = serde_json::from_slice(&fixture("metrics/numbers.json")).unwrap();
    let (ours, reference) = (features("f1"), features("f2"));
    for found in measure(&ours, &reference, &all()) {
        let id = found.metric.id();
        assert!(found.n == 500 && found.reference_images.is_none_or(|n| n == 700), "{found:?}");
        let golden = &numbers[id];
        if found.metric == Metric::Duplicates {
            assert_eq!(found.value, 0.0);
            continue;
        }
        let value = golden["value"].as_f64().unwrap();
        assert!(close(found.value, value, 1e-9), "{id}: {} against {value}", found.value);
        match (found.sd, golden["sd"].as_f64()) {
            (None, None) => {}
            (Some(ours), Some(theirs)) => assert!(close(ours, theirs, 1e-6), "{id}: {ours} against {theirs}"),
            other => panic!("{id}: {other:?}"),
        }
    }
    let ten = Inputs { k: Some(10), ..inputs(&ours, &reference) };
    let metrics = [Metric::Precision, Metric::Recall, Metric::Density, Metric::Coverage];
    for found in ten.measure(&metrics).unwrap() {
        let value = numbers["with k = 10"][found.metric.id()].as_f64().unwrap();
        assert!(close(found.value, value, 1e-12), "{found:?} against {value}");
        assert_eq!(found.how["k"], 10);
    }
}

#[test]
fn particulars_are_told() {
    let numbers: Value = serde_json::from_slice(&fixture("metrics/numbers.json")).unwrap();
    let found = measure(&features("f1"), &features("f2"), &all());
    let json = |metric: Metric| found.iter().find(|found| found.metric == metric).unwrap().to_json();
    assert_eq!(json(Metric::Kid)["subset_size"], 500);
    assert_eq!(json(Metric::InceptionScore)["splits"], 10);
    assert_eq!(json(Metric::InceptionScore).get("reference_images"), None);
    let classes = &json(Metric::FdPerClass)["classes"];
    for (class, golden) in numbers["fd-per-class"]["classes"].as_array().unwrap().iter().enumerate() {
        let value = classes[class.to_string()]["value"].as_f64().unwrap();
        assert!(close(value, golden.as_f64().unwrap(), 1e-9), "{classes}");
    }
    let extrapolated = json(Metric::FidInfinity);
    for (ours, theirs) in extrapolated["points"]
        .as_array()
        .unwrap()
        .iter()
        .zip(numbers["fid-inf"]["points"].as_array().unwrap())
    {
        assert_eq!(ours[0].as_f64(), theirs[0].as_f64());
        assert!(close(ours[1].as_f64().unwrap(), theirs[1].as_f64().unwrap(), 1e-9), "{ours} {theirs}");
    }
    let [low, high] = [0, 1].map(|end| extrapolated["interval"][end].as_f64().unwrap());
    let (value, sd) = (extrapolated["value"].as_f64().unwrap(), extrapolated["sd"].as_f64().unwrap());
    assert!(close(high - low, 2.0 * 2.262_157 * sd, 1e-6) && close((high + low) / 2.0, value, 1e-12));
}

/// A set is itself: all of it is real, none of it is new.
#[test]
fn a_set_is_as_good_as_itself() {
    let set = features("f2");
    let found = measure(&set, &set, &all());
    let value = |metric: Metric| found.iter().find(|found| found.metric == metric).unwrap().value;
    for metric in [Metric::Precision, Metric::Recall, Metric::Coverage] {
        assert_eq!(value(metric), 1.0, "{}", metric.id());
    }
    assert_eq!(value(Metric::Authenticity), 0.0);
    // Of the k balls that each lies in, its own is one; of the others, the one it lies on the sphere of does not count.
    assert!((value(Metric::Density) - 1.0).abs() < 1e-12);
    assert!(value(Metric::KidFull) < 0.0 && value(Metric::KidFull).abs() < 0.1);
    assert!(value(Metric::FdPerClass) < 1e-6);
}

/// Rows of a cheap generator: small whole numbers, so that many distances are equal, or anything.
fn rows(num_rows: usize, dim: usize, seed: u64, whole: bool) -> Vec<f32> {
    let mut state = seed;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32
    };
    (0..num_rows * dim).map(|_| if whole { (draw() * 6.0).floor() } else { draw() * 2.0 - 1.0 }).collect()
}

fn squared(x: &[f32], y: &[f32]) -> f64 {
    x.iter().zip(y).map(|(&x, &y)| (f64::from(x) - f64::from(y)).powi(2)).sum()
}

/// ‖x − NNₖ(x)‖² by sorting all distances.
fn slow_radii(set: &FeatureSet, k: usize) -> Vec<f64> {
    let radius = |i: usize| {
        let others = (0..set.num_rows()).filter(|&j| j != i);
        let mut distances: Vec<f64> = others.map(|j| squared(set.row(i), set.row(j))).collect();
        distances.sort_by(f64::total_cmp);
        distances[k - 1]
    };
    (0..set.num_rows()).map(radius).collect()
}

/// Blocks, bounds of float32 and all: to the last image what every distance in float64 gives. Whole numbers make ties, and
/// the others do not fit float32 once multiplied.
#[test]
fn manifolds_are_those_of_every_distance_in_double_precision() {
    let scaled = |values: Vec<f32>, scale: f32| values.into_iter().map(|x| x * scale).collect::<Vec<f32>>();
    for (whole, scale, shift) in
        [(true, 1.0, 0.0), (false, 1.0, 1000.0), (false, 3e37, 0.0), (false, 1e-30, 0.0)]
    {
        let set = |n, seed| {
            let values = scaled(rows(n, 3, seed, whole), scale).into_iter().map(|x| x + shift).collect();
            FeatureSet::of(values, 3).unwrap()
        };
        let (ours, reference) = (set(1100, 1), set(2100, 2));
        let (near, far) = (slow_radii(&ours, 3), slow_radii(&reference, 5));
        assert_eq!(Neighbours::of(&ours, 3).squared_radii(3), near, "{scale}");
        assert_eq!(Neighbours::of(&reference, 5).squared_radii(5), far, "{scale}");
        let radii = Radii {
            ours: Some(near.clone()),
            reference: Some(far.clone()),
            open_reference: Some(far.clone()),
        };
        let found = hits(TwoSets { ours: &ours, reference: &reference }, &radii);
        for j in 0..ours.num_rows() {
            let distances: Vec<f64> =
                (0..reference.num_rows()).map(|i| squared(ours.row(j), reference.row(i))).collect();
            let depth = distances.iter().zip(&far).filter(|(d, r)| d < r).count();
            assert_eq!(found.ours_depth[j] as usize, depth, "{scale} {j}");
            assert_eq!(found.ours_inside[j], distances.iter().zip(&far).any(|(d, r)| d <= r), "{scale} {j}");
            let least = distances.iter().copied().fold(f64::INFINITY, f64::min);
            let nearest = distances.iter().position(|d| *d == least).unwrap();
            assert_eq!((found.ours_nearest[j].squared, found.ours_nearest[j].row as usize), (least, nearest));
        }
        for (i, radius) in far.iter().enumerate() {
            let distances = (0..ours.num_rows()).map(|j| squared(ours.row(j), reference.row(i)));
            assert_eq!(found.reference_inside[i], distances.clone().zip(&near).any(|(d, r)| d <= *r), "{i}");
            assert_eq!(found.reference_covered[i], distances.clone().any(|d| d < *radius), "{i}");
        }
    }
}

/// A net that makes one image for ever.
#[test]
fn collapsed_sets_have_their_values() {
    let same = FeatureSet::of([1.5, -2.0, 0.25].repeat(40), 3).unwrap();
    let found = inputs(&same, &same)
        .measure(&[Metric::Precision, Metric::Recall, Metric::Density, Metric::Coverage, Metric::Duplicates])
        .unwrap();
    let values: Vec<f64> = found.iter().map(|found| found.value).collect();
    assert_eq!(values, [1.0, 1.0, 0.0, 0.0, 1.0]);
    let spread = FeatureSet::of(rows(60, 3, 9, false), 3).unwrap();
    let found = inputs(&same, &spread).measure(&[Metric::Recall, Metric::Kid]).unwrap();
    assert_eq!(found[0].value, 0.0);
    assert!(found[1].value > 0.0);
}

#[test]
fn copies_are_found_out() {
    let real = features("f2");
    let copied = FeatureSet::of(real.gathered(&(0..500).collect::<Vec<u32>>()), 64).unwrap();
    assert_eq!(measure(&copied, &real, &[Metric::Authenticity])[0].value, 0.0);
    let mut twice = FeatureSet::new(64);
    let own = features("f1");
    let seeds: Vec<u64> = (0..502).map(|row| 1000 + row).collect();
    let values = [own.values(), own.row(7), own.row(3)].concat();
    twice.push(FeatureChunk { values, dim: 64, names: RowNames::Seeds(seeds) }, None).unwrap();
    let found = &measure(&twice, &real, &[Metric::Duplicates])[0];
    assert!(close(found.value, 4.0 / 502.0, 1e-12), "{found:?}");
    assert_eq!(found.how["examples"], serde_json::json!([[1500, 1007], [1501, 1003]]));
}

/// Threads decide who computes, never what.
#[test]
fn bits_do_not_depend_on_the_number_of_threads() {
    let set = |n, seed| FeatureSet::of(rows(n, 5, seed, false), 5).unwrap();
    let (ours, reference) = (set(2300, 3), set(1500, 4));
    let metrics: Vec<Metric> = all()
        .into_iter()
        .filter(|metric| !matches!(metric, Metric::InceptionScore | Metric::FdPerClass))
        .collect();
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| measure(&ours, &reference, &metrics))
    };
    let alone = run(1);
    for threads in [2, 5] {
        assert!(run(threads) == alone, "{threads} threads");
    }
}

#[test]
fn what_cannot_be_computed_is_refused() {
    let (ours, reference) = (features("f1"), features("f2"));
    let refused = |inputs: Inputs<'_>, metric| inputs.measure(&[metric]).unwrap_err();
    let whole = inputs(&ours, &reference);
    assert_eq!(refused(whole, Metric::InceptionScore), MetricError::NoLastLayer);
    let alone = Inputs { reference: None, ..whole };
    for metric in [Metric::Kid, Metric::KidFull, Metric::Precision, Metric::Authenticity, Metric::FdPerClass]
    {
        assert_eq!(refused(alone, metric), MetricError::NoReference, "{}", metric.id());
    }
    assert_eq!(refused(whole, Metric::FidInfinity), MetricError::NoReference);
    for k in [0, 500, 501] {
        let asked = Inputs { k: Some(k), ..whole };
        assert_eq!(refused(asked, Metric::Recall), MetricError::Neighbours { k, n: 500 });
    }
    let narrow = FeatureSet::of(vec![0.5; 64], 32).unwrap();
    assert!(refused(Inputs { ours: &narrow, ..whole }, Metric::Kid).to_string().contains("`32` and of `64`"));
    let one = FeatureSet::of(vec![0.5; 64], 64).unwrap();
    assert_eq!(refused(Inputs { ours: &one, ..whole }, Metric::Kid), MetricError::TooFew { n: 1, needed: 2 });
    let nameless = FeatureSet::of(ours.values().to_vec(), 64).unwrap();
    assert_eq!(refused(Inputs { ours: &nameless, ..whole }, Metric::FdPerClass), MetricError::NoLabels);
    let mut overflown = ours.values().to_vec();
    overflown[2 * 64] = f32::INFINITY;
    let error = FeatureSet::of(overflown, 64).unwrap_err().to_string();
    assert!(error.starts_with("non-finite features at row `2`"), "{error}");
}

/// With enough images for each feature, what a second-order expansion says of left-out blocks is what whole distances say.
#[test]
fn the_fast_error_bar_is_the_exact_one() {
    let dim = 12;
    for (num_images, shift) in [(230, 0.0), (400, 0.3), (4000, 0.05)] {
        let mixed = |n: usize, seed, shift: f32| {
            let mut values = rows(n, dim, seed, false);
            for row in values.chunks_mut(dim) {
                (1..dim).for_each(|i| row[i] = row[i] / i as f32 + 0.5 * row[i - 1] + shift);
            }
            FeatureSet::of(values, dim).unwrap()
        };
        let reference = gaussian(&mixed(5000, 77, 0.0));
        let blocks = mixed(num_images, 5, shift).folded(10).unwrap().blocks;
        let exact = jackknife::spread(&jackknife::exactly_without_each(&blocks, &reference).unwrap());
        let fast = jackknife::spread(&jackknife::without_each(&blocks, &reference).unwrap());
        assert!(close(fast, exact, 0.01), "{num_images}: {fast} against {exact}");
        assert_ne!(fast, exact, "it is another way");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whichever way the rows lie, the same images are as good.
    #[test]
    fn order_does_not_matter(n in 8_usize..60, seed in 0_u64..1000, whole: bool, turn in 1_usize..7) {
        let values = rows(n, 4, seed, whole);
        let mut turned = values.clone();
        turned.rotate_left(turn * 4);
        let reference = FeatureSet::of(rows(50, 4, seed + 1, whole), 4).unwrap();
        let metrics = [
            Metric::KidFull, Metric::Precision, Metric::Recall, Metric::Density, Metric::Coverage,
            Metric::Authenticity, Metric::Duplicates,
        ];
        let found = [values, turned].map(|values| {
            let ours = FeatureSet::of(values, 4).unwrap();
            inputs(&ours, &reference).measure(&metrics).unwrap()
        });
        for (a, b) in found[0].iter().zip(&found[1]) {
            // KID sums in another order, and may be a small difference of large sums.
            let tolerance = if a.metric == Metric::KidFull { 1e-12 * (1.0 + a.value.abs()) } else { 0.0 };
            prop_assert!((a.value - b.value).abs() <= tolerance, "{:?} {:?}", a, b);
        }
    }

    /// The unbiased estimate over all images is what one subset of all would be.
    #[test]
    fn one_subset_of_all_is_all(n in 4_usize..40, seed in 0_u64..1000) {
        let set = |seed| FeatureSet::of(rows(n, 6, seed, false), 6).unwrap();
        let (ours, reference) = (set(seed), set(seed + 1));
        let sets = TwoSets { ours: &ours, reference: &reference };
        let (whole, subsets) = (kid::kid_full(sets).unwrap().0, kid::kid(sets, SEED).unwrap());
        prop_assert!((whole - subsets.value).abs() < 1e-12 && subsets.sd < 1e-12, "{} {:?}", whole, subsets);
    }
}
