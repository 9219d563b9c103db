//! Pictures to what a dataset of latents stores of them.

use std::path::Path;
use std::thread;

use fidelis_formats::images::{Image, Latent};
use tch::{Device, Tensor};

use super::{EncoderError, StabilityVae};
use crate::device;
use crate::net::Precision;

/// Pictures that are handed to a GPU together.
const GPU_BATCH: usize = 16;

/// The autoencoder at work on many pictures. On a CPU each goes through alone and with a single thread, as many side by side
/// as there are lanes: the bits are the same for any number of them.
#[derive(Debug)]
pub struct Posteriors {
    lanes: Vec<StabilityVae>,
    at_once: usize,
}

impl Posteriors {
    /// Loads the weights (as [`StabilityVae::load`]), to compute in float32; `lanes` count on a CPU alone.
    ///
    /// # Errors
    /// Weights that cannot be read or are not this autoencoder's.
    pub fn load(path: &Path, on: Device, lanes: usize) -> Result<Self, EncoderError> {
        let vae = StabilityVae::load(path, (on, Precision::Fp32))?;
        let (lanes, at_once) = match on {
            Device::Cpu => {
                device::set_threads(1);
                (lanes.max(1), 1)
            }
            _ => (1, GPU_BATCH),
        };
        Ok(Self { lanes: vec![vae; lanes], at_once })
    }

    /// The posterior of each picture, grey ones as three equal channels; `[8, H/8, W/8]`.
    ///
    /// # Errors
    /// A picture whose sides the autoencoder cannot halve often enough.
    pub fn of(&mut self, images: &[Image]) -> Result<Vec<Latent>, EncoderError> {
        let per_lane = images.len().div_ceil(self.lanes.len()).max(1);
        let at_once = self.at_once;
        let parts = thread::scope(|scope| {
            let work = |vae: &mut StabilityVae, images: &[Image]| -> Result<Vec<Latent>, EncoderError> {
                let parts = images.chunks(at_once).map(|images| encoded(vae, images));
                Ok(parts.collect::<Result<Vec<_>, _>>()?.concat())
            };
            let lanes = self.lanes.iter_mut().zip(images.chunks(per_lane));
            let lanes: Vec<_> = lanes.map(|(vae, images)| scope.spawn(move || work(vae, images))).collect();
            let ended = lanes.into_iter().map(thread::ScopedJoinHandle::join);
            ended
                .map(|part| part.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect::<Vec<_>>()
        });
        Ok(parts.into_iter().collect::<Result<Vec<_>, _>>()?.concat())
    }
}

fn encoded(vae: &StabilityVae, images: &[Image]) -> Result<Vec<Latent>, EncoderError> {
    let pixels = |image: &Image| {
        let [c, h, w] = image.shape.map(|side| side as i64);
        Tensor::from_slice(&image.pixels).reshape([1, c, h, w]).expand([1, c.max(3), h, w], false)
    };
    let moments = vae.encode(&Tensor::cat(&images.iter().map(pixels).collect::<Vec<_>>(), 0))?;
    let [n, c, h, w] = <[i64; 4]>::try_from(moments.size()).expect("an encoder's output is NCHW");
    let shape = [c, h, w].map(|side| side as usize);
    let latent = |i: i64| {
        let values = moments.get(i).reshape([-1]);
        Latent { shape, values: Vec::try_from(values).expect("moments are float32 on the CPU") }
    };
    Ok((0..n).map(latent).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::TensorFile;

    #[test]
    fn posteriors_are_the_golden_ones_on_any_number_of_lanes() {
        let fixture =
            |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(name);
        let golden = TensorFile::read(&fixture("vae-golden.safetensors")).unwrap().tensors;
        let (image, expected) = (&golden["image"], &golden["raw_mean_std"]);
        let [n, c, h, w] = <[i64; 4]>::try_from(image.size()).unwrap();
        let shape = [c, h, w].map(|side| side as usize);
        let picture =
            |i: i64| Image { shape, pixels: Vec::try_from(image.get(i % n).reshape([-1])).unwrap() };
        let pictures: Vec<Image> = (0..3).map(picture).collect();
        let of = |lanes| {
            let vae = fixture("vae-tiny.safetensors");
            Posteriors::load(&vae, Device::Cpu, lanes).unwrap().of(&pictures).unwrap()
        };
        let found = of(1);
        assert_eq!((found.len(), &found), (3, &of(2)), "two lanes have other bits");
        let largest = expected.abs().max().double_value(&[]);
        for (i, latent) in found.iter().enumerate() {
            let found = Tensor::from_slice(&latent.values).reshape(expected.get(0).size());
            let off = (found - expected.get(i as i64 % n)).abs().max().double_value(&[]);
            assert!(off <= 1e-4 * largest, "picture {i}: {off}");
        }
        let mut vae = Posteriors::load(&fixture("vae-tiny.safetensors"), Device::Cpu, 1).unwrap();
        let odd = Image { shape: [1, 3, 5], pixels: vec![0; 15] };
        assert!(vae.of(&[odd]).unwrap_err().to_string().contains("divisible"));
    }
}
