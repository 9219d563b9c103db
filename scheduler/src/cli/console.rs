//! What people see while a run goes on: a bar on a terminal, a line each 30 s elsewhere, JSON lines for scripts.

use std::{
    collections::HashSet,
    io::{self, IsTerminal, Write},
    sync::LazyLock,
    time::{Duration, Instant},
};

use fidelis_shared::events::Event;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tracing_subscriber::EnvFilter;

/// Pause between lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// Owner of everything drawn on stderr, so that log lines do not tear the bar.
pub(super) static SCREEN: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Shows events; one per command.
#[derive(Debug)]
pub struct Console {
    json: bool,
    /// Whether the store is there after the command has ended.
    keeps_store: bool,
    bar: Option<ProgressBar>,
    last_line: Option<Instant>,
    /// Why chunks died, as far as it was told.
    causes: HashSet<String>,
}

impl Console {
    /// With `json`, every event is a line on stdout as well.
    pub fn new(json: bool) -> Self {
        Self { json, keeps_store: true, bar: None, last_line: None, causes: HashSet::new() }
    }

    /// Of a command whose store goes with it: where reports lie in it is nobody's concern.
    pub fn of_passing_store(json: bool) -> Self {
        let mut console = Self::new(json);
        console.keeps_store = false;
        console
    }

    /// Shows an event.
    pub fn tell(&mut self, event: &Event) {
        if self.json
            && let Ok(line) = serde_json::to_string(event)
        {
            println!("{line}");
        }
        match event {
            Event::Progress { .. } => self.progress(event),
            // A spec that cannot run kills every chunk in the same way.
            Event::ChunkDead { dead, .. } if !self.causes.insert(dead.cause.clone()) => {}
            Event::Reported { .. } if !self.keeps_store => {}
            _ => {
                if matches!(event, Event::Stored { .. } | Event::Cancelled { .. }) {
                    self.last_line = None;
                    if let Some(bar) = self.bar.take() {
                        bar.finish_and_clear();
                    }
                }
                self.say(&sentence(event));
            }
        }
    }

    /// A line on stderr.
    pub fn say(&self, line: &str) {
        SCREEN.suspend(|| eprintln!("{line}"));
    }

    fn progress(&mut self, event: &Event) {
        let Event::Progress { done_images, num_images, .. } = event else { return };
        if !io::stderr().is_terminal() {
            if self.last_line.is_none_or(|last| last.elapsed() >= LINE_EVERY) {
                self.last_line = Some(Instant::now());
                self.say(&sentence(event));
            }
            return;
        }
        let bar = self.bar.get_or_insert_with(|| new_bar(*num_images));
        bar.set_position(*done_images);
        bar.set_message(pace(event));
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.abandon();
        }
    }
}

/// Warnings; what the embedded S3 server or the AWS SDK could not do, whoever asked tells in better words.
const DEFAULT_FILTER: &str = "warn,s3s=off,aws_=off";

/// Starts logging to stderr, as `FIDELIS_LOG` says. The first call counts.
pub fn init_logs() {
    let filter = EnvFilter::try_from_env("FIDELIS_LOG").unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_target(false);
    // A second call is a test's.
    builder.without_time().with_writer(|| Screen).try_init().ok();
}

struct Screen;

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        SCREEN.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

fn new_bar(num_images: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:36} {percent:>3}%  {pos}/{len} images  {msg}");
    let bar = SCREEN.add(ProgressBar::new(num_images));
    // The template is a constant: were it wrong, the bar's own style would do.
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

/// `12.3 images/s, 1:05 left`, as far as it is known.
fn pace(event: &Event) -> String {
    match event {
        Event::Progress { images_per_s, eta_s: Some(eta_s), .. } => {
            let seconds = eta_s.round() as u64;
            let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
            let left = if hours > 0 {
                format!("{hours}:{minutes:02}:{seconds:02}")
            } else {
                format!("{minutes}:{seconds:02}")
            };
            format!("{images_per_s:.1} images/s, {left} left")
        }
        _ => "waiting for the first chunk".to_owned(),
    }
}

fn sentence(event: &Event) -> String {
    match event {
        Event::Submitted { run, num_chunks, num_stored, num_images, .. } => match num_stored {
            0 => format!("{run}: {num_images} images in {num_chunks} chunks"),
            _ => {
                format!("{run}: {num_images} images, {num_stored} of {num_chunks} chunks are stored already")
            }
        },
        Event::Progress { run, done_images, num_images, .. } => {
            format!("{run}: {done_images}/{num_images} images, {}", pace(event))
        }
        Event::Requeued { run, num_chunks } => {
            format!("{run}: redis lost `{num_chunks}` chunks: queued again")
        }
        Event::ChunkDead { run, dead } => {
            let (chunk, deliveries, worker) = (dead.chunk, dead.deliveries, &dead.worker);
            format!(
                "{run}: chunk `{chunk}` is dead after {deliveries} attempts, last on `{worker}`: {}",
                dead.cause
            )
        }
        Event::HandedBack { run, worker, cause } => {
            format!("{run}: worker `{worker}` handed a chunk back: {cause}")
        }
        Event::Cancelled { run, num_stored, num_chunks } => {
            format!("{run}: cancelled, with {num_stored} of {num_chunks} chunks stored")
        }
        Event::Stored { run, num_images } => format!("{run}: all {num_images} images are stored"),
        Event::Reduced { run, num_images, num_chunks } => {
            format!("{run}: {num_images} images in {num_chunks} chunks verified and folded")
        }
        Event::Reported { run, report, .. } => format!("{run}: report at {report}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_and_how_long() {
        let run = "demo-0123456789abcdef".parse().unwrap();
        let event = Event::Progress {
            run,
            done_images: 512,
            num_images: 2000,
            images_per_s: 12.34,
            eta_s: Some(3665.0),
        };
        assert_eq!(sentence(&event), "demo-0123456789abcdef: 512/2000 images, 12.3 images/s, 1:01:05 left");
    }
}
