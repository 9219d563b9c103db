//! How images come to the 299×299 that the net was made for.

use tch::{Device, Kind, Tensor};

pub const SIDE: i64 = 299;

/// The two ways in which published figures resize and scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preprocessing {
    /// TensorFlow 1's bilinear resize, then `(x − 128)/128`: the detector `inception`.
    Tf1,
    /// Half-pixel centres, on `2·x/255 − 1`: the detector `pytorch-fid`.
    PytorchFid,
}

impl Preprocessing {
    /// uint8 `[N, 3, H, W]` to float32 `[N, 3, 299, 299]`.
    pub fn apply(self, images: &Tensor) -> Tensor {
        let x = images.to_kind(Kind::Float);
        match self {
            Self::Tf1 => (resize_tf1(&x, [SIDE, SIDE]) - 128.0) / 128.0,
            Self::PytorchFid => (x / 255.0).upsample_bilinear2d([SIDE, SIDE], false, None, None) * 2.0 - 1.0,
        }
    }
}

/// Bilinear as TensorFlow 1 has it: `source = target · in/out` with no half-pixel shift, edges clamped, no antialias.
/// float32 `[N, C, H, W]` to `[N, C, *size]`.
fn resize_tf1(x: &Tensor, [height, width]: [i64; 2]) -> Tensor {
    along(&along(x, 3, width), 2, height)
}

/// Interpolates one dimension.
fn along(x: &Tensor, dim: i64, out: i64) -> Tensor {
    let input = x.size()[dim as usize];
    let taps: Vec<Tap> = (0..out).map(|target| Tap::of(target, input, out)).collect();
    let pick = |index: fn(&Tap) -> i64| {
        let indices: Vec<i64> = taps.iter().map(index).collect();
        x.index_select(dim, &Tensor::from_slice(&indices).to_device(x.device()))
    };
    let share: Vec<f32> = taps.iter().map(|tap| tap.share).collect();
    let mut shape = [1; 4];
    shape[dim as usize] = out;
    let share = Tensor::from_slice(&share).to_device(x.device()).reshape(shape);
    let (lower, upper) = (pick(|tap| tap.lower), pick(|tap| tap.upper));
    (upper - &lower) * share + lower
}

/// The two sources of a target, and the share of the second.
#[derive(Debug, PartialEq)]
struct Tap {
    lower: i64,
    upper: i64,
    share: f32,
}

impl Tap {
    /// In float32, as TensorFlow computes it.
    fn of(target: i64, input: i64, out: i64) -> Self {
        let source = target as f32 * (input as f32 / out as f32);
        let lower = (source.floor() as i64).min(input - 1);
        Self { lower, upper: (lower + 1).min(input - 1), share: source - lower as f32 }
    }
}

/// uint8 `[N, 1, H, W]` or `[N, 3, H, W]` to three channels, grey repeated; `None` for anything else.
pub fn three_channels(images: &Tensor, device: Device) -> Option<Tensor> {
    match images.size()[..] {
        [n, 1 | 3, h, w] if images.kind() == Kind::Uint8 && h > 0 && w > 0 => {
            Some(images.to_device(device).expand([n, 3, h, w], false))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resized(values: &[f32], from: [i64; 2], to: [i64; 2]) -> Vec<f32> {
        let x = Tensor::from_slice(values).reshape([1, 1, from[0], from[1]]);
        resize_tf1(&x, to).flatten(0, -1).try_into().unwrap()
    }

    #[test]
    fn enlarging_does_not_shift_and_clamps_at_the_far_edge() {
        // Sources 0, 0.5, 1, 1.5: the last lies beyond the last pixel's place and repeats it.
        assert_eq!(resized(&[0.0, 10.0], [1, 2], [1, 4]), [0.0, 5.0, 10.0, 10.0]);
        // By hand: rows 0 and 0.5 · columns 0, 2/3 and 4/3, of [[0, 3], [6, 9]].
        let found = resized(&[0.0, 3.0, 6.0, 9.0], [2, 2], [4, 3]);
        let expected = [0.0, 2.0, 3.0, 3.0, 5.0, 6.0, 6.0, 8.0, 9.0, 6.0, 8.0, 9.0];
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{found:?}");
    }

    #[test]
    fn shrinking_takes_two_neighbours_and_no_average() {
        // Sources 0 and 1.5 of 3; of 5 to 2: 0 and 2.5. Pixels between are not seen.
        assert_eq!(resized(&[0.0, 4.0, 8.0], [1, 3], [1, 2]), [0.0, 6.0]);
        assert_eq!(resized(&[0.0, 100.0, 2.0, 4.0, 50.0], [5, 1], [2, 1]), [0.0, 3.0]);
        // A whole factor picks pixels.
        assert_eq!(resized(&[1.0, 2.0, 3.0, 4.0], [1, 4], [1, 2]), [1.0, 3.0]);
    }

    #[test]
    fn the_same_size_changes_nothing() {
        let values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0];
        assert_eq!(resized(&values, [2, 3], [2, 3]), values);
        assert_eq!(Tap::of(298, 64, 299), Tap { lower: 63, upper: 63, share: 298.0 * (64.0 / 299.0) - 63.0 });
    }

    #[test]
    fn half_pixel_centres_differ_from_tf1() {
        let images = Tensor::from_slice(&[0_u8, 255]).reshape([1, 1, 1, 2]).expand([1, 3, 1, 2], false);
        let column = |mode: Preprocessing, at: i64| mode.apply(&images).double_value(&[0, 0, 0, at]);
        // pytorch-fid: target 74 has the source 74.5 · 2/299 − 0.5 < 0, so it is the first pixel: −1.
        assert_eq!(column(Preprocessing::PytorchFid, 74), -1.0);
        // TF1: 74 · 2/299 of the way from −1 to 127/128.
        let expected = (255.0 * 148.0 / 299.0 - 128.0) / 128.0;
        assert!((column(Preprocessing::Tf1, 74) - expected).abs() < 1e-6);
        assert_eq!(column(Preprocessing::Tf1, 298), 127.0 / 128.0);
    }

    #[test]
    fn grey_is_repeated_and_other_shapes_are_none() {
        let grey = Tensor::from_slice(&[7_u8, 8]).reshape([1, 1, 1, 2]);
        let colour: Vec<u8> =
            three_channels(&grey, Device::Cpu).unwrap().contiguous().flatten(0, -1).try_into().unwrap();
        assert_eq!(colour, [7, 8, 7, 8, 7, 8]);
        assert!(
            three_channels(&Tensor::zeros([1, 2, 4, 4], (Kind::Uint8, Device::Cpu)), Device::Cpu).is_none()
        );
        assert!(three_channels(&grey.to_kind(Kind::Float), Device::Cpu).is_none());
    }
}
