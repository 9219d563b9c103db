//! Evaluations on demand, so that another program can take turns with this one on the same device.

use std::io::{self, BufRead, Write};

use fidelis_edm2::checkpoint::Checkpoint;
use fidelis_edm2::net::Precond;
use tch::{Kind, Tensor};

use crate::clock::timed;
use crate::report::Report;
use crate::setting::{Setting, arguments, precision};

/// For each line with a number, does so many evaluations and answers with the seconds they took.
pub fn serve(setting: &Setting, _: &Report) {
    let [path, precision_name, n] = arguments("turns NET PRECISION MICRO_BATCH");
    let Checkpoint { config, state } =
        Checkpoint::read(path.as_ref()).unwrap_or_else(|error| panic!("{error}"));
    let net =
        Precond::load(state, &config, setting.device, precision(&precision_name)).expect("a net that fits");
    let n: i64 = n.parse().expect("a number");
    let [c, h, w] = config.image_shape();
    let x = Tensor::ones([n, c, h, w], (Kind::Float, setting.device));
    let sigma = Tensor::full([n], 2.0, (Kind::Float, setting.device));
    let labels = Tensor::zeros([n], (Kind::Int64, setting.device));
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        let evaluations: u32 = line.trim().parse().expect("a number");
        let (seconds, ()) = timed(setting.device, || {
            (0..evaluations).for_each(|_| drop(net.denoise(&x, &sigma, Some(&labels))));
        });
        println!("{seconds}");
        io::stdout().flush().ok();
    }
}
