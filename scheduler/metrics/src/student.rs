//! Student's t: how many standard errors an interval reaches, when the error itself was estimated from few blocks.

/// t of which 97.5 % lies below, for 1 to 30 degrees of freedom.
const TWO_SIDED_95: [f64; 30] = [
    12.706_205, 4.302_653, 3.182_446, 2.776_445, 2.570_582, 2.446_912, 2.364_624, 2.306_004, 2.262_157,
    2.228_139, 2.200_985, 2.178_813, 2.160_369, 2.144_787, 2.131_450, 2.119_905, 2.109_816, 2.100_922,
    2.093_024, 2.085_963, 2.079_614, 2.073_873, 2.068_658, 2.063_899, 2.059_539, 2.055_529, 2.051_831,
    2.048_407, 2.045_230, 2.042_272,
];

/// t of which 95 % lies below.
const ONE_SIDED_95: [f64; 30] = [
    6.313_752, 2.919_986, 2.353_363, 2.131_847, 2.015_048, 1.943_180, 1.894_579, 1.859_548, 1.833_113,
    1.812_461, 1.795_885, 1.782_288, 1.770_933, 1.761_310, 1.753_050, 1.745_884, 1.739_607, 1.734_064,
    1.729_133, 1.724_718, 1.720_743, 1.717_144, 1.713_872, 1.710_882, 1.708_141, 1.705_618, 1.703_288,
    1.701_131, 1.699_127, 1.697_261,
];

/// The t beyond which, either way, 5 % lie. Beyond 30 degrees of freedom to 1e-4, by Cornish and Fisher's expansion.
///
/// # Panics
/// Without any degree of freedom.
pub fn two_sided_95(degrees: usize) -> f64 {
    quantile(&TWO_SIDED_95, 1.959_963_985, degrees)
}

/// The t beyond which, one way, 5 % lie; likewise.
///
/// # Panics
/// Likewise.
pub fn one_sided_95(degrees: usize) -> f64 {
    quantile(&ONE_SIDED_95, 1.644_853_627, degrees)
}

/// The t beyond which, one way, 20 % lie: to 0.03 from 3 degrees of freedom on, which will do for planning.
///
/// # Panics
/// Likewise.
pub fn one_sided_80(degrees: usize) -> f64 {
    quantile(&[], 0.841_621_234, degrees)
}

fn quantile(table: &[f64], z: f64, degrees: usize) -> f64 {
    assert!(degrees > 0, "an error bar of one estimate");
    let v = degrees as f64;
    table.get(degrees - 1).copied().unwrap_or(
        z + (z.powi(3) + z) / (4.0 * v) + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * v * v),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By SciPy 1.17: `scipy.stats.t.ppf([0.975, 0.95], v)`.
    #[test]
    fn quantiles_are_scipys() {
        for (degrees, two_sided, one_sided) in [
            (1, 12.706_205, 6.313_752),
            (9, 2.262_157, 1.833_113),
            (30, 2.042_272, 1.697_261),
            (31, 2.039_513, 1.695_519),
            (100, 1.983_972, 1.660_234),
            (1000, 1.962_339, 1.646_379),
        ] {
            assert!((two_sided_95(degrees) - two_sided).abs() < 1e-4, "{degrees}");
            assert!((one_sided_95(degrees) - one_sided).abs() < 1e-4, "{degrees}");
        }
        for (degrees, t) in [(3, 0.978_472), (9, 0.883_404), (100, 0.845_230)] {
            assert!((one_sided_80(degrees) - t).abs() < 0.03, "{degrees}");
        }
    }
}
