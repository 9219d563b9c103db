//! What a device is, as far as the machine tells without Python: what is not known is left out.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use tch::{Device, utils};

/// The libtorch that this was built with, as the build script read it; else the one that tch expects.
const LIBTORCH: &str = match option_env!("FIDELIS_LIBTORCH") {
    Some(version) => version,
    None => "2.13.0",
};
const NVIDIA: &str = "/proc/driver/nvidia";

/// A device and what it depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The processor's model.
    pub cpu: Option<String>,
    /// The instructions that libtorch chooses its loops by, in its own words.
    pub instructions: Option<&'static str>,
    /// The GPU's model; of a machine with GPUs of several models it is not known which is whose.
    pub gpu: Option<String>,
    pub driver: Option<String>,
    pub cuda: Option<String>,
    pub libtorch: &'static str,
}

/// The facts of a device.
pub fn facts(device: Device) -> Facts {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = value_of(&cpuinfo, "model name").map(str::to_owned);
    let facts =
        Facts { cpu, instructions: instructions(), gpu: None, driver: None, cuda: None, libtorch: LIBTORCH };
    if device == Device::Cpu {
        return facts;
    }
    let (gpu, driver) = gpu(Path::new(NVIDIA)).unwrap_or_else(ask_nvidia_smi);
    Facts { gpu, driver, cuda: cuda(utils::version_cudart()), ..facts }
}

/// Whether the processor multiplies matrices of bfloat16 (AMX), as far as Linux says.
pub fn multiplies_bf16() -> bool {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    value_of(&cpuinfo, "flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "amx_bf16"))
}

/// As libtorch chooses: the most that the processor has, or less where the environment says so.
fn instructions() -> Option<&'static str> {
    let capped = env::var("ATEN_CPU_CAPABILITY").unwrap_or_default();
    chosen(&capped)
}

#[cfg(target_arch = "x86_64")]
fn chosen(capped: &str) -> Option<&'static str> {
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    let avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq");
    Some(match capped {
        "default" => "DEFAULT",
        "avx2" if avx2 => "AVX2",
        _ if avx2 && avx512 => "AVX512",
        _ if avx2 => "AVX2",
        _ => "DEFAULT",
    })
}

#[cfg(not(target_arch = "x86_64"))]
fn chosen(_: &str) -> Option<&'static str> {
    None
}

/// Model and driver from the kernel module's own files; `None` where there are none.
fn gpu(folder: &Path) -> Option<(Option<String>, Option<String>)> {
    let models = fs::read_dir(folder.join("gpus")).ok()?.flatten().filter_map(|gpu| {
        let text = fs::read_to_string(gpu.path().join("information")).ok()?;
        value_of(&text, "Model").map(str::to_owned)
    });
    let version = fs::read_to_string(folder.join("version")).unwrap_or_default();
    // `NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build …`
    let driver = version.split_whitespace().find(|word| is_version(word)).map(str::to_owned);
    Some((the_one(models), driver))
}

/// What `nvidia-smi` says, where there is one: containers may hide the kernel's files.
fn ask_nvidia_smi() -> (Option<String>, Option<String>) {
    let asked = ["--query-gpu=name,driver_version", "--format=csv,noheader"];
    let output =
        Command::new("nvidia-smi").args(asked).output().ok().filter(|output| output.status.success());
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let lines = || text.lines().filter_map(|line| line.rsplit_once(','));
    let part = |part: &str| part.trim().to_owned();
    (the_one(lines().map(|(name, _)| part(name))), the_one(lines().map(|(_, driver)| part(driver))))
}

/// What all of them are.
fn the_one(mut all: impl Iterator<Item = String>) -> Option<String> {
    let first = all.next()?;
    all.all(|other| other == first).then_some(first)
}

fn is_version(word: &str) -> bool {
    word.contains('.')
        && word.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

/// `13000` as `13.0`.
fn cuda(version: i64) -> Option<String> {
    (version > 0).then(|| format!("{}.{}", version / 1000, version % 1000 / 10))
}

/// The value of the first line `name : value`.
fn value_of<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = pairs.find(|(key, _)| key.trim() == name)?;
    Some(value.trim()).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_known() {
        let facts = facts(Device::Cpu);
        assert_eq!((facts.gpu, facts.driver, facts.cuda), (None, None, None));
        assert!(facts.libtorch.starts_with("2."));
        let known = fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| text.contains("model name"));
        assert_eq!(facts.cpu.is_some(), known);
        if cfg!(target_arch = "x86_64") {
            assert_eq!(chosen("default"), Some("DEFAULT"));
            assert!(["AVX512", "AVX2", "DEFAULT"].contains(&facts.instructions.unwrap()));
        }
    }

    #[test]
    fn a_gpu_is_known_where_all_are_alike() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(gpu(folder.path()), None);
        let add = |slot: &str, model: &str| {
            let place = folder.path().join("gpus").join(slot);
            fs::create_dir_all(&place).unwrap();
            fs::write(place.join("information"), format!("Model: \t\t {model}\nIRQ:   \t\t 32\n")).unwrap();
        };
        let version = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build\nGCC version: gcc version 12.2.0\n";
        fs::write(folder.path().join("version"), version).unwrap();
        add("0000:17:00.0", "NVIDIA H100 80GB HBM3");
        let driver = Some("580.95.05".to_owned());
        assert_eq!(gpu(folder.path()), Some((Some("NVIDIA H100 80GB HBM3".to_owned()), driver.clone())));
        add("0000:18:00.0", "NVIDIA T4");
        assert_eq!(gpu(folder.path()), Some((None, driver)));
    }

    #[test]
    fn versions_read_as_people_write_them() {
        assert_eq!(cuda(12_090).as_deref(), Some("12.9"));
        assert_eq!(cuda(13_000).as_deref(), Some("13.0"));
        assert_eq!(cuda(0), None);
    }
}
