//! What `nvidia-smi` says of a device: the one window on it that is not our own.

use std::process::Command;

use tch::Device;

/// Numbers of the device, in the order of `fields` (`utilization.gpu,memory.used`, …); none where it is not asked or silent.
pub fn query(device: Device, fields: &str) -> Option<Vec<String>> {
    let Device::Cuda(index) = device else { return None };
    let args = [
        format!("--id={index}"),
        format!("--query-gpu={fields}"),
        "--format=csv,noheader,nounits".to_owned(),
    ];
    let output =
        Command::new("nvidia-smi").args(args).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Some(text.lines().next()?.split(',').map(|value| value.trim().to_owned()).collect())
}
