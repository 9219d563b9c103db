//! Some of a dataset's images, chosen by a seed: those that NumPy chooses too.

use fidelis_contract::seeds::{Seeds, SeedsError};
use fidelis_metrics::random::RandomState;

/// More images are asked for than there are.
#[derive(Debug, thiserror::Error)]
pub enum SubsetError {
    /// Too few.
    #[error("`--num {wanted}` of `{num_images}` images: ask for `2` to `{num_images}`")]
    TooMany {
        /// Asked for.
        wanted: u64,
        /// There are.
        num_images: u64,
    },
    /// More than a run can have.
    #[error(transparent)]
    Seeds(#[from] SeedsError),
}

fidelis_contract::usage_errors!(SubsetError);

/// `sorted(numpy.random.RandomState(seed).permutation(num_images)[:wanted])`.
///
/// # Errors
/// See [`SubsetError`].
pub fn choose(num_images: u64, wanted: u64, seed: u32) -> Result<Seeds, SubsetError> {
    let limit = num_images.min(u32::MAX.into());
    if !(2..=limit).contains(&wanted) {
        return Err(SubsetError::TooMany { wanted, num_images });
    }
    let mut places = RandomState::new(seed).permutation(limit as u32);
    places.truncate(wanted as usize);
    places.sort_unstable();
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for place in places.into_iter().map(u64::from) {
        match ranges.last_mut() {
            Some((_, end)) if *end + 1 == place => *end = place,
            _ => ranges.push((place, place)),
        }
    }
    Ok(Seeds::from_ranges(ranges)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By NumPy 1.26 and 2.4.
    #[test]
    fn subsets_are_numpys() {
        assert_eq!(choose(20, 5, 0).unwrap().to_vec(), [1, 8, 10, 18, 19]);
        assert_eq!(choose(1000, 6, 12345).unwrap().to_vec(), [144, 186, 270, 468, 833, 962]);
        assert_eq!(choose(9, 9, 7).unwrap().to_string(), "0-8");
        for (wanted, num_images) in [(11, 10), (1, 10), (0, 10), (2, 1)] {
            let error = choose(num_images, wanted, 0).unwrap_err().to_string();
            assert!(error.contains(&format!("`--num {wanted}` of `{num_images}`")), "{error}");
        }
    }
}
