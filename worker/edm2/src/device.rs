//! Devices by name, and how many threads torch may use: all that the rest of the house needs to say about them.

use tch::{Cuda, Device};

/// A device that is not here.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    #[error("`{0}` is no device: expected cpu or cuda:N")]
    Unknown(String),
    #[error("there is no `{name}`: libtorch sees {found} CUDA devices (a CPU build sees none)")]
    Absent { name: String, found: i64 },
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

/// How many threads an operation of the calling thread may use on the CPU.
pub fn set_threads(threads: i32) {
    tch::set_num_threads(threads.max(1));
}

/// Whether what torch says of a failure is that memory ran out.
pub(crate) fn is_out_of_memory(text: &str) -> bool {
    let text = text.to_lowercase();
    text.contains("out of memory") || text.contains("can't allocate memory")
}
