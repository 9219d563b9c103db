//! The autoencoder, both ways.

use fidelis_edm2::encoder::StabilityVae;
use fidelis_edm2::net::Precision;
use tch::{Device, Kind};

use super::super::agreement::Agreement;
use super::super::place::{Place, Subject};
use super::super::{fixture, tensors};

pub fn vae(place: Place) -> StabilityVae {
    StabilityVae::load(&fixture("vae-tiny.safetensors"), (place.device, place.precision)).unwrap()
}

/// Latents to pixels.
pub fn decoder(place: Place) -> Vec<Agreement> {
    let (vae, golden) = (vae(place), tensors("vae-golden.safetensors").tensors);
    let latent = place.take(&golden["latent"]);
    let raw = vae.raw(&latent).unwrap();
    let close = place.tolerance(Subject::Encoder);
    let mut all = vec![
        Agreement::of("vae raw_latent", &raw, &golden["raw_latent"], 1e-6),
        Agreement::of("vae decoded_float", &vae.decode_raw(&raw), &golden["decoded_float"], close),
    ];
    let found = vae.decode(&latent).unwrap();
    assert_eq!(found.kind(), Kind::Uint8);
    if place.precision == Precision::Fp32 {
        let [found, expected] =
            [&found, &golden["decoded"]].map(|t| t.to_device(Device::Cpu).to_kind(Kind::Int));
        let off = (found - expected).abs();
        let largest = off.max().double_value(&[]);
        all.push(Agreement { what: "vae pixels, in steps".to_owned(), off: largest, tolerance: 1.0 });
        let share = off.count_nonzero(None::<i64>).double_value(&[]) / off.numel() as f64;
        all.push(Agreement { what: "vae pixels that differ".to_owned(), off: share, tolerance: 4e-4 });
    }
    all
}

/// Pixels to the posterior.
pub fn encoder(place: Place) -> Vec<Agreement> {
    let (vae, golden) = (vae(place), tensors("vae-golden.safetensors").tensors);
    let moments = vae.encode(&golden["image"]).unwrap();
    vec![Agreement::of(
        "vae raw_mean_std",
        &moments,
        &golden["raw_mean_std"],
        place.tolerance(Subject::Encoder),
    )]
}
