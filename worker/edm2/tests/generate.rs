//! The whole path from seeds to buffers: bits that depend on nothing but the recipe and the seeds (D1, D2).

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::fixture;
use common::place::Place;
use fidelis_contract::spec::{
    Damage, Edm2Spec, Encoder, FileRef, Labels, Outputs, Precision, SamplerSpec, Sampling,
};
use fidelis_edm2::checkpoint::Checkpoint;
use fidelis_edm2::detector::Detector;
use fidelis_edm2::encoder::StabilityVae;
use fidelis_edm2::generate::{GenerateError, Generated, Generator, Recipe};
use tch::Tensor;

fn file(name: &str) -> FileRef {
    FileRef::new(fixture(name).display().to_string())
}

fn recipe() -> Recipe {
    let model = Edm2Spec {
        net: file("edm2-main.pkl"),
        gnet: Some(file("edm2-guide.pkl")),
        vae: None,
        vae_precision: None,
        sampling: Sampling {
            guidance: 1.7,
            sampler: SamplerSpec { num_steps: 4, s_churn: 2.0, ..SamplerSpec::DEFAULT },
            encoder: Some(Encoder::SpaceToDepth),
            ..Sampling::default()
        },
    };
    let outputs = Outputs { latents: true, images: true };
    Recipe { model, micro_batch: 3, outputs, detectors: BTreeMap::new() }
}

/// The same with another model.
fn with(change: impl FnOnce(&mut Edm2Spec)) -> Recipe {
    let mut recipe = recipe();
    change(&mut recipe.model);
    recipe
}

fn generate(recipe: &Recipe, lanes: usize, seeds: &[u64]) -> Result<Generated, GenerateError> {
    Generator::load(recipe, Place::of_test().device, lanes)?.generate(seeds, &|| false)
}

/// A sweep's cells differ in little: what they share stays loaded.
#[test]
fn sampled_otherwise_is_as_if_loaded_anew() {
    let seeds = [7, 8, 9, 10];
    let otherwise = with(|model| {
        model.sampling.guidance = 2.5;
        model.sampling.guidance_interval = Some((0.2, 5.0));
        model.sampling.sampler = SamplerSpec { num_steps: 5, ..SamplerSpec::DEFAULT };
        model.sampling.labels = Labels::Balanced;
    });
    let mut generator = Generator::load(&recipe(), Place::of_test().device, 2).unwrap();
    let before = generator.generate(&seeds, &|| false).unwrap();
    assert!(recipe().has_files_of(&otherwise));
    generator.resample(&otherwise).unwrap();
    let (resampled, anew) =
        (generator.generate(&seeds, &|| false).unwrap(), generate(&otherwise, 2, &seeds).unwrap());
    assert_eq!((&resampled.latents, &resampled.labels), (&anew.latents, &anew.labels));
    assert_ne!(resampled.latents, before.latents);
    let other_net = with(|model| model.net = file("edm2-guide.pkl"));
    let bf16 = with(|model| model.sampling.precision = Precision::Bf16);
    let unguided = with(|model| model.gnet = None);
    assert!([other_net, bf16, unguided].iter().all(|other| !recipe().has_files_of(other)));
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

/// A single micro-batch is shared by all threads there are.
#[test]
fn threads_change_no_bit() {
    let seeds = [100, 101, 102];
    let found = [1, 2, 16].map(|lanes| generate(&recipe(), lanes, &seeds).unwrap().latents);
    assert!(found[0] == found[1] && found[0] == found[2], "other latents");
}

/// On a CPU in float32: every value is one sum in one order, whatever is computed beside it.
#[test]
fn the_micro_batch_changes_no_bit() {
    let seeds: Vec<u64> = (100..107).collect();
    let of = |micro_batch| generate(&Recipe { micro_batch, ..recipe() }, 1, &seeds).unwrap().latents;
    let found = [1, 3, 7].map(of);
    assert!(found[0] == found[1] && found[0] == found[2], "other latents");
}

/// D1 and D2 hold of damage too; and each kind of it does something of its own.
#[test]
fn damage_depends_on_the_seed_alone() {
    let seeds: Vec<u64> = (100..107).collect();
    let damaged = |net_damage, gnet_damage| {
        with(|model| {
            model.sampling.net_damage = net_damage;
            model.sampling.gnet_damage = gnet_damage;
        })
    };
    let (none, drops) = (Damage::default(), Damage { dropout: 0.2, input_noise: 0.0 });
    let noisy = Damage { dropout: 0.0, input_noise: 0.2 };
    let both = Damage { input_noise: 0.1, ..drops };
    let recipe_of = damaged(noisy, both);
    let of = |micro_batch, lanes| {
        generate(&Recipe { micro_batch, ..recipe_of.clone() }, lanes, &seeds).unwrap().latents
    };
    let found = [(1, 1), (3, 2), (7, 3)].map(|(micro_batch, lanes)| of(micro_batch, lanes));
    assert!(found[0] == found[1] && found[0] == found[2], "other latents");
    let latents = |recipe: &Recipe| generate(recipe, 1, &seeds).unwrap().latents.unwrap().data;
    let all = [(none, none), (none, drops), (drops, none), (none, noisy), (noisy, none), (noisy, both)];
    let all = all.map(|(net, gnet)| latents(&damaged(net, gnet)));
    assert!(all.iter().flatten().all(|x| x.is_finite()));
    for (i, one) in all.iter().enumerate() {
        assert!(all[..i].iter().all(|other| other != one), "{i}");
    }
    // What nothing is done to is what it was.
    let mut generator = Generator::load(&recipe_of, Place::of_test().device, 1).unwrap();
    generator.resample(&recipe()).unwrap();
    assert_eq!(generator.generate(&seeds, &|| false).unwrap().latents.unwrap().data, all[0]);
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
    let detectors = [("block-means".to_owned(), script.clone())].into();
    let mut recipe = Recipe { detectors, ..with(|model| model.vae = Some(file("vae-tiny.safetensors"))) };
    recipe.model.sampling.encoder = Some(Encoder::StabilityVae);
    let (one, two) =
        (generate(&recipe, 1, &[3, 4, 5, 6]).unwrap(), generate(&recipe, 2, &[3, 4, 5, 6]).unwrap());
    let (latents, images) = (one.latents.clone().unwrap(), one.images.clone().unwrap());
    assert!(Some(&images) == two.images.as_ref() && one.features == two.features, "lanes change no bit");
    assert_eq!(images.shape, [4, 3, latents.shape[2] * 8, latents.shape[3] * 8]);
    let shape: Vec<i64> = latents.shape.iter().map(|&n| n as i64).collect();
    let whitening = Checkpoint::read(Path::new(&recipe.model.net.path)).unwrap().config.whitening.unwrap();
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
    let outputs = Outputs { latents: true, images: false };
    let mut latents_only = Recipe { outputs, detectors: BTreeMap::new(), ..recipe };
    latents_only.model.vae = None;
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
    let uncond = || file("edm2-uncond.pkl");
    refused(with(|model| model.gnet = Some(uncond())), &["image shape"]);
    refused(with(|model| model.sampling.labels = Labels::Class(10)), &["class", "10"]);
    refused(with(|model| model.sampling.encoder = None), &["encoder"]);
    let vae = |model: &mut Edm2Spec| model.sampling.encoder = Some(Encoder::StabilityVae);
    refused(with(vae), &["stability-vae", "`vae`"]);
    let rgb_net = |model: &mut Edm2Spec| {
        (model.net, model.gnet, model.sampling.guidance) = (uncond(), None, 1.0);
    };
    let rgb_and_vae = |model: &mut Edm2Spec| {
        rgb_net(model);
        vae(model);
        model.vae = Some(file("vae-tiny.safetensors"));
    };
    refused(with(rgb_and_vae), &["[N, 4, h, w]"]);
    refused(with(rgb_net), &["multiple of 4"]);
    refused(with(|model| model.net = file("no-such-net.safetensors")), &["no-such-net.safetensors"]);
    refused(with(|model| model.net = file("forward-main.safetensors")), &["config"]);
}
