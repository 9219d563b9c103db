//! Truth that is known: features of normal distributions.

use faer::Mat;
use fidelis_formats::stats::Statistics;
use fidelis_metrics::{FeatureSet, JACKKNIFE_BLOCKS};

use super::*;
use crate::compare::{Rule, Verdict};

const DIM: usize = 4;

/// Normal draws by Box and Muller, from a cheap generator.
struct Normal(u64);

impl Normal {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn draw(&mut self) -> f64 {
        (-2.0 * (1.0 - self.uniform()).ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// Blocks of features `shift + scale · noise`; a seed's noise is the same for every net.
fn run(seed: u64, num_images: usize, shift: f64, scale: f64) -> Vec<Moments> {
    let mut normal = Normal(seed << 32);
    let values = (0..num_images * DIM).map(|_| (shift + scale * normal.draw()) as f32).collect();
    FeatureSet::of(values, DIM).unwrap().folded(JACKKNIFE_BLOCKS).unwrap().blocks
}

/// N(0, I).
fn reference() -> Gaussian {
    let identity: Mat<f64> = Mat::identity(DIM, DIM);
    let sigma = (0..DIM * DIM).map(|k| identity[(k / DIM, k % DIM)]).collect();
    Gaussian::new(&Statistics { mu: vec![0.0; DIM], sigma, num_images: 0, detector: None }).unwrap()
}

/// Of N(shift, scale² I) to that: D (shift² + (scale − 1)²).
fn truth(shift: f64, scale: f64) -> f64 {
    DIM as f64 * (shift * shift + (scale - 1.0).powi(2))
}

fn compare(seed: u64, nets: [(f64, f64); 2], design: Design) -> Difference {
    let reference = reference();
    let [a, b] = [0, 1].map(|net| {
        let (shift, scale) = nets[net];
        let seed = if design == Design::Paired { seed } else { 2 * seed + net as u64 };
        Estimate::of_distance(&run(seed, 1000, shift, scale), &reference).unwrap()
    });
    Difference::new(&a, &b, design, Better::Lower).unwrap()
}

/// Of 200 repetitions, 90 to 98 % of the nominal 95 % intervals hold the truth; and pairs are worth having. With
/// `--no-capture`, the figures of docs/nightly.md.
#[test]
#[allow(clippy::disallowed_macros, reason = "a table for whoever asks")]
fn intervals_hold_the_truth_as_often_as_they_say() {
    let nets = [(0.6, 1.2), (0.65, 1.22)];
    let expected = truth(nets[1].0, nets[1].1) - truth(nets[0].0, nets[0].1);
    let mut sds = Vec::new();
    for design in [Design::Paired, Design::Independent] {
        let found: Vec<Difference> = (0..200).map(|seed| compare(seed, nets, design)).collect();
        let holds = |of: &&Difference| (of.interval()[0]..of.interval()[1]).contains(&expected);
        let held = found.iter().filter(holds).count();
        assert!((180..=196).contains(&held), "{design:?}: {held} of 200");
        let below = found.iter().filter(|of| of.at_least() <= expected).count();
        assert!((180..=198).contains(&below), "{design:?}: {below} of 200");
        sds.push(found.iter().map(|of| of.sd).sum::<f64>() / 200.0);
        eprintln!("{design:?}: two-sided {held}, one-sided {below}, sd {:.4}", sds[sds.len() - 1]);
    }
    assert!(sds[0] * 5.0 < sds[1], "{sds:?}");
}

#[test]
fn the_same_run_is_no_different() {
    let same = compare(7, [(0.6, 1.2), (0.6, 1.2)], Design::Paired);
    assert_eq!((same.worse_by, same.sd, same.interval(), same.detectable()), (0.0, 0.0, [0.0, 0.0], 0.0));
}

#[test]
fn higher_may_be_better() {
    let of = |value: f64, spread: f64| Estimate { value, without: vec![value - spread, value + spread] };
    let (low, high) = (of(0.5, 0.01), of(0.6, 0.01));
    let lower = Difference::new(&low, &high, Design::Paired, Better::Lower).unwrap();
    let higher = Difference::new(&low, &high, Design::Paired, Better::Higher).unwrap();
    assert_eq!(lower.worse_by, -higher.worse_by);
    assert!((lower.worse_by - 0.1).abs() < 1e-12 && lower.sd < 1e-12);
    let independent = Difference::new(&low, &high, Design::Independent, Better::Lower).unwrap();
    // Each has √(½ · 2 · 0.01²), and one degree of freedom.
    assert!((independent.sd - 0.01 * 2.0_f64.sqrt()).abs() < 1e-12 && independent.degrees == 2);
}

#[test]
fn what_has_no_error_bar_is_not_compared() {
    let of = |value: f64, count: usize| Estimate { value, without: vec![value; count] };
    let refused = |a, b, design| Difference::new(&a, &b, design, Better::Lower).unwrap_err();
    assert_eq!(refused(of(1.0, 0), of(1.0, 10), Design::Paired), CompareError::TooFewBlocks(0));
    let unlike = CompareError::Blocks { baseline: 10, candidate: 9 };
    assert_eq!(refused(of(1.0, 10), of(1.0, 9), Design::Paired), unlike);
    assert!(Difference::new(&of(1.0, 10), &of(1.0, 9), Design::Independent, Better::Lower).is_ok());
    let broken = refused(of(1.0, 10), of(f64::INFINITY, 10), Design::Paired);
    assert_eq!(broken, CompareError::NotFinite(f64::INFINITY));
}

/// 200 nights of a net that did not change, each night and its baseline of other seeds, with a second look at new seeds
/// of both before any alarm: two alarms at most (5 of 200, were both looks at one baseline). And of one that got worse by a third: found nearly every night.
#[test]
fn alarms_are_raised_when_they_should_be() {
    let reference = reference();
    let estimate = |seed, shift| Estimate::of_distance(&run(seed, 4000, shift, 1.2), &reference).unwrap();
    let night = |seed: u64, shift: f64| {
        let judged = |seed: u64| {
            let baseline = estimate(seed + 1_000_000, 0.6);
            let tonight = estimate(seed, shift);
            let difference =
                Difference::new(&baseline, &tonight, Design::Independent, Better::Lower).unwrap();
            Verdict::of(&difference, Rule::default())
        };
        match judged(seed) {
            Verdict::Regressed => Verdict::Regressed.confirmed_by(judged(seed + 500_000)),
            verdict => verdict,
        }
    };
    let alarms = |shift: f64| (0..200).filter(|&seed| night(seed, shift) == Verdict::Regressed).count();
    let (false_alarms, found) = (alarms(0.6), alarms(0.7));
    assert!(false_alarms <= 2, "{false_alarms} of 200");
    assert!(found >= 190, "{found} of 200");
}
