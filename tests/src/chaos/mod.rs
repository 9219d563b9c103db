//! A soak: several runs at once under a random mix of faults. Everything that chance decides is drawn from the seed
//! before it begins, so the seed replays the schedule.

mod conductor;
mod fault;
mod harm;
mod monitor;
mod schedule;

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use crate::lab::{Allowed, Lab, LabSpec, check_run, check_waste};
use conductor::Conductor;
pub use fault::Fault;
pub use schedule::{Event, Flaw, Schedule};

/// What one seed came to.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    pub num_runs: u64,
    /// Injected, by kind.
    pub faults: BTreeMap<String, u64>,
    /// Chunks of all runs, and chunks computed beyond them.
    pub num_chunks: u64,
    pub wasted_chunks: u64,
    /// The promises that were broken.
    pub violations: Vec<String>,
}

/// Plays the schedule of a seed to its end, and checks what is left.
///
/// # Errors
/// The lab itself failed; broken promises are told in the outcome.
pub async fn play(schedule: &Schedule) -> Result<Outcome> {
    let lab = Lab::start_seeded(schedule.persistence, schedule.seed).await?;
    let mut runs = Vec::new();
    for spec in &schedule.specs {
        runs.push(lab.submit(spec).await?);
    }
    let mut conductor = Conductor::new(&lab, schedule, &runs).await?;
    let num_chunks = schedule.specs.iter().map(LabSpec::num_chunks).sum();
    let mut outcome = Outcome { num_runs: runs.len() as u64, num_chunks, ..Outcome::default() };
    let played = conductor.play().await;
    outcome.faults = conductor.injected();
    if let Err(error) = played {
        outcome.violations.push(format!("{error:#}"));
        return Ok(outcome);
    }
    let allowed = Allowed {
        wasted_chunks: conductor.hit_chunks(),
        redis_lost: schedule.loses_redis(),
        stray_messages: num_chunks,
    };
    for (spec, run) in schedule.specs.iter().zip(&runs) {
        let reported = lab.fidelis(&["report", run.as_str()]).await?;
        if reported.code != Some(0) {
            outcome
                .violations
                .push(format!("I6 liveness: `{run}` is not reported: {}", reported.stderr.trim()));
        } else if let Err(error) = check_run(&lab, spec, &allowed).await {
            outcome.violations.push(format!("`{run}`: {error:#}"));
        }
    }
    if let Err(error) = conductor.look().await {
        outcome.violations.push(format!("{error:#}"));
    }
    match check_waste(&lab, num_chunks, &allowed) {
        Ok(wasted) => outcome.wasted_chunks = wasted,
        Err(error) => outcome.violations.push(format!("{error:#}")),
    }
    drop(conductor);
    Ok(outcome)
}

/// A schedule as text, one line an event.
pub fn show(schedule: &Schedule) -> Result<String> {
    let mut text = format!(
        "seed {}: {} workers, redis keeps {:?}",
        schedule.seed, schedule.num_workers, schedule.persistence
    );
    for spec in &schedule.specs {
        text += &format!("\n  run {}: {} images in {} chunks", spec.name, spec.num_images, spec.num_chunks());
    }
    for (number, Flaw { rule, clock }) in schedule.flaws.iter().enumerate() {
        let clock = if clock.is_empty() { String::new() } else { format!("its clock is {clock} off") };
        text += &format!("\n  worker {number}: {rule}{clock}");
    }
    for event in &schedule.events {
        text += &format!("\n  {:6} ms  {:?}", event.at_ms, event.fault);
    }
    text.lines().next().context("an empty schedule")?;
    Ok(text)
}
