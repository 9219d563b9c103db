//! What is concluded from a difference.

use std::fmt;

use fidelis_contract::exit;

use super::Difference;

/// When a difference counts. The chance of an alarm about a run that is no worse is 5 % at most; an alarm that new seeds
/// of both runs confirm has that chance twice, 0.25 %. New seeds of one alone are no second opinion: both looks would share
/// what chance did to the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// Differences within this share of the baseline do not matter, either way: 0.02 is ±2 %, as MLPerf has it.
    pub band: f64,
}

impl Default for Rule {
    fn default() -> Self {
        Self { band: 0.02 }
    }
}

/// How a run compares with its baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not worse by more than the band.
    Fine,
    /// Better, by more than the band: fine, and to be explained all the same.
    Improved,
    /// Worse: beyond chance, and by more than the band.
    Regressed,
    /// The error bar is too wide to tell.
    Inconclusive,
    /// There was nothing to compare.
    Nothing,
}

impl Verdict {
    /// Of one comparison, before any alarm is confirmed.
    ///
    /// | what is known | verdict |
    /// | --- | --- |
    /// | worse than chance explains, and by more than the band | regressed |
    /// | not worse by more than the band | fine; improved where it is better in the same sense |
    /// | else | inconclusive |
    pub fn of(difference: &Difference, rule: Rule) -> Self {
        let band = rule.band * difference.baseline.abs();
        if difference.at_least() > 0.0 && difference.worse_by > band {
            Self::Regressed
        } else if difference.at_most() > band {
            Self::Inconclusive
        } else if difference.at_most() < 0.0 && difference.worse_by < -band {
            Self::Improved
        } else {
            Self::Fine
        }
    }

    /// What stands once other seeds of both runs were asked too: an alarm only where both raise it.
    pub fn confirmed_by(self, again: Self) -> Self {
        match (self, again) {
            (Self::Regressed, Self::Improved | Self::Fine) => Self::Fine,
            (Self::Regressed, Self::Nothing) => Self::Inconclusive,
            (Self::Regressed, again) => again,
            (first, _) => first,
        }
    }

    /// What a command ends with.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Fine | Self::Improved => exit::DONE,
            Self::Regressed => exit::REGRESSION,
            Self::Inconclusive => exit::INCONCLUSIVE,
            Self::Nothing => exit::NOTHING,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fine => "fine",
            Self::Improved => "improved",
            Self::Regressed => "regressed",
            Self::Inconclusive => "inconclusive",
            Self::Nothing => "nothing to compare",
        })
    }
}

impl serde::Serialize for Verdict {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Design;

    /// A baseline of 10, so that the band is 0.2; t of 9 degrees one way is 1.833.
    fn verdict(worse_by: f64, sd: f64) -> Verdict {
        let candidate = 10.0 + worse_by;
        let of = Difference { baseline: 10.0, candidate, worse_by, sd, degrees: 9, design: Design::Paired };
        Verdict::of(&of, Rule::default())
    }

    #[test]
    fn each_difference_has_its_verdict() {
        for (worse_by, sd, expected) in [
            (0.0, 0.0, Verdict::Fine),
            (0.1, 0.01, Verdict::Fine),
            (0.1, 0.05, Verdict::Fine),
            (0.1, 0.06, Verdict::Inconclusive),
            (0.3, 0.1, Verdict::Regressed),
            (0.3, 0.2, Verdict::Inconclusive),
            (0.21, 0.0, Verdict::Regressed),
            (0.19, 0.0, Verdict::Fine),
            (-0.1, 0.01, Verdict::Fine),
            (-0.3, 0.1, Verdict::Improved),
            (-0.3, 0.2, Verdict::Fine),
            (-0.3, 0.3, Verdict::Inconclusive),
        ] {
            assert_eq!(verdict(worse_by, sd), expected, "{worse_by} ± {sd}");
        }
    }

    #[test]
    fn alarms_are_confirmed_and_nothing_else_is() {
        use Verdict::{Fine, Improved, Inconclusive, Nothing, Regressed};
        assert_eq!(Regressed.confirmed_by(Regressed), Regressed);
        assert_eq!(Regressed.confirmed_by(Inconclusive), Inconclusive);
        assert_eq!(Regressed.confirmed_by(Nothing), Inconclusive);
        assert_eq!([Fine, Improved].map(|again| Regressed.confirmed_by(again)), [Fine, Fine]);
        for first in [Fine, Improved, Inconclusive, Nothing] {
            assert_eq!(first.confirmed_by(Regressed), first);
        }
        let codes = [Fine, Improved, Regressed, Inconclusive, Nothing].map(Verdict::exit_code);
        assert_eq!(codes, [0, 0, 1, 3, 4]);
    }
}
