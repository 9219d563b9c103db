//! `limits`: what one core of this machine can do at most, for `make bench-peers` to say how much of it is reached. The
//! last line on stdout is JSON: floating-point operations per second of multiply-adds that never leave the registers, and
//! bytes per second read from memory, best of several each.

#![allow(clippy::disallowed_macros, reason = "an example stands alone")]

use std::hint::black_box;
use std::time::Instant;

use fearless_simd::{Level, dispatch, f32x16, f64x8, prelude::*};

/// Chains side by side: more than the latency of an addition needs.
const CHAINS: usize = 16;
const ROUNDS: usize = 4_000_000;
const TIMES: usize = 5;
/// Far larger than any cache.
const BYTES: usize = 1 << 29;

fn main() {
    let level = Level::new();
    let f32_flops = rate(2 * 16 * CHAINS * ROUNDS, || {
        dispatch!(level, simd => {
            let of = |value| f32x16::splat(simd, black_box(value));
            chains(simd, of(0.5), of(1.0));
        })
    });
    let f64_flops = rate(2 * 8 * CHAINS * ROUNDS, || {
        dispatch!(level, simd => {
            let of = |value| f64x8::splat(simd, black_box(value));
            chains(simd, of(0.5), of(1.0));
        })
    });
    let memory = vec![1_u64; BYTES / size_of::<u64>()];
    let bytes = rate(BYTES, || {
        black_box(memory.iter().fold(0, |sum, x| sum ^ x));
    });
    println!("{{\"f32_flops\": {f32_flops:e}, \"f64_flops\": {f64_flops:e}, \"bytes\": {bytes:e}}}");
}

/// So much work a second, at best.
fn rate(work: usize, run: impl Fn()) -> f64 {
    let seconds = (0..TIMES).map(|_| {
        let begun = Instant::now();
        run();
        begun.elapsed().as_secs_f64()
    });
    work as f64 / seconds.fold(f64::INFINITY, f64::min)
}

/// Every chain is `y` at first and x·chain + y again and again.
#[inline(always)]
fn chains<S: Simd, V: SimdFloat<S>>(simd: S, x: V, y: V) {
    simd.vectorize(
        #[inline(always)]
        || {
            let mut chains = [y; CHAINS];
            for _ in 0..ROUNDS {
                for chain in &mut chains {
                    *chain = chain.mul_add(x, y);
                }
            }
            black_box(chains.map(|chain| chain.to_array()));
        },
    );
}
