//! `make chaos SEED=… MINUTES=…`: seed after seed until the time is over, or the one seed without `MINUTES`.

#![allow(clippy::disallowed_macros, reason = "the words of a test")]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Parser;
use fidelis_tests::chaos::{Schedule, play, show};

/// Runs several runs at once under a random mix of faults, and checks every promise at the end.
#[derive(Debug, Parser)]
struct Args {
    /// The first seed; it decides the schedule
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Goes on with the next seeds until so many minutes are over
    #[arg(long, default_value_t = 0.0)]
    minutes: f64,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let (start, time) = (Instant::now(), Duration::from_secs_f64(60.0 * args.minutes));
    let mut faults: BTreeMap<String, u64> = BTreeMap::new();
    let (mut num_seeds, mut num_runs, mut num_chunks, mut wasted) = (0_u64, 0, 0, 0);
    let mut broken: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for seed in args.seed.. {
        let schedule = Schedule::new(seed);
        println!("{}", show(&schedule)?);
        let outcome = play(&schedule).await?;
        println!(
            "  {} chunks, {} wasted, {} violations",
            outcome.num_chunks,
            outcome.wasted_chunks,
            outcome.violations.len()
        );
        for violation in &outcome.violations {
            println!("  violation: {violation}");
        }
        num_seeds += 1;
        (num_runs, num_chunks, wasted) =
            (num_runs + outcome.num_runs, num_chunks + outcome.num_chunks, wasted + outcome.wasted_chunks);
        for (kind, times) in outcome.faults {
            *faults.entry(kind).or_default() += times;
        }
        if !outcome.violations.is_empty() {
            broken.insert(seed, outcome.violations);
        }
        if start.elapsed() >= time {
            break;
        }
    }
    println!("\nseeds       {} to {}", args.seed, args.seed + num_seeds - 1);
    println!("runs        {num_runs}");
    println!("chunks      {num_chunks} asked for, {wasted} computed beyond");
    println!("minutes     {:.1}", start.elapsed().as_secs_f64() / 60.0);
    for (kind, times) in &faults {
        println!("fault       {kind}: {times}");
    }
    println!("violations  {}", broken.values().map(Vec::len).sum::<usize>());
    for (seed, violations) in &broken {
        println!("violation   seed {seed}: {}", violations.join("; "));
    }
    Ok(if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
