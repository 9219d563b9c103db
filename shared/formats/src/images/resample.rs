//! Pillow's resampling of 8-bit pixels, to the bit: weights in fixed point, along x first, then along y, rounded between.
//! Datasets of the field are made with it.

use std::f64::consts::PI;

/// Bits behind the point of a weight: 8 for the pixel and 2 for overshoot are left of 32.
const PRECISION_BITS: u32 = 32 - 8 - 2;

/// The kernels that the field's datasets use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    Box,
    /// Catmull and Rom's cubic, a = −½.
    Bicubic,
    /// Three lobes.
    Lanczos,
}

impl Filter {
    fn support(self) -> f64 {
        match self {
            Self::Box => 0.5,
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }

    fn at(self, x: f64) -> f64 {
        const A: f64 = -0.5;
        let sinc = |x: f64| if x == 0.0 { 1.0 } else { (x * PI).sin() / (x * PI) };
        match self {
            Self::Box => f64::from(u8::from(x > -0.5 && x <= 0.5)),
            Self::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            Self::Lanczos => 0.0,
            Self::Bicubic => match x.abs() {
                x if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
                x if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
                _ => 0.0,
            },
        }
    }
}

/// What one pixel is the sum of: the first of the old ones, and a weight for it and each that follows.
struct Window {
    first: usize,
    weights: Vec<i32>,
}

fn windows(old: usize, new: usize, filter: Filter) -> Vec<Window> {
    let scale = old as f64 / new as f64;
    let stretch = scale.max(1.0);
    let support = filter.support() * stretch;
    let window = |at: usize| {
        let center = (at as f64 + 0.5) * scale;
        let first = (center - support + 0.5).max(0.0) as usize;
        let last = ((center + support + 0.5) as usize).min(old);
        let weight = |x: usize| filter.at((x as f64 - center + 0.5) / stretch);
        let raw: Vec<f64> = (first..last).map(weight).collect();
        let sum: f64 = raw.iter().sum();
        let fixed = |weight: &f64| (weight / sum * f64::from(1 << PRECISION_BITS)).round() as i32;
        Window { first, weights: raw.iter().map(fixed).collect() }
    };
    (0..new).map(window).collect()
}

/// `[height, width, 3]` to another width and height.
pub fn resize(pixels: &[u8], old: (usize, usize), new: (usize, usize), filter: Filter) -> Vec<u8> {
    let across = if old.0 == new.0 {
        pixels.to_vec()
    } else {
        let windows = windows(old.0, new.0, filter);
        let rows = pixels.chunks_exact(old.0 * 3);
        rows.flat_map(|row| windows.iter().flat_map(|window| summed(row, window, 0, 3))).collect()
    };
    if old.1 == new.1 {
        return across;
    }
    let (line, windows) = (new.0 * 3, windows(old.1, new.1, filter));
    windows.iter().flat_map(|window| (0..new.0).flat_map(|x| summed(&across, window, x * 3, line))).collect()
}

/// The three channels of a pixel, from those that lie `step` apart.
fn summed(pixels: &[u8], window: &Window, offset: usize, step: usize) -> [u8; 3] {
    let mut sums = [1_i32 << (PRECISION_BITS - 1); 3];
    for (k, weight) in window.weights.iter().enumerate() {
        let at = offset + (window.first + k) * step;
        for (sum, &value) in sums.iter_mut().zip(&pixels[at..at + 3]) {
            *sum = sum.wrapping_add(i32::from(value) * weight);
        }
    }
    sums.map(|sum| (sum >> PRECISION_BITS).clamp(0, 255) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Grey in three channels.
    fn grey(values: &[u8]) -> Vec<u8> {
        values.iter().flat_map(|&value| [value; 3]).collect()
    }

    /// What Pillow 13.0.0 gives for `Image.frombytes("RGB", (7, 1), …).resize((n, 1), filter)`.
    #[test]
    fn pixels_are_pillows() {
        let row = grey(&[0, 255, 10, 200, 90, 30, 120]);
        for (filter, width, expected) in PILLOW {
            assert_eq!(
                resize(&row, (7, 1), (expected.len(), 1), filter),
                grey(expected),
                "{filter:?} {width}"
            );
            // The other way about, as a column.
            assert_eq!(
                resize(&row, (1, 7), (1, expected.len()), filter),
                grey(expected),
                "{filter:?} {width}"
            );
        }
    }

    const PILLOW: [(Filter, usize, &[u8]); 6] = [
        (Filter::Box, 3, &[128, 100, 75]),
        (Filter::Box, 10, &[0, 255, 255, 10, 200, 200, 90, 30, 30, 120]),
        (Filter::Bicubic, 3, &[111, 121, 77]),
        (Filter::Bicubic, 10, &[0, 152, 219, 13, 138, 182, 86, 33, 68, 125]),
        (Filter::Lanczos, 3, &[110, 122, 77]),
        (Filter::Lanczos, 10, &[0, 160, 224, 14, 126, 201, 82, 22, 71, 129]),
    ];
}
