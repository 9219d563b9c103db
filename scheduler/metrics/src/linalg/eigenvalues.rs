//! Eigenvalues of a symmetric matrix: to a band ([`super::band`]), to three diagonals ([`super::chase`]), and by the
//! root-free QL iteration of Pal, Walker and Kahan. The same bits for any number of threads.

use std::cmp::Ordering;

use super::band::to_band;
use super::chase::to_tridiagonal;
use super::panels::Panels;

/// Iterations per eigenvalue: LAPACK's.
const MAX_ITERATIONS: usize = 30;

/// Of a matrix of which the lower triangle counts and which is used up, ascending; `None` where the iteration gave up.
pub(crate) fn eigenvalues(mut matrix: Panels<f64>) -> Option<Vec<f64>> {
    let packs = matrix.packs_mut();
    let largest = packs.iter().flatten().fold(0.0_f64, |most, value| most.max(value.abs()));
    if !largest.is_normal() {
        return (largest.is_finite() && packs.iter().flatten().all(|value| !value.is_nan()))
            .then(|| vec![0.0; matrix.rows()]);
    }
    // By a power of two, which changes no bit but keeps squares in range.
    let scale = 2.0_f64.powi(-(largest.log2().floor() as i32).clamp(-1000, 1000));
    packs.iter_mut().flatten().for_each(|value| *value *= scale);
    matrix.mirror();
    let (diagonal, below) = to_tridiagonal(&mut to_band(&mut matrix));
    let mut values = of_tridiagonal(diagonal, &below)?;
    values.iter_mut().for_each(|value| *value /= scale);
    values.sort_by(f64::total_cmp);
    Some(values)
}

/// By blocks, where elements below the diagonal are nothing beside those next to them.
fn of_tridiagonal(mut diagonal: Vec<f64>, below: &[f64]) -> Option<Vec<f64>> {
    let mut squares: Vec<f64> = below.iter().map(|e| e * e).collect();
    squares.push(0.0);
    let mut left = MAX_ITERATIONS * diagonal.len();
    let mut first = 0;
    while first < diagonal.len() {
        let last = split(&diagonal, &mut squares, first, diagonal.len() - 1);
        let (d, e) = (&mut diagonal[first..=last], &mut squares[first..=last]);
        if d[d.len() - 1].abs() < d[0].abs() {
            d.reverse();
            let count = e.len() - 1;
            e[..count].reverse();
        }
        of_block(d, e, &mut left)?;
        first = last + 1;
    }
    Some(diagonal)
}

/// The first place from `first` on below which there is nothing, `last` at the latest; made 0 there.
fn split(d: &[f64], squares: &mut [f64], first: usize, last: usize) -> usize {
    const NEGLIGIBLE: f64 = (f64::EPSILON / 2.0) * (f64::EPSILON / 2.0);
    // What is no number is nothing, too: so the iteration ends.
    let is_nothing = |i: &usize| {
        let beside = NEGLIGIBLE * (d[*i] * d[i + 1]).abs();
        squares[*i].partial_cmp(&beside) != Some(Ordering::Greater)
    };
    let found = (first..last).find(is_nothing).unwrap_or(last);
    squares[found] = 0.0;
    found
}

/// `d` becomes the eigenvalues; `e` are the squares below it.
fn of_block(d: &mut [f64], e: &mut [f64], left: &mut usize) -> Option<()> {
    let last = d.len() - 1;
    let mut l = 0;
    while l < last {
        match split(d, e, l, last) {
            m if m == l => l += 1,
            m if m == l + 1 => {
                [d[l], d[m]] = of_two(d[l], e[l].sqrt(), d[m]);
                e[l] = 0.0;
                l += 2;
            }
            m => {
                *left = left.checked_sub(1)?;
                iterate(&mut d[l..=m], &mut e[l..=m]);
            }
        }
    }
    Some(())
}

/// One iteration, shifted by Wilkinson's rule.
fn iterate(d: &mut [f64], e: &mut [f64]) {
    let last = d.len() - 1;
    let root = e[0].sqrt();
    let half = (d[1] - d[0]) / (2.0 * root);
    let shift = d[0] - root / (half + half.hypot(1.0).copysign(half));
    let (mut c, mut s) = (1.0, 0.0);
    let mut gamma = d[last] - shift;
    let mut p = gamma * gamma;
    for i in (0..last).rev() {
        let square = e[i];
        let r = p + square;
        e[i + 1] = s * r;
        let before = c;
        (c, s) = (p / r, square / r);
        let old = gamma;
        gamma = c * (d[i] - shift) - s * old;
        d[i + 1] = old + (d[i] - gamma);
        p = if c == 0.0 { before * square } else { gamma * gamma / c };
    }
    e[0] = s * p;
    e[last] = 0.0;
    d[0] = shift + gamma;
}

/// Of [[a, b], [b, c]].
fn of_two(a: f64, b: f64, c: f64) -> [f64; 2] {
    let (sum, root) = (a + c, (a - c).hypot(2.0 * b));
    if sum == 0.0 {
        return [-0.5 * root, 0.5 * root];
    }
    let far = 0.5 * (sum + root.copysign(sum));
    let (most, least) = if a.abs() > c.abs() { (a, c) } else { (c, a) };
    [far, most / far * least - b / far * b]
}

#[cfg(test)]
mod tests {
    use faer::{Mat, Side};

    use super::*;

    fn gram(rows: usize, dim: usize, scale: f64) -> Mat<f64> {
        let number = |i: usize, j: usize| ((i * 7919 + j * 104_729 + 13) % 2003) as f64 / 997.0 - 1.0;
        let x = Mat::from_fn(rows, dim, |i, j| number(i, j) * scale / (1.0 + j as f64));
        x.transpose() * &x
    }

    /// Of every number of columns that is cut another way, of full rank or not, of any magnitude.
    #[test]
    fn they_are_those_of_faer() {
        let shapes = [(5, 1), (5, 2), (9, 3), (40, 32), (40, 33), (90, 34), (40, 65), (300, 200), (90, 200)];
        for (rows, dim) in shapes {
            for scale in [1.0, 1e140, 1e-140] {
                let matrix = gram(rows, dim, scale);
                let expected = matrix.self_adjoint_eigenvalues(Side::Lower).unwrap();
                let found = eigenvalues(Panels::of(matrix.as_ref())).unwrap();
                let largest = expected[dim - 1];
                for (found, expected) in found.iter().zip(&expected) {
                    let off = (found - expected).abs() / largest;
                    assert!(off < 1e-14, "{rows}x{dim} of {scale:e}: {found:e} where {expected:e}");
                }
            }
        }
    }

    #[test]
    fn what_is_diagonal_already_stays_and_what_is_no_number_ends() {
        let diagonal =
            |at: fn(usize) -> f64| Panels::from_fn(70, 70, |i, j| if i == j { at(i) } else { 0.0 });
        let descending = eigenvalues(diagonal(|i| 70.0 - i as f64)).unwrap();
        assert_eq!(descending, (1..=70).map(f64::from).collect::<Vec<_>>());
        assert_eq!(eigenvalues(diagonal(|_| 0.0)).unwrap(), [0.0; 70]);
        assert_eq!(eigenvalues(diagonal(|_| f64::INFINITY)), None);
        assert!(
            eigenvalues(diagonal(|i| if i == 9 { f64::NAN } else { 1.0 })).is_none_or(|all| all.len() == 70)
        );
    }

    #[test]
    fn threads_change_no_bit() {
        let matrix = Panels::of(gram(400, 300, 1.0).as_ref());
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| eigenvalues(matrix.clone()).unwrap())
        };
        let alone = with(1);
        assert!([2, 3, 8].into_iter().all(|threads| with(threads) == alone));
    }
}
