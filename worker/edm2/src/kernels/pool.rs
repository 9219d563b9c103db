//! Pools: maxima and means of the pixels around.

use fearless_simd::{dispatch, prelude::*};

use super::crew::Crew;
use super::map::{Shape, Stencil, inside};
use super::simd::{Pack, level, load, splat};

/// What becomes of the pixels under a stencil; padding does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Summary {
    Max,
    Mean,
}

/// Pools `x`, whose places are `shape`, into `out`.
pub fn pool(crew: &Crew, x: &[Pack], out: &mut [Pack], (shape, stencil, of): (Shape, Stencil, Summary)) {
    let after = stencil.out(shape);
    let packs = x.len() / shape.pixels();
    crew.run(out, (after.images * after.height, |_| after.width * packs), |row, out, _| {
        let (image, y) = (row / after.height, row % after.height);
        let window = stencil.window((image, y), [1, 1]);
        let rows = inside(window.top, window.rows, shape.height);
        dispatch!(level(), simd => {
            for (column, out) in out.chunks_mut(packs).enumerate() {
                let left = window.left + (column * stencil.stride) as isize;
                let columns = inside(left, window.columns, shape.width);
                let count = (rows.len() * columns.len()) as f32;
                for (pack, out) in out.iter_mut().enumerate() {
                    let start = if of == Summary::Max { f32::NEG_INFINITY } else { 0.0 };
                    let mut sum = splat(simd, start);
                    for y in rows.clone() {
                        for x_at in columns.clone() {
                            let value = load(simd, &x[((image * shape.height + y) * shape.width + x_at) * packs + pack]);
                            sum = if of == Summary::Max { sum.max(value) } else { sum + value };
                        }
                    }
                    *out = if of == Summary::Max { sum } else { sum / splat(simd, count) }.to_array();
                }
            }
        });
    });
}

/// The mean of each image's pixels: of rows first, so that sums stay short.
pub fn spatial_means(x: &[Pack], out: &mut [Pack], shape: Shape) {
    let packs = x.len() / shape.pixels();
    let pixels = (shape.height * shape.width) as f32;
    dispatch!(level(), simd => {
        for (i, out) in out.iter_mut().enumerate() {
            let image = &x[i / packs * shape.height * shape.width * packs..];
            let mut total = splat(simd, 0.0);
            for y in 0..shape.height {
                let mut row = splat(simd, 0.0);
                for x in 0..shape.width {
                    row += load(simd, &image[(y * shape.width + x) * packs + i % packs]);
                }
                total += row;
            }
            *out = (total / splat(simd, pixels)).to_array();
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::simd::WIDTH;
    use super::*;

    const SHAPE: Shape = Shape { images: 2, height: 3, width: 4 };

    /// Two packs a pixel; lane 0 of the first counts up, lane 1 of the second down.
    fn map() -> Vec<Pack> {
        let mut map = vec![[0.0; WIDTH]; SHAPE.pixels() * 2];
        for (i, pixel) in map.chunks_mut(2).enumerate() {
            (pixel[0][0], pixel[1][1]) = (i as f32, -(i as f32));
        }
        map
    }

    fn pooled(stencil: Stencil, of: Summary) -> Vec<[f32; 2]> {
        let mut out = vec![[7.0; WIDTH]; stencil.out(SHAPE).pixels() * 2];
        pool(&Crew::default(), &map(), &mut out, (SHAPE, stencil, of));
        out.chunks(2).map(|pixel| [pixel[0][0], pixel[1][1]]).collect()
    }

    #[test]
    fn padding_counts_neither_in_means_nor_in_maxima() {
        let means = pooled(Stencil::SAME3, Summary::Mean);
        assert_eq!(means.len(), 24);
        // The corner sees 0, 1, 4, 5, the middle all nine around 5, the second image begins at 12.
        assert_eq!((means[0], means[5], means[12]), ([2.5, -2.5], [5.0, -5.0], [14.5, -14.5]));
        let maxima = pooled(Stencil::SAME3, Summary::Max);
        assert_eq!((maxima[0], maxima[5], maxima[23]), ([5.0, 0.0], [10.0, 0.0], [23.0, -18.0]));
    }

    #[test]
    fn strides_skip() {
        let stencil = Stencil { taps: [3, 2], stride: 2, padding: [0, 0] };
        assert_eq!(pooled(stencil, Summary::Max), [[9.0, 0.0], [11.0, -2.0], [21.0, -12.0], [23.0, -14.0]]);
    }

    #[test]
    fn means_are_of_each_image() {
        let mut out = vec![[7.0; WIDTH]; 4];
        spatial_means(&map(), &mut out, SHAPE);
        assert_eq!([out[0][0], out[1][1], out[2][0], out[3][1]], [5.5, -5.5, 17.5, -17.5]);
    }
}
