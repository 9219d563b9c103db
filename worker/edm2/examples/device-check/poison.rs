//! A device that asserts ends the worker with 75, and a worker that is started again works.

use std::path::Path;
use std::process::Command;

use fidelis_edm2::checkpoint::TensorFile;
use serde_json::json;
use tch::{CModule, Device, Kind, Tensor};

use crate::report::Report;
use crate::setting::{Setting, program};

/// Safe to run again.
const INFRASTRUCTURE: i32 = 75;
/// What was asked for is wrong.
const USAGE: i32 = 2;

pub fn check(setting: &Setting, report: &Report) {
    let script = setting.work.join("lookup.pt");
    write_script(&script);
    let features = |value: u8| {
        let images = setting.work.join(format!("of-{value}.safetensors"));
        write_images(&images, value);
        code_of(setting, &script, &images)
    };
    let expected = if setting.device == Device::Cpu { USAGE } else { INFRASTRUCTURE };
    let (code, said) = features(255);
    report.holds(
        code == Some(expected),
        json!({"what": "an index beyond its table", "exit": code,
        "expected": expected, "said": said}),
    );
    let (code, said) = features(0);
    report.holds(code == Some(0), json!({"what": "the next process", "exit": code, "said": said}));
}

/// A detector that looks an image's brightest pixel up in a table of four rows.
fn write_script(path: &Path) {
    let table = Tensor::ones([4, 8], tch::kind::FLOAT_CPU);
    let mut lookup = |images: &[Tensor]| {
        let brightest = images[0].to_kind(Kind::Int64).flatten(1, -1).amax([1].as_slice(), false);
        vec![table.index_select(0, &brightest)]
    };
    let dark = [Tensor::zeros([1, 3, 8, 8], (Kind::Uint8, Device::Cpu))];
    let module = CModule::create_by_tracing("Lookup", "forward", &dark, &mut lookup);
    module.and_then(|module| module.save(path)).unwrap_or_else(|error| panic!("{error}"));
}

fn write_images(path: &Path, value: u8) {
    let images = Tensor::full([2, 3, 8, 8], i64::from(value), (Kind::Uint8, Device::Cpu));
    let file = TensorFile { tensors: [("images".to_owned(), images)].into(), ..TensorFile::default() };
    file.write(path).unwrap_or_else(|error| panic!("{error}"));
}

fn code_of(setting: &Setting, script: &Path, images: &Path) -> (Option<i32>, String) {
    let mut worker = Command::new(program("fidelis-worker"));
    worker.args(["features", "--device", &setting.device_name]).arg("--detector").arg(script);
    worker.arg("--images").arg(images).arg("--out").arg(setting.work.join("features.safetensors"));
    let output = worker.output().unwrap_or_else(|error| panic!("cannot start the worker: {error}"));
    let said = String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_owned();
    (output.status.code(), said)
}
