//! EDM2's reference statistics: a pickled dict of `num_images`, `fid` and `fd_dinov2`.

use bytes::Bytes;

use super::{MAX_DIM, Statistics, checked, damaged};
use crate::FormatError;
use crate::pickle::{NdArray, Pickle, Value};

pub fn decode(bytes: &Bytes, detector: Option<&str>) -> Result<Statistics, FormatError> {
    let section = match detector {
        None | Some("inception" | "pytorch-fid") => "fid",
        Some("dinov2") => "fd_dinov2",
        Some(other) => return Err(FormatError::OtherDetector(other.to_owned())),
    };
    let pickle = Pickle::whole(bytes)?;
    let root = pickle.root();
    if root.entries().is_none() {
        return Err(damaged(format!("it is {}, no dict", root.kind())));
    }
    let hint = "EDM2's reference statistics have `fid` and `fd_dinov2`";
    let found = root.get(section).ok_or(FormatError::Missing { name: section, hint })?;
    let (mu, sigma) = (array(found, "mu")?, array(found, "sigma")?);
    let num_images = match root.get("num_images") {
        Some(count) => {
            count.as_int().and_then(|n| n.try_into().ok()).ok_or_else(|| damaged("no count of images"))?
        }
        None => 0,
    };
    checked((&mu.shape, numbers(mu)?), (&sigma.shape, numbers(sigma)?), num_images)
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
