//! Golden agreement in every number type.

use serde_json::json;

use crate::common::agreement::Agreement;
use crate::common::fixture;
use crate::common::golden::{detectors as golden, encoders, nets as forward, sampling};
use crate::report::Report;
use crate::setting::{PRECISIONS, Setting};

/// Nets, sampling runs and the autoencoder.
pub fn nets(setting: &Setting, report: &Report) {
    let (here, absent): (Vec<&str>, Vec<&str>) =
        forward::NETS.into_iter().partition(|net| fixture(&format!("edm2-{net}.pkl")).exists());
    absent.iter().for_each(|net| report.skipped(net, "it does not travel"));
    for (name, precision) in PRECISIONS {
        let place = setting.place(precision);
        rows(report, name, &forward::forward(place, &here));
        for part in [encoders::decoder, encoders::encoder] {
            rows(report, name, &part(place));
        }
        if setting.is_tiny() {
            report.skipped(&format!("sampling runs in {name}"), "on a CPU the ordinary tests do it");
            continue;
        }
        rows(report, name, &sampling::published(place));
        rows(report, name, &sampling::cases(place, &here));
    }
}

/// Inception and DINOv2, which have one number type.
pub fn detectors(setting: &Setting, report: &Report) {
    let (name, precision) = PRECISIONS[0];
    rows(report, name, &golden::inception(setting.place(precision)));
    if setting.is_tiny() {
        report.skipped("dinov2", "on a CPU the ordinary tests do it");
    } else {
        rows(report, name, &golden::dinov2(setting.place(precision)));
    }
}

fn rows(report: &Report, precision: &str, all: &[Agreement]) {
    for one in all {
        let Agreement { what, off, tolerance } = one;
        report.holds(
            one.holds(),
            json!({"what": what, "precision": precision, "off": off, "tolerance": tolerance}),
        );
    }
}
