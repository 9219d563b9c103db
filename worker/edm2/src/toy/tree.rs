//! The ground truth: two classes of points in the plane, each a tree of thin Gaussians (section 3 of the autoguidance
//! paper).

use std::f64::consts::FRAC_PI_4;

use super::legacy_random::LegacyRandom;
use super::mixture::{Gaussian, Mixture};

/// Seed of the shapes.
const SEED: u32 = 2;
const ORIGIN: [f64; 2] = [0.0030, 0.0325];
const SCALE: [f64; 2] = [1.3136, 1.3844];
/// Generations of branches.
const DEPTH: i32 = 7;
/// Gaussians along a branch.
pub const COMPONENTS_PER_BRANCH: usize = 8;

/// Which of the two classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Classes {
    A,
    /// Both, for an unconditional net.
    Both,
}

/// The density of a class, or of both together.
pub fn ground_truth(classes: Classes) -> Mixture {
    let mut random = LegacyRandom::new(SEED);
    let mut gaussians = Vec::new();
    let trunks = [FRAC_PI_4, 5.0 * FRAC_PI_4];
    for angle in trunks.iter().take(if classes == Classes::A { 1 } else { trunks.len() }) {
        let turn = random.randn();
        grow(&mut random, &mut gaussians, Branch { from: ORIGIN, angle: *angle, depth: 0, turn });
    }
    Mixture::new(gaussians)
}

#[derive(Clone, Copy, Debug)]
struct Branch {
    from: [f64; 2],
    angle: f64,
    depth: i32,
    /// What was drawn for its length.
    turn: f64,
}

/// A branch and all that grow from its end, the first child's whole subtree before the second child.
fn grow(random: &mut LegacyRandom, gaussians: &mut Vec<Gaussian>, branch: Branch) {
    let Branch { from, angle, depth, turn } = branch;
    let length = 0.292 * 0.8_f64.powi(depth) * (0.2 * turn + 1.0);
    let thickness = 0.2 * 0.8_f64.powi(depth) / length;
    let direction = [angle.cos(), angle.sin()];
    let size = SCALE.map(|scale| scale * length * 0.06);
    for i in 0..COMPONENTS_PER_BRANCH {
        let t = 0.07 + 0.86 * i as f64 / (COMPONENTS_PER_BRANCH - 1) as f64;
        let mean = [0, 1].map(|k| (from[k] + direction[k] * length * t) * SCALE[k]);
        let covariance = [(0, 0), (0, 1), (1, 1)].map(|(j, k)| {
            let along = direction[j] * direction[k];
            let across = f64::from(u8::from(j == k)) - along;
            (along + across * thickness * thickness) * size[j] * size[k]
        });
        gaussians.push(Gaussian { weight: length * 0.5_f64.powi(depth), mean, covariance });
    }
    let end = [0, 1].map(|k| from[k] + direction[k] * length);
    for sign in [1.0, -1.0] {
        let bend = random.randn();
        let angle = angle + sign * 0.7_f64.powi(depth) * (0.2 * bend + 1.0);
        if depth + 1 < DEPTH {
            let turn = random.randn();
            grow(random, gaussians, Branch { from: end, angle, depth: depth + 1, turn });
        }
    }
}
