//! Numbers without nets: a cheap, exact function of the seed, for trying the fleet itself.
//!
//! Its FID is known. A feature is `feature_shift + feature_scale · x`, the D of an image independent, x of mean
//! m = −12/131072 and variance v = 1 − 2⁻³². Against a reference of mean 0 and covariance 1 the Fréchet distance of
//! endless images is therefore D · ((shift + scale · m)² + (scale · √v − 1)²).

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use fidelis_contract::{
    ids::Digest,
    kind::Kind,
    payload::{NO_LABEL, Tensor},
    spec::{Labels, SyntheticSettings, SyntheticSpec},
};
use fidelis_fleet::failpoint::{self, Bug, Point};

use super::{CancelFlag, ChunkOutput, EngineError, Work};

/// How often the cancel flag is looked at.
const SLICE: Duration = Duration::from_millis(5);

/// C, H, W of the latents, which are also the noise.
const LATENT_SHAPE: [usize; 3] = [1, 4, 4];
const LATENT_LEN: u64 = 16;

/// The streams that a seed's numbers are drawn from.
const NOISE_STREAM: u64 = 0;
const LABEL_STREAM: u64 = 1;
const FEATURE_STREAM: u64 = 2;

/// Computes on the CPU, whatever the device is called.
pub fn generate(spec: &SyntheticSpec, kinds: Vec<Kind>, work: &Work<'_>) -> Result<ChunkOutput, EngineError> {
    let Work { seeds, cancel, .. } = *work;
    let settings = spec.settings();
    take_time(settings, seeds.len(), cancel)?;
    let seeds = &drawn_from(seeds)[..];
    let noise = normals(seeds, NOISE_STREAM, LATENT_LEN);
    let noise_bytes = Tensor::from_f32("noise", &[noise.len()], &noise).data;
    let tensor = |kind: Kind| {
        let tensor = match &kind {
            Kind::Latents => Tensor::from_f32("latents", &image_shape(seeds), &noise),
            Kind::Images => Tensor::from_u8("images", &image_shape(seeds), pixels(&noise)),
            Kind::Features(_) => features(seeds, settings),
        };
        (kind, tensor)
    };
    let labels = &spec.sampling.labels;
    Ok(ChunkOutput {
        unreadable: Vec::new(),
        labels: seeds.iter().map(|&seed| label(seed, labels, settings.label_dim)).collect(),
        tensors: kinds.into_iter().map(tensor).collect(),
        noise_sha256: Digest::of(&noise_bytes),
    })
}

/// What the numbers are drawn from: the seeds and nothing else (D1), unless a test plants the mistake.
fn drawn_from(seeds: &[u64]) -> Vec<u64> {
    let salt = if failpoint::planted(Bug::NoiseOfWorker) { mix(u64::from(std::process::id())) } else { 0 };
    seeds.iter().map(|seed| seed ^ salt).collect()
}

fn take_time(settings: SyntheticSettings, num_images: usize, cancel: &CancelFlag) -> Result<(), EngineError> {
    let total = Duration::from_millis(u64::from(settings.millis_per_image) * num_images as u64);
    let (start, mut told) = (Instant::now(), 0);
    loop {
        if cancel.beat() {
            return Err(EngineError::Cancelled);
        }
        let left = total.saturating_sub(start.elapsed());
        let made = (num_images as f64 * (1.0 - left.as_secs_f64() / total.as_secs_f64().max(1e-9))) as u64;
        cancel.made(made - told);
        told = made;
        if left.is_zero() {
            return Ok(());
        }
        sleep(left.min(SLICE));
    }
}

fn image_shape(seeds: &[u64]) -> [usize; 4] {
    let [channels, height, width] = LATENT_SHAPE;
    [seeds.len(), channels, height, width]
}

fn pixels(noise: &[f32]) -> Vec<u8> {
    noise.iter().map(|value| (value * 32.0 + 128.0).clamp(0.0, 255.0) as u8).collect()
}

fn features(seeds: &[u64], settings: SyntheticSettings) -> Tensor {
    let SyntheticSettings { feature_dim: dim, feature_shift: shift, feature_scale: scale, .. } = settings;
    let mut values = normals(seeds, FEATURE_STREAM, u64::from(dim));
    for value in &mut values {
        *value = (shift + scale * f64::from(*value)) as f32;
    }
    if failpoint::fails(Point::SyntheticFeatures, None)
        && let Some(last) = values.last_mut()
    {
        *last = f32::NAN;
    }
    Tensor::from_f32("features", &[seeds.len(), dim as usize], &values)
}

fn label(seed: u64, labels: &Labels, label_dim: u32) -> i64 {
    match labels {
        _ if label_dim == 0 => NO_LABEL,
        Labels::Class(class) => i64::from(*class),
        _ => (Stream::of(seed, LABEL_STREAM).word(0) % u64::from(label_dim)) as i64,
    }
}

/// The first `len` numbers of each seed's stream. Plain loops: this crate is compiled for size, and a fleet is tried with it.
fn normals(seeds: &[u64], stream: u64, len: u64) -> Vec<f32> {
    let mut values = Vec::with_capacity(seeds.len() * len as usize);
    for seed in seeds {
        let stream = Stream::of(*seed, stream);
        let mut index = 0;
        while index < len {
            values.push(stream.normal(index));
            index += 1;
        }
    }
    values
}

/// A seed's stream of numbers: SplitMix64's finaliser over seed, stream and place.
#[derive(Clone, Copy)]
struct Stream(u64);

impl Stream {
    fn of(seed: u64, stream: u64) -> Self {
        Self(mix(mix(seed) ^ stream))
    }

    fn word(self, index: u64) -> u64 {
        mix(self.0 ^ index)
    }

    /// Nearly normal, of mean 0 and variance 1: twelve uniform numbers less six. Exact sums, so the same on any machine.
    fn normal(self, index: u64) -> f32 {
        let mut sum = 0;
        for word in [self.word(3 * index), self.word(3 * index + 1), self.word(3 * index + 2)] {
            sum += (word & 0xffff) + (word >> 16 & 0xffff) + (word >> 32 & 0xffff) + (word >> 48);
        }
        (sum as f64 / 65536.0 - 6.0) as f32
    }
}

fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use fidelis_contract::spec::{EngineSpec, RunSpec};

    use super::*;

    fn made(
        settings: &str,
        kinds: Vec<Kind>,
        (seeds, cancel): (&[u64], &CancelFlag),
    ) -> Result<ChunkOutput, EngineError> {
        let text = format!("name = \"s\"\nengine = \"synthetic\"\nseeds = \"0-9\"\n{settings}");
        let EngineSpec::Synthetic(spec) = RunSpec::from_toml(&text, "test").unwrap().engine else {
            panic!("another engine")
        };
        generate(&spec, kinds, &Work { seeds, micro_batch: 1, cancel, materials: None })
    }

    /// D1: the row of a seed does not know its neighbours.
    #[test]
    fn a_seed_alone_gives_the_same_row() {
        let kinds = [Kind::Latents, Kind::Images, Kind::Features("x".into())];
        let flag = CancelFlag::new();
        let of = |seeds| made("", kinds.to_vec(), (seeds, &flag)).unwrap();
        let (all, one) = (of(&[3, 4, 5]), of(&[5]));
        assert_eq!(all.labels[2], one.labels[0]);
        for kind in kinds {
            let (all, one) = (&all.tensors[&kind].data, &one.tensors[&kind].data);
            assert_eq!(all[2 * one.len()..], one[..], "{kind}");
        }
    }

    #[test]
    fn features_look_normal() {
        let seeds: Vec<u64> = (0..2000).collect();
        let settings = SyntheticSettings { feature_dim: 8, ..SyntheticSettings::default() };
        let values = features(&seeds, settings).to_f32().unwrap();
        let n = values.len() as f64;
        let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
        let variance = values.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.03, "mean {mean}, variance {variance}");
    }

    #[test]
    fn a_raised_flag_ends_a_long_chunk() {
        let flag = CancelFlag::new();
        flag.cancel(super::super::Reason::Lost);
        let result = made("synthetic = { millis_per_image = 60000 }", vec![Kind::Latents], (&[1], &flag));
        assert_eq!(result, Err(EngineError::Cancelled));
    }
}
