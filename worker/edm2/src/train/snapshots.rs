//! Names of the nets that training leaves, as the field has them: `network-snapshot-{kimg:07}-{σ_rel:.3}`.

use super::outdir::{Outdir, OutdirError, metadata};

/// Metadata keys of a snapshot, beside its config: images seen, and the relative width of its average.
pub const IMAGES_KEY: &str = "images";
pub const SIGMA_REL_KEY: &str = "sigma_rel";

/// Before the images and the width in the name of what training leaves, and of what is made of it afterwards.
const TRAINED: &str = "network-snapshot";
pub(super) const RECONSTRUCTED: &str = "phema";

/// A moving average of a net at rest.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Its file's name.
    pub name: String,
    /// Its file's length.
    pub num_bytes: u64,
    /// What stands before the numbers in its name.
    pub prefix: String,
    pub kimg: u64,
    /// Images seen.
    pub images: u64,
    /// σ_rel.
    pub sigma_rel: f64,
}

/// Thousands of images, as names have them.
pub fn kimg(images: u64) -> u64 {
    images / 1000
}

/// Images that a name's thousands stand for: the first multiple of 1024 that is not below them.
pub fn images(kimg: u64) -> u64 {
    (kimg * 1000).div_ceil(1024) * 1024
}

/// `{prefix}-{kimg:07}-{σ_rel:.3}`.
fn stem(prefix: &str, kimg: u64, sigma_rel: f64) -> String {
    format!("{prefix}-{kimg:07}-{sigma_rel:.3}")
}

/// The name of an average that training leaves.
pub fn file_name(images: u64, sigma_rel: f64) -> String {
    format!("{}.safetensors", stem(TRAINED, kimg(images), sigma_rel))
}

impl Snapshot {
    /// From a name such as `network-snapshot-0008388-0.050.pkl`; `None` for the name of anything else, reconstructions
    /// among it.
    fn named(name: &str) -> Option<Self> {
        let (stem, extension) = name.rsplit_once('.')?;
        if !matches!(extension.to_ascii_lowercase().as_str(), "pkl" | "safetensors") {
            return None;
        }
        let mut parts = stem.rsplitn(3, '-');
        let (sigma_rel, kimg, prefix) = (parts.next()?, parts.next()?, parts.next()?);
        let is_number = |text: &str| text.len() >= 5 && text.starts_with("0.");
        if kimg.len() < 7 || !is_number(sigma_rel) || prefix == RECONSTRUCTED {
            return None;
        }
        let kimg = kimg.parse().ok()?;
        Some(Self {
            name: name.to_owned(),
            num_bytes: 0,
            prefix: prefix.to_owned(),
            kimg,
            images: images(kimg),
            sigma_rel: sigma_rel.parse().ok()?,
        })
    }

    /// All that lie there; what our own trainer wrote says how many images exactly.
    ///
    /// # Errors
    /// The place cannot be looked at, or one of them cannot.
    pub fn all(place: &dyn Outdir) -> Result<Vec<Self>, OutdirError> {
        let mut names = place.list()?;
        names.sort();
        let looked_at = |mut snapshot: Self| {
            let (num_bytes, said) = metadata(place, &snapshot.name)?;
            let said = said.and_then(|metadata| metadata.get(IMAGES_KEY)?.parse().ok());
            (snapshot.num_bytes, snapshot.images) = (num_bytes, said.unwrap_or(snapshot.images));
            Ok(snapshot)
        };
        names.iter().filter_map(|name| Self::named(name)).map(looked_at).collect()
    }

    /// The name that one of another time or width has beside this one, without its extension.
    pub(super) fn sibling(&self, kimg: u64, sigma_rel: f64) -> String {
        stem(&self.prefix, kimg, sigma_rel)
    }
}

/// The name of a reconstruction.
pub fn reconstructed_name(kimg: u64, sigma_rel: f64) -> String {
    format!("{}.safetensors", stem(RECONSTRUCTED, kimg, sigma_rel))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_images_and_widths() {
        let of = |name: &str| Snapshot::named(name).map(|s| (s.prefix, s.images, s.sigma_rel));
        let named = |prefix: &str, images, sigma_rel| Some((prefix.to_owned(), images, sigma_rel));
        assert_eq!(of("network-snapshot-0008388-0.050.pkl"), named("network-snapshot", 8_388_608, 0.05));
        assert_eq!(of("edm2-img512-xs-2147483-0.135.pkl"), named("edm2-img512-xs", 2_147_483_648, 0.135));
        assert_eq!(of("network-snapshot-0000000-0.100.pkl"), named("network-snapshot", 0, 0.1));
        for other in [
            "phema-0008388-0.050.pkl",
            "network-snapshot-0008388-0.050.txt",
            "loss.csv",
            "training-state-0008388.pt",
            "a-1-0.050.pkl",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
        assert_eq!(file_name(8_388_608, 0.05), "network-snapshot-0008388-0.050.safetensors");
        assert_eq!(reconstructed_name(kimg(25_165_824), 0.03), "phema-0025165-0.030.safetensors");
    }

    #[test]
    fn images_agree_with_the_independent_numbers() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/phema/numbers.json");
        let numbers: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        for (kimg, expected) in numbers["kimg_to_nimg"].as_object().unwrap() {
            assert_eq!(Some(images(kimg.parse().unwrap())), expected.as_u64(), "{kimg}");
        }
    }
}
