//! Numbers and names as people read them.

use fidelis_contract::detectors::Metric;

/// `2,000`.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Decimals that show two digits of `sd`, from 2 to 6: more would be noise.
pub(super) fn decimals(sd: Option<f64>) -> usize {
    match sd {
        Some(sd) if sd > 0.0 && sd.is_finite() => (1.0 - sd.log10().floor()).clamp(2.0, 6.0) as usize,
        _ => 2,
    }
}

/// A figure as a paper prints it: its own decimals, two at least.
pub(super) fn figure(number: f64) -> String {
    let own = number.to_string();
    let num_decimals = own.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    if num_decimals < 2 { fixed(number, 2) } else { own }
}

/// A number with so many decimals, and no minus before a zero.
pub(super) fn fixed(number: f64, decimals: usize) -> String {
    let text = format!("{number:.decimals$}");
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|c| matches!(c, '0' | '.')) => rest.to_owned(),
        _ => text,
    }
}

/// `23.02 ± 0.31`, `23.02` without an error bar, a dash without a value.
pub(super) fn with_error(value: Option<f64>, sd: Option<f64>) -> String {
    let decimals = decimals(sd);
    match (value, sd) {
        (Some(value), Some(sd)) => format!("{} ± {}", fixed(value, decimals), fixed(sd, decimals)),
        (Some(value), None) => fixed(value, decimals),
        (None, _) => "–".to_owned(),
    }
}

/// Three significant digits, for rates.
pub(super) fn rate(number: f64) -> String {
    match number {
        n if n >= 99.95 => thousands(n.round() as u64),
        n if n >= 9.995 => format!("{n:.1}"),
        n => format!("{n:.2}"),
    }
}

/// `1.4`, `2`, `1.35`: a setting as the spec has it.
pub(super) fn setting(number: f64) -> String {
    if number.is_infinite() { "inf".to_owned() } else { number.to_string() }
}

/// `3 min 20 s`.
pub(super) fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, _) => format!("{seconds:.1} s"),
        (0, minutes, rest) => format!("{minutes} min {rest} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// `fd` as `FD`, `fd_dinov2` as `FD-DINOv2`.
pub(super) fn metric_label(metric: &str) -> String {
    Metric::find(metric).map_or_else(|| metric.to_uppercase(), |metric| metric.label().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [0, 999, 1000, 50_000, 1_234_567].map(thousands),
            ["0", "999", "1,000", "50,000", "1,234,567"]
        );
        assert_eq!(with_error(Some(23.0249), Some(0.3149)), "23.02 ± 0.31");
        assert_eq!(with_error(Some(1.234_567), Some(0.00123)), "1.2346 ± 0.0012");
        assert_eq!(with_error(Some(-1e-9), None), "0.00");
        assert_eq!(with_error(None, None), "–");
        assert_eq!([1.34, 38.2, 2.0, 0.1234].map(figure), ["1.34", "38.20", "2.00", "0.1234"]);
        assert_eq!([0.1234, 41.23, 99.97, 12_345.6].map(rate), ["0.12", "41.2", "100", "12,346"]);
        assert_eq!([8.04, 200.0, 7260.0].map(duration), ["8.0 s", "3 min 20 s", "2 h 1 min"]);
        assert_eq!(["fd", "fid", "fd_dinov2"].map(metric_label), ["FD", "FID", "FD-DINOv2"]);
    }
}
