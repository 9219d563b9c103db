//! `device-check CHECK`: one check of a machine's device, for infra/gpu/gpu-check, which runs them all.
//!
//! What is found goes to stdout, a line of JSON each, and to stderr for people. Exit: 0 all held, 1 something did not,
//! 2 usage. The environment says where:
//!
//! - `FIDELIS_TEST_DEVICE`: the device; on `cpu` the nets are tiny
//! - `FIDELIS_FIXTURES`: the golden tensors
//! - `FIDELIS_DEMO`: specs, models and references of the demo
//! - `FIDELIS_CHECK_WORK`: a folder for what comes and goes

#![allow(clippy::disallowed_macros, reason = "an example stands alone")]

mod agreement;
mod bits;
mod clock;
#[path = "../../tests/common/mod.rs"]
mod common;
mod device;
mod fleet;
mod local;
mod memory;
mod nets;
mod noise;
mod peak;
mod poison;
mod repeat;
mod report;
mod setting;
mod smi;
mod speed;
mod stages;
mod trace;
mod turns;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use report::Report;
use setting::Setting;

type Check = fn(&Setting, &Report);

/// By name; the script gives each its own process and time.
const CHECKS: [(&str, Check); 16] = [
    ("device", device::check),
    ("golden", agreement::nets),
    ("detectors", agreement::detectors),
    ("noise", noise::check),
    ("draws", noise::write),
    ("repeat", repeat::check),
    ("repeat-once", repeat::once),
    ("memory", memory::check),
    ("memory-within", memory::within),
    ("poison", poison::check),
    ("nets", nets::write),
    ("speed", speed::check),
    ("stages", stages::check),
    ("fleet", fleet::check),
    ("turns", turns::serve),
    ("trace", trace::check),
];

fn main() -> ExitCode {
    let name = std::env::args().nth(1).unwrap_or_default();
    let Some((name, check)) = CHECKS.iter().find(|(known, _)| *known == name) else {
        eprintln!("`{name}` is no check: expected one of {}", CHECKS.map(|(name, _)| name).join(", "));
        return ExitCode::from(2);
    };
    let setting = match Setting::from_env() {
        Ok(setting) => setting,
        Err(problem) => {
            eprintln!("device-check: {problem}");
            return ExitCode::from(2);
        }
    };
    let report = Report::new(name);
    let _guard = common::quiet();
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(&setting, &report))) {
        report.failed(&report::first_line(&*panic));
    }
    report.code()
}
