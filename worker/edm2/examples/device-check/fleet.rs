//! The demo pair through a whole fleet on the device: the CPU's distance within its error, the CPU's noise to the bit,
//! the same bits from two workers, and how long the device waited.

use std::collections::BTreeMap;

use serde_json::json;

use crate::local::{Local, Ran};
use crate::report::Report;
use crate::setting::Setting;
use crate::smi::Watch;

type Runs = BTreeMap<String, Ran>;

pub fn check(setting: &Setting, report: &Report) {
    let num_images = if setting.is_tiny() { 16 } else { 2000 };
    let run = |name, device, workers| {
        let local = Local { setting, name, device, workers, num_images };
        let watch = Watch::start(setting.device);
        let ran = local.run();
        let idle = watch.idle_share();
        match ran {
            Ok(runs) => {
                for (run, Ran { fd, fd_sd, images_per_s, .. }) in &runs {
                    report.measured(
                        json!({"what": run, "device": device, "workers": workers, "images": num_images,
                        "fd": fd, "fd_sd": fd_sd, "images_per_s": images_per_s, "device_idle_share": idle}),
                    );
                }
                Some(runs)
            }
            Err(problem) => {
                report.failed(&format!("{name}: {problem}"));
                None
            }
        }
    };
    let device = setting.device_name.as_str();
    let Some(one) = run("one", device, 1) else { return };
    if let Some(two) = run("two", device, 2) {
        same_bits(report, &one, &two);
    }
    if setting.is_tiny() {
        return report.skipped("against the CPU", "this is the CPU");
    }
    if let Some(cpu) = run("cpu", "cpu", 1) {
        against_cpu(report, &one, &cpu);
    }
}

fn same_bits(report: &Report, one: &Runs, two: &Runs) {
    for (name, ran) in one {
        let equal = two.get(name).is_some_and(|other| other.objects == ran.objects && other.fd == ran.fd);
        report.holds(
            equal && !ran.objects.is_empty(),
            json!({"what": "two workers on one device", "run": name, "equal": equal}),
        );
    }
}

fn against_cpu(report: &Report, device: &Runs, cpu: &Runs) {
    for (name, ran) in device {
        let Some(other) = cpu.get(name) else { continue };
        let equal = ran.noise == other.noise && !ran.noise.is_empty();
        report.holds(equal, json!({"what": "the CPU's noise", "run": name, "equal": equal}));
        let (apart, error) = ((ran.fd - other.fd).abs(), other.fd_sd);
        report.holds(
            apart <= error,
            json!({"what": "the CPU's distance", "run": name, "fd": ran.fd,
            "cpu_fd": other.fd, "apart": apart, "error": error}),
        );
    }
}
