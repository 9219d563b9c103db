//! Crops and resizes, as the field makes its datasets.

use super::Image;
use super::resample::{Filter, resize};

/// How a picture becomes a square of a given side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transform {
    /// As it is: it must have the size already.
    None,
    /// The largest square in the middle, then Lanczos.
    CenterCrop,
    /// As guided-diffusion's loader: halved by box while the short side is at least twice the size, then bicubic to the
    /// size, then the middle.
    CenterCropDhariwal,
}

/// Names of the transforms that change something.
pub const TRANSFORMS: [(&str, Transform); 2] =
    [("center-crop", Transform::CenterCrop), ("center-crop-dhariwal", Transform::CenterCropDhariwal)];

/// Sides that are no picture's, or an image that would have to be changed and is not to be.
#[derive(Debug, thiserror::Error)]
#[error("has {width}x{height} pixels, not {size}x{size}: name a transform")]
pub struct SizeError {
    width: usize,
    height: usize,
    size: usize,
}

impl Transform {
    /// RGB `[3, size, size]`; grey becomes three equal channels.
    ///
    /// # Errors
    /// [`Self::None`] of an image of another size.
    pub fn apply(self, image: &Image, size: usize) -> Result<Image, SizeError> {
        let picture = Picture::of(image);
        let done = match self {
            Self::None if (picture.width, picture.height) == (size, size) => picture,
            Self::None => return Err(SizeError { width: picture.width, height: picture.height, size }),
            Self::CenterCrop => {
                let side = picture.width.min(picture.height);
                picture.middle(side).resized((size, size), Filter::Lanczos)
            }
            Self::CenterCropDhariwal => dhariwal(picture, size),
        };
        Ok(done.planar())
    }
}

fn dhariwal(mut picture: Picture, size: usize) -> Picture {
    while picture.width.min(picture.height) >= 2 * size {
        let half = (picture.width / 2, picture.height / 2);
        picture = picture.resized(half, Filter::Box);
    }
    let scale = size as f64 / picture.width.min(picture.height) as f64;
    // As Python rounds.
    let side = |old: usize| (old as f64 * scale).round_ties_even() as usize;
    let sides = (side(picture.width), side(picture.height));
    picture.resized(sides, Filter::Bicubic).middle(size)
}

/// RGB pixels `[height, width, 3]`.
struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Picture {
    fn of(image: &Image) -> Self {
        let [channels, height, width] = image.shape;
        let area = height * width;
        // Of a grey image the first channel is all there is.
        let plane = |channel: usize| channel.min(channels - 1) * area;
        let pixels = (0..area).flat_map(|at| [0, 1, 2].map(|channel| image.pixels[plane(channel) + at]));
        Self { width, height, pixels: pixels.collect() }
    }

    fn planar(self) -> Image {
        super::codec::planar(&self.pixels, 3, [3, self.height, self.width])
    }

    /// The square of `side` pixels in the middle.
    fn middle(self, side: usize) -> Self {
        let (left, top) = ((self.width - side) / 2, (self.height - side) / 2);
        let row = |y: usize| &self.pixels[((top + y) * self.width + left) * 3..][..side * 3];
        Self { width: side, height: side, pixels: (0..side).flat_map(row).copied().collect() }
    }

    fn resized(self, sides: (usize, usize), filter: Filter) -> Self {
        let pixels = resize(&self.pixels, (self.width, self.height), sides, filter);
        Self { width: sides.0, height: sides.1, pixels }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ramp along x in red, along y in green, and blue the same everywhere.
    fn ramp(width: usize, height: usize) -> Image {
        let plane = |value: &dyn Fn(usize, usize) -> usize| -> Vec<u8> {
            (0..height)
                .flat_map(|y| (0..width).map(move |x| (x, y)))
                .map(|(x, y)| value(x, y) as u8)
                .collect()
        };
        let pixels = [plane(&|x, _| 4 * x), plane(&|_, y| 4 * y), plane(&|_, _| 77)].concat();
        Image { shape: [3, height, width], pixels }
    }

    #[test]
    fn the_largest_square_of_the_middle_is_taken() {
        let image = Transform::CenterCrop.apply(&ramp(40, 20), 20).unwrap();
        assert_eq!(image.shape, [3, 20, 20]);
        assert_eq!((image.pixels[0], image.pixels[19], image.pixels[400]), (40, 116, 0));
        let small = Transform::CenterCrop.apply(&ramp(40, 20), 10).unwrap();
        // Between the pixels of a straight ramp.
        assert_eq!((small.pixels[4], small.pixels[200]), (40 + 4 * 8 + 2, 77));
    }

    #[test]
    fn the_other_halves_by_means_before_it_resizes() {
        // 48 and 20 are halved once for 10 (20 ≥ 2·10) to 24 and 10, of which the middle stays.
        let image = Transform::CenterCropDhariwal.apply(&ramp(48, 20), 10).unwrap();
        assert_eq!(image.shape, [3, 10, 10]);
        assert_eq!(image.pixels[0], 4 * 14 + 2);
        assert_eq!(image.pixels[100..110], [2; 10]);
        // 31 is not: bicubic from 31 to 16, and the long side rounds as Python does, 45·16/30 = 24.
        assert_eq!(Transform::CenterCropDhariwal.apply(&ramp(45, 30), 16).unwrap().shape, [3, 16, 16]);
    }

    #[test]
    fn grey_becomes_three_channels_and_other_sizes_are_refused_without_a_transform() {
        let grey = Image { shape: [1, 2, 2], pixels: vec![1, 2, 3, 4] };
        let image = Transform::None.apply(&grey, 2).unwrap();
        assert_eq!((image.shape, image.pixels), ([3, 2, 2], [1, 2, 3, 4].repeat(3)));
        assert!(Transform::None.apply(&grey, 4).unwrap_err().to_string().contains("2x2"));
    }
}
