//! Lines of specs that many tests write.

use std::{fs, path::Path};

use anyhow::Result;

/// The detector of a run that needs no nets: nobody reads its weights, which are put into `folder`.
///
/// # Errors
/// They cannot be written there.
pub fn unread_detector(folder: &Path) -> Result<String> {
    let weights = folder.join("weights");
    fs::write(&weights, b"unused")?;
    Ok(format!("[[detectors]]\nname = \"fashion-cnn\"\nweights = \"{}\"\n", weights.display()))
}
