//! Winograd's transforms: which pixels a tile has, and how filters, inputs and products are transformed.

use fearless_simd::prelude::*;

use super::simd::Vector;

/// F(T×T, 3×3), in one direction: `R` = T + 2 products where 3·T would be.
pub trait Form<const T: usize, const R: usize> {
    /// `G`, which a filter is transformed by.
    const FILTER: [[f64; 3]; R];

    /// `Bᵀ d`.
    fn analysis<S: Simd>(d: [Vector<S>; R]) -> [Vector<S>; R];

    /// `Aᵀ m`.
    fn synthesis<S: Simd>(m: [Vector<S>; R]) -> [Vector<S>; T];
}

/// F(4×4, 3×3): 36 multiplications where 144 would be, with weights four times as large.
///
/// The interpolation points are 0, ±3/4, ±3/2 and ∞. With the usual 0, ±1, ±2, ∞ a net's forward pass would be three
/// times as far from float64 as a direct convolution is; with these it is as near.
#[derive(Clone, Copy, Debug)]
pub struct Four;

const A: f32 = 0.75;
const B: f32 = 1.5;
const A2: f32 = A * A;
const B2: f32 = B * B;

impl Form<4, 6> for Four {
    const FILTER: [[f64; 3]; 6] = {
        const A: f64 = 0.75;
        const B: f64 = 1.5;
        const NEAR: f64 = 2.0 * A * A * (A * A - B * B);
        const FAR: f64 = 2.0 * B * B * (B * B - A * A);
        [
            [1.0 / (A * A * B * B), 0.0, 0.0],
            [1.0 / NEAR, A / NEAR, A * A / NEAR],
            [1.0 / NEAR, -A / NEAR, A * A / NEAR],
            [1.0 / FAR, B / FAR, B * B / FAR],
            [1.0 / FAR, -B / FAR, B * B / FAR],
            [0.0, 0.0, 1.0],
        ]
    };

    #[inline(always)]
    fn analysis<S: Simd>(d: [Vector<S>; 6]) -> [Vector<S>; 6] {
        let (even_a, odd_a) = (times(d[2], -B2, d[4]), times(d[1], -B2, d[3]));
        let (even_b, odd_b) = (times(d[2], -A2, d[4]), times(d[1], -A2, d[3]));
        [
            times(d[0], A2 * B2, times(d[2], -(A2 + B2), d[4])),
            times(odd_a, A, even_a),
            times(odd_a, -A, even_a),
            times(odd_b, B, even_b),
            times(odd_b, -B, even_b),
            times(d[1], A2 * B2, times(d[3], -(A2 + B2), d[5])),
        ]
    }

    #[inline(always)]
    fn synthesis<S: Simd>(m: [Vector<S>; 6]) -> [Vector<S>; 4] {
        let (even_a, odd_a) = (m[1] + m[2], m[1] - m[2]);
        let (even_b, odd_b) = (m[3] + m[4], m[3] - m[4]);
        [
            m[0] + even_a + even_b,
            times(odd_a, A, odd_b * B),
            times(even_a, A2, even_b * B2),
            times(odd_a, A * A2, times(odd_b, B * B2, m[5])),
        ]
    }
}

/// F(2×2, 3×3): 16 multiplications where 36 would be, with weights not twice as large; the points are 0, ±1 and ∞.
#[derive(Clone, Copy, Debug)]
pub struct Two;

impl Form<2, 4> for Two {
    const FILTER: [[f64; 3]; 4] = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]];

    #[inline(always)]
    fn analysis<S: Simd>(d: [Vector<S>; 4]) -> [Vector<S>; 4] {
        [d[0] - d[2], d[1] + d[2], d[2] - d[1], d[3] - d[1]]
    }

    #[inline(always)]
    fn synthesis<S: Simd>(m: [Vector<S>; 4]) -> [Vector<S>; 2] {
        [m[0] + m[1] + m[2], m[1] - m[2] + m[3]]
    }
}

/// `factor · x + y`.
#[inline(always)]
fn times<S: Simd>(x: Vector<S>, factor: f32, y: Vector<S>) -> Vector<S> {
    x.mul_add(factor, y)
}
