//! What a run stores for each chunk.

use std::{fmt, str::FromStr};

use crate::text::{is_name, serde_as_text};

/// Longest detector name.
pub const MAX_DETECTOR_LEN: usize = 32;

/// A kind of output; one object per chunk and kind (I4).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The sampler's result, f32 `[n, C, H, W]`.
    Latents,
    /// Decoded images, u8 `[n, C, H, W]`.
    Images,
    /// A detector's features, f32 `[n, D]`; carries the detector's name.
    Features(String),
}

impl Kind {
    /// The name of the data tensor in this kind's objects.
    pub fn tensor_name(&self) -> &'static str {
        match self {
            Self::Latents => "latents",
            Self::Images => "images",
            Self::Features(_) => "features",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Features(detector) => write!(f, "features-{detector}"),
            other => f.write_str(other.tensor_name()),
        }
    }
}

impl FromStr for Kind {
    type Err = KindError;
    fn from_str(text: &str) -> Result<Self, KindError> {
        match (text, text.strip_prefix("features-")) {
            ("latents", _) => Ok(Self::Latents),
            ("images", _) => Ok(Self::Images),
            (_, Some(detector)) if is_name(detector, MAX_DETECTOR_LEN) => {
                Ok(Self::Features(detector.to_owned()))
            }
            _ => Err(KindError(text.to_owned())),
        }
    }
}

serde_as_text!(Kind);

/// Not the name of a kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown kind `{0}`: use `latents`, `images` or `features-<detector>`")]
pub struct KindError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_goes_both_ways() {
        for kind in [Kind::Latents, Kind::Images, Kind::Features("fashion-cnn".into())] {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        for text in ["", "features-", "features-../x", "Latents"] {
            assert!(text.parse::<Kind>().is_err(), "{text}");
        }
    }
}
