//! Files on their way into the cache: a bar on a terminal, a line each half minute elsewhere. Short ones pass in silence.

use std::{
    io::{self, IsTerminal},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use fidelis_fleet::{files::Transfer, out};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

use super::console::SCREEN;

/// Pause between lines where there is no terminal, also before the first.
const LINE_EVERY: Duration = Duration::from_secs(30);
/// What takes no longer gets no bar.
const BAR_AFTER: Duration = Duration::from_millis(500);

/// Shows the downloads of one command.
#[derive(Debug)]
pub struct Transfers(Mutex<State>);

#[derive(Debug)]
struct State {
    begun: Instant,
    last_line: Instant,
    bar: Option<(String, ProgressBar)>,
}

impl Default for Transfers {
    fn default() -> Self {
        let now = Instant::now();
        Self(Mutex::new(State { begun: now, last_line: now, bar: None }))
    }
}

impl Transfers {
    /// Takes note of a piece that came.
    pub fn tell(&self, transfer: &Transfer<'_>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if io::stderr().is_terminal() {
            state.draw(transfer);
        } else if state.last_line.elapsed() >= LINE_EVERY {
            state.last_line = Instant::now();
            out::note(sentence(transfer));
        }
    }
}

impl State {
    fn draw(&mut self, transfer: &Transfer<'_>) {
        if self.begun.elapsed() < BAR_AFTER {
            return;
        }
        if self.bar.as_ref().is_none_or(|(file, _)| file != transfer.file) {
            if let Some((_, old)) = self.bar.take() {
                old.finish_and_clear();
            }
            self.bar = Some((transfer.file.to_owned(), new_bar(transfer)));
        }
        if let Some((_, bar)) = &self.bar {
            bar.set_position(transfer.num_bytes);
        }
    }
}

impl Drop for Transfers {
    fn drop(&mut self) {
        let state = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, bar)) = &state.bar {
            bar.finish_and_clear();
        }
    }
}

fn new_bar(transfer: &Transfer<'_>) -> ProgressBar {
    let (bar, template) = match transfer.total_bytes {
        Some(total) => (
            ProgressBar::new(total),
            "{bar:8} {percent:>3}%  {bytes}/{total_bytes}  {bytes_per_sec}  {wide_msg}",
        ),
        None => (ProgressBar::no_length(), "{spinner} {bytes}  {bytes_per_sec}  {wide_msg}"),
    };
    let bar = SCREEN.add(bar).with_message(out::visible(transfer.file)).with_position(transfer.num_bytes);
    // The templates are constants: were one wrong, the bar's own style would do.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    // What an earlier download left is not this one's speed.
    bar.reset_eta();
    bar
}

/// `fetching https://…/net.pkl: 1.2 GiB of 3.0 GiB`.
fn sentence(transfer: &Transfer<'_>) -> String {
    let of = transfer.total_bytes.map_or(String::new(), |total| format!(" of {}", HumanBytes(total)));
    format!("fetching {}: {}{of}", transfer.file, HumanBytes(transfer.num_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_and_how_far() {
        let whole = Transfer { file: "s3://b/net.pkl", num_bytes: 3 << 29, total_bytes: Some(3 << 30) };
        assert_eq!(sentence(&whole), "fetching s3://b/net.pkl: 1.50 GiB of 3.00 GiB");
        let endless = Transfer { total_bytes: None, ..whole };
        assert_eq!(sentence(&endless), "fetching s3://b/net.pkl: 1.50 GiB");
    }
}
