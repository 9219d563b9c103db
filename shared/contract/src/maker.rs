//! What made a chunk: enough to tell why the last bits of two machines differ.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// The machine and the programs behind a chunk; what could not be known is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Maker {
    /// The host's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The processor's model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    /// The instructions that libtorch chooses its loops by: `AVX512`, `AVX2` or `DEFAULT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// The GPU's model, where a GPU worked on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<String>,
    /// The version of its driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// The version of the CUDA runtime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cuda: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub libtorch: Option<String>,
    /// The worker's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fidelis: Option<String>,
    /// When the chunk was made, as `2026-11-26T19:06:00Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
}

impl Maker {
    /// The device in words: `NVIDIA H100 80GB HBM3` or `AMD EPYC 7B13 (AVX2)`.
    pub fn device_model(&self) -> Option<String> {
        match (&self.gpu, &self.cpu, &self.instructions) {
            (Some(gpu), ..) => Some(gpu.clone()),
            (None, Some(cpu), Some(instructions)) => Some(format!("{cpu} ({instructions})")),
            (None, Some(cpu), None) => Some(cpu.clone()),
            (None, None, _) => None,
        }
    }
}

/// A time in UTC as RFC 3339 has it, to the second; before 1970 counts as 1970.
pub fn rfc3339(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    // Howard Hinnant's civil_from_days: years begin in March, in eras of 400.
    let shifted = day + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let at = |seconds| rfc3339(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01T00:00:00Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(at(1_709_251_199), "2024-02-29T23:59:59Z");
        assert_eq!(at(4_107_542_400), "2100-03-01T00:00:00Z");
    }

    #[test]
    fn what_is_not_known_is_not_said() {
        assert_eq!(serde_json::to_string(&Maker::default()).unwrap(), "{}");
        let cpu = Maker { cpu: Some("EPYC".into()), instructions: Some("AVX2".into()), ..Maker::default() };
        assert_eq!(cpu.device_model().as_deref(), Some("EPYC (AVX2)"));
        let gpu = Maker { gpu: Some("NVIDIA H100".into()), ..cpu };
        assert_eq!(gpu.device_model().as_deref(), Some("NVIDIA H100"));
        assert_eq!(Maker::default().device_model(), None);
    }
}
