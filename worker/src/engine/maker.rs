//! What this worker's chunks are made by.

use std::{fs, time::SystemTime};

use fidelis_contract::maker::{Maker, rfc3339};
use fidelis_edm2::device::{self, DeviceError};

/// Finds out what a device is, after a first product on it.
///
/// # Errors
/// It is not there, or does not work.
pub fn of_device(name: &str) -> Result<Maker, DeviceError> {
    let facts = device::facts(device::open(name)?);
    Ok(Maker {
        host: host(),
        cpu: facts.cpu,
        instructions: facts.instructions.map(str::to_owned),
        gpu: facts.gpu,
        driver: facts.driver,
        cuda: facts.cuda,
        libtorch: Some(facts.libtorch.to_owned()),
        fidelis: Some(env!("CARGO_PKG_VERSION").to_owned()),
        date: None,
    })
}

/// The same with the present time.
pub fn dated(maker: &Maker) -> Maker {
    Maker { date: Some(rfc3339(SystemTime::now())), ..maker.clone() }
}

/// What this machine calls itself.
pub fn host() -> Option<String> {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(host.trim().to_owned()).filter(|host| !host.is_empty())
}
