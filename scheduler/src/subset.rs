//! Some of a dataset's images, chosen by a seed: those that NumPy chooses too.

use fidelis_contract::seeds::{Seeds, SeedsError};

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
    let mut places: Vec<u32> = (0..limit as u32).collect();
    let mut random = Mt19937::new(seed);
    for last in (1..limit as u32).rev() {
        places.swap(last as usize, random.up_to(last) as usize);
    }
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

/// Matsumoto and Nishimura's Mersenne Twister.
struct Mt19937 {
    state: [u32; Self::N],
    next: usize,
}

impl Mt19937 {
    const N: usize = 624;

    fn new(seed: u32) -> Self {
        let mut state = [seed; Self::N];
        for i in 1..Self::N {
            let last = state[i - 1];
            state[i] = 1_812_433_253_u32.wrapping_mul(last ^ (last >> 30)).wrapping_add(i as u32);
        }
        Self { state, next: Self::N }
    }

    fn draw(&mut self) -> u32 {
        if self.next == Self::N {
            for i in 0..Self::N {
                let y = (self.state[i] & 1 << 31) | (self.state[(i + 1) % Self::N] & !(1 << 31));
                let twist = if y & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[i] = self.state[(i + 397) % Self::N] ^ (y >> 1) ^ twist;
            }
            self.next = 0;
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    /// 0 to `most`, each as likely: draws of as many bits until one fits.
    fn up_to(&mut self, most: u32) -> u32 {
        let mask = u32::MAX >> most.leading_zeros();
        loop {
            let value = self.draw() & mask;
            if value <= most {
                return value;
            }
        }
    }
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
