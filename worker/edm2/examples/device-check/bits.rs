//! Whether two results are the same, to the bit.

use fidelis_edm2::generate::Buffer;
use sha2::{Digest, Sha256};

/// sha256 of values as they lie in memory, little-endian.
pub fn digest(values: &[f32]) -> String {
    let mut hash = Sha256::new();
    values.iter().for_each(|value| hash.update(value.to_le_bytes()));
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Largest difference over the largest magnitude.
pub fn drift(found: &Buffer<f32>, expected: &Buffer<f32>) -> f64 {
    let pairs = found.data.iter().zip(&expected.data);
    let off = pairs.map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max);
    off / expected.data.iter().map(|value| f64::from(value.abs())).fold(0.0, f64::max)
}
