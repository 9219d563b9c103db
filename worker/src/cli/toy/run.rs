//! `fidelis-worker toy run`: the whole 2D example, from training to the table and the pictures.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use fidelis_contract::exit;
use fidelis_edm2::toy::{Classes, Measured, Measures, Nets, Way, Which, experiment, ground_truth};
use fidelis_fleet::out;
use fidelis_formats::atomic;
use serde_json::{Map, Value, json};

use super::figures;
use super::nets::{self, Order};
use crate::cli::Failure;
use crate::interrupt::Interrupt;

#[derive(Debug, Args)]
pub struct RunArgs {
    /// Folder for nets, figure1 and figure2 (.png and .svg); nets that are there already are not trained again
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How often each net is trained, from seeds 0, 1, …; the error is that of their mean
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=100))]
    trainings: u64,
    #[arg(long, default_value_t = 16_384, value_parser = clap::value_parser!(i64).range(1..=1_000_000))]
    points: i64,
}

/// Trains what is missing, samples each way, prints the table, draws, and ends with one line of JSON on stdout.
pub fn run(args: &RunArgs) -> Result<u8, Failure> {
    let interrupt = Interrupt::watch()?;
    atomic::check_folder(&args.out)?;
    std::fs::create_dir_all(&args.out)
        .with_context(|| format!("cannot make the folder `{}`", args.out.display()))?;
    let (truth, measures) = (ground_truth(Classes::A), Measures::default());
    let mut rows: Vec<Vec<Measured>> = vec![Vec::new(); Way::ALL.len()];
    for seed in 0..args.trainings {
        for which in Which::ALL {
            let path = net_path(&args.out, which, seed);
            if !path.exists() {
                let order = Order { which, recipe: which.recipe(), seed };
                if let Some(code) = nets::train(order, &path, &interrupt)? {
                    return Ok(code);
                }
            }
        }
        let nets = read(&args.out, seed)?;
        let samples = Way::ALL.map(|way| {
            let samples = nets.sample(&truth, way, (args.points, seed));
            let measured = measures.of(&samples);
            (samples, measured)
        });
        rows.iter_mut().zip(&samples).for_each(|(row, (_, measured))| row.push(*measured));
        if seed == 0 {
            figures::write(&Nets::figure1(&samples), &args.out, "figure1")?;
            figures::write(&nets.figure2(seed), &args.out, "figure2")?;
        }
    }
    tell(args, &rows);
    Ok(exit::DONE)
}

fn net_path(folder: &Path, which: Which, seed: u64) -> PathBuf {
    folder.join(format!("{}-{seed}.safetensors", which.name()))
}

fn read(folder: &Path, seed: u64) -> Result<Nets, Failure> {
    let net = |which| experiment::read(&net_path(folder, which, seed));
    Ok(Nets { main: net(Which::Main)?, autoguidance: net(Which::Autoguidance)?, cfg: net(Which::Cfg)? })
}

/// What is measured: its name, its column's title, and the value.
type Measure = (&'static str, &'static str, fn(&Measured) -> f64);

const MEASURES: [Measure; 3] = [
    ("outside", "outside of 99 %", |measured| measured.outside),
    ("coverage", "branches reached", |measured| measured.coverage),
    ("misplaced", "samples misplaced", |measured| measured.misplaced),
];

fn tell(args: &RunArgs, rows: &[Vec<Measured>]) {
    let (trainings, points) = (args.trainings, args.points);
    out::line(format!("class A, {points} points of each of {trainings} trainings, mean ± its error"));
    let titles: String = MEASURES.iter().map(|(_, title, _)| format!("{title:>22}")).collect();
    out::line(format!("{:<16}{titles}", "way"));
    let mut object = Map::new();
    for (way, row) in Way::ALL.iter().zip(rows) {
        let (mut shown, mut numbers) = (String::new(), Map::new());
        for (name, _, of) in MEASURES {
            let (mean, error) = mean_and_error(row.iter().map(of));
            let error_shown = error.map_or(String::new(), |error| format!(" ± {:.2}", error * 100.0));
            shown += &format!("{:>22}", format!("{:.2}{error_shown} %", mean * 100.0));
            numbers.insert(name.to_owned(), json!(mean));
            numbers.insert(format!("{name}_error"), json!(error));
        }
        out::line(format!("{:<16}{shown}", way.name()));
        object.insert(way.name().to_owned(), Value::Object(numbers));
    }
    out::line(format!("pictures: {}", args.out.join("figure{1,2}.{png,svg}").display()));
    out::json(Value::Object(object));
}

/// And the standard error of the mean, where there are two or more.
fn mean_and_error(values: impl Iterator<Item = f64> + Clone) -> (f64, Option<f64>) {
    let count = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / count;
    let square: f64 = values.map(|value| (value - mean).powi(2)).sum();
    (mean, (count > 1.0).then(|| (square / (count - 1.0) / count).sqrt()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_of_the_mean() {
        let (mean, error) = mean_and_error([1.0, 2.0, 3.0].into_iter());
        assert!((mean - 2.0).abs() < 1e-12 && (error.unwrap() - (1.0_f64 / 3.0).sqrt()).abs() < 1e-12);
        assert_eq!(mean_and_error([5.0].into_iter()), (5.0, None));
    }
}
