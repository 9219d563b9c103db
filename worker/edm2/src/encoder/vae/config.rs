//! The autoencoder's architecture.

use serde::Deserialize;

/// The fields of a diffusers config that shape the net; the defaults are those of `sd-vae-ft-mse`. Others are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct VaeConfig {
    /// Channels of each level, from the pixels down; each level but the last halves the side.
    pub block_out_channels: Vec<i64>,
    /// Residual blocks of a level (the decoder has one more).
    pub layers_per_block: i64,
    /// Groups of the group normalizations.
    pub norm_num_groups: i64,
    /// Channels of a latent.
    pub latent_channels: i64,
}

impl Default for VaeConfig {
    fn default() -> Self {
        Self {
            block_out_channels: vec![128, 256, 512, 512],
            layers_per_block: 2,
            norm_num_groups: 32,
            latent_channels: super::whitening::CHANNELS,
        }
    }
}

/// No count of a real autoencoder comes near this.
const SANE: i64 = 1 << 14;

impl VaeConfig {
    /// Reads the JSON of a file's metadata.
    ///
    /// # Errors
    /// A line that says what is wrong, for a sentence that names the file.
    pub fn parse(json: &str) -> Result<Self, String> {
        let config: Self = serde_json::from_str(json).map_err(|e| format!("its config is damaged ({e})"))?;
        let wrong = |field: &str, problem: String| Err(format!("its config's `{field}` {problem}"));
        let (channels, groups) = (&config.block_out_channels, config.norm_num_groups);
        if !(1..=8).contains(&channels.len()) {
            return wrong("block_out_channels", format!("has {} levels, expected 1 to 8", channels.len()));
        }
        for (field, value) in
            [("layers_per_block", config.layers_per_block), ("norm_num_groups", config.norm_num_groups)]
        {
            if !(1..=SANE).contains(&value) {
                return wrong(field, format!("is {value}, expected 1 to {SANE}"));
            }
        }
        if let Some(value) = channels.iter().find(|&&c| !(1..=SANE).contains(&c) || c % groups != 0) {
            return wrong("block_out_channels", format!("has {value}, which is no multiple of {groups}"));
        }
        if config.latent_channels != super::whitening::CHANNELS {
            let expected = super::whitening::CHANNELS;
            return wrong("latent_channels", format!("is {}, expected {expected}", config.latent_channels));
        }
        Ok(config)
    }

    /// Pixels along a side for each one of the latent.
    pub fn downsampling(&self) -> i64 {
        1 << (self.block_out_channels.len() - 1)
    }

    /// Channels of the lowest level.
    pub(super) fn lowest(&self) -> i64 {
        self.block_out_channels.last().copied().unwrap_or(1)
    }
}
