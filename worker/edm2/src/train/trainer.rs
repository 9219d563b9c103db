//! The training loop of one net, step by step.

use std::path::Path;

use tch::{Device, Kind, Tensor};

use super::adam::{Adam, prefixed};
use super::batches::{Batches, mixed};
use super::ema::Ema;
use super::recipe::Recipe;
use crate::checkpoint::{Checkpoint, TensorFile, TensorFileError};
use crate::data::ImageSet;
use crate::encoder::{Codec, EncoderError};
use crate::net::{NetError, Params, Precision, Precond, StateDict, normalized};
use crate::noise::with_seed;

/// Separates the streams of the initial weights, of each step's noise and of each step's latents from that of the data
/// order.
const INIT_STREAM: u64 = 0x1417;
const NOISE_STREAM: u64 = 0x5e9;
const LATENT_STREAM: u64 = 1 << 40;

/// Key of the recipe in a state file.
const RECIPE_KEY: &str = "recipe";
const STEP: &str = "step";

/// Why training cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    #[error(transparent)]
    Net(#[from] NetError),
    #[error(transparent)]
    Encoder(#[from] EncoderError),
    #[error(transparent)]
    File(#[from] TensorFileError),
    #[error("the net acts on {expected:?}, the encoder makes {found:?} of the images")]
    Shape { expected: Vec<i64>, found: Vec<i64> },
    #[error("the net has {0} classes, but the images come without labels")]
    NoLabels(i64),
    #[error("the images have the label {found}, the net has {label_dim} classes")]
    Label { found: i64, label_dim: i64 },
    #[error("the state was saved by another recipe: go on with that one, or start anew in another folder")]
    OtherRecipe,
}

/// A net in training. A run is a pure function of the recipe and the images: each step seeds its own noise.
#[derive(Debug)]
pub struct Trainer {
    recipe: Recipe,
    codec: Codec,
    /// As the encoder stores them: an autoencoder has seen them once and for all.
    images: ImageSet,
    device: Device,
    net: Precond,
    trained: StateDict,
    all: StateDict,
    adam: Adam,
    emas: Vec<Ema>,
    batches: Batches,
    step: u64,
}

impl Trainer {
    /// Fresh weights, step 0.
    pub fn new(recipe: Recipe, images: ImageSet, device: Device) -> Result<Self, TrainError> {
        let encoder = recipe.net.encoder.expect("a checked recipe names its encoder");
        let codec = Codec::load(encoder, recipe.vae.as_deref(), (device, Precision::Fp32))?;
        let codec = codec.whitened(recipe.net.whitening.as_ref())?;
        let images = ImageSet { images: codec.encode(&images.images)?, ..images };
        check_images(&recipe, &codec, &images)?;
        let (net, trained, all) = with_seed(mixed(recipe.seed, INIT_STREAM), || {
            let mut params = Params::fresh(device);
            let net = Precond::new(&mut params, &recipe.net, device)?;
            Ok::<_, NetError>((net, copied(params.trained()), copied(params.all())))
        })?;
        let adam = Adam::new(&trained, 0.99);
        let emas = recipe.ema.iter().map(|&sigma_rel| Ema::new(sigma_rel, &all)).collect();
        let batches = Batches::new(recipe.seed, images.num_images() as u64);
        Ok(Self { recipe, codec, images, device, net, trained, all, adam, emas, batches, step: 0 })
    }

    pub fn step(&self) -> u64 {
        self.step
    }

    pub fn is_done(&self) -> bool {
        self.step >= self.recipe.steps
    }

    /// One step: forced weight normalization, loss, Adam, moving averages. Returns the loss per element.
    pub fn advance(&mut self) -> f64 {
        let (batch, seen) = (self.recipe.batch, self.step * self.recipe.batch);
        self.force_normalization();
        let (clean, labels) = self.batch(seen, batch);
        let loss = with_seed(mixed(self.recipe.seed, NOISE_STREAM + self.step), || {
            self.loss(&clean, labels.as_ref())
        });
        (loss.sum(Kind::Float) / batch as f64).backward();
        self.adam.update(&self.trained, self.recipe.lr.at(seen, batch));
        self.step += 1;
        for ema in &mut self.emas {
            ema.update(&self.trained, seen + batch, batch);
        }
        loss.detach().mean(Kind::Double).double_value(&[])
    }

    /// λ(σ)/exp(u(σ)) · ‖D(y+n; σ) − y‖² + u(σ), elementwise `[N, C, H, W]` (EDM2, equation 21).
    fn loss(&self, clean: &Tensor, labels: Option<&Tensor>) -> Tensor {
        let n = clean.size()[0];
        let draw = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu)).to_device(self.device);
        let sigma = (draw(&[n]) * self.recipe.p_std + self.recipe.p_mean).exp();
        let noise = draw(&clean.size()) * sigma.reshape([-1, 1, 1, 1]);
        let sigma_data = self.recipe.net.sigma_data;
        let weight = (sigma.square() + sigma_data * sigma_data) / (&sigma * sigma_data).square();
        let denoised = self.net.denoise(&(clean + noise), &sigma, labels);
        let logvar = self.net.logvar(&sigma);
        let scale = (weight / logvar.exp()).reshape([-1, 1, 1, 1]);
        scale * (denoised - clean).square() + logvar.reshape([-1, 1, 1, 1])
    }

    fn batch(&mut self, seen: u64, batch: u64) -> (Tensor, Option<Tensor>) {
        let indices = self.batches.at(seen, batch);
        let images = self.images.images.index_select(0, &indices);
        let stream = mixed(self.recipe.seed, LATENT_STREAM + self.step);
        let clean = with_seed(stream, || self.codec.latents(&images)).to_device(self.device);
        let labels = self.images.labels.as_ref().filter(|_| self.recipe.net.label_dim > 0);
        (clean, labels.map(|l| l.index_select(0, &indices).to_device(self.device)))
    }

    /// Overwrites each weight by its normalised self: training must not let weights grow.
    fn force_normalization(&self) {
        let _guard = tch::no_grad_guard();
        for weight in self.trained.values().filter(|t| t.dim() >= 2) {
            weight.shallow_clone().copy_(&normalized(weight));
        }
    }

    /// The net as its moving average `ema` (index into the recipe's) has it, in float16 as published nets are.
    pub fn snapshot(&self, ema: usize) -> Checkpoint {
        let half = |(name, tensor): (&String, &Tensor)| (name.clone(), tensor.to_kind(Kind::Half));
        Checkpoint {
            config: self.recipe.net.clone(),
            state: self.emas[ema].average.iter().map(half).collect(),
        }
    }

    /// Writes everything that a later [`Self::resume`] needs to go on bit for bit.
    pub fn save(&self, path: &Path) -> Result<(), TrainError> {
        let mut tensors: StateDict = prefixed("net", &self.all).collect();
        tensors.extend(prefixed("adam1", &self.adam.first));
        tensors.extend(prefixed("adam2", &self.adam.second));
        for (i, ema) in self.emas.iter().enumerate() {
            tensors.extend(prefixed(&format!("ema{i}"), &ema.average));
        }
        tensors.insert(STEP.to_owned(), Tensor::from(self.step as i64));
        let metadata = [(RECIPE_KEY.to_owned(), self.identity())].into();
        Ok(TensorFile { metadata, tensors }.write(path)?)
    }

    /// Goes on from a state that [`Self::save`] wrote under the same recipe (its `steps` may differ).
    pub fn resume(recipe: Recipe, images: ImageSet, device: Device, path: &Path) -> Result<Self, TrainError> {
        let mut file = TensorFile::read(path)?;
        let mut trainer = Self::new(recipe, images, device)?;
        if file.metadata.get(RECIPE_KEY) != Some(&trainer.identity()) {
            return Err(TrainError::OtherRecipe);
        }
        let _guard = tch::no_grad_guard();
        trainer.step = file.take(path, STEP)?.int64_value(&[]) as u64;
        trainer.adam.step = trainer.step as i32;
        let mut restore = |prefix: &str, state: &StateDict| -> Result<(), TrainError> {
            for (name, tensor) in state {
                tensor.shallow_clone().copy_(&file.take(path, &format!("{prefix}/{name}"))?);
            }
            Ok(())
        };
        restore("net", &trainer.all)?;
        restore("adam1", &trainer.adam.first)?;
        restore("adam2", &trainer.adam.second)?;
        for (i, ema) in trainer.emas.iter().enumerate() {
            restore(&format!("ema{i}"), &ema.average)?;
        }
        Ok(trainer)
    }

    /// The recipe without its length, which may be extended.
    fn identity(&self) -> String {
        let recipe = Recipe { steps: 0, ..self.recipe.clone() };
        serde_json::to_string(&recipe).expect("a recipe is plain data")
    }
}

fn copied(state: &StateDict) -> StateDict {
    state.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect()
}

fn check_images(recipe: &Recipe, codec: &Codec, images: &ImageSet) -> Result<(), TrainError> {
    let found = with_seed(0, || codec.latents(&images.images.narrow(0, 0, 1))).size()[1..].to_vec();
    if found != recipe.net.image_shape() {
        return Err(TrainError::Shape { expected: recipe.net.image_shape().to_vec(), found });
    }
    let label_dim = recipe.net.label_dim;
    match &images.labels {
        None if label_dim > 0 => Err(TrainError::NoLabels(label_dim)),
        Some(labels) if label_dim > 0 => match labels.max().int64_value(&[]) {
            found if found >= label_dim => Err(TrainError::Label { found, label_dim }),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

fidelis_contract::usage_errors!(TrainError);
