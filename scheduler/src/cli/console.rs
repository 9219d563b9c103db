//! What people see while a run goes on: a bar on a terminal, a line each 30 s elsewhere, JSON lines for scripts.

use std::{
    collections::HashSet,
    io::{self, IsTerminal, Write},
    sync::LazyLock,
    time::{Duration, Instant},
};

use console::Term;
use fidelis_contract::{dead::DeadChunk, events::Event};
use fidelis_fleet::out;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tracing_subscriber::EnvFilter;

/// Pause between lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(30);
/// A chunk's death is told when the run goes on for longer than this; else it is the command's last word.
const DEATH_AFTER: Duration = Duration::from_secs(5);

/// Owner of everything drawn on stderr, so that log lines do not tear the bar.
pub(super) static SCREEN: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Shows events; one per command.
#[derive(Debug)]
pub struct Console {
    json: bool,
    /// Whether the store is there after the command has ended.
    keeps_store: bool,
    /// Whether runs are told of one by one.
    tells_runs: bool,
    bar: Option<ProgressBar>,
    last_line: Option<Instant>,
    /// Deaths that were not told yet, and since when.
    deaths: Vec<(Instant, Event)>,
    /// Why chunks died, as far as it was told.
    causes: HashSet<String>,
}

impl Console {
    /// With `json`, every event is a line on stdout as well.
    pub fn new(json: bool) -> Self {
        let (deaths, causes) = (Vec::new(), HashSet::new());
        Self { json, keeps_store: true, tells_runs: true, bar: None, last_line: None, deaths, causes }
    }

    /// Of a command whose store goes with it: where reports lie in it is nobody's concern.
    pub fn of_passing_store(json: bool) -> Self {
        let mut console = Self::new(json);
        console.keeps_store = false;
        console
    }

    /// Of a sweep, whose runs are many: what goes well in each is told as JSON alone.
    pub fn of_sweep(json: bool) -> Self {
        let mut console = Self::new(json);
        console.tells_runs = false;
        console
    }

    /// Whether an interrupted command finds again what it stored.
    pub fn keeps_store(&self) -> bool {
        self.keeps_store
    }

    /// Why these chunks died: each cause once, and none that was told.
    pub fn untold<'a>(&self, dead: &'a [DeadChunk]) -> Vec<&'a str> {
        let mut causes: Vec<&str> = Vec::new();
        for dead in dead {
            if !self.causes.contains(&dead.cause) && !causes.contains(&dead.cause.as_str()) {
                causes.push(&dead.cause);
            }
        }
        causes
    }

    /// Shows an event.
    pub fn tell(&mut self, event: &Event) {
        if self.json
            && let Ok(line) = serde_json::to_string(event)
        {
            out::json(line);
        }
        match event {
            Event::Progress { .. } | Event::Training { .. } => {
                self.tell_deaths();
                self.progress(event);
            }
            Event::ChunkDead { .. } => self.deaths.push((Instant::now(), event.clone())),
            Event::Reported { .. } if !self.keeps_store => {}
            _ => {
                if matches!(event, Event::Stored { .. } | Event::Trained { .. } | Event::Cancelled { .. }) {
                    // Of many runs each would begin with a line of its own.
                    self.last_line = self.last_line.filter(|_| !self.tells_runs);
                    if let Some(bar) = self.bar.take() {
                        bar.finish_and_clear();
                    }
                }
                let is_of_run = matches!(
                    event,
                    Event::Submitted { .. }
                        | Event::Stored { .. }
                        | Event::Trained { .. }
                        | Event::Reduced { .. }
                        | Event::Reported { .. }
                );
                if self.tells_runs || !is_of_run {
                    self.say(&sentence(event));
                }
            }
        }
    }

    fn tell_deaths(&mut self) {
        for (_, death) in self.deaths.extract_if(.., |(since, _)| since.elapsed() >= DEATH_AFTER) {
            // A spec that cannot run kills every chunk in the same way.
            if let Event::ChunkDead { dead, .. } = &death
                && self.causes.insert(dead.cause.clone())
            {
                SCREEN.suspend(|| out::note(sentence(&death)));
            }
        }
    }

    /// A line on stderr.
    pub fn say(&self, line: &str) {
        SCREEN.suspend(|| out::note(line));
    }

    fn progress(&mut self, event: &Event) {
        let (at, of) = match event {
            Event::Progress { done_images, making_images, num_images, .. } => {
                (done_images + making_images, *num_images)
            }
            Event::Training { numbers: Some(numbers), .. } => (numbers.step, numbers.steps),
            // Nobody knows of how many steps.
            _ => (0, 1),
        };
        if !io::stderr().is_terminal() {
            if self.last_line.is_none_or(|last| last.elapsed() >= LINE_EVERY) {
                self.last_line = Some(Instant::now());
                self.say(&sentence(event));
            }
            return;
        }
        let bar = self.bar.get_or_insert_with(|| new_bar(of));
        bar.set_length(of);
        bar.set_position(at);
        let width = usize::from(Term::stderr().size().1).saturating_sub(BAR_WIDTH);
        let parts =
            if matches!(event, Event::Training { .. }) { how_far_trained(event) } else { how_far(event) };
        bar.set_message(fitted(&parts, width));
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
    /// Gets one whole event at a time. A stderr that takes nothing must not stop the work.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        SCREEN.suspend(|| out::note(String::from_utf8_lossy(bytes).trim_end()));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Columns of the bar, the percentage and the blanks around them.
const BAR_WIDTH: usize = 16;

fn new_bar(num_images: u64) -> ProgressBar {
    // What is wide is cut at the terminal's edge: a line that wraps is drawn again and again.
    let style = ProgressStyle::with_template("{bar:8} {percent:>3}%  {wide_msg}");
    let bar = SCREEN.add(ProgressBar::new(num_images));
    // The template is a constant: were it wrong, the bar's own style would do.
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

/// As many of the parts as the width holds, the first in any case.
fn fitted(parts: &[String], width: usize) -> String {
    let fits = |count: &usize| parts[..*count].join(", ").chars().count() <= width;
    parts[..(1..=parts.len()).rev().find(fits).unwrap_or(1.min(parts.len()))].join(", ")
}

/// `1:05 left`, `step 40/4000`, `10240 images seen`, `loss 0.1234`, `12.3 images/s`, `2 snapshots`, `0:41 so far`.
fn how_far_trained(event: &Event) -> Vec<String> {
    let Event::Training { numbers, num_snapshots, workers, elapsed_s, .. } = event else { return Vec::new() };
    let mut parts = match numbers {
        None if *workers == 0 => vec!["waiting for a worker".to_owned()],
        None => vec!["waiting for the first numbers".to_owned()],
        Some(numbers) => {
            let mut parts = vec![
                if *workers == 0 {
                    "waiting for a worker".to_owned()
                } else {
                    format!("{} left", clock(numbers.seconds_left))
                },
                format!("step {}/{}", numbers.step, numbers.steps),
                format!("{} images seen", numbers.images),
            ];
            parts.extend(numbers.loss.map(|loss| format!("loss {loss:.4}")));
            parts.push(format!("{:.1} images/s", numbers.images_per_s));
            parts
        }
    };
    parts.push(counted(*num_snapshots, "snapshot"));
    parts.push(format!("{} so far", clock(*elapsed_s)));
    parts
}

fn counted(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// `1:05 left`, `512/2000 images`, `12.3 images/s`, `0:41 so far`, `2/8 chunks`, `1 worker`: most important first.
fn how_far(event: &Event) -> Vec<String> {
    let Event::Progress {
        done_images,
        making_images,
        num_images,
        images_per_s,
        eta_s,
        elapsed_s,
        workers,
        ..
    } = event
    else {
        return Vec::new();
    };
    let Event::Progress { done_chunks, num_chunks, .. } = event else { return Vec::new() };
    let images = done_images + making_images;
    let mut parts = vec![match eta_s {
        _ if done_images == num_images => "done".to_owned(),
        _ if images == *num_images => "storing the last images".to_owned(),
        Some(eta_s) => format!("{} left", clock(*eta_s)),
        None => "waiting for the first images".to_owned(),
    }];
    parts.push(format!("{images}/{num_images} images"));
    parts.extend(eta_s.map(|_| format!("{images_per_s:.1} images/s")));
    parts.push(format!("{} so far", clock(*elapsed_s)));
    parts.push(format!("{done_chunks}/{num_chunks} chunks"));
    match workers {
        0 => {}
        _ => parts.push(counted(*workers, "worker")),
    }
    parts
}

/// `1:05`, `1:01:05`.
fn clock(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

fn sentence(event: &Event) -> String {
    match event {
        Event::Submitted { run, num_stored, is_training: true, .. } => match num_stored {
            0 => format!("{run}: a training, which is one chunk"),
            _ => format!("{run}: a training that has come to its end already"),
        },
        Event::Submitted { run, num_chunks, num_stored, num_images, .. } => match num_stored {
            0 => format!("{run}: {num_images} images in {num_chunks} chunks"),
            _ => {
                format!("{run}: {num_images} images, {num_stored} of {num_chunks} chunks are stored already")
            }
        },
        Event::Progress { run, .. } => format!("{run}: {}", how_far(event).join(", ")),
        Event::Training { run, .. } => format!("{run}: {}", how_far_trained(event).join(", ")),
        Event::Trained { run, num_images, num_snapshots, folder } => {
            let seen = num_images.map_or(String::new(), |images| format!(" after {images} images"));
            format!("{run}: trained{seen}: {} in {folder}", counted(*num_snapshots, "snapshot"))
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
        Event::Stored { run, num_images, device_idle } => {
            let idle =
                device_idle.map(|share| format!("; devices waited for {:.1} % of the time", 100.0 * share));
            format!("{run}: all {num_images} images are stored{}", idle.unwrap_or_default())
        }
        Event::Reduced { run, num_images, num_chunks } => {
            format!("{run}: {num_images} images in {num_chunks} chunks verified and folded")
        }
        Event::SweepLook { sweep, round, num_cells, num_images, more_images } => {
            let grid = if *round == 0 { String::new() } else { format!("finer grid {round}: ") };
            let cells = cells(*num_cells);
            format!("{sweep}: {grid}{cells} with {num_images} images each, {more_images} more than before")
        }
        Event::SweepStopped { sweep, num_cells, num_images } => {
            let cells = cells(*num_cells);
            format!("{sweep}: {cells} stopped: worse than the best beyond chance after {num_images} images")
        }
        Event::Reported { run, report, .. } => format!("{run}: report at {report}"),
    }
}

fn cells(number: u64) -> String {
    counted(number, "cell")
}

#[cfg(test)]
mod tests {
    use fidelis_contract::events::TrainingNumbers;

    use super::*;

    fn progress(done_images: u64, making_images: u64, eta_s: Option<f64>) -> Event {
        Event::Progress {
            run: "demo-0123456789abcdef".parse().unwrap(),
            done_images,
            num_images: 2000,
            making_images,
            done_chunks: done_images / 256,
            num_chunks: 8,
            workers: u64::from(making_images > 0),
            elapsed_s: 41.2,
            images_per_s: 12.34,
            eta_s,
        }
    }

    #[test]
    fn a_line_says_how_far_and_how_long() {
        let line = |event| how_far(&event).join(", ");
        assert_eq!(
            sentence(&progress(512, 64, Some(3665.0))),
            "demo-0123456789abcdef: 1:01:05 left, 576/2000 images, 12.3 images/s, 0:41 so far, 2/8 chunks, 1 worker"
        );
        let first = "waiting for the first images, 0/2000 images, 0:41 so far, 0/8 chunks";
        assert_eq!(line(progress(0, 0, None)), first);
        assert!(line(progress(1792, 208, Some(0.0))).starts_with("storing the last images, 2000/2000"));
        assert!(line(progress(2000, 0, Some(0.0))).starts_with("done, 2000/2000"));
        let parts = how_far(&progress(512, 64, Some(60.0)));
        assert_eq!(fitted(&parts, 40), "1:00 left, 576/2000 images");
        assert_eq!(fitted(&parts, 3), "1:00 left", "cut by the bar");
        assert_eq!(fitted(&parts, 200), parts.join(", "));
    }

    #[test]
    fn a_training_is_told_by_its_steps() {
        let run: fidelis_contract::ids::RunId = "xs-0123456789abcdef".parse().unwrap();
        let numbers = TrainingNumbers {
            step: 40,
            steps: 4000,
            images: 10_240,
            loss: Some(0.12345),
            images_per_s: 12.34,
            seconds_left: 65.0,
        };
        let event = |numbers, workers| {
            let run = run.clone();
            sentence(&Event::Training { run, numbers, num_snapshots: 2, workers, elapsed_s: 41.2 })
        };
        assert_eq!(
            event(Some(numbers), 1),
            "xs-0123456789abcdef: 1:05 left, step 40/4000, 10240 images seen, loss 0.1235, 12.3 images/s, 2 snapshots, \
             0:41 so far"
        );
        assert!(event(None, 0).contains("waiting for a worker, 2 snapshots"));
        let folder = "s3://b/training/".to_owned();
        let trained = Event::Trained { run, num_images: Some(1000), num_snapshots: 1, folder };
        assert_eq!(
            sentence(&trained),
            "xs-0123456789abcdef: trained after 1000 images: 1 snapshot in s3://b/training/"
        );
    }

    #[test]
    fn a_cause_is_told_once() {
        let dead = |chunk, cause: &str| DeadChunk {
            chunk,
            cause: cause.into(),
            worker: "w".into(),
            device: "cpu".into(),
            deliveries: 1,
            log: Vec::new(),
        };
        let list = [dead(0, "no net"), dead(1, "no net"), dead(2, "not finite")];
        let mut console = Console::new(false);
        assert_eq!(console.untold(&list), ["no net", "not finite"]);
        console.causes.insert("no net".into());
        assert_eq!(console.untold(&list), ["not finite"]);
    }
}
