//! EDM2's reference statistics: a pickled dict of `num_images`, `fid` and `fd_dinov2`.

use bytes::Bytes;
use fidelis_contract::detectors::Metric;

use super::{MAX_DIM, Statistics, checked, damaged};
use crate::FormatError;
use crate::pickle::{NdArray, Pickle, Value, Writer};

/// Distances that the format has a section for, of the same name.
const SECTIONS: [Metric; 2] = [Metric::Fid, Metric::FdDinov2];

/// The section of a detector; `None` where the format has none.
pub fn section_of(detector: &str) -> Option<&'static str> {
    let metric = Metric::of(detector);
    SECTIONS.contains(&metric).then(|| metric.id())
}

/// A file of the statistics of one detector or two, as the authors' tools read it.
///
/// # Errors
/// A detector that the format has no section for, two of the same section, or different numbers of images.
pub fn encode(statistics: &[Statistics]) -> Result<Vec<u8>, FormatError> {
    let num_images = statistics.first().map_or(0, |first| first.num_images);
    let mut sections: Vec<(&'static str, &Statistics)> = Vec::new();
    for one in statistics {
        let name = one.detector.as_deref().unwrap_or("no detector that is known");
        let section = section_of(name).ok_or_else(|| FormatError::NoSection(name.to_owned()))?;
        if sections.iter().any(|(other, _)| *other == section) {
            return Err(damaged(format!("two detectors for the one section `{section}`")));
        }
        if one.num_images != num_images || one.sigma.len() != one.dim() * one.dim() {
            return Err(damaged("the statistics of its detectors are not of the same images"));
        }
        sections.push((section, one));
    }
    let mut writer = Writer::new();
    writer.dict(|writer| {
        if num_images > 0 {
            writer.text("num_images");
            writer.int(num_images as i64);
        }
        for (section, Statistics { mu, sigma, .. }) in sections {
            writer.text(section);
            writer.dict(|writer| {
                writer.text("mu");
                writer.array(&[mu.len()], mu);
                writer.text("sigma");
                writer.array(&[mu.len(), mu.len()], sigma);
            });
        }
    });
    Ok(writer.finish())
}

pub(super) fn decode(bytes: &Bytes, detector: Option<&str>) -> Result<Statistics, FormatError> {
    let pickle = Pickle::whole(bytes)?;
    let root = pickle.root();
    if root.entries().is_none() {
        return Err(damaged(format!("it is {}, no dict", root.kind())));
    }
    let (section, detector) = match detector {
        Some(detector) => match section_of(detector) {
            Some(section) => (section, detector),
            None => return Err(FormatError::OtherDetector(detector.to_owned())),
        },
        None => {
            let metric = SECTIONS.into_iter().find(|metric| root.get(metric.id()).is_some());
            let metric = metric.unwrap_or(Metric::Fid);
            (metric.id(), metric.detector().map_or("", |detector| detector.name))
        }
    };
    let hint = "EDM2's reference statistics have `fid` and `fd_dinov2`";
    let found = root.get(section).ok_or(FormatError::Missing { name: section, hint })?;
    let (mu, sigma) = (array(found, "mu")?, array(found, "sigma")?);
    let num_images = match root.get("num_images") {
        Some(count) => count_of(count).ok_or_else(|| damaged("no count of images"))?,
        None => 0,
    };
    let statistics = checked((&mu.shape, numbers(mu)?), (&sigma.shape, numbers(sigma)?), num_images)?;
    Ok(Statistics { detector: Some(detector.to_owned()), ..statistics })
}

/// A natural number; NumPy's means may leave it as a float or as an array of one.
fn count_of(value: Value<'_>) -> Option<u64> {
    let whole = |value: f64| (value.fract() == 0.0 && (0.0..9e15).contains(&value)).then_some(value as u64);
    if let Some(count) = value.as_int() {
        return count.try_into().ok();
    }
    match value.as_array() {
        Some(array) if array.num_elements() == 1 => array.to_f64()?.first().copied().and_then(whole),
        _ => value.as_float().and_then(whole),
    }
}

fn array<'a>(section: Value<'a>, name: &'static str) -> Result<&'a NdArray, FormatError> {
    let array =
        section.get(name).ok_or(FormatError::Missing { name, hint: "statistics are `mu` and `sigma`" })?;
    let array = array.as_array().ok_or_else(|| damaged(format!("`{name}` is {}, no array", array.kind())))?;
    match array.shape.iter().max() {
        Some(&side) if side > MAX_DIM => {
            Err(FormatError::TooLarge { what: "D", value: side as u64, limit: MAX_DIM as u64 })
        }
        _ => Ok(array),
    }
}

fn numbers(array: &NdArray) -> Result<Vec<f64>, FormatError> {
    array.to_f64().ok_or_else(|| damaged("numbers of a type that statistics do not come in"))
}
