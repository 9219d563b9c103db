//! Pictures of the 2D example as files.

use std::path::Path;

use anyhow::Context;
use fidelis_edm2::toy::figure::Canvas;

use crate::cli::{Failure, output};

/// Writes a picture as PNG.
pub fn write(canvas: &Canvas, path: &Path) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, canvas.width as u32, canvas.height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&canvas.bytes()));
    written.with_context(|| format!("cannot encode `{}`", path.display()))?;
    Ok(output::write_whole(path, &bytes)?)
}
