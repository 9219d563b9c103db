//! `fidelis verify`: is a stored run what it says, and if not, how does it become so again?

use clap::Args;
use fidelis_contract::exit;
use fidelis_fleet::out;
use serde_json::json;

use super::{Failure, stored_at::StoredAt, target::TargetArgs};
use crate::verify::{FaultKind, Repaired, Verification, repair, verify as verify_run};

/// Faults and chunks listed by name; `--json` names all.
const NAMED: usize = 20;

/// Which run.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    stored: StoredAt,
    /// Set damaged objects aside, so that submitting the run makes their chunks again
    #[arg(long)]
    repair: bool,
    /// JSON on stdout
    #[arg(long)]
    json: bool,
}

/// Verifies and, if told so, repairs.
pub async fn verify(args: VerifyArgs) -> Result<u8, Failure> {
    let target = args.target.read(&args.stored.files()).await?;
    let opened = args.stored.open().await?;
    let store = opened.store();
    let run = target.find(store).await?;
    let found = verify_run(store, &run).await?;
    let repaired = if args.repair { Some(repair(store, &found).await?) } else { None };
    if args.json {
        let mut value = json!(found);
        value["repaired"] = json!(repaired);
        out::json(value);
    } else {
        out::line(lines(&found, repaired.as_ref()).join("\n"));
    }
    Ok(match &repaired {
        Some(repaired) if found.faults.iter().all(crate::verify::Fault::is_repairable) => {
            let open = repaired.unreported || !found.missing.is_empty();
            if open { exit::INCOMPLETE } else { exit::DONE }
        }
        _ => found.exit_code(),
    })
}

fn lines(found: &Verification, repaired: Option<&Repaired>) -> Vec<String> {
    let Verification { run, num_chunks, stored_chunks, num_objects, num_bytes, .. } = found;
    let mut lines = vec![
        format!("run       {run}"),
        format!(
            "verified  {stored_chunks} of {num_chunks} chunks: {num_objects} objects, {num_bytes} bytes read"
        ),
        format!(
            "success   {}",
            if found.success { "yes: reduced, verified and reported" } else { "not yet" }
        ),
    ];
    lines.extend(found.faults.iter().take(NAMED).map(|fault| format!("fault     {fault}")));
    lines.extend(more(found.faults.len(), "faults"));
    if !found.missing.is_empty() {
        let named: Vec<String> = found.missing.iter().take(NAMED).map(ToString::to_string).collect();
        lines.push(format!("missing   chunks {}", named.join(", ")));
        lines.extend(more(found.missing.len(), "chunks"));
    }
    if let Some(smallest) = found.other_micro_batch.iter().map(|other| other.micro_batch).min() {
        let count = found.other_micro_batch.len();
        lines.push(format!(
            "note      {count} chunks were made with a smaller micro-batch than the spec's, down to {smallest}: their \
             last bits may differ from other devices'"
        ));
    }
    if let Some(arithmetic) = found.other_arithmetic {
        lines.push(format!(
            "note      the run is of arithmetic {arithmetic}, as are its figures: under another name it is made in \
             this build's"
        ));
    }
    if let Some(repaired) = repaired {
        let moved = repaired.moved.iter().take(NAMED);
        lines.extend(moved.map(|moved| format!("aside     {} is now {}", moved.from, moved.to)));
        lines.extend(more(repaired.moved.len(), "objects"));
        lines.extend(
            repaired
                .removed
                .iter()
                .map(|state| format!("removed   {state}, which the training comes by again")),
        );
    }
    lines.push(format!("next      {}", next_step(found, repaired)));
    lines
}

fn more(count: usize, what: &str) -> Option<String> {
    (count > NAMED).then(|| format!("          and {} more {what}, which --json names", count - NAMED))
}

/// What the user does now.
fn next_step(found: &Verification, repaired: Option<&Repaired>) -> String {
    let run = &found.run;
    if found.faults.iter().any(|fault| fault.kind == FaultKind::Lost) {
        return "only a training from the beginning makes the lost snapshots again: bring them back from a copy, do \
                without them (`phema` makes averages of the others), or train under another name"
            .to_owned();
    }
    if found.faults.iter().any(|fault| !fault.is_repairable()) {
        return "the same chunk was made twice with different bits: compare device, versions and spec of its two \
                receipts before trusting either; under another name the run is made anew"
            .to_owned();
    }
    match repaired {
        None if !found.faults.is_empty() => format!(
            "`fidelis verify {run} --repair` sets the faulty objects aside; running the spec again then makes those \
             chunks, and no others"
        ),
        Some(repaired) if !repaired.chunks.is_empty() => {
            let chunks: Vec<String> = repaired.chunks.iter().take(NAMED).map(ToString::to_string).collect();
            let chunks = chunks.join(", ");
            format!(
                "run the spec again (`fidelis run`, or `fidelis local` as before): it makes chunks {chunks} again"
            )
        }
        _ if !found.missing.is_empty() => "run the spec again: it makes what is missing".to_owned(),
        Some(repaired) if repaired.unreported => {
            format!("`fidelis report {run}` makes manifest, result and reports again")
        }
        _ if !found.success => format!("`fidelis report {run}` reduces and reports it"),
        _ => "nothing: the run is what it says".to_owned(),
    }
}
