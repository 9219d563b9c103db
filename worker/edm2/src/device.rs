//! Devices by name, and how many threads torch may use: all that the rest of the house needs to say about them.

mod facts;
mod heap;
pub mod memory;
pub mod smi;

pub use tch::Device;
use tch::{Cuda, Kind, TchError, Tensor};

pub use facts::{Facts, facts, multiplies_bf16};
pub use heap::keep_freed;

/// A device that is not here.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    #[error("`{0}` is no device: expected cpu or cuda:N")]
    Unknown(String),
    #[error("there is no `{name}`: libtorch sees {found} CUDA devices (a CPU build sees none)")]
    Absent { name: String, found: i64 },
    #[error("`{name}` does not work: {cause}; free it, mend it, or name another device")]
    Broken { name: String, cause: String },
}

/// `cpu`, `cuda` or `cuda:N`.
pub fn parse(name: &str) -> Result<Device, DeviceError> {
    let index = match name {
        "cpu" => return Ok(Device::Cpu),
        "cuda" => 0,
        _ => name
            .strip_prefix("cuda:")
            .and_then(|n| n.parse().ok())
            .ok_or_else(|| DeviceError::Unknown(name.to_owned()))?,
    };
    let found = Cuda::device_count();
    if index as i64 >= found {
        return Err(DeviceError::Absent { name: name.to_owned(), found });
    }
    Ok(Device::Cuda(index))
}

/// The device of a name, after a first product on it: one that is there and does not work is found before the work.
///
/// # Errors
/// No such device, or what torch says of it.
pub fn open(name: &str) -> Result<Device, DeviceError> {
    let device = parse(name)?;
    let broken = |cause: String| DeviceError::Broken { name: name.to_owned(), cause: first_line(&cause) };
    let product = || -> Result<f64, TchError> {
        let ones = Tensor::f_ones([2, 2], (Kind::Float, device))?;
        ones.f_matmul(&ones)?.f_sum(Kind::Float)?.f_double_value(&[])
    };
    match product() {
        Ok(8.0) => Ok(device),
        Ok(other) => Err(broken(format!("a product of ones sums to `{other}`, not `8`"))),
        Err(error) => Err(broken(error.to_string())),
    }
}

fn first_line(text: &str) -> String {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("torch says nothing").to_owned()
}

/// Returns once the device has done all that it was asked to: a GPU works on after a call returns.
pub fn synchronize(device: Device) {
    if let Device::Cuda(index) = device {
        Cuda::synchronize(index as i64);
    }
}

/// How many threads an operation of the calling thread may use on the CPU.
pub fn set_threads(threads: i32) {
    tch::set_num_threads(threads.max(1));
}

/// What allocators say, in lower case.
const OUT_OF_MEMORY: [&str; 4] =
    ["out of memory", "can't allocate memory", "cublas_status_alloc_failed", "cudnn_status_alloc_failed"];

/// What is said of a device, in lower case, when every later call would fail too.
const LOST_DEVICE: [&str; 10] = [
    "cuda error",
    "device-side assert",
    "illegal memory access",
    "unspecified launch failure",
    "misaligned address",
    "an illegal instruction",
    "cublas_status_",
    "cudnn_status_",
    "cudnn error",
    "uncorrectable ecc error",
];

/// Whether what torch says of a failure is that memory ran out.
pub(crate) fn is_out_of_memory(text: &str) -> bool {
    says(text, &OUT_OF_MEMORY)
}

/// Whether what torch says of a failure is that the device is lost to this process.
pub(crate) fn is_lost(text: &str) -> bool {
    says(text, &LOST_DEVICE)
}

fn says(text: &str, any_of: &[&str]) -> bool {
    let text = text.to_lowercase();
    any_of.iter().any(|words| text.contains(words))
}

fidelis_contract::usage_errors!(DeviceError);
