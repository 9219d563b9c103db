//! One evaluation of each net.

use fidelis_edm2::checkpoint::Checkpoint;
use fidelis_edm2::net::Precond;

use super::super::agreement::Agreement;
use super::super::place::{Place, Subject};
use super::super::{fixture, tensors};

/// The net of a file of the fixtures.
pub fn loaded(file: &str, place: Place) -> Precond {
    let Checkpoint { config, state } = Checkpoint::read(&fixture(file)).unwrap();
    Precond::load(state, &config, place.device, place.precision).unwrap()
}

/// The fixtures' nets in the authors' layout. `null` is unconditional, `uncond` exercises the options.
pub const NETS: [&str; 4] = ["main", "guide", "null", "uncond"];

/// These of them, with labels and without, and one of RGB images.
pub fn forward(place: Place, nets: &[&str]) -> Vec<Agreement> {
    let mut all = Vec::new();
    for name in nets {
        let net = loaded(&format!("edm2-{name}.pkl"), place);
        all.extend(of_net(name, &net, &format!("forward-{name}.safetensors"), place));
    }
    let rgb = loaded("published/edm2-rgb.pkl", place);
    all.extend(of_net("rgb", &rgb, "published/forward-rgb.safetensors", place));
    all
}

fn of_net(name: &str, net: &Precond, golden: &str, place: Place) -> Vec<Agreement> {
    let golden = tensors(golden).tensors;
    let [x, sigma, label] = ["x", "sigma", "label"].map(|key| place.take(&golden[key]));
    // These stay in float32 whatever the precision.
    let [exact, close] = [Place { precision: fidelis_edm2::net::Precision::Fp32, ..place }, place]
        .map(|p| p.tolerance(Subject::Forward));
    let of =
        |key: &str, found, tolerance| Agreement::of(format!("{name} {key}"), &found, &golden[key], tolerance);
    let mut all =
        vec![of("D", net.denoise(&x, &sigma, Some(&label)), close), of("logvar", net.logvar(&sigma), exact)];
    if golden.contains_key("emb_noise") {
        all.push(of("emb_noise", net.embed_noise(&sigma), exact));
    }
    if golden.contains_key("D_nolabel") {
        all.push(of("D_nolabel", net.denoise(&x, &sigma, None), close));
    }
    all
}
