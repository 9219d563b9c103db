//! Numbers that vectors hold, whatever registers the processor has.

use std::fmt::Debug;

use fearless_simd::{Level, Simd, SimdFloat, SimdFloatElement, f32x16, f64x8};

/// Float32 or float64: a pack of them is one cache line and one register of AVX-512.
pub(crate) trait Number:
    SimdFloatElement + Copy + Debug + Default + PartialEq + Send + Sync + 'static
{
    /// Numbers of a pack.
    const WIDTH: usize;
    /// A pack in memory.
    type Pack: Copy + Debug + PartialEq + Send + Sync + AsRef<[Self]> + AsMut<[Self]>;
    /// A pack in registers.
    type Vector<S: Simd>: SimdFloat<S, Element = Self, Array = Self::Pack>;
    /// A pack of zeros.
    const ZEROS: Self::Pack;
}

impl Number for f64 {
    const WIDTH: usize = 8;
    type Pack = [f64; 8];
    type Vector<S: Simd> = f64x8<S>;
    const ZEROS: [f64; 8] = [0.0; 8];
}

impl Number for f32 {
    const WIDTH: usize = 16;
    type Pack = [f32; 16];
    type Vector<S: Simd> = f32x16<S>;
    const ZEROS: [f32; 16] = [0.0; 16];
}

/// The instructions that this processor has. Those with fused multiply-adds (AVX2, AVX-512, NEON) give the same bits.
pub(crate) fn level() -> Level {
    Level::new()
}
