//! Training is a pure function of recipe and images, and it learns.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use fidelis_edm2::checkpoint::{Checkpoint, TensorFile};
use fidelis_edm2::data::ImageSet;
use fidelis_edm2::net::{Precision, Precond};
use fidelis_edm2::train::{
    Batch, Images, InMemory, Learner, LossScale, Moment, NoiseLevels, Recipe, StepDraws, Trainer,
};
use tch::{Device, Kind, Tensor};

/// The tiny recipe with latents of pixels, dropout and another order of averages.
static RECIPE: LazyLock<String> = LazyLock::new(|| {
    [
        ("batch = 250", "batch = 8"),
        ("steps = 12", "steps = 30"),
        ("[0.05, 0.10]", "[0.10, 0.05]"),
        ("rampup_images = 500", "rampup_images = 16"),
        ("img_resolution = 4", "img_resolution = 8"),
        ("img_channels = 1", "img_channels = 4"),
        ("model_channels = 4", "model_channels = 8"),
        ("channels_per_head = 8", "channels_per_head = 16\ndropout = 0.1"),
        ("rgb", "space-to-depth"),
    ]
    .iter()
    .fold(include_str!("../../../tests/fixtures/recipe-tiny.toml").to_owned(), |text, (old, new)| {
        text.replace(old, new)
    })
});

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        tch::set_num_threads(1);
        let path = std::env::temp_dir().join(format!("fidelis-train-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn recipe(&self, text: &str) -> Recipe {
        let path = self.0.join("recipe.toml");
        std::fs::write(&path, text).unwrap();
        Recipe::read(&path).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// Two classes that a net can tell apart: bright above, or bright below.
fn images() -> ImageSet {
    let row = Tensor::arange(16, (Kind::Int64, Device::Cpu)).reshape([1, 1, 16, 1]);
    let labels = Tensor::arange(20, (Kind::Int64, Device::Cpu)).remainder(2);
    let bright = row.lt(8).bitwise_xor_tensor(&labels.reshape([20, 1, 1, 1]).to_kind(Kind::Bool));
    let images = bright.expand([20, 1, 16, 16], false).to_kind(Kind::Uint8) * 200;
    ImageSet { images, labels: Some(labels) }
}

/// In the order of the recipe's seed.
fn in_memory(images: ImageSet) -> Box<dyn Images> {
    Box::new(InMemory::new(images, 5))
}

fn trainer(recipe: Recipe) -> Trainer {
    Trainer::new(recipe, in_memory(images()), Device::Cpu).unwrap()
}

fn assert_same(a: &Checkpoint, b: &Checkpoint) {
    assert_eq!(a.state.len(), b.state.len());
    for (name, tensor) in &a.state {
        assert_eq!(tensor, &b.state[name], "{name}");
    }
}

#[test]
fn a_stop_and_a_resume_give_the_weights_of_no_stop() {
    let folder = Folder::new("resume");
    let mut whole = trainer(folder.recipe(&RECIPE));
    (0..9).for_each(|_| whole.advance().map(drop).unwrap());
    let mut first = trainer(folder.recipe(&RECIPE));
    (0..4).for_each(|_| first.advance().map(drop).unwrap());
    let state = first.state().to_bytes().unwrap();
    let state = (Path::new("state"), state.as_slice());
    let mut second =
        Trainer::resume(folder.recipe(&RECIPE), in_memory(images()), Device::Cpu, state).unwrap();
    assert_eq!(second.step(), 4);
    (0..5).for_each(|_| second.advance().map(drop).unwrap());
    for ema in 0..2 {
        assert_same(&whole.snapshot(ema), &second.snapshot(ema));
    }
    let other = folder.recipe(&RECIPE.replace("seed = 5", "seed = 6"));
    assert!(
        Trainer::resume(other, in_memory(images()), Device::Cpu, state)
            .unwrap_err()
            .to_string()
            .contains("another recipe")
    );
}

#[test]
fn the_loss_falls_and_the_snapshot_is_a_net() {
    let folder = Folder::new("learns");
    let mut trainer = trainer(folder.recipe(&RECIPE));
    let losses: Vec<f64> =
        std::iter::from_fn(|| (!trainer.is_done()).then(|| trainer.advance().unwrap().loss)).collect();
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    assert!(mean(&losses[25..]) < 0.8 * mean(&losses[..5]), "{losses:?}");
    let path = folder.0.join("net.safetensors");
    trainer.snapshot(0).write(&path).unwrap();
    let net = Checkpoint::read(&path).unwrap();
    assert!(net.state.values().all(|tensor| tensor.kind() == Kind::Half));
    Precond::load(net.state, &net.config, Device::Cpu, Precision::Fp32).unwrap();
}

/// Images become posteriors once; each step draws its latents from them.
#[test]
fn a_net_of_the_autoencoders_latents_is_trained_the_same_after_a_resume() {
    let folder = Folder::new("vae");
    let vae = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/vae-tiny.safetensors");
    let text = RECIPE
        .replace("space-to-depth", "stability-vae")
        .replace("[net]", &format!("vae = {vae:?}\n[net]"))
        .replace("batch = 8", "batch = 4");
    let wide = || {
        let ImageSet { images, labels } = images();
        let images = images.narrow(0, 0, 6).upsample_nearest2d([64, 64], None, None);
        ImageSet { images: images.expand([6, 3, 64, 64], false), labels: labels.map(|l| l.narrow(0, 0, 6)) }
    };
    let trainer = || Trainer::new(folder.recipe(&text), in_memory(wide()), Device::Cpu).unwrap();
    let (mut whole, mut first) = (trainer(), trainer());
    let losses: Vec<f64> = (0..3).map(|_| whole.advance().unwrap().loss).collect();
    assert!(losses.iter().all(|loss| loss.is_finite()));
    assert_eq!(first.advance().unwrap().loss, losses[0]);
    let state = first.state().to_bytes().unwrap();
    let state = (Path::new("state"), state.as_slice());
    let mut second = Trainer::resume(folder.recipe(&text), in_memory(wide()), Device::Cpu, state).unwrap();
    assert_eq!([second.advance().unwrap().loss, second.advance().unwrap().loss], losses[1..]);
    let without = folder.recipe(&text.replace(&format!("vae = {vae:?}"), ""));
    let error = Trainer::new(without, in_memory(wide()), Device::Cpu).unwrap_err().to_string();
    assert!(error.contains("`vae`"), "{error}");
}

#[test]
fn recipes_and_images_that_do_not_fit_are_refused() {
    let folder = Folder::new("refused");
    let path = folder.0.join("wrong.toml");
    let read = |text: &str| {
        std::fs::write(&path, text).unwrap();
        Recipe::read(&path).unwrap_err().to_string()
    };
    assert!(read(&RECIPE.replace("p_mean", "p_men")).contains("p_men"));
    assert!(read(&RECIPE.replace("img_resolution = 8", "img_resolution = 7")).contains("img_resolution"));
    assert!(read(&RECIPE.replace("[0.10, 0.05]", "[]")).contains("ema"));
    let refused = |recipe: Recipe, images: ImageSet| {
        Trainer::new(recipe, in_memory(images), Device::Cpu).unwrap_err().to_string()
    };
    let unlabelled = ImageSet { labels: None, ..images() };
    assert!(refused(folder.recipe(&RECIPE), unlabelled).contains("labels"));
    let small = folder.recipe(&RECIPE.replace("img_resolution = 8", "img_resolution = 16"));
    assert!(refused(small, images()).contains("16"));
    let one_class = folder.recipe(&RECIPE.replace("label_dim = 2", "label_dim = 1"));
    assert!(refused(one_class, images()).contains("label 1"));
    assert!(TensorFile::read(&path).unwrap_err().to_string().contains("wrong.toml"));
}

/// In 25 steps the loss of bfloat16 stays within 2 % of float32's.
#[test]
fn reduced_precision_learns_as_float32_does_and_resumes_to_the_same_bits() {
    let folder = Folder::new("precision");
    // Masks of dropout depend on the type.
    let text = RECIPE.replace("dropout = 0.1", "dropout = 0.0");
    let recipe = |precision: Precision| Recipe { precision, ..folder.recipe(&text) };
    let losses = |precision: Precision| -> Vec<f64> {
        let mut trainer = trainer(recipe(precision));
        (0..25).map(|_| trainer.advance().unwrap().loss).collect()
    };
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let full = mean(&losses(Precision::Fp32));
    for precision in [Precision::Bf16, Precision::Fp16] {
        let reduced = mean(&losses(precision));
        let drift = ((reduced - full) / full).abs();
        assert!(drift > 0.0 && drift < 0.02, "{precision}: {drift:.1e}");
        let mut whole = trainer(recipe(precision));
        (0..5).for_each(|_| whole.advance().map(drop).unwrap());
        let mut first = trainer(recipe(precision));
        (0..2).for_each(|_| first.advance().map(drop).unwrap());
        let state = first.state().to_bytes().unwrap();
        let state = (Path::new("state"), state.as_slice());
        let mut second = Trainer::resume(recipe(precision), in_memory(images()), Device::Cpu, state).unwrap();
        assert_eq!(second.loss_scale(), whole.loss_scale());
        (0..3).for_each(|_| second.advance().map(drop).unwrap());
        assert_same(&whole.snapshot(0), &second.snapshot(0));
        let other = Trainer::resume(recipe(Precision::Fp32), in_memory(images()), Device::Cpu, state);
        assert!(other.unwrap_err().to_string().contains("another recipe"));
    }
}

#[test]
fn a_float16_step_that_overflows_leaves_finite_weights_and_a_smaller_scale() {
    let folder = Folder::new("overflow");
    let net = folder.recipe(&RECIPE).net;
    let images = Tensor::randn([4, 4, 8, 8], tch::kind::FLOAT_CPU);
    let batch = Batch { images, labels: Some(Tensor::from_slice(&[0_i64, 1, 1, 0])) };
    let draws = StepDraws::new(&[4, 4, 8, 8]);
    let levels = NoiseLevels { p_mean: -0.8, p_std: 1.2 };
    let moment = Moment { lr: 0.01, seen: 4, batch: 4 };
    let step = |factor: f64| {
        tch::manual_seed(3);
        let mut learner = Learner::fresh(&net, Device::Cpu, &[0.1]).unwrap().in_precision(Precision::Fp16);
        learner.scale = Some(LossScale { factor, steps: 7 });
        let losses = learner.accumulate(levels, (&batch, &draws), 4);
        assert!(losses.mean.is_finite() && losses.by_image.len() == 4);
        (learner.update(moment), learner)
    };
    let (gradients, learner) = step(1.0);
    assert!(gradients.are_finite && gradients.norm > 0.0);
    assert_eq!(learner.scale, Some(LossScale { factor: 1.0, steps: 8 }));
    // The scale is undone.
    let scaled = step(4.0).0.norm;
    assert!((scaled / gradients.norm - 1.0).abs() < 1e-2, "{scaled} for {}", gradients.norm);
    let (gradients, learner) = step(16_777_216.0);
    assert!(!gradients.are_finite && gradients.norm.is_finite());
    assert_eq!(learner.scale, Some(LossScale { factor: 8_388_608.0, steps: 0 }));
    for tensor in learner.all.values().chain(learner.emas[0].average.values()) {
        assert!(bool::try_from(tensor.isfinite().all()).unwrap());
    }
}
