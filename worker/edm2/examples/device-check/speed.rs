//! How fast the nets go: by size, channels, number type and micro-batch, beside the device's best product.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use serde_json::json;
use tch::{Kind, Tensor};

use crate::clock::seconds_each;
use crate::nets::Random;
use crate::peak::operations_per_second;
use crate::report::{Report, first_line};
use crate::setting::{PRECISIONS, Setting};

const PATIENCE: Duration = Duration::from_millis(500);

pub fn check(setting: &Setting, report: &Report) {
    let peaks = PRECISIONS.map(|(name, _)| {
        let rate = operations_per_second(setting, name);
        report.measured(json!({"what": "largest product", "precision": name, "tflop_per_s": rate / 1e12}));
        rate
    });
    // The telling ones first: the time may run out.
    for (channels, batches) in [(4, &[1, 8, 32, 64, 128][..]), (3, &[64])] {
        for name in ["XS", "S"] {
            let net = Random::new(name, channels, setting.is_tiny());
            let batches = if setting.is_tiny() { &[2] } else { batches };
            for (at, peak) in [1, 2, 0].map(|at| (at, peaks[at])) {
                row_each(setting, report, (&net, at, peak), batches);
            }
        }
    }
}

/// A row for each micro-batch of a net in one number type; `peak` is what the device could do.
fn row_each(setting: &Setting, report: &Report, (net, at, peak): (&Random, usize, f64), batches: &[i64]) {
    let (precision_name, precision) = PRECISIONS[at];
    let loaded = net.load(setting.device, precision);
    for &n in batches {
        let what = json!({"what": net.name, "img_channels": net.config.img_channels, "precision": precision_name,
            "micro_batch": n});
        let measured = catch_unwind(AssertUnwindSafe(|| {
            let [c, h, w] = net.config.image_shape();
            let x = Tensor::randn([n, c, h, w], (Kind::Float, setting.device));
            let sigma = Tensor::full([n], 2.0, (Kind::Float, setting.device));
            let labels = Tensor::zeros([n], (Kind::Int64, setting.device));
            seconds_each(setting.device, PATIENCE, || drop(loaded.denoise(&x, &sigma, Some(&labels))))
        }));
        let mut row = what;
        match measured {
            Ok(seconds) => {
                let operations = net.operations() * n as f64 / seconds;
                row["evaluations_per_s"] = json!(n as f64 / seconds);
                row["ms"] = json!(seconds * 1e3);
                row["tflop_per_s"] = json!(operations / 1e12);
                row["share_of_largest_product"] = json!(operations / peak);
            }
            Err(panic) => row["problem"] = json!(first_line(&*panic)),
        }
        report.measured(row);
    }
}
