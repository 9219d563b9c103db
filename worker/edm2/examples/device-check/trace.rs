//! One evaluation as TorchScript, so that PyTorch's profiler can tell which kernels take the time.

use fidelis_edm2::checkpoint::Checkpoint;
use fidelis_edm2::net::Precond;
use serde_json::json;
use tch::{CModule, Kind, Tensor};

use crate::report::Report;
use crate::setting::{Setting, arguments, precision};

pub fn check(setting: &Setting, report: &Report) {
    let [path, precision_name, n, out] = arguments("trace NET PRECISION MICRO_BATCH OUT.pt");
    let Checkpoint { config, state } =
        Checkpoint::read(path.as_ref()).unwrap_or_else(|error| panic!("{error}"));
    let net =
        Precond::load(state, &config, setting.device, precision(&precision_name)).expect("a net that fits");
    let n: i64 = n.parse().expect("a number");
    let [c, h, w] = config.image_shape();
    let inputs = [
        Tensor::ones([n, c, h, w], (Kind::Float, setting.device)),
        Tensor::full([n], 2.0, (Kind::Float, setting.device)),
        Tensor::zeros([n], (Kind::Int64, setting.device)),
    ];
    let mut denoise = |inputs: &[Tensor]| vec![net.denoise(&inputs[0], &inputs[1], Some(&inputs[2]))];
    let module = CModule::create_by_tracing("Denoise", "forward", &inputs, &mut denoise);
    module.and_then(|module| module.save(&out)).unwrap_or_else(|error| panic!("{error}"));
    report.measured(json!({"what": "traced", "out": out}));
}
