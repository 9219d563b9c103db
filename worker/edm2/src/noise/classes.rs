//! Which class an image gets.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fidelis_contract::spec::Labels;

/// Which class each image has: a function of its seed alone (D1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Classes {
    /// As drawn from the image's stream.
    Drawn,
    /// `seed mod label_dim`.
    Balanced,
    /// The same for all.
    Fixed(i64),
    /// Entry `seed mod length`; never empty.
    Listed(Arc<[i64]>),
}

/// Classes that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ClassesError {
    #[error("class `{class}` is not one of the net's {label_dim} classes")]
    Unknown { class: i64, label_dim: i64 },
    #[error("the net is unconditional: it has no classes to choose from")]
    Unconditional,
    #[error("cannot read the labels `{path}`: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("line {line} of the labels `{path}` is no class: write one class index on each line")]
    Line { path: PathBuf, line: usize },
    #[error("the labels `{0}` are empty: write one class index on each line")]
    Empty(PathBuf),
}

impl Classes {
    /// Of a spec's labels, whose file lies on this machine.
    ///
    /// # Errors
    /// A file that cannot be read, or has a line that is no class.
    pub fn of_labels(labels: &Labels) -> Result<Self, ClassesError> {
        match labels {
            Labels::Random => Ok(Self::Drawn),
            Labels::Balanced => Ok(Self::Balanced),
            Labels::Class(class) => Ok(Self::Fixed(i64::from(*class))),
            Labels::File(file) => Self::read(Path::new(&file.path)),
        }
    }

    /// Reads one class index from each line of a text file.
    fn read(path: &Path) -> Result<Self, ClassesError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ClassesError::Read { path: path.to_owned(), source })?;
        let parse = |(at, line): (usize, &str)| {
            let class: Option<i64> = line.trim().parse().ok().filter(|&class| class >= 0);
            class.ok_or_else(|| ClassesError::Line { path: path.to_owned(), line: at + 1 })
        };
        let classes: Vec<i64> = text.lines().enumerate().map(parse).collect::<Result<_, _>>()?;
        if classes.is_empty() {
            return Err(ClassesError::Empty(path.to_owned()));
        }
        Ok(Self::Listed(classes.into()))
    }

    pub(super) fn check(&self, label_dim: i64) -> Result<(), ClassesError> {
        let named: &[i64] = match self {
            Self::Drawn => return Ok(()),
            Self::Balanced => &[],
            Self::Fixed(class) => std::slice::from_ref(class),
            Self::Listed(classes) => classes,
        };
        if label_dim == 0 {
            return Err(ClassesError::Unconditional);
        }
        match named.iter().find(|class| !(0..label_dim).contains(class)) {
            Some(&class) => Err(ClassesError::Unknown { class, label_dim }),
            None => Ok(()),
        }
    }

    /// The class of `seed`, whose stream gave `drawn`.
    pub(super) fn of(&self, seed: u64, drawn: i64, label_dim: i64) -> i64 {
        match self {
            Self::Drawn => drawn,
            Self::Balanced => (seed % label_dim as u64) as i64,
            Self::Fixed(class) => *class,
            Self::Listed(classes) => classes[(seed % classes.len() as u64) as usize],
        }
    }
}

fidelis_contract::usage_errors!(ClassesError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mode_is_a_function_of_the_seed() {
        let of = |classes: &Classes| (8..12).map(|seed| classes.of(seed, 7, 10)).collect::<Vec<_>>();
        assert_eq!(of(&Classes::Drawn), [7; 4]);
        assert_eq!(of(&Classes::Balanced), [8, 9, 0, 1]);
        assert_eq!(of(&Classes::Fixed(3)), [3; 4]);
        assert_eq!(of(&Classes::Listed([4, 5, 6].into())), [6, 4, 5, 6]);
    }

    #[test]
    fn labels_files_are_checked_line_by_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.txt");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Classes::read(&path).map_err(|error| error.to_string())
        };
        assert_eq!(read("3\n 9\n0\n"), Ok(Classes::Listed([3, 9, 0].into())));
        assert!(read("3\nx\n").unwrap_err().contains("line 2"));
        assert!(read("3\n-1\n").unwrap_err().contains("line 2"));
        assert!(read("").unwrap_err().contains("empty"));
        assert!(Classes::Listed([3, 10].into()).check(10).unwrap_err().to_string().contains("class `10`"));
        assert!(Classes::Balanced.check(0).is_err() && Classes::Drawn.check(0).is_ok());
    }
}
