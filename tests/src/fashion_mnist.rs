//! Real images for tests: Debian's copy of Fashion-MNIST, which `make setup` installs.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

/// Pixels of an image, row by row.
pub const NUM_PIXELS: usize = 28 * 28;
const HEADER_LEN: usize = 16;

/// One of the dataset's files, such as `t10k-images-idx3-ubyte.gz`.
pub fn file(name: &str) -> Result<PathBuf> {
    let folder =
        std::env::var("FIDELIS_FASHION_MNIST").unwrap_or("/usr/share/datasets/fashion-mnist".to_owned());
    let path = PathBuf::from(folder).join(name);
    ensure!(path.exists(), "`{}` is missing: run `make setup`", path.display());
    Ok(path)
}

/// The first `count` test images.
pub fn test_images(count: usize) -> Result<Vec<Vec<u8>>> {
    let mut bytes = vec![0; HEADER_LEN + count * NUM_PIXELS];
    let path = file("t10k-images-idx3-ubyte.gz")?;
    flate2::read::GzDecoder::new(File::open(path)?)
        .read_exact(&mut bytes)
        .context("fewer images than asked for")?;
    Ok(bytes[HEADER_LEN..].chunks_exact(NUM_PIXELS).map(<[u8]>::to_vec).collect())
}

/// An image as a grey PNG file.
pub fn png(pixels: &[u8]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 28, 28);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header()?.write_image_data(pixels)?;
    Ok(bytes)
}
