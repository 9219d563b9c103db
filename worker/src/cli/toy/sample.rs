//! `fidelis-worker toy sample`: points of the 2D example, guided or not.

use std::path::PathBuf;

use clap::Args;
use fidelis_contract::exit;
use fidelis_edm2::checkpoint::TensorFile;
use fidelis_edm2::toy::sample::{SIGMA_MAX, Score, noisy};
use fidelis_edm2::toy::{Classes, Guided, Measured, Measures, experiment, ground_truth};
use fidelis_fleet::out;
use serde_json::json;

use crate::cli::{Failure, output};

#[derive(Debug, Args)]
pub struct SampleArgs {
    /// Net whose score is followed (of `toy train`); without it the exact score
    #[arg(long, value_name = "F")]
    net: Option<PathBuf>,
    /// Net to be guided away from
    #[arg(long, value_name = "F", requires_all = ["net", "guidance"])]
    gnet: Option<PathBuf>,
    /// w in s₀ + w·(s₁ − s₀)
    #[arg(long, value_name = "W", requires = "gnet")]
    guidance: Option<f64>,
    #[arg(long, default_value_t = 16_384, value_parser = clap::value_parser!(i64).range(1..=10_000_000))]
    points: i64,
    /// Decides where the points begin
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where the tensor `samples` [N, 2] goes (.safetensors)
    #[arg(long, value_name = "F")]
    out: PathBuf,
}

/// Samples, writes, and prints what share is outside of the ground truth and what share of its branches is reached.
pub fn sample(args: &SampleArgs) -> Result<u8, Failure> {
    output::check([args.out.as_path()])?;
    let truth = ground_truth(Classes::A);
    let load = |path: &Option<PathBuf>| path.as_deref().map(experiment::read).transpose();
    let (net, gnet) = (load(&args.net)?, load(&args.gnet)?);
    let main = net.as_ref().map_or(Score::Truth(&truth), Score::Net);
    let guide = gnet.as_ref().map(Score::Net).zip(args.guidance);
    let start = noisy(&truth, args.points, SIGMA_MAX, args.seed);
    let samples = Guided { main, guide }.run(&start, SIGMA_MAX, |_| {});
    let measured = Measures::default().of(&samples);
    TensorFile { tensors: [("samples".to_owned(), samples)].into(), ..TensorFile::default() }
        .write(&args.out)?;
    let Measured { outside, coverage, misplaced } = measured;
    out::json(json!({ "outside": outside, "coverage": coverage, "misplaced": misplaced }));
    Ok(exit::DONE)
}
