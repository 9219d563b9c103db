//! How much memory the work takes.

use std::fs;

use tch::Device;

use super::smi;

/// The most memory of the host that this process had so far, or since [`forget_peak`]; Linux's high-water mark.
pub fn peak_rss_bytes() -> Option<u64> {
    status("VmHWM:")
}

/// Memory of the host that this process has now.
pub fn rss_bytes() -> Option<u64> {
    status("VmRSS:")
}

/// From now on the peak is of what comes; where the system refuses, it stays.
pub fn forget_peak() {
    fs::write("/proc/self/clear_refs", "5").ok();
}

/// The most memory that work on `device` took: of a GPU what the card has in use now, since torch gives nothing back.
pub fn peak_bytes(device: Device) -> Option<u64> {
    match device {
        Device::Cuda(_) => {
            let mib: u64 = smi::query(device, "memory.used")?.first()?.parse().ok()?;
            Some(mib << 20)
        }
        _ => peak_rss_bytes(),
    }
}

/// Memory in use on `device` now.
pub fn bytes(device: Device) -> Option<u64> {
    if device == Device::Cpu { rss_bytes() } else { peak_bytes(device) }
}

fn status(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_seen_and_forgotten() {
        let large = vec![1_u8; 256 << 20];
        let peak = peak_rss_bytes().unwrap();
        assert!(peak > 256 << 20, "{peak}");
        assert_eq!(std::hint::black_box(large).len(), 256 << 20);
        forget_peak();
        let after = peak_rss_bytes().unwrap();
        assert!(after + (128 << 20) < peak, "{after} after {peak}");
    }
}
