//! How commands end when they cannot do what they were asked: one line and an exit code, the same in every binary.

use std::{
    error::Error,
    io::{self, ErrorKind},
};

use crate::{
    exit,
    files::{FileError, ResolveError},
    manifest::ManifestError,
    payload::PayloadError,
    queue::QueueError,
    receipt::ReceiptError,
    spec::SpecError,
    store::StoreError,
    text,
};

/// The exit code that one of this crate's errors, or a disk that is full, asks for; `None` for any other error.
pub fn exit_code_of(error: &(dyn Error + 'static)) -> Option<u8> {
    macro_rules! ask {
        ($($kind:ty),+) => {
            $(if let Some(error) = error.downcast_ref::<$kind>() {
                return Some(error.exit_code());
            })+
        };
    }
    ask!(StoreError, QueueError, PayloadError, ReceiptError, ManifestError, FileError, ResolveError);
    if error.downcast_ref::<io::Error>().is_some_and(is_full) {
        return Some(exit::INFRASTRUCTURE);
    }
    error.is::<SpecError>().then_some(exit::USAGE)
}

/// Whether a disk has no room left: no fault of the path, which is right once there is some again.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// An error and its causes in one line, without the causes that the text already names.
pub fn one_line(error: &dyn Error) -> String {
    let mut line = text::line(error);
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = text::line(error);
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        cause = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read `x`: {source}")]
    struct Outer {
        source: Inner,
    }

    #[derive(Debug, thiserror::Error)]
    #[error("damaged\n at byte 3")]
    struct Inner;

    #[derive(Debug, thiserror::Error)]
    #[error("`\x1b[2J\r\n` is no run")]
    struct Quoting;

    #[derive(Debug, thiserror::Error)]
    #[error("no result")]
    struct Quiet(#[source] Outer);

    #[test]
    fn each_cause_stands_once_and_in_one_line() {
        assert_eq!(one_line(&Outer { source: Inner }), "cannot read `x`: damaged at byte 3");
        assert_eq!(
            one_line(&Quiet(Outer { source: Inner })),
            "no result: cannot read `x`: damaged at byte 3"
        );
        assert_eq!(one_line(&Quoting), "`\\u{1b}[2J ` is no run");
    }

    #[test]
    fn the_caller_learns_what_to_do_next() {
        let store = StoreError::Contended { key: "k".into() };
        assert_eq!(exit_code_of(&store), Some(exit::INFRASTRUCTURE));
        let queue = QueueError::Url { url: "x".into(), problem: "y".into() };
        assert_eq!(exit_code_of(&queue), Some(exit::USAGE));
        let full = io::Error::from(ErrorKind::StorageFull);
        assert_eq!(exit_code_of(&full), Some(exit::INFRASTRUCTURE));
        assert_eq!(exit_code_of(&io::Error::from(ErrorKind::ReadOnlyFilesystem)), None);
        assert_eq!(exit_code_of(&Inner), None);
    }
}
