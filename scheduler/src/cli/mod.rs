//! The command line of `fidelis`: arguments, and what each command does with the rooms of this crate.

mod baseline;
mod compare;
mod console;
mod detectors;
mod evaluate;
mod fleet;
mod images;
mod local;
mod made_at;
mod operate;
mod place;
mod presets;
mod regress;
mod runs;
mod score;
mod session;
mod side;
mod sitting;
mod status;
mod stored_at;
mod sweep;
mod target;
mod transfer;
mod up;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use fidelis_fleet::out;

pub use fidelis_contract::outcome::Failure;

/// FID evaluation and batch generation with guided EDM2 pairs, on one machine or a fleet.
#[derive(Debug, Parser)]
#[command(name = "fidelis", version, about, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done · 1 regression · 2 usage or spec · 3 inconclusive · 4 nothing to compare · \
5 incomplete: dead chunks, which are listed, or cancelled · 6 integrity · \
75 infrastructure, safe to run again · 129/130/143 interrupted, resumable";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run specs on this machine: starts redis, an S3 server and workers, and leaves the results in a folder
    Local(local::LocalArgs),
    /// Start redis and an S3 server for this machine and print how to use them, until stopped
    Up(up::UpArgs),
    /// Store a spec and queue what the store lacks of its run
    Submit(runs::SubmitArgs),
    /// Follow a run to its end; queues again what redis lost
    Watch(runs::WatchArgs),
    /// submit, watch, reduce and report in one
    Run(Box<runs::RunArgs>),
    /// Verify a complete run and fold its features into statistics and distances
    Reduce(runs::StoredArgs),
    /// Reduce a complete run and store its reports
    Report(runs::StoredArgs),
    /// How far a run is, from the store and, where given, redis
    Status(status::StatusArgs),
    /// List the published figures that `--preset` runs, or print one as a spec
    Presets(presets::PresetsArgs),
    /// Queue a run's dead chunks again, with all their attempts
    Retry(operate::RetryArgs),
    /// Take a run out of the queue; submitting it again goes on from what is stored
    Cancel(operate::CancelArgs),
    /// Read every object of a run and name what is wrong; --repair sets it aside
    Verify(verify::VerifyArgs),
    /// Metrics of features or statistics, of files or runs, against real images
    Metrics(Box<evaluate::MetricsArgs>),
    /// Whether one run is worse than another, with the interval of their difference
    Compare(Box<compare::CompareArgs>),
    /// Which settings are best: runs of one base spec over a grid, with pictures, and stopped early where they are hopeless
    Sweep(Box<sweep::SweepArgs>),
    /// Score the snapshots of a training, also while it goes on: a run of a spec for each, told beside them in metrics.jsonl
    Score(Box<score::ScoreArgs>),
    /// Whether tonight's images and their distance are those of an accepted baseline
    Regress(Box<regress::RegressArgs>),
    /// Accept, show and compare the baselines of `regress`
    #[command(subcommand)]
    Baseline(Box<baseline::BaselineCommand>),
    /// Score images that exist against reference statistics, features or images
    Calc(Box<images::CalcArgs>),
    /// Reference statistics of images, or of a features file
    Ref(Box<images::RefArgs>),
}

impl Cli {
    /// Runs the command; the exit code on success is not always 0 (an interrupted run, for one).
    ///
    /// # Errors
    /// One line and an exit code.
    pub async fn run(self) -> Result<u8, Failure> {
        match self.command {
            Command::Local(args) => local::local(args).await,
            Command::Up(args) => up::up(args).await,
            Command::Submit(args) => runs::submit(args).await,
            Command::Watch(args) => runs::watch(args).await,
            Command::Run(args) => runs::run(*args).await,
            Command::Reduce(args) => runs::reduce(args).await,
            Command::Report(args) => runs::report(args).await,
            Command::Status(args) => status::status(args).await,
            Command::Retry(args) => operate::retry(args).await,
            Command::Cancel(args) => operate::cancel(args).await,
            Command::Verify(args) => verify::verify(args).await,
            Command::Presets(args) => presets::presets(args),
            Command::Metrics(args) => evaluate::metrics(*args).await,
            Command::Compare(args) => compare::compare(*args).await,
            Command::Sweep(args) => sweep::sweep(*args).await,
            Command::Score(args) => score::score(*args).await,
            Command::Regress(args) => regress::regress(*args).await,
            Command::Baseline(command) => baseline::baseline(*command).await,
            Command::Calc(args) => images::calc(*args).await,
            Command::Ref(args) => images::reference(*args).await,
        }
    }
}

/// The whole program, but for its runtime: parses, runs, and says in one line what went wrong.
pub async fn main() -> ExitCode {
    console::init_logs();
    let ended = match Cli::try_parse() {
        // On the heap: the future of all commands is large.
        Ok(cli) => Box::pin(cli.run()).await,
        Err(error) => Ok(out::usage(&error.to_string(), error.use_stderr())),
    };
    out::conclude("fidelis", ended.map_err(|failure| (failure.to_string(), failure.code)))
}
