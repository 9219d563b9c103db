//! Lists of seeds, as people write them: `0-49999`, `1,2,5-10`.

use std::{fmt, str::FromStr};

use crate::text::serde_as_text;

/// Most seeds a list may hold.
pub const MAX_SEEDS: u64 = 1_000_000_000;

/// Largest seed: objects hold seeds as i64.
pub const MAX_SEED: u64 = i64::MAX as u64;

/// An ordered list of seeds, held as inclusive ranges; neighbours are merged, so equal lists are equal values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seeds {
    ranges: Vec<(u64, u64)>,
}

impl Seeds {
    /// Builds a list from inclusive `(first, last)` ranges, in the given order.
    ///
    /// # Errors
    /// A reversed range, a seed above [`MAX_SEED`], more than [`MAX_SEEDS`] seeds.
    pub fn from_ranges(ranges: impl IntoIterator<Item = (u64, u64)>) -> Result<Self, SeedsError> {
        let mut seeds = Self::default();
        let mut len = 0;
        for (first, last) in ranges {
            if first > last {
                return Err(SeedsError::Reversed { first, last });
            }
            if last > MAX_SEED {
                return Err(SeedsError::TooLarge { seed: last });
            }
            len += last - first + 1;
            if len > MAX_SEEDS {
                return Err(SeedsError::TooMany);
            }
            seeds.push(first, last);
        }
        Ok(seeds)
    }

    fn push(&mut self, first: u64, last: u64) {
        match self.ranges.last_mut() {
            Some(previous) if previous.1 + 1 == first => previous.1 = last,
            _ => self.ranges.push((first, last)),
        }
    }

    /// How many seeds the list holds.
    pub fn len(&self) -> u64 {
        self.ranges.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// True when the list holds none.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The seeds in order.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.ranges.iter().flat_map(|&(first, last)| first..=last)
    }

    /// The seeds in order, in memory.
    pub fn to_vec(&self) -> Vec<u64> {
        self.iter().collect()
    }

    /// At most `len` seeds, from position `start` on.
    pub fn slice(&self, start: u64, len: u64) -> Self {
        let mut part = Self::default();
        let (mut skip, mut left) = (start, len);
        for &(first, last) in &self.ranges {
            let available = last - first + 1;
            if skip >= available {
                skip -= available;
                continue;
            }
            let take = left.min(available - skip);
            if take == 0 {
                break;
            }
            part.push(first + skip, first + skip + take - 1);
            (skip, left) = (0, left - take);
        }
        part
    }

    /// Checks that the list holds a seed and that each is larger than the one before.
    ///
    /// # Errors
    /// [`SeedsError::Empty`], [`SeedsError::NotAscending`].
    pub fn check_ascending(&self) -> Result<(), SeedsError> {
        if self.is_empty() {
            return Err(SeedsError::Empty);
        }
        match self.ranges.windows(2).find(|pair| pair[1].0 <= pair[0].1) {
            Some(pair) => Err(SeedsError::NotAscending { before: pair[0].1, after: pair[1].0 }),
            None => Ok(()),
        }
    }
}

impl Seeds {
    /// Checks that no two seeds make the same image: torch's generators take a seed modulo 2³².
    ///
    /// # Errors
    /// [`SeedsError::SameImage`] with the first two.
    pub fn check_distinct_images(&self) -> Result<(), SeedsError> {
        // Of each range the parts within one multiple of 2³²: a range is shorter than that.
        let parts = self.ranges.iter().flat_map(|&(first, last)| {
            let turn = (first | 0xffff_ffff).saturating_add(1);
            let rest = (turn <= last).then_some((turn, last));
            std::iter::once((first, last.min(turn - 1))).chain(rest)
        });
        let mut parts: Vec<(u64, u64)> = parts.collect();
        parts.sort_unstable_by_key(|&(first, _)| (first & 0xffff_ffff, first));
        for pair in parts.windows(2) {
            let ((first, last), (other, _)) = (pair[0], pair[1]);
            let ahead = (other & 0xffff_ffff) - (first & 0xffff_ffff);
            if ahead <= last - first {
                let twin = first + ahead;
                return Err(SeedsError::SameImage { seed: twin.min(other), twin: twin.max(other) });
            }
        }
        Ok(())
    }
}

impl Seeds {
    /// As many seeds of the same gaps, `turns` times as far on as it takes to meet none of these: `0-9` turns to `10-19`.
    ///
    /// # Errors
    /// [`SeedsError::TooLarge`]; [`SeedsError::Empty`] of no seeds.
    pub fn turned(&self, turns: u64) -> Result<Self, SeedsError> {
        let (Some(&(first, _)), Some(&(_, last))) = (self.ranges.first(), self.ranges.last()) else {
            return Err(SeedsError::Empty);
        };
        let too_large = SeedsError::TooLarge { seed: u64::MAX };
        let by = (last - first).checked_add(1).and_then(|span| span.checked_mul(turns));
        let by = by.filter(|by| last.checked_add(*by).is_some()).ok_or(too_large)?;
        Self::from_ranges(self.ranges.iter().map(|(first, last)| (first + by, last + by)))
    }
}

impl FromStr for Seeds {
    type Err = SeedsError;
    fn from_str(text: &str) -> Result<Self, SeedsError> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let ranges: Vec<_> = text.split(',').map(parse_range).collect::<Result<_, _>>()?;
        Self::from_ranges(ranges)
    }
}

fn parse_range(part: &str) -> Result<(u64, u64), SeedsError> {
    let number = |text: &str| {
        let text = text.trim();
        let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        plain
            .then(|| text.parse().ok())
            .flatten()
            .ok_or_else(|| SeedsError::Malformed(part.trim().to_owned()))
    };
    match part.split_once('-') {
        Some((first, last)) => Ok((number(first)?, number(last)?)),
        None => number(part).map(|seed| (seed, seed)),
    }
}

impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (first, last)) in self.ranges.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            if first == last {
                write!(f, "{comma}{first}")?;
            } else {
                write!(f, "{comma}{first}-{last}")?;
            }
        }
        Ok(())
    }
}

serde_as_text!(Seeds);

/// Why a list of seeds was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SeedsError {
    /// A part is neither a number nor a range.
    #[error("`{0}` is no seed: write seeds as `0-49999` or `1,2,5-10`")]
    Malformed(String),
    /// A range ends before it starts.
    #[error("range `{first}-{last}` is reversed: write `{last}-{first}`")]
    Reversed {
        /// Start, as written.
        first: u64,
        /// End, as written.
        last: u64,
    },
    /// A seed above [`MAX_SEED`].
    #[error("seed `{seed}` is too large: use seeds up to `{MAX_SEED}`")]
    TooLarge {
        /// The seed.
        seed: u64,
    },
    /// More than [`MAX_SEEDS`].
    #[error("more than `{MAX_SEEDS}` seeds: split them over several runs")]
    TooMany,
    /// None at all.
    #[error("no seeds: give at least one, for example `0-49999`")]
    Empty,
    /// Equal modulo 2³².
    #[error(
        "seeds `{seed}` and `{twin}` make the same image, as torch takes a seed modulo 2^32: leave one out"
    )]
    SameImage {
        /// The smaller one.
        seed: u64,
        /// The larger one.
        twin: u64,
    },
    /// Out of order, or the same seed twice.
    #[error("seed `{after}` comes after `{before}`: list each seed once, in ascending order")]
    NotAscending {
        /// The seed before.
        before: u64,
        /// The seed that is not larger.
        after: u64,
    },
}

#[cfg(test)]
#[path = "seeds_tests.rs"]
mod tests;
