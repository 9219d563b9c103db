//! What the device is, whether it works, and how loaded it is.

use std::panic::catch_unwind;

use fidelis_edm2::device::{facts, open};
use serde_json::json;
use tch::{Cuda, Device, utils};

use crate::clock::timed;
use crate::report::Report;
use crate::setting::Setting;
use crate::smi;

pub fn check(setting: &Setting, report: &Report) {
    let facts = facts(setting.device);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    report.measured(json!({
        "what": "machine", "cpu": facts.cpu, "instructions": facts.instructions, "cores": cores,
        "gpu": facts.gpu, "driver": facts.driver, "cuda": facts.cuda, "built_for_libtorch": facts.libtorch,
        "libtorch_has_cuda": utils::has_cuda(), "devices": Cuda::device_count(),
    }));
    if setting.device == Device::Cpu {
        report.skipped("cudnn, load", "they are of a GPU");
    } else {
        // A libtorch without cuDNN throws.
        let cudnn = catch_unwind(utils::version_cudnn).ok();
        report.holds(Cuda::cudnn_is_available(), json!({"what": "cudnn", "version": cudnn}));
        let fields =
            "utilization.gpu,memory.used,memory.total,clocks.sm,power.draw,temperature.gpu,compute_mode";
        report
            .measured(json!({"what": "load", "fields": fields, "values": smi::ask(setting.device, fields)}));
    }
    let (seconds, opened) = timed(setting.device, || open(&setting.device_name));
    let problem = opened.err().map(|error| error.to_string());
    report
        .holds(problem.is_none(), json!({"what": "a first product", "seconds": seconds, "problem": problem}));
}
