//! torch's CPU generator, one fresh seeding for each image.

use std::sync::Mutex;

use tch::{Device, Kind, Tensor};

use super::{Draws, ImageDraws};

/// torch has one CPU generator per process: a seed's draws must not interleave with another's.
static GENERATOR: Mutex<()> = Mutex::new(());

/// Runs `draws` on torch's CPU generator freshly seeded with `seed mod 2³²`, with nobody else drawing meanwhile.
pub fn with_seed<T>(seed: u64, draws: impl FnOnce() -> T) -> T {
    // A panic in someone else's draws leaves nothing behind that the new seed does not overwrite.
    let _held = GENERATOR.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    tch::manual_seed((seed & 0xffff_ffff) as i64);
    draws()
}

pub(super) fn draw(seed: u64, draws: &Draws) -> ImageDraws {
    let normal = || Tensor::randn(draws.shape, (Kind::Float, Device::Cpu));
    with_seed(seed, || {
        let mut normals = vec![normal()];
        let label = (draws.label_dim > 0)
            .then(|| Tensor::randint(draws.label_dim, [1], (Kind::Int64, Device::Cpu)).int64_value(&[0]));
        normals.extend((0..draws.churn_steps).map(|_| normal()));
        ImageDraws { normals, label }
    })
}
