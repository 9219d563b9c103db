//! What commands say: what was asked for on stdout, the rest on stderr. Nothing here panics, and nothing that cannot be
//! said ends the work: a reader that went away is no failure, and a disk that is full is told once the work is done.
//! Control characters, as names may hold them, never reach a terminal.

use std::{
    fmt::Display,
    io::{self, ErrorKind, Write},
    process::ExitCode,
    sync::{Mutex, PoisonError},
};

use fidelis_contract::exit;
pub use fidelis_contract::text::visible;

/// Why stdout takes no more. After the first failure nothing is written there: half a table is worse than none.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Lost {
    /// The other end of the pipe is closed.
    ReaderGone,
    /// What the system said.
    Refused(String),
}

static LOST: Mutex<Option<Lost>> = Mutex::new(None);

/// Text on stdout, which brings its own newlines.
pub fn text(text: &str) {
    put(&visible(text));
}

/// A line on stdout.
pub fn line(line: impl Display) {
    put(&format!("{}\n", visible(&line.to_string())));
}

/// A line of JSON on stdout; what a terminal might obey in it is written as JSON escapes, which read the same.
pub fn json(value: impl Display) {
    let escaped = |c: char| if c.is_control() { format!("\\u{:04x}", c as u32) } else { c.to_string() };
    put(&format!("{}\n", value.to_string().chars().map(escaped).collect::<String>()));
}

/// A line on stderr. Where nobody takes it, it is lost.
pub fn note(line: impl Display) {
    io::stderr().write_all(format!("{}\n", visible(&line.to_string())).as_bytes()).ok();
}

/// Whether something that was to be on stdout is not there.
pub fn is_lost() -> bool {
    lost().is_some()
}

/// The exit code of a command that came to `code`: what was done and could not be told is a failure of the place that
/// stdout leads to, and is told in one line.
fn ended(program: &str, code: u8) -> u8 {
    match lost() {
        Some(Lost::Refused(cause)) if code == exit::DONE => {
            note(format!(
                "{program}: cannot write to stdout: {cause}; free space there, or write elsewhere, and run it again"
            ));
            exit::INFRASTRUCTURE
        }
        _ => code,
    }
}

/// Tells what a reader of command lines said, and gives the exit code: help and versions go to stdout, what is wrong with
/// the command line (`is_refusal`) to stderr; both without a panic.
pub fn usage(said: &str, is_refusal: bool) -> u8 {
    if is_refusal {
        note(said.trim_end());
        return exit::USAGE;
    }
    text(said);
    exit::DONE
}

/// The exit status of `program`, which ended with a code or with a line that says why and a code.
pub fn conclude(program: &str, outcome: Result<u8, (impl Display, u8)>) -> ExitCode {
    let code = outcome.unwrap_or_else(|(failure, code)| {
        note(format!("{program}: {failure}"));
        code
    });
    ExitCode::from(ended(program, code))
}

fn lost() -> Option<Lost> {
    LOST.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn put(text: &str) {
    let mut lost = LOST.lock().unwrap_or_else(PoisonError::into_inner);
    if lost.is_none() {
        *lost = written(&mut io::stdout().lock(), text).err();
    }
}

/// Without the flush, what stays in the buffer would be lost without a word.
fn written(stdout: &mut impl Write, text: &str) -> Result<(), Lost> {
    let done = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    done.map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Lost::ReaderGone,
        _ => Lost::Refused(error.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        assert_eq!(visible("a\tb\n\x1b[2J\r\u{9b}31m\u{7f}é"), "a\tb\n\\u{1b}[2J\\r\\u{9b}31m\\u{7f}é");
    }

    #[test]
    fn a_reader_that_left_is_told_from_a_full_disk() {
        struct Broken(ErrorKind);
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(self.0.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        assert_eq!(written(&mut Broken(ErrorKind::BrokenPipe), "x"), Err(Lost::ReaderGone));
        assert!(matches!(written(&mut Broken(ErrorKind::StorageFull), "x"), Err(Lost::Refused(_))));
        assert_eq!(written(&mut Vec::new(), "x"), Ok(()));
    }
}
