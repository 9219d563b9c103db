//! Which arithmetic the bits of a chunk are of. Run ids stay as the arithmetic moves on, so receipts say; chunks of two
//! are never mixed in one run.
//!
//! | engine | version | since |
//! | --- | --- | --- |
//! | any | 1 | the first, and of every receipt that says nothing |
//! | `edm2` | 2 | the quotient of a gain is rounded to the type in which the gain is stored, time steps and the edges of churn to the state's; `cuda` noise takes the seed modulo 2³² |
//! | `edm2` | 3 | nets in float32 on a CPU are computed without libtorch: convolutions by Winograd's F(4×4, 3×3), constants folded into the weights |
//! | `edm2` | 4 | Inception on a CPU is computed without libtorch too |
//! | `edm2` | 5 | with bf16 on a CPU the weights alone are rounded, and computed without libtorch |
//! | `dataset` | 2 | JPEGs are decoded as libjpeg-turbo does |
//! | `dataset` | 3 | Inception on a CPU is computed without libtorch |

use std::{collections::BTreeMap, path::PathBuf};

use crate::{
    ids::{ChunkIndex, RunId},
    outcome::{Class, Outcome},
    receipt::FIRST_ARITHMETIC,
    spec::EngineKind,
};

/// The arithmetic that this build makes chunks of an engine in.
pub fn of(engine: EngineKind) -> u32 {
    match engine {
        EngineKind::Edm2 => 5,
        EngineKind::Dataset => 3,
        EngineKind::Synthetic | EngineKind::Train => FIRST_ARITHMETIC,
    }
}

/// A run of which chunks are stored that this build would not have made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "run `{run}` holds `{count}` chunks of arithmetic `{found}` where this build makes `{made}`, and is not finished: {}",
    self.remedy()
)]
pub struct OtherArithmetic {
    pub run: RunId,
    /// How many chunks.
    pub count: usize,
    /// The lowest among them.
    pub found: u32,
    /// This build's.
    pub made: u32,
    /// The folder of a store of this machine's own.
    pub local: Option<PathBuf>,
}

impl OtherArithmetic {
    /// What is wrong with the chunks of an unfinished run, if anything.
    pub fn among(run: &RunId, engine: EngineKind, found: &BTreeMap<ChunkIndex, u32>) -> Option<Self> {
        let made = of(engine);
        let others = found.values().filter(|found| **found != made);
        let (count, found) = (others.clone().count(), *others.min()?);
        Some(Self { run: run.clone(), count, found, made, local: None })
    }

    fn remedy(&self) -> String {
        if self.found > self.made {
            return "use the build that began it, or a newer one".to_owned();
        }
        let local =
            self.local.as_ref().map_or(String::new(), |folder| format!(" --local {}", folder.display()));
        format!(
            "`fidelis verify {}{local} --repair` sets them aside, then run the spec again, which makes them anew",
            self.run
        )
    }
}

impl Outcome for OtherArithmetic {
    fn class(&self) -> Class {
        Class::Integrity
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit;

    fn among(engine: EngineKind, found: &[u32]) -> Option<OtherArithmetic> {
        let found = found.iter().enumerate().map(|(chunk, found)| (chunk as ChunkIndex, *found)).collect();
        OtherArithmetic::among(&"demo-0123456789abcdef".parse().unwrap(), engine, &found)
    }

    #[test]
    fn only_engines_whose_arithmetic_moved_on_refuse_old_chunks() {
        assert_eq!(among(EngineKind::Edm2, &[5, 5]), None);
        assert_eq!(among(EngineKind::Edm2, &[]), None);
        assert!(among(EngineKind::Dataset, &[1, 1]).is_some());
        assert_eq!(among(EngineKind::Synthetic, &[1]), None);
        let old = among(EngineKind::Edm2, &[1, 5, 1]).unwrap();
        assert_eq!((old.count, old.found, old.made, old.exit_code()), (2, 1, 5, exit::INTEGRITY));
    }

    #[test]
    fn the_line_names_the_command() {
        let old = among(EngineKind::Edm2, &[1]).unwrap();
        let text = old.to_string();
        assert!(text.contains("`fidelis verify demo-0123456789abcdef --repair`"), "{text}");
        let local = OtherArithmetic { local: Some("out/x".into()), ..old }.to_string();
        assert!(local.contains("`fidelis verify demo-0123456789abcdef --local out/x --repair`"), "{local}");
        let newer = among(EngineKind::Edm2, &[6]).unwrap().to_string();
        assert!(newer.contains("use the build that began it") && !newer.contains("--repair"), "{newer}");
    }
}
