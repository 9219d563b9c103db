//! `fidelis compare`: is one run worse than another?

use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::Args;
use fidelis_contract::{addresses::Addresses, exit};
use fidelis_fleet::out;

use super::{Failure, stored_at::StoredAt};
use crate::compare::{Comparison, Design, Identity, Rule, Verdict};
use crate::evaluate::{CompareRequest, Compared, pair};

/// What to compare.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// What is compared with: a run, by its id, its name or the beginning of its id, or a file of features
    #[arg(value_name = "BASELINE")]
    baseline: PathBuf,
    /// What is judged: a run or a file likewise. Images of the seeds that both have are compared one by one
    #[arg(value_name = "CANDIDATE")]
    candidate: PathBuf,
    /// Features, statistics or a run of the real images [default: the reference of the baseline's spec]
    #[arg(long = "ref", value_name = "FILE|RUN")]
    reference: Option<PathBuf>,
    /// The detector whose features are compared, where there are several or files do not say
    #[arg(long, value_name = "NAME")]
    detector: Option<String>,
    /// Differences within this share of the baseline do not matter
    #[arg(long, value_name = "SHARE", default_value_t = Rule::default().band)]
    band: f64,
    #[command(flatten)]
    place: StoredAt,
    /// JSON on stdout
    #[arg(long)]
    json: bool,
}

/// Prints the verdict, and ends with its exit code.
pub async fn compare(args: CompareArgs) -> Result<u8, Failure> {
    if !(0.0..1.0).contains(&args.band) {
        let text = format!("`--band {}` is no share of a distance: give 0 to 1, such as 0.02", args.band);
        return Err(Failure::new(exit::USAGE, anyhow!(text)));
    }
    let mut addresses = Addresses::default();
    let baseline = args.place.side(&args.baseline, &mut addresses).await?;
    let candidate = args.place.side(&args.candidate, &mut addresses).await?;
    let detector = args.detector.clone().or_else(|| baseline.detector()).or_else(|| candidate.detector());
    let reference = match &args.reference {
        Some(reference) => args.place.side(reference, &mut addresses).await?,
        None => baseline.reference(detector.as_deref(), &mut addresses).await?,
    };
    let detector = detector.as_deref();
    let request = CompareRequest {
        baseline: baseline.given(detector, &[]).await?,
        candidate: candidate.given(detector, &[]).await?,
        reference: reference.given(detector, &[]).await?,
        detector: args.detector,
        rule: Rule { band: args.band },
    };
    // No work for a thread that serves connections.
    let compared = tokio::task::spawn_blocking(move || pair(&request)).await.context("comparing")?;
    let compared = compared.map_err(|error| Failure::from(error).at(&addresses))?;
    if args.json {
        out::json(compared.to_json());
    } else {
        out::line(lines(&compared).join("\n"));
    }
    Ok(compared.verdict.exit_code())
}

fn lines(compared: &Compared) -> Vec<String> {
    let Comparison { difference, num_images: [ours, theirs], identity } = &compared.comparison;
    let name = compared.metric.label();
    let images = match difference.design {
        Design::Paired => {
            format!("{ours} of the same seeds, compared one by one: {}", sameness(identity.as_ref()))
        }
        Design::Independent => format!("{ours} and {theirs}, which share no seeds: their errors add up"),
    };
    let [low, high] = difference.interval();
    let (worse_by, sd, band) = (difference.worse_by, difference.sd, compared.rule.band * 100.0);
    let verdict = match compared.verdict {
        Verdict::Fine => format!("fine: not worse by more than {band} %"),
        Verdict::Improved => format!("improved, by more than {band} %: find out why before you believe it"),
        Verdict::Regressed => {
            format!("regressed, by more than {band} % and beyond chance: confirm it with new seeds")
        }
        _ => format!(
            "inconclusive: differences below {:.3} are not found with this many images; evaluate more",
            difference.detectable()
        ),
    };
    vec![
        format!("baseline   {name} {:.4}", difference.baseline),
        format!("candidate  {name} {:.4}", difference.candidate),
        format!("worse by   {worse_by:.4} ± {sd:.4}, between {low:.4} and {high:.4} in 95 of 100 cases"),
        format!("images     {images}"),
        format!(
            "detects    differences from {:.4} on, with this many images, four times in five",
            difference.detectable()
        ),
        format!("verdict    {verdict}"),
    ]
}

/// Whether the images of the same seeds are the same.
fn sameness(identity: Option<&Identity>) -> String {
    match identity {
        Some(identity) if identity.is_exact() => "their features are the same bits".to_owned(),
        Some(Identity { num_other, largest, .. }) => {
            format!("the features of {num_other} differ, by up to {largest:.1e} of the largest")
        }
        None => "not known whether they are the same".to_owned(),
    }
}
