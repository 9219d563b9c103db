//! Vectors of sixteen floats, whatever registers the processor has, and the functions that torch's `silu` and `softmax`
//! rest on.

use fearless_simd::{Level, f32x16, prelude::*};

/// Channels that are kept and computed together.
pub const WIDTH: usize = 16;

/// Neighbouring channels of one pixel.
pub type Pack = [f32; WIDTH];

/// A pack in registers.
pub type Vector<S> = f32x16<S>;

/// The instructions that this processor has.
pub fn level() -> Level {
    Level::new()
}

/// How many packs hold so many channels.
pub const fn packs_of(channels: usize) -> usize {
    channels.div_ceil(WIDTH)
}

#[inline(always)]
pub fn load<S: Simd>(simd: S, pack: &Pack) -> Vector<S> {
    Vector::load_array_ref(simd, pack)
}

#[inline(always)]
pub fn splat<S: Simd>(simd: S, value: f32) -> Vector<S> {
    Vector::splat(simd, value)
}

/// The sum of a pack's values, always in the same order.
pub fn sum(pack: &Pack) -> f32 {
    let mut sums = *pack;
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            sums[i] += sums[i + half];
        }
    }
    sums[0]
}

/// `eˣ` to two units in the last place; what would overflow or vanish stops at 2^±126.
#[inline(always)]
pub fn exp<S: Simd>(simd: S, x: Vector<S>) -> Vector<S> {
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    // Added to a small number, it leaves the nearest whole number in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    const SERIES: [f32; 6] =
        [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5];
    let x = x.max(splat(simd, -87.3)).min(splat(simd, 87.3));
    let shifted = x.mul_add(splat(simd, std::f32::consts::LOG2_E), splat(simd, ROUND));
    let whole = shifted - ROUND;
    let r = whole.mul_add(splat(simd, -LN_2[0]), x);
    let r = whole.mul_add(splat(simd, -LN_2[1]), r);
    let mut series = splat(simd, SERIES[0]);
    for factor in &SERIES[1..] {
        series = series.mul_add(r, splat(simd, *factor));
    }
    let value = series.mul_add(r * r, r) + 1.0;
    let power = (shifted.to_bits() << 23) + splat(simd, 1.0).to_bits();
    value * Vector::from_bits(power)
}

/// `x / (1 + e⁻ˣ)`.
#[inline(always)]
pub fn silu<S: Simd>(simd: S, x: Vector<S>) -> Vector<S> {
    x / (exp(simd, -x) + 1.0)
}

#[cfg(test)]
mod tests {
    use fearless_simd::dispatch;

    use super::*;

    #[test]
    fn exp_and_silu_are_those_of_float64() {
        for i in -80_000..80_000 {
            let x = i as f32 * 1e-3;
            let (e, s) = dispatch!(level(), simd => {
                let x = splat(simd, x);
                (exp(simd, x)[3], silu(simd, x)[5])
            });
            let exact = f64::from(x).exp();
            assert!((f64::from(e) / exact - 1.0).abs() < 2.0 * f64::from(f32::EPSILON), "exp({x}) = {e}");
            let exact = f64::from(x) / (1.0 + (-f64::from(x)).exp());
            let off = (f64::from(s) - exact).abs();
            assert!(off <= exact.abs() * 3.0 * f64::from(f32::EPSILON), "silu({x}) = {s}");
        }
    }

    #[test]
    fn sums_are_whole() {
        assert_eq!(sum(&std::array::from_fn(|i| i as f32)), 120.0);
        assert_eq!((packs_of(1), packs_of(16), packs_of(17)), (1, 1, 2));
    }
}
