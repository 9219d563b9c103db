//! The whole path from seeds to buffers: bits that depend on nothing but the recipe and the seeds (D1, D2).

mod common;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::fixture;
use common::place::Place;
use fidelis_edm2::checkpoint::Checkpoint;
use fidelis_edm2::detector::Detector;
use fidelis_edm2::encoder::{Encoder, StabilityVae};
use fidelis_edm2::generate::{GenerateError, Generated, Generator, Recipe};
use fidelis_edm2::net::Precision;
use fidelis_edm2::noise::{Classes, Stream};
use fidelis_edm2::sampler::Sampler;
use tch::Tensor;

fn recipe() -> Recipe {
    Recipe {
        net: fixture("edm2-main.pkl"),
        gnet: Some(fixture("edm2-guide.pkl")),
        guidance: 1.7,
        interval: None,
        sampler: Sampler { num_steps: 4, s_churn: 2.0, ..Sampler::default() },
        stream: Stream::Cpu,
        classes: Classes::Drawn,
        precision: Precision::Fp32,
        encoder: Some(Encoder::SpaceToDepth),
        vae: None,
        vae_precision: Precision::Fp32,
        micro_batch: 3,
        latents: true,
        images: true,
        detectors: BTreeMap::new(),
    }
}

fn generate(recipe: &Recipe, lanes: usize, seeds: &[u64]) -> Result<Generated, GenerateError> {
    Generator::load(recipe, Place::of_test().device, lanes)?.generate(seeds, &|| false)
}

#[test]
fn lanes_change_no_bit() {
    let seeds: Vec<u64> = (100..110).collect();
    let (one, three) = (generate(&recipe(), 1, &seeds).unwrap(), generate(&recipe(), 3, &seeds).unwrap());
    assert_eq!(one.latents, three.latents);
    assert_eq!(one.images, three.images);
    assert_eq!(one.noise, three.noise);
    assert_eq!(one.labels, three.labels);
    assert_eq!(one.images.unwrap().shape, [10, 1, 32, 32]);
}

#[test]
fn noise_and_labels_depend_on_the_seed_alone() {
    let (many, alone) =
        (generate(&recipe(), 1, &[7, 8, 9, 10]).unwrap(), generate(&recipe(), 1, &[9]).unwrap());
    let len = alone.noise.data.len();
    assert_eq!(many.noise.data[2 * len..3 * len], alone.noise.data);
    assert_eq!(many.labels[2], alone.labels[0]);
}

#[test]
fn a_stop_is_seen_between_steps() {
    let asked = AtomicUsize::new(0);
    let stop = || asked.fetch_add(1, Ordering::Relaxed) >= 2;
    let mut generator = Generator::load(&recipe(), Place::of_test().device, 2).unwrap();
    let error = generator.generate(&[1, 2, 3, 4, 5, 6], &stop).unwrap_err();
    assert!(matches!(error, GenerateError::Stopped), "{error}");
    assert!(!error.is_unfit());
}

/// The fixtures' nets act on latents of 4 channels, which is all that the autoencoder asks.
#[test]
fn latents_become_pixels_and_features_through_the_autoencoder() {
    let (vae, script) = (fixture("vae-tiny.safetensors"), fixture("block-means.pt"));
    let device = Place::of_test().device;
    let recipe = Recipe {
        encoder: Some(Encoder::StabilityVae),
        vae: Some(vae.clone()),
        detectors: [("block-means".to_owned(), script.clone())].into(),
        ..recipe()
    };
    let (one, two) =
        (generate(&recipe, 1, &[3, 4, 5, 6]).unwrap(), generate(&recipe, 2, &[3, 4, 5, 6]).unwrap());
    let (latents, images) = (one.latents.clone().unwrap(), one.images.clone().unwrap());
    assert!(Some(&images) == two.images.as_ref() && one.features == two.features, "lanes change no bit");
    assert_eq!(images.shape, [4, 3, latents.shape[2] * 8, latents.shape[3] * 8]);
    let shape: Vec<i64> = latents.shape.iter().map(|&n| n as i64).collect();
    let whitening = Checkpoint::read(&recipe.net).unwrap().config.whitening.unwrap();
    let decoded = StabilityVae::load(&vae, (device, Precision::Fp32))
        .unwrap()
        .whitened(&whitening)
        .unwrap()
        .decode(&Tensor::from_slice(&latents.data).reshape(shape).to_device(device))
        .unwrap();
    assert!(
        Vec::<u8>::try_from(decoded.to_device(tch::Device::Cpu).flatten(0, -1)).unwrap() == images.data,
        "other pixels"
    );
    let detector = Detector::load("block-means", &script, device).unwrap();
    let features: Vec<f32> =
        detector.features(&decoded).unwrap().to_device(tch::Device::Cpu).flatten(0, -1).try_into().unwrap();
    assert!(features == one.features["block-means"].data, "other features");
    let latents_only = Recipe { images: false, vae: None, detectors: BTreeMap::new(), ..recipe };
    assert_eq!(
        generate(&latents_only, 1, &[3, 4, 5, 6]).unwrap().latents,
        Some(latents),
        "no pixels, no encoder"
    );
}

#[test]
fn pairs_and_options_that_do_not_fit_are_named() {
    let refused = |recipe: Recipe, words: &[&str]| {
        let error = generate(&recipe, 1, &[0]).unwrap_err();
        let text = error.to_string();
        assert!(error.is_unfit() && words.iter().all(|word| text.contains(word)), "{text}");
    };
    let uncond = Some(fixture("edm2-uncond.safetensors"));
    refused(Recipe { gnet: None, ..recipe() }, &["guidance", "1.7"]);
    refused(Recipe { gnet: uncond, ..recipe() }, &["image shape"]);
    refused(Recipe { classes: Classes::Fixed(10), ..recipe() }, &["class", "10"]);
    refused(Recipe { encoder: None, ..recipe() }, &["encoder"]);
    refused(Recipe { encoder: Some(Encoder::StabilityVae), ..recipe() }, &["stability-vae", "`vae`"]);
    let rgb_net =
        || Recipe { net: fixture("edm2-uncond.safetensors"), gnet: None, guidance: 1.0, ..recipe() };
    refused(
        Recipe {
            vae: Some(fixture("vae-tiny.safetensors")),
            encoder: Some(Encoder::StabilityVae),
            ..rgb_net()
        },
        &["[N, 4, h, w]"],
    );
    refused(rgb_net(), &["multiple of 4"]);
    refused(Recipe { sampler: Sampler { rho: 0.0, ..Sampler::default() }, ..recipe() }, &["rho"]);
    refused(Recipe { net: fixture("no-such-net.safetensors"), ..recipe() }, &["no-such-net.safetensors"]);
    refused(Recipe { net: fixture("forward-main.safetensors"), ..recipe() }, &["config"]);
}
