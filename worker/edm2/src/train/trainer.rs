//! The training loop of one net, step by step.

use fidelis_contract::outcome::{Class, Outcome};
use tch::{Device, Kind, Tensor};

use super::batches::mixed;
use super::clean::Clean;
use super::images::{Images, Stored, mirrored};
use super::learner::{Gradients, Learner, Moment};
use super::loss::{Batch, NoiseLevels, StepDraws};
use super::outdir::OutdirError;
use super::ranks::{Ranks, Share, average};
use super::recipe::Recipe;
use crate::checkpoint::{Checkpoint, CheckpointError, TensorFileError};
use crate::data::DataError;
use crate::device::keep_freed;
use crate::encoder::EncoderError;
use crate::net::NetError;
use crate::noise::with_seed;

/// Separates the streams of the initial weights and of each step's noise, latents and mirror images from that of the data
/// order.
const INIT_STREAM: u64 = 0x1417;
const NOISE_STREAM: u64 = 0x5e9;
const LATENT_STREAM: u64 = 1 << 40;
const MIRROR_STREAM: u64 = 1 << 41;

/// Why training cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    #[error(transparent)]
    Net(#[from] NetError),
    #[error(transparent)]
    Encoder(#[from] EncoderError),
    #[error(transparent)]
    File(#[from] TensorFileError),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Outdir(#[from] OutdirError),
    #[error("the net acts on {expected:?}, the encoder makes {found:?} of the images")]
    Shape { expected: Vec<i64>, found: Vec<i64> },
    #[error("the net has {0} classes, but the images come without labels")]
    NoLabels(i64),
    #[error("the images have the label {found}, the net has {label_dim} classes")]
    Label { found: i64, label_dim: i64 },
    #[error(
        "snapshots at `{before}` and at `{images}` images would both be named `{name}`: take them at least 1,000 images apart"
    )]
    SnapshotNames { before: u64, images: u64, name: String },
    #[error(
        "a batch of `{batch}` images cannot be cut into `{num_ranks}` equal parts: choose another `--batch`"
    )]
    Ranks { batch: u64, num_ranks: u64 },
    #[error("the state was saved by another recipe: go on with that one, or start anew in another folder")]
    OtherRecipe,
    #[error(
        "`{0}` is gone, and the states that are left are of later images: bring it back, or train anew under another name"
    )]
    Lost(String),
}

/// A step that was taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    /// Mean per element.
    pub loss: f64,
    /// Of each of this rank's images: (ln σ − P_mean) / P_std, and the loss per element.
    pub rnd_normal: Vec<f32>,
    pub by_image: Vec<f32>,
    pub gradients: Gradients,
}

/// A net in training. A run is a pure function of the recipe and the images: each step seeds its own noise.
#[derive(Debug)]
pub struct Trainer {
    pub(super) recipe: Recipe,
    clean: Clean,
    images: Box<dyn Images>,
    device: Device,
    pub(super) learner: Learner,
    /// Images that go through the net together.
    round: i64,
    ranks: Option<Box<dyn Ranks>>,
    share: Share,
    pub(super) step: u64,
}

impl Trainer {
    /// Fresh weights, step 0.
    ///
    /// # Errors
    /// A net, an encoder or images that do not fit each other.
    pub fn new(recipe: Recipe, mut images: Box<dyn Images>, device: Device) -> Result<Self, TrainError> {
        keep_freed();
        let example = images.example()?;
        let clean = Clean::new(&recipe, &example, device)?;
        check_images(&recipe, &with_seed(0, || clean.of(&example))?, images.classes())?;
        if let Clean::Pixels(codec) = &clean {
            images.encode(codec)?;
        }
        let learner =
            with_seed(mixed(recipe.seed, INIT_STREAM), || Learner::fresh(&recipe.net, device, &recipe.ema))?
                .in_precision(recipe.precision);
        let (round, share) = (recipe.batch as i64, Share::whole(recipe.batch));
        Ok(Self { recipe, clean, images, device, learner, round, ranks: None, share, step: 0 })
    }

    /// Takes only its rank's part of every step, and gradients from all ranks. The images must be of that part already.
    ///
    /// # Errors
    /// A batch that cannot be cut into as many equal parts.
    pub fn set_ranks(&mut self, ranks: Box<dyn Ranks>) -> Result<(), TrainError> {
        let (batch, num_ranks) = (self.recipe.batch, ranks.num_ranks());
        self.share = Share::of(&*ranks, batch).ok_or(TrainError::Ranks { batch, num_ranks })?;
        self.ranks = Some(ranks);
        Ok(())
    }

    /// Whether all ranks want to go on.
    pub(super) fn all_go_on(&self, this: bool) -> bool {
        let Some(ranks) = &self.ranks else { return this };
        let mut num_stopping = [if this { 0.0 } else { 1.0 }];
        ranks.sum(&mut num_stopping);
        num_stopping[0] == 0.0
    }

    /// Takes each step in rounds of at most so many images, which bounds the memory. The result is the same but for rounding.
    pub fn set_round(&mut self, images: u64) {
        self.round = images.clamp(1, self.recipe.batch) as i64;
    }

    /// How it is trained.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Steps done.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Images seen.
    pub fn seen(&self) -> u64 {
        self.step * self.recipe.batch
    }

    /// By which the loss is multiplied, in float16.
    pub fn loss_scale(&self) -> Option<f64> {
        self.learner.scale.map(|scale| scale.factor)
    }

    pub fn is_done(&self) -> bool {
        self.step >= self.recipe.steps
    }

    /// One step.
    ///
    /// # Errors
    /// An image that cannot be read; nothing of the step is taken then.
    pub fn advance(&mut self) -> Result<Taken, TrainError> {
        let (len, seen) = (self.recipe.batch, self.seen());
        let batch = self.batch()?;
        let levels = NoiseLevels { p_mean: self.recipe.p_mean, p_std: self.recipe.p_std };
        let stream = mixed(self.recipe.seed, NOISE_STREAM + self.step);
        let (losses, rnd_normal) = with_seed(stream, || {
            let draws = self.draws();
            (self.learner.accumulate(levels, (&batch, &draws), self.round), draws.rnd_normal)
        });
        let loss = match &self.ranks {
            Some(ranks) => average(&**ranks, &self.learner, losses.mean),
            None => losses.mean,
        };
        let gradients =
            self.learner.update(Moment { lr: self.recipe.lr.at(seen, len), seen: seen + len, batch: len });
        self.step += 1;
        let rnd_normal = Vec::try_from(rnd_normal.to_device(Device::Cpu)).expect("they are float32");
        Ok(Taken { loss, rnd_normal, by_image: losses.by_image, gradients })
    }

    /// Those of this rank out of those of the whole batch, which any number of ranks has in common.
    fn draws(&self) -> StepDraws {
        let [c, h, w] = self.recipe.net.image_shape();
        let Share { batch, start, count } = self.share;
        let draws = StepDraws::new(&[batch as i64, c, h, w]).part(start as i64, count as i64);
        if start > 0 {
            // Dropout comes next, and its masks are not those of the first rank.
            tch::manual_seed(mixed(self.recipe.seed ^ start, NOISE_STREAM + self.step) as i64);
        }
        draws.to_device(self.device)
    }

    fn batch(&mut self) -> Result<Batch, TrainError> {
        let share = self.share;
        let Stored { mut images, labels } = self.images.at(self.step * share.count, share.count)?;
        if self.recipe.xflip {
            images =
                with_seed(mixed(self.recipe.seed, MIRROR_STREAM + self.step), || mirrored(&images, share));
        }
        let stream = mixed(self.recipe.seed, LATENT_STREAM + self.step);
        let before = share.start as i64 * self.recipe.net.image_shape().iter().product::<i64>();
        let clean = with_seed(stream, || {
            // What the ranks before this one draw.
            let _passed = Tensor::randn([before], (Kind::Float, Device::Cpu));
            self.clean.of(&images)
        });
        let images = clean?.to_device(self.device);
        let labels = labels.filter(|_| self.recipe.net.label_dim > 0);
        Ok(Batch { images, labels: labels.map(|labels| labels.to_device(self.device)) })
    }

    /// The net as its moving average `ema` (index into the recipe's) has it, in float16 as published nets are.
    pub fn snapshot(&self, ema: usize) -> Checkpoint {
        let half = |(name, tensor): (&String, &Tensor)| (name.clone(), tensor.to_kind(Kind::Half));
        Checkpoint {
            config: self.recipe.net.clone(),
            state: self.learner.emas[ema].average.iter().map(half).collect(),
        }
    }
}

fn check_images(recipe: &Recipe, example: &Tensor, classes: Option<(i64, i64)>) -> Result<(), TrainError> {
    let (expected, found) = (recipe.net.image_shape(), example.size());
    if found[1..] != expected {
        return Err(TrainError::Shape { expected: expected.to_vec(), found: found[1..].to_vec() });
    }
    let label_dim = recipe.net.label_dim;
    match classes {
        _ if label_dim == 0 => Ok(()),
        None => Err(TrainError::NoLabels(label_dim)),
        Some((found, _)) if found < 0 => Err(TrainError::Label { found, label_dim }),
        Some((_, found)) if found >= label_dim => Err(TrainError::Label { found, label_dim }),
        Some(_) => Ok(()),
    }
}

/// Of the place or the file that it names.
impl Outcome for TrainError {
    fn class(&self) -> Class {
        match self {
            Self::Outdir(error) => error.class(),
            Self::Data(error) => error.class(),
            Self::File(error) => error.class(),
            Self::Checkpoint(error) => error.class(),
            Self::Lost(_) => Class::Integrity,
            _ => Class::Usage,
        }
    }
}
