//! Householder's reflectors, by packs.

use fearless_simd::{f64x8, prelude::*};

pub(super) type Pack = [f64; 8];

/// I − tau v vᵀ, which takes some x to beta on its pivot and 0 behind it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reflector {
    pub(super) tau: f64,
    pub(super) beta: f64,
}

/// Makes v of x: 0 before the pivot, a place in the first pack, and 1 on it.
#[inline(always)]
pub(super) fn reflect<S: Simd>(simd: S, x: &mut [Pack], pivot: usize) -> Reflector {
    let alpha = x[0][pivot];
    x[0][..=pivot].fill(0.0);
    let rest = dot(simd, x, x);
    if rest == 0.0 {
        x[0][pivot] = 1.0;
        return Reflector { tau: 0.0, beta: alpha };
    }
    let beta = -(alpha * alpha + rest).sqrt().copysign(alpha);
    let scale = f64x8::splat(simd, (alpha - beta).recip());
    for pack in x.iter_mut() {
        *pack = (f64x8::load_array_ref(simd, pack) * scale).to_array();
    }
    x[0][pivot] = 1.0;
    Reflector { tau: (beta - alpha) / beta, beta }
}

/// xᵀy, always summed up in the same order.
#[inline(always)]
pub(super) fn dot<S: Simd>(simd: S, x: &[Pack], y: &[Pack]) -> f64 {
    let zero = f64x8::splat(simd, 0.0);
    let (mut even, mut odd) = (zero, zero);
    let (x_pairs, x_rest) = x.as_chunks::<2>();
    let (y_pairs, y_rest) = y.as_chunks::<2>();
    for (x, y) in x_pairs.iter().zip(y_pairs) {
        even = f64x8::load_array_ref(simd, &x[0]).mul_add(f64x8::load_array_ref(simd, &y[0]), even);
        odd = f64x8::load_array_ref(simd, &x[1]).mul_add(f64x8::load_array_ref(simd, &y[1]), odd);
    }
    for (x, y) in x_rest.iter().zip(y_rest) {
        even = f64x8::load_array_ref(simd, x).mul_add(f64x8::load_array_ref(simd, y), even);
    }
    (even + odd).reduce_sum()
}

/// y + scale x.
#[inline(always)]
pub(super) fn add_scaled<S: Simd>(simd: S, scale: f64, x: &[Pack], y: &mut [Pack]) {
    let scale = f64x8::splat(simd, scale);
    for (x, y) in x.iter().zip(y) {
        *y = scale.mul_add(f64x8::load_array_ref(simd, x), f64x8::load_array_ref(simd, y)).to_array();
    }
}
