//! A dataset as EDM's tools read it: a ZIP of stored PNG files, or of an autoencoder's posteriors as `.npy` files, and a
//! `dataset.json`; the same bytes for the same images.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::NamedTempFile;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::{Image, Members, labels};

/// Images in a folder of the archive.
const PER_FOLDER: u64 = 1000;

/// A ZIP in the making; nothing is at its place before [`Self::finish`].
#[derive(Debug)]
pub struct EdmZip {
    path: PathBuf,
    members: Members,
    zip: ZipWriter<BufWriter<NamedTempFile>>,
    labels: Vec<(String, Option<i64>)>,
}

impl EdmZip {
    /// To appear at `path`, of members of one kind.
    ///
    /// # Errors
    /// What the system said.
    pub fn new(path: &Path, members: Members) -> io::Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
        let file = builder.prefix(".fidelis-").tempfile_in(folder)?;
        let zip = ZipWriter::new(BufWriter::new(file));
        Ok(Self { path: path.to_owned(), members, zip, labels: Vec::new() })
    }

    /// Adds the next image, as [`png()`] or [`Latent::to_npy`](super::Latent::to_npy) makes it, and its class.
    ///
    /// # Errors
    /// What the system said.
    pub fn add(&mut self, bytes: &[u8], class: Option<i64>) -> io::Result<()> {
        let index = self.labels.len() as u64;
        let folder = index / PER_FOLDER;
        let name = match self.members {
            Members::Images => format!("{folder:05}/img{index:08}.png"),
            Members::Arrays => format!("{folder:05}/img-mean-std-{index:08}.npy"),
        };
        self.zip.start_file(&name, stored())?;
        self.zip.write_all(bytes)?;
        self.labels.push((name, class));
        Ok(())
    }

    /// Writes the classes, if every image has one, and moves the archive to its place.
    ///
    /// # Errors
    /// What the system said.
    pub fn finish(mut self) -> io::Result<()> {
        let classes: Option<Vec<_>> =
            self.labels.iter().map(|(name, class)| class.map(|class| json!([name, class]))).collect();
        self.zip.start_file(labels::FILE, stored())?;
        self.zip.write_all(json!({ "labels": classes }).to_string().as_bytes())?;
        let file = self.zip.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        let _: File = file.persist(&self.path)?;
        Ok(())
    }
}

/// Nothing in it depends on the day.
fn stored() -> SimpleFileOptions {
    SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default())
}

/// An RGB or grey image as PNG.
///
/// # Errors
/// An image whose pixels are not as many as its shape says.
pub fn png(image: &Image) -> Result<Vec<u8>, png::EncodingError> {
    let [channels, height, width] = image.shape;
    let area = height * width;
    let interleaved: Vec<u8> = (0..area)
        .flat_map(|at| (0..channels).map(move |channel| image.pixels[channel * area + at]))
        .collect();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(if channels == 1 { png::ColorType::Grayscale } else { png::ColorType::Rgb });
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header()?.write_image_data(&interleaved)?;
    Ok(bytes)
}
