//! The options of a net's constructor, as its checkpoint records them.

use serde::{Deserialize, Serialize};

use super::{Encoder, Whitening};

/// A config that describes no net.
#[derive(Debug, thiserror::Error)]
#[error("the net's config is not usable: `{field}` {problem}")]
pub struct ConfigError {
    pub field: &'static str,
    pub problem: String,
}

/// Architecture of an EDM2 net; the defaults are the published ones (EDM2, table 6 and appendix B).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetConfig {
    /// Height and width of what the net acts on (latents or pixels).
    pub img_resolution: i64,
    /// Channels of what the net acts on.
    pub img_channels: i64,
    /// Number of classes; 0 for an unconditional net.
    pub label_dim: i64,
    #[serde(default = "default_model_channels")]
    pub model_channels: i64,
    #[serde(default = "default_channel_mult")]
    pub channel_mult: Vec<i64>,
    #[serde(default)]
    pub channel_mult_noise: Option<i64>,
    #[serde(default)]
    pub channel_mult_emb: Option<i64>,
    #[serde(default = "three")]
    pub num_blocks: i64,
    #[serde(default = "default_attn_resolutions")]
    pub attn_resolutions: Vec<i64>,
    #[serde(default = "half")]
    pub label_balance: f64,
    #[serde(default = "half")]
    pub concat_balance: f64,
    #[serde(default = "default_channels_per_head")]
    pub channels_per_head: i64,
    #[serde(default)]
    pub dropout: f64,
    #[serde(default = "default_balance")]
    pub res_balance: f64,
    #[serde(default = "default_balance")]
    pub attn_balance: f64,
    /// Activations are clipped to ± this; none to leave them alone.
    #[serde(default = "default_clip_act")]
    pub clip_act: Option<f64>,
    /// Standard deviation of the training data, in the units of what the net acts on.
    #[serde(default = "half")]
    pub sigma_data: f64,
    #[serde(default = "default_logvar_channels")]
    pub logvar_channels: i64,
    /// Of the separable filter that changes the resolution, which acts normalised to a sum of 1.
    #[serde(default = "default_resample_filter", skip_serializing_if = "is_default_filter")]
    pub resample_filter: Vec<f64>,
    /// The published nets run in float16 on CUDA.
    #[serde(default = "yes")]
    pub use_fp16: bool,
    /// How pixels become what the net acts on; recorded by our own trainer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<Encoder>,
    /// How the autoencoder's latents were scaled, where the net's file says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whitening: Option<Whitening>,
}

fn default_model_channels() -> i64 {
    192
}
fn default_resample_filter() -> Vec<f64> {
    vec![1.0, 1.0]
}
fn is_default_filter(filter: &Vec<f64>) -> bool {
    *filter == default_resample_filter()
}
fn default_channel_mult() -> Vec<i64> {
    vec![1, 2, 3, 4]
}
fn default_attn_resolutions() -> Vec<i64> {
    vec![16, 8]
}
fn default_channels_per_head() -> i64 {
    64
}
fn default_balance() -> f64 {
    0.3
}
fn default_clip_act() -> Option<f64> {
    Some(256.0)
}
fn default_logvar_channels() -> i64 {
    128
}
fn half() -> f64 {
    0.5
}
fn three() -> i64 {
    3
}
fn yes() -> bool {
    true
}

/// No side, width or count of a real net comes near this; it keeps a damaged config from asking for terabytes.
const SANE: i64 = 1 << 16;
/// Taps of a resampling filter: likewise.
const MAX_FILTER: usize = 64;
/// Blocks of a level: likewise.
const SANE_BLOCKS: i64 = 64;

impl NetConfig {
    /// Checks ranges and the arithmetic between fields.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_counts()?;
        self.check_numbers()?;
        self.check_filter()?;
        self.check_whitening()?;
        let halvings = self.channel_mult.len() - 1;
        if halvings > 16 || self.img_resolution % (1 << halvings) != 0 {
            return Err(error(
                "img_resolution",
                format!("{} cannot be halved {halvings} times", self.img_resolution),
            ));
        }
        for (res, channels) in self.levels() {
            let lowest = res == self.img_resolution >> halvings;
            let attends = lowest || self.attn_resolutions.contains(&res);
            let heads = self.heads(channels);
            if attends && heads > 0 && channels % heads != 0 {
                let problem = format!(
                    "{} gives the {channels} channels at {res}x{res} {heads} heads, which do not share them evenly",
                    self.channels_per_head
                );
                return Err(error("channels_per_head", problem));
            }
        }
        Ok(())
    }

    fn check_counts(&self) -> Result<(), ConfigError> {
        let counts = [
            ("img_resolution", self.img_resolution),
            ("img_channels", self.img_channels),
            ("model_channels", self.model_channels),
            ("channels_per_head", self.channels_per_head),
            ("logvar_channels", self.logvar_channels),
            ("channel_mult_noise", self.channel_mult_noise.unwrap_or(1)),
            ("channel_mult_emb", self.channel_mult_emb.unwrap_or(1)),
            ("channel_mult", self.channel_mult.iter().copied().min().unwrap_or(0)),
            ("channel_mult", self.channel_mult.iter().copied().max().unwrap_or(0)),
        ];
        for (field, value) in counts {
            if !(1..=SANE).contains(&value) {
                return Err(error(field, format!("is {value}, expected 1 to {SANE}")));
            }
        }
        if !(1..=SANE_BLOCKS).contains(&self.num_blocks) {
            let problem = format!("is {}, expected 1 to {SANE_BLOCKS}", self.num_blocks);
            return Err(error("num_blocks", problem));
        }
        if !(0..=SANE).contains(&self.label_dim) {
            return Err(error("label_dim", format!("is {}, expected 0 to {SANE}", self.label_dim)));
        }
        Ok(())
    }

    fn check_numbers(&self) -> Result<(), ConfigError> {
        let shares = [
            ("label_balance", self.label_balance),
            ("concat_balance", self.concat_balance),
            ("res_balance", self.res_balance),
            ("attn_balance", self.attn_balance),
            ("dropout", self.dropout),
        ];
        for (field, value) in shares {
            if !(0.0..=1.0).contains(&value) {
                return Err(error(field, format!("is {value}, expected 0 to 1")));
            }
        }
        for (field, value) in [("sigma_data", self.sigma_data), ("clip_act", self.clip_act.unwrap_or(1.0))] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(error(field, format!("is {value}, expected a positive number")));
            }
        }
        Ok(())
    }

    fn check_filter(&self) -> Result<(), ConfigError> {
        let (filter, sum) = (&self.resample_filter, self.resample_filter.iter().sum::<f64>());
        // An odd one would not double the resolution.
        let even = (2..=MAX_FILTER).contains(&filter.len()) && filter.len().is_multiple_of(2);
        let usable = even && filter.iter().all(|x| x.is_finite()) && sum.abs() > 1e-9;
        let problem =
            || format!("is {filter:?}, expected 2 to {MAX_FILTER} numbers, evenly many, whose sum is not 0");
        if usable { Ok(()) } else { Err(error("resample_filter", problem())) }
    }

    fn check_whitening(&self) -> Result<(), ConfigError> {
        match &self.whitening {
            Some(whitening) if whitening.scale.len() as i64 != self.img_channels || !whitening.is_sound() => {
                let problem = format!("needs a scale and a bias for each of {} channels", self.img_channels);
                Err(error("whitening", problem))
            }
            _ => Ok(()),
        }
    }

    /// Resolution and channels of each level, from the top.
    pub fn levels(&self) -> Vec<(i64, i64)> {
        let level = |(i, mult): (usize, &i64)| (self.img_resolution >> i, self.model_channels * mult);
        self.channel_mult.iter().enumerate().map(level).collect()
    }

    /// How many attention heads a block of so many channels has: none where they are too few for one.
    pub fn heads(&self, channels: i64) -> i64 {
        channels / self.channels_per_head
    }

    /// Width of the noise level's Fourier features.
    pub fn noise_channels(&self) -> i64 {
        self.model_channels * self.channel_mult_noise.unwrap_or(self.channel_mult[0])
    }

    /// Width of the embedding that every block receives.
    pub fn emb_channels(&self) -> i64 {
        let widest = self.channel_mult.iter().copied().max().unwrap_or(1);
        self.model_channels * self.channel_mult_emb.unwrap_or(widest)
    }

    /// How the net's output becomes pixels: as the file says, or as they are for a net on grey or RGB pixels.
    pub fn encoder_or_pixels(&self) -> Option<Encoder> {
        self.encoder.or_else(|| matches!(self.img_channels, 1 | 3).then_some(Encoder::Rgb))
    }

    /// Shape of one image as the net sees it: `[C, H, W]`.
    pub fn image_shape(&self) -> [i64; 3] {
        [self.img_channels, self.img_resolution, self.img_resolution]
    }
}

fn error(field: &'static str, problem: String) -> ConfigError {
    ConfigError { field, problem }
}
