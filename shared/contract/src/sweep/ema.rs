//! EMA lengths in the names of nets, as the authors write them: `edm2-img512-xs-0134217-0.125.pkl`,
//! `phema-0025165-0.030.safetensors`.

use super::{AxisName, SweepError};
use crate::spec::FileRef;

/// The file beside another that differs from it in its EMA length alone, `std` as σ_rel. What was pinned is another's.
///
/// # Errors
/// [`SweepError::NoEma`] for a name that does not end in one.
pub fn with_ema(axis: &AxisName, file: &FileRef, std: f64) -> Result<FileRef, SweepError> {
    let (start, ending) = split(&file.path).ok_or_else(|| {
        let is_net = *axis == AxisName::NetEma;
        let (axis, files) = if is_net { ("net_ema", "net") } else { ("gnet_ema", "gnet") };
        SweepError::NoEma { axis, file: file.shown(), files }
    })?;
    Ok(FileRef::new(format!("{start}-{std:.3}{ending}")))
}

/// The EMA length in the name of a file.
pub fn ema_of(path: &str) -> Option<f64> {
    let (start, ending) = split(path)?;
    path.strip_suffix(ending)?.strip_prefix(start)?.strip_prefix('-')?.parse().ok()
}

/// `…/phema-0025165` and `.safetensors` of `…/phema-0025165-0.030.safetensors`.
fn split(path: &str) -> Option<(&str, &str)> {
    let ending = [".safetensors", ".pkl"].into_iter().find(|ending| path.ends_with(ending))?;
    let (start, std) = path.strip_suffix(ending)?.rsplit_once('-')?;
    let (whole, decimals) = std.split_once('.')?;
    let digits = |text: &str, len: usize| text.len() == len && text.bytes().all(|b| b.is_ascii_digit());
    (digits(whole, 1) && digits(decimals, 3)).then_some((start, ending))
}

/// What files that differ in their EMA lengths have in common.
pub(super) fn without_ema(label: &str) -> &str {
    let named = format!("{label}.pkl");
    split(&named).map_or(label, |(start, _)| &label[..start.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_authors() {
        let of = |path: &str| with_ema(&AxisName::GnetEma, &FileRef::new(path), 0.07);
        assert_eq!(
            of("a/edm2-img512-s-2147483-0.130.pkl").unwrap().path,
            "a/edm2-img512-s-2147483-0.070.pkl"
        );
        assert_eq!(of("phema-0025165-0.030.safetensors").unwrap().path, "phema-0025165-0.070.safetensors");
        for odd in ["net.safetensors", "net-0.13.pkl", "net-a.130.pkl", "net-0.130", "n-0.130.npz"] {
            let error = of(odd).unwrap_err().to_string();
            assert!(error.contains(odd) && error.contains("list the files by `gnet`"), "{error}");
        }
        assert_eq!((ema_of("a/phema-0025165-0.030.safetensors"), ema_of("a/phema.pkl")), (Some(0.03), None));
        assert_eq!((without_ema("x-0000016-0.050"), without_ema("x-0000016")), ("x-0000016", "x-0000016"));
    }
}
