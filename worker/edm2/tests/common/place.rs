//! Where a check runs, and how close it has to come there.

use fidelis_edm2::device;
use fidelis_edm2::net::Precision;
use tch::{Device, Tensor};

/// A device, and the number type of the nets on it.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub device: Device,
    pub precision: Precision,
}

/// What is compared with its golden value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// One evaluation of a net.
    Forward,
    /// A whole sampling run.
    Sample,
    Encoder,
    Detector,
}

impl Place {
    /// In float32 on the device that `FIDELIS_TEST_DEVICE` names, else on the CPU.
    pub fn of_test() -> Self {
        let name = std::env::var("FIDELIS_TEST_DEVICE").unwrap_or_else(|_| "cpu".to_owned());
        Self { device: device::parse(&name).unwrap(), precision: Precision::Fp32 }
    }

    pub fn is_cpu(self) -> bool {
        self.device == Device::Cpu
    }

    pub fn take(self, tensor: &Tensor) -> Tensor {
        tensor.to_device(self.device)
    }

    /// Largest difference over the largest magnitude. In float32 on the CPU, what the fixtures' author asks; in the other
    /// types a few times what a CPU was seen to do.
    pub fn tolerance(self, subject: Subject) -> f64 {
        use Subject::{Detector, Encoder, Forward, Sample};
        match (self.precision, subject) {
            (Precision::Fp32, Forward) if self.is_cpu() => 2e-6,
            (Precision::Fp32, Sample) if self.is_cpu() => 1e-5,
            (Precision::Fp32, _) => 1e-4,
            (Precision::Fp16, Forward) => 3e-3,
            (Precision::Fp16, Sample) => 5e-3,
            (Precision::Fp16, Encoder | Detector) => 1e-2,
            (Precision::Bf16, Forward | Sample) => 3e-2,
            (Precision::Bf16, Encoder | Detector) => 1e-1,
        }
    }
}
