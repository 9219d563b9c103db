//! The spec's words, in the terms of the crate that does the work.

use fidelis_contract::spec::{Labels, NoiseMode, Precision, SamplerSpec, StateDtype};
use fidelis_edm2::{
    net,
    noise::{Classes, ClassesError, Stream},
    sampler::{Sampler, State},
};

pub fn sampler(spec: &SamplerSpec) -> Sampler {
    Sampler {
        num_steps: spec.num_steps as usize,
        sigma_min: spec.sigma_min,
        sigma_max: spec.sigma_max,
        rho: spec.rho,
        s_churn: spec.s_churn,
        s_min: spec.s_min,
        s_max: spec.s_max,
        s_noise: spec.s_noise,
        state: match spec.state {
            StateDtype::Fp32 => State::Fp32,
            StateDtype::Fp64 => State::Fp64,
        },
    }
}

pub fn stream(noise: NoiseMode) -> Stream {
    match noise {
        NoiseMode::Cpu => Stream::Cpu,
        NoiseMode::Cuda => Stream::Cuda,
    }
}

/// Reads the labels file, where there is one.
pub fn classes(labels: &Labels) -> Result<Classes, ClassesError> {
    match labels {
        Labels::Random => Ok(Classes::Drawn),
        Labels::Balanced => Ok(Classes::Balanced),
        Labels::Class(class) => Ok(Classes::Fixed(i64::from(*class))),
        Labels::File(file) => Classes::read(file.path.as_ref()),
    }
}

pub fn precision(precision: Precision) -> net::Precision {
    match precision {
        Precision::Fp32 => net::Precision::Fp32,
        Precision::Bf16 => net::Precision::Bf16,
        Precision::Fp16 => net::Precision::Fp16,
    }
}
