//! Pictures of the 2D example as files.

use std::path::Path;

use anyhow::Context;
use fidelis_edm2::toy::figure::Figure;

use crate::cli::{Failure, output};

/// Writes a picture as `NAME.png` and `NAME.svg`.
pub fn write(figure: &Figure, folder: &Path, name: &str) -> Result<(), Failure> {
    let path = folder.join(name);
    let png = figure.png().with_context(|| format!("cannot encode `{}.png`", path.display()))?;
    output::write_whole(&path.with_extension("png"), &png)?;
    Ok(output::write_whole(&path.with_extension("svg"), figure.svg().as_bytes())?)
}
