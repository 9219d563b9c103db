//! `fidelis regress`: did last night break it?

use std::{env, path::PathBuf};

use anyhow::anyhow;
use clap::Args;
use fidelis_contract::{exit, spec::RunSpec};
use fidelis_fleet::{
    files::{Files, Transfer},
    out,
};

use super::{
    Failure,
    fleet::prepare,
    session::Session,
    sitting::{SittingArgs, Stop, make},
    transfer::Transfers,
};
use crate::compare::Rule;
use crate::regress::{
    Cut, Kept, Night, NightResult, Place,
    files::{annotations, append, check, markdown, write},
    fingerprint::Allowed,
};

/// What to judge, and by what.
#[derive(Debug, Args)]
pub struct RegressArgs {
    /// Spec of the images, as the baseline was accepted with
    #[arg(long, value_name = "SPEC")]
    spec: PathBuf,
    /// What they are compared with: a `baseline.json`, or the name of a baseline in the store (the newest, or NAME/NUMBER)
    #[arg(long, value_name = "FILE|NAME")]
    baseline: String,
    /// Folder for result.json, junit.xml, summary.md, metrics.prom and history.jsonl
    #[arg(long, value_name = "DIR", default_value = "regress")]
    out: PathBuf,
    /// Fields of the spec (net, sampler.num_steps) or properties of the machine (device_model, driver, cuda, libtorch,
    /// arithmetic) that may differ from the baseline's; others that do end the night with exit code 4
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    allow: Vec<String>,
    /// Differences within this share of the baseline's distance do not matter
    #[arg(long, value_name = "SHARE", default_value_t = Rule::default().band)]
    band: f64,
    /// The block of the baseline's seeds that is looked at first [default: by the night's name, so that over many nights
    /// all are]
    #[arg(long, value_name = "N")]
    block: Option<usize>,
    #[command(flatten)]
    sitting: SittingArgs,
    /// Nothing but JSON on stdout: events, one per line, and the result
    #[arg(long)]
    json: bool,
}

/// Makes tonight's images, judges them, and ends with the verdict's exit code.
pub async fn regress(args: RegressArgs) -> Result<u8, Failure> {
    let rule = rule(args.band)?;
    check(&args.out)?;
    let files = args.sitting.files();
    let spec = prepare(RunSpec::load(&args.spec)?, None, &files).await?;
    let mut session = args.sitting.session(args.json).await?;
    let kept = Kept::find(&args.baseline, Some(&session.conductor.fleet().store)).await?;
    let name = args.sitting.night();
    let cut = Cut::of(&kept.baseline);
    let block = args.block.unwrap_or_else(|| cut.block_of(&name));
    if block >= cut.blocks.len() {
        let text = format!("`--block {block}`: the baseline has `{}` blocks, from 0", cut.blocks.len());
        return Err(Failure::new(exit::USAGE, anyhow!(text)));
    }
    let night = Night { name, spec, kept, allowed: Allowed(args.allow), rule, block };
    match judge(&night, &mut session, files).await {
        Ok(result) => {
            write(&args.out, &result)?;
            show(&result, args.json)?;
            Ok(result.exit_code)
        }
        Err(stop) => {
            out::note(format!("the night `{}` is gone on with by `--night {}`", night.name, night.name));
            stop.code()
        }
    }
}

async fn judge(night: &Night, session: &mut Session, files: Files) -> Result<NightResult, Stop> {
    let transfers = Transfers::default();
    let progress = |transfer: &Transfer<'_>| transfers.tell(transfer);
    let store = session.conductor.fleet().store.clone();
    let place = Place { store, files, progress: &progress };
    night.judge(&place, &mut async |runs| make(session, runs).await).await
}

/// For people, or scripts, and for the CI server that runs it.
fn show(result: &NightResult, json: bool) -> Result<(), Failure> {
    if let Some(summary) = env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) {
        append(summary.as_ref(), &markdown(result))?;
    }
    if env::var("GITHUB_ACTIONS").is_ok_and(|value| value == "true") {
        // The runner reads commands from either stream.
        annotations(result).iter().for_each(out::note);
    }
    if json {
        out::json(serde_json::to_string(result).unwrap_or_default());
    } else {
        out::line(lines(result).join("\n"));
    }
    Ok(())
}

fn lines(result: &NightResult) -> Vec<String> {
    let mut lines = vec![format!("night      {}", result.night)];
    let accepted = &result.baseline.accepted;
    lines.push(format!(
        "baseline   {}/{:06}, accepted by {} on {}: {}",
        result.baseline.name, result.baseline.number, accepted.who, accepted.when, accepted.why
    ));
    if let Some(gate) = &result.identity {
        lines.push(format!("identity   {} of {} images", gate.verdict, gate.num_images));
    }
    for (detector, gate) in &result.statistics {
        for look in &gate.looks {
            let [low, high] = look.interval;
            lines.push(format!(
                "{:<9}  {:.4} → {:.4}, worse by {:.4} ± {:.4}, between {low:.4} and {high:.4} in 95 of 100 cases, with {} \
                 images ({detector}, seeds {}); differences from {:.4} on would be found",
                gate.metric,
                look.baseline,
                look.tonight,
                look.worse_by,
                look.sd,
                look.num_images,
                look.seeds,
                look.detectable,
            ));
        }
    }
    lines.extend(result.findings.iter().map(|finding| format!("{:<9}  {}", finding.gate, finding.text)));
    lines.push(format!("verdict    {}", result.headline()));
    lines
}

/// When a difference counts.
pub(super) fn rule(band: f64) -> Result<Rule, Failure> {
    if (0.0..1.0).contains(&band) {
        return Ok(Rule { band });
    }
    let text = format!("`--band {band}` is no share of a distance: give 0 to 1, such as 0.02");
    Err(Failure::new(exit::USAGE, anyhow!(text)))
}
