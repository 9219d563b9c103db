//! Philox 4×32-10 (Salmon et al., SC 2011) as torch's CUDA generator gives it, computed on the CPU.
//!
//! Element `i` of an image's `draw`-th draw has the key `seed mod 2³²`, as the authors' tool seeds every generator, and
//! the counter `(draw, 0, i, 0)`: one thread of the GPU for each element, which holds up to as many elements as the
//! smallest card has resident threads.

use tch::Tensor;

/// Beyond this many elements a GPU's threads would take several each, in an order that depends on the card.
pub const MAX_ELEMENTS: usize = 16_384;

const ROUNDS: usize = 10;
const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
/// Weyl increments of the key: the golden ratio and √3 − 1.
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// 2⁻³², as cuRAND has it in float32.
const UNIT: f32 = 2.328_306_4e-10;
/// 2⁻³²·2π.
const TURN: f32 = 2.328_306_4e-10 * std::f32::consts::TAU;

/// Standard normal values of one draw, float32, row-major in `shape`.
pub fn normal(seed: u64, draw: u32, shape: [i64; 3]) -> Tensor {
    let count: i64 = shape.iter().product();
    let values: Vec<f32> = (0..count as u32).map(|i| box_muller(words(seed, draw, i))).collect();
    Tensor::from_slice(&values).reshape(shape)
}

/// A class below `label_dim`.
pub fn class(seed: u64, draw: u32, label_dim: i64) -> i64 {
    i64::from(words(seed, draw, 0)[0]) % label_dim
}

fn words(seed: u64, draw: u32, element: u32) -> [u32; 4] {
    block([seed as u32, 0], [draw, 0, element, 0])
}

/// The generator itself: four words for each counter. Streams here have a key whose second word is 0.
pub fn block(mut key: [u32; 2], mut counter: [u32; 4]) -> [u32; 4] {
    for round in 0..ROUNDS {
        if round > 0 {
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        let a = u64::from(MULTIPLIERS[0]) * u64::from(counter[0]);
        let b = u64::from(MULTIPLIERS[1]) * u64::from(counter[2]);
        counter = [
            (b >> 32) as u32 ^ counter[1] ^ key[0],
            b as u32,
            (a >> 32) as u32 ^ counter[3] ^ key[1],
            a as u32,
        ];
    }
    counter
}

/// The sine branch of Box and Muller. The uniforms are float32 as on the card; the functions of them are taken in
/// float64, whose rounding to float32 does not depend on the machine's mathematics library.
pub fn box_muller([x, y, ..]: [u32; 4]) -> f32 {
    let u = (x as f32).mul_add(UNIT, UNIT / 2.0);
    let v = (y as f32).mul_add(TURN, TURN / 2.0);
    ((-2.0 * f64::from(u).ln()).sqrt() * f64::from(v).sin()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers of the reference implementation, Random123's `kat_vectors`.
    #[test]
    fn the_generator_is_philox() {
        assert_eq!(words(0, 0, 0), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
    }

    /// `torch.manual_seed(0); torch.randn(12, device="cuda")`.
    #[test]
    fn normal_values_are_the_published_ones() {
        const PUBLISHED: [f32; 12] = [
            -0.924_662_6,
            -0.425_344_15,
            -2.643_845_7,
            0.145_183_88,
            -0.120_866_47,
            -0.579_725_6,
            -0.622_851_2,
            -0.328_387_1,
            -1.074_542_3,
            -0.363_144_07,
            -1.671_050_7,
            2.265_505,
        ];
        let values: Vec<f32> = normal(0, 0, [1, 3, 4]).flatten(0, -1).try_into().unwrap();
        for (found, published) in values.iter().zip(PUBLISHED) {
            assert!((found - published).abs() < 2e-6, "{found} for {published}");
        }
    }

    #[test]
    fn the_seed_counts_modulo_two_to_the_32() {
        let of = |seed| normal(seed, 0, [1, 1, 8]);
        assert_eq!(of(5), of(5 + (1 << 32)));
        assert_eq!(of(3), of(3 + (1 << 40)));
        assert_eq!(class(7, 1, 1000), class(7 + (5 << 32), 1, 1000));
        assert_ne!(of(5), of(6));
        assert_ne!(normal(5, 2, [1, 1, 8]), of(5));
    }

    #[test]
    fn values_are_standard_normal() {
        let values = normal(7, 0, [1, 128, 128]);
        assert!(values.mean(tch::Kind::Double).double_value(&[]).abs() < 0.03);
        assert!((values.std(true).double_value(&[]) - 1.0).abs() < 0.02);
        let classes: Vec<i64> = (0..2000).map(|seed| class(seed, 1, 10)).collect();
        assert!((0..10).all(|c| (120..=280).contains(&classes.iter().filter(|&&x| x == c).count())));
    }
}
