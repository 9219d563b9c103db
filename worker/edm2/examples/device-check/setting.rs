//! Where a check runs and what it finds there.

use std::env;
use std::path::{Path, PathBuf};

use fidelis_edm2::device;
use fidelis_edm2::net::Precision;
use tch::Device;

use crate::common::place::Place;

/// The number types of nets, by name.
pub const PRECISIONS: [(&str, Precision); 3] =
    [("fp32", Precision::Fp32), ("fp16", Precision::Fp16), ("bf16", Precision::Bf16)];

/// What the environment says.
#[derive(Debug)]
pub struct Setting {
    pub device: Device,
    /// As the programs take it.
    pub device_name: String,
    pub demo: PathBuf,
    pub work: PathBuf,
}

impl Setting {
    pub fn from_env() -> Result<Self, String> {
        let device_name = env::var("FIDELIS_TEST_DEVICE").unwrap_or_else(|_| "cpu".to_owned());
        let folder = |name: &str| {
            env::var_os(name).map(PathBuf::from).ok_or_else(|| format!("`{name}` is not set: run gpu-check"))
        };
        Ok(Self {
            device: device::parse(&device_name).map_err(|error| error.to_string())?,
            device_name,
            demo: folder("FIDELIS_DEMO")?,
            work: folder("FIDELIS_CHECK_WORK")?,
        })
    }

    /// On a CPU it is the script that is tried, with nets that take no time.
    pub fn is_tiny(&self) -> bool {
        self.device == Device::Cpu
    }

    pub fn place(&self, precision: Precision) -> Place {
        Place { device: self.device, precision }
    }
}

/// A program of the kit, beside this one or, for an example that cargo built, a folder up.
pub fn program(name: &str) -> PathBuf {
    let own = env::current_exe().expect("a program has a path");
    let mut places = own.ancestors().skip(1).take(2).map(|folder: &Path| folder.join(name));
    places.find(|path| path.exists()).unwrap_or_else(|| panic!("`{name}` is not beside `{}`", own.display()))
}

/// The words of this call after the check's name.
pub fn arguments<const N: usize>(usage: &str) -> [String; N] {
    let given: Vec<String> = env::args().skip(2).collect();
    given.try_into().unwrap_or_else(|_| panic!("usage: device-check {usage}"))
}

/// A number type by its name.
pub fn precision(name: &str) -> Precision {
    let found = PRECISIONS.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("`{name}` is no precision: expected fp32, fp16 or bf16")).1
}
