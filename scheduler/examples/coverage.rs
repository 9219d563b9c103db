//! How often intervals hold the truth, on normal features of known moments:
//! `cargo run --release --example coverage -- D N REPETITIONS`. Two nets make images of N(a, s² I), the reference is N(0, I);
//! of each repetition the distance of the one with its interval, and the difference of both, of the same seeds and of others.
//! The last line on stdout is JSON.

use std::time::Instant;

use fidelis::compare::{Design, Difference, Estimate};
use fidelis_contract::outcome::Failure;
use fidelis_fleet::out;
use fidelis_formats::stats::Statistics;
use fidelis_metrics::{FeatureSet, Gaussian, JACKKNIFE_BLOCKS, MetricError, registry::Better, student};
use serde_json::json;

/// Shift and scale of either net.
const NETS: [(f64, f64); 2] = [(0.06, 1.2), (0.065, 1.22)];

fn main() -> Result<(), Failure> {
    let sizes: Result<Vec<usize>, _> = std::env::args().skip(1).map(|text| text.parse()).collect();
    let Ok(&[dim, num_images, repetitions]) = sizes.as_deref() else {
        return Err(anyhow::anyhow!("three numbers are needed: D N REPETITIONS").into());
    };
    let begun = Instant::now();
    let sigma = (0..dim * dim).map(|k| if k % (dim + 1) == 0 { 1.0 } else { 0.0 }).collect();
    let reference = Statistics { mu: vec![0.0; dim], sigma, num_images: 0, detector: None };
    let reference = Gaussian::new(&reference).map_err(MetricError::from)?;
    let estimate = |seed: u64, net: usize| -> Result<Estimate, Failure> {
        let blocks = images(seed, [num_images, dim], NETS[net])?.folded(JACKKNIFE_BLOCKS)?.blocks;
        Ok(Estimate::of_distance(&blocks, &reference)?)
    };
    let (mut alone, mut paired, mut independent) = (Vec::new(), Vec::new(), Vec::new());
    for repetition in 0..repetitions as u64 {
        let [a, b, other] = [(2 * repetition, 0), (2 * repetition, 1), (2 * repetition + 1, 1)];
        let [a, b, other] = [estimate(a.0, a.1)?, estimate(b.0, b.1)?, estimate(other.0, other.1)?];
        let difference = |b: &Estimate, design| Difference::new(&a, b, design, Better::Lower);
        let reach = student::two_sided_95(a.without.len() - 1) * a.sd();
        let found = [difference(&b, Design::Paired)?, difference(&other, Design::Independent)?];
        let [of_same, of_other] = found.map(|of| (of.worse_by, of.interval(), of.sd));
        alone.push((a.value, [a.value - reach, a.value + reach], a.sd()));
        paired.push(of_same);
        independent.push(of_other);
    }
    let truths = NETS.map(|(shift, scale)| dim as f64 * (shift * shift + (scale - 1.0).powi(2)));
    let rows = [
        ("distance", alone, truths[0]),
        ("difference, same seeds", paired, truths[1] - truths[0]),
        ("difference, other seeds", independent, truths[1] - truths[0]),
    ];
    let tables = rows.map(|(name, found, truth)| {
        let count = found.len() as f64;
        let mean = |pick: &dyn Fn(&Found) -> f64| found.iter().map(pick).sum::<f64>() / count;
        let expected = mean(&|of| of.0);
        let spread = (mean(&|of| (of.0 - expected).powi(2)) * count / (count - 1.0)).sqrt();
        let held = |value: f64| found.iter().filter(|of| of.1[0] <= value && value <= of.1[1]).count();
        let table = json!({
            "of": name, "infinitely_many": truth, "mean": expected, "spread": spread, "mean_sd": mean(&|of| of.2),
            "hold_the_mean": held(expected), "hold_infinitely_many": held(truth), "of_repetitions": found.len(),
        });
        out::note(table.to_string());
        table
    });
    out::json(json!({"dim": dim, "n": num_images, "seconds": begun.elapsed().as_secs_f64(), "rows": tables}));
    Ok(())
}

/// A value, its interval and its standard error.
type Found = (f64, [f64; 2], f64);

/// Normal draws by Box and Muller, from a cheap generator; a seed's noise is the same for every net.
fn images(
    seed: u64,
    [num_images, dim]: [usize; 2],
    (shift, scale): (f64, f64),
) -> Result<FeatureSet, MetricError> {
    let mut state = seed << 32;
    let mut uniform = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut values = Vec::with_capacity(num_images * dim + 1);
    while values.len() < num_images * dim {
        let (radius, angle) = ((-2.0 * (1.0 - uniform()).ln()).sqrt(), std::f64::consts::TAU * uniform());
        values.extend([angle.cos(), angle.sin()].map(|part| (shift + scale * radius * part) as f32));
    }
    values.truncate(num_images * dim);
    FeatureSet::of(values, dim)
}
