//! How images are drawn from a net: what all specs hold, since it was written into the first ones' identities.

use super::{
    Damage, Encoder, Labels, NoiseMode, Precision, SamplerSpec,
    sampler::is_single,
    validate::{Checked, require},
};

/// From a seed to pixels.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// w in D = D₀ + w·(D₁ − D₀); 1 is unguided.
    pub guidance: f64,
    /// Guide only for sigma in (lo, hi].
    pub guidance_interval: Option<(f64, f64)>,
    /// Which class each image has.
    pub labels: Labels,
    /// The sampler's settings.
    pub sampler: SamplerSpec,
    /// Whose random stream the noise is.
    pub noise: NoiseMode,
    /// The nets' arithmetic.
    pub precision: Precision,
    /// Latents to pixels; `None` is the one the net file names.
    pub encoder: Option<Encoder>,
    /// What is done to the main net.
    pub net_damage: Damage,
    /// What is done to the guiding net.
    pub gnet_damage: Damage,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            guidance: 1.0,
            guidance_interval: None,
            labels: Labels::default(),
            sampler: SamplerSpec::DEFAULT,
            noise: NoiseMode::default(),
            precision: Precision::default(),
            encoder: None,
            net_damage: Damage::default(),
            gnet_damage: Damage::default(),
        }
    }
}

impl Sampling {
    /// Checks every number.
    ///
    /// # Errors
    /// [`SpecError::Field`](super::SpecError::Field) for the first rule that is broken.
    pub fn validate(&self) -> Checked {
        let guidance = self.guidance;
        require(is_single(guidance), "guidance", || format!("`{guidance}` is no finite number of float32"))?;
        if let Some((lo, hi)) = self.guidance_interval {
            require(is_single(lo) && is_single(hi) && lo >= 0.0 && lo < hi, "guidance_interval", || {
                format!("`[{lo}, {hi}]` is no interval of noise levels: use `0 <= lo < hi`")
            })?;
        }
        self.net_damage.validate("net_damage")?;
        self.gnet_damage.validate("gnet_damage")?;
        self.sampler.validate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guidance_is_a_number() {
        let with = |guidance, guidance_interval| {
            Sampling { guidance, guidance_interval, ..Sampling::default() }.validate().is_ok()
        };
        assert!(with(2.5, None) && with(-1.0, Some((0.0, 80.0))));
        assert!(!with(f64::NAN, None) && !with(f64::INFINITY, None) && !with(1e300, None));
        for (lo, hi) in [(0.5, f64::INFINITY), (f64::NAN, 1.0), (1.0, 1.0), (-1.0, 1.0)] {
            assert!(!with(2.0, Some((lo, hi))), "{lo} {hi}");
        }
    }
}
