//! The rate of products that the device reaches at its best.

use std::time::Duration;

use tch::{Kind, Tensor};

use crate::clock::seconds_each;
use crate::setting::Setting;

/// Floating-point operations per second of one large product, per number type's name.
pub fn operations_per_second(setting: &Setting, precision: &str) -> f64 {
    let n: i64 = if setting.is_tiny() { 128 } else { 8192 };
    let kind = match precision {
        "fp16" => Kind::Half,
        "bf16" => Kind::BFloat16,
        _ => Kind::Float,
    };
    let x = Tensor::randn([n, n], (Kind::Float, setting.device)).to_kind(kind);
    let seconds = seconds_each(setting.device, Duration::from_millis(500), || drop(x.matmul(&x)));
    2.0 * (n as f64).powi(3) / seconds
}
