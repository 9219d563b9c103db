//! The files of a dataset: pictures, or an autoencoder's posteriors.

use std::path::{Path, PathBuf};

use fidelis_formats::images::{Dataset, DatasetError, Image, ImageError, Latent, Latents, Place};
use tch::Tensor;

use crate::data::DataError;

/// A dataset whose images are of one shape.
#[derive(Clone, Debug)]
pub struct Files {
    path: PathBuf,
    source: Source,
    /// Every look at it takes long.
    is_far: bool,
    /// `[C, H, W]` of the first.
    shape: [usize; 3],
}

#[derive(Clone, Debug)]
enum Source {
    Pictures(Dataset),
    Posteriors(Latents),
}

/// An image as it is stored.
#[derive(Debug)]
pub enum Sample {
    Picture(Image),
    Posterior(Latent),
}

/// An image and its class.
pub type Decoded = Result<(Sample, Option<i64>), DataError>;

impl Source {
    /// Pictures, or where there are none an autoencoder's posteriors.
    fn open(place: &Place) -> Result<Self, DatasetError> {
        match Dataset::of(place) {
            Err(none @ DatasetError::Empty(_)) => Latents::of(place).map(Self::Posteriors).map_err(|_| none),
            opened => opened.map(Self::Pictures),
        }
    }

    fn len(&self) -> u64 {
        match self {
            Self::Pictures(dataset) => dataset.len(),
            Self::Posteriors(latents) => latents.len(),
        }
    }

    fn name(&self, index: u64) -> String {
        match self {
            Self::Pictures(dataset) => dataset.name(index),
            Self::Posteriors(latents) => latents.name(index),
        }
    }

    fn label(&self, index: u64) -> Option<i64> {
        match self {
            Self::Pictures(dataset) => dataset.label(index),
            Self::Posteriors(latents) => latents.label(index),
        }
    }

    fn read(&mut self, path: &Path, index: u64) -> Result<Sample, DataError> {
        let read = match self {
            Self::Pictures(dataset) => dataset.read(index).map(Sample::Picture),
            Self::Posteriors(latents) => latents.read(index).map(Sample::Posterior),
        };
        read.map_err(|source| self.error(path, index, source))
    }

    fn shape(&mut self, path: &Path, index: u64) -> Result<Option<[usize; 3]>, DataError> {
        let shape = match self {
            Self::Pictures(dataset) => dataset.shape(index),
            Self::Posteriors(latents) => latents.shape(index),
        };
        shape.map_err(|source| self.error(path, index, source))
    }

    fn error(&self, path: &Path, index: u64, source: ImageError) -> DataError {
        DataError::Image { path: path.to_owned(), name: self.name(index), source }
    }
}

impl Sample {
    fn shape(&self) -> [usize; 3] {
        match self {
            Self::Picture(image) => image.shape,
            Self::Posterior(latent) => latent.shape,
        }
    }
}

/// Images of one shape, at least one, as [`Stored::images`].
pub fn stacked(samples: Vec<Sample>) -> Tensor {
    let [c, h, w] = samples[0].shape().map(|side| side as i64);
    let (mut pixels, mut values) = (Vec::new(), Vec::new());
    for sample in &samples {
        match sample {
            Sample::Picture(image) => pixels.extend_from_slice(&image.pixels),
            Sample::Posterior(latent) => values.extend_from_slice(&latent.values),
        }
    }
    let flat = if values.is_empty() { Tensor::from_slice(&pixels) } else { Tensor::from_slice(&values) };
    flat.reshape([samples.len() as i64, c, h, w])
}

impl Files {
    /// Opens a dataset; the first image decides the shape of all.
    ///
    /// # Errors
    /// It cannot be read, or its first image cannot.
    pub fn open(place: &Place) -> Result<Self, DataError> {
        let mut source = Source::open(place)?;
        let path = place.path();
        let shape = source.read(path, 0)?.shape();
        Ok(Self { path: path.to_owned(), source, is_far: place.is_far(), shape })
    }

    /// As it was named.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many images there are.
    pub fn len(&self) -> u64 {
        self.source.len()
    }

    /// The smallest and the largest class; `None` where an image has none.
    pub fn classes(&self) -> Option<(i64, i64)> {
        let labels: Option<Vec<i64>> = (0..self.len()).map(|index| self.source.label(index)).collect();
        labels.and_then(|labels| Some((*labels.iter().min()?, *labels.iter().max()?)))
    }

    /// Whether the image at `index` is one, as far as can be said without reading all of it: of a far dataset nothing.
    ///
    /// # Errors
    /// It begins as no image does, or has another shape than the first.
    pub fn glance(&mut self, index: u64) -> Result<(), DataError> {
        if self.is_far {
            return Ok(());
        }
        match self.source.shape(&self.path, index)? {
            Some(shape) => self.fits(shape, index),
            None => Ok(()),
        }
    }

    fn fits(&self, found: [usize; 3], index: u64) -> Result<(), DataError> {
        if found == self.shape {
            return Ok(());
        }
        let (path, name) = (self.path.clone(), self.source.name(index));
        Err(DataError::Shape { path, name, found, expected: self.shape })
    }

    /// The image at `index`.
    ///
    /// # Errors
    /// It cannot be read, or has another shape than the first.
    pub fn read(&mut self, index: u64) -> Decoded {
        let sample = self.source.read(&self.path, index)?;
        self.fits(sample.shape(), index)?;
        Ok((sample, self.source.label(index)))
    }
}
