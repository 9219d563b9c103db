//! How long images take, and how much memory.

use std::fs;
use std::time::Instant;

use fidelis_contract::spec::Precision;
use fidelis_edm2::device::{Device, memory};
use fidelis_edm2::generate::{GenerateError, Generator, Recipe};
use fidelis_fleet::out;

/// Steps of the shortest run.
const SHORT: u32 = 2;

/// What is asked of each recipe.
pub struct Bench<'a> {
    pub device: Device,
    pub lanes: usize,
    /// For each micro-batch.
    pub seconds: f64,
    /// In ascending order.
    pub micro_batches: &'a [usize],
    /// Bytes of the weights that are no net's.
    pub other_weights: u64,
    pub stop: &'a (dyn Fn() -> bool + Sync),
}

/// What came of one recipe.
#[derive(Debug)]
pub struct Measured {
    pub precision: Precision,
    /// From the start of the process until the nets were there, where the system tells; and how long loading took.
    pub ready_seconds: Option<f64>,
    pub load_seconds: f64,
    /// Micro-batches side by side.
    pub lanes: usize,
    pub weights_bytes: u64,
    /// After loading, and at most while loading.
    pub loaded_bytes: Option<u64>,
    pub load_peak_bytes: Option<u64>,
    pub rows: Vec<Row>,
    /// Micro-batches that there was no time or no memory for.
    pub left_out: Vec<usize>,
}

/// One micro-batch.
#[derive(Debug)]
pub struct Row {
    pub micro_batch: usize,
    pub images_per_second: f64,
    /// Steps that were taken; where fewer than asked for, the rest is by their slope.
    pub steps: u32,
    pub peak_bytes: Option<u64>,
}

impl Measured {
    /// The smallest micro-batch within 5 % of the fastest.
    pub fn best(&self) -> Option<&Row> {
        let fastest = self.rows.iter().map(|row| row.images_per_second).fold(0.0, f64::max);
        self.rows.iter().find(|row| row.images_per_second >= 0.95 * fastest)
    }
}

impl Bench<'_> {
    pub fn measure(&self, recipe: &Recipe) -> Result<Measured, GenerateError> {
        memory::forget_peak();
        let begun = Instant::now();
        let mut generator = Generator::load(recipe, self.device, self.lanes)?;
        let load_seconds = begun.elapsed().as_secs_f64();
        let precision = recipe.model.sampling.precision;
        let bytes_each = if precision == Precision::Fp32 { 4 } else { 2 };
        let mut measured = Measured {
            precision,
            ready_seconds: process_seconds(),
            load_seconds,
            lanes: generator.num_lanes(),
            weights_bytes: generator.num_params() * bytes_each + self.other_weights,
            loaded_bytes: memory::bytes(self.device),
            load_peak_bytes: memory::peak_bytes(self.device),
            rows: Vec::new(),
            left_out: Vec::new(),
        };
        // Seconds of an image's evaluation, of the micro-batch before.
        let mut each = 0.0;
        for &micro_batch in self.micro_batches {
            let images = micro_batch * measured.lanes;
            if each * images as f64 * evaluations(SHORT) > 4.0 * self.seconds {
                measured.left_out.push(micro_batch);
                continue;
            }
            match self.row(&mut generator, recipe, micro_batch) {
                Ok(row) => {
                    let evaluations = evaluations(recipe.model.sampling.sampler.num_steps);
                    each = 1.0 / row.images_per_second / evaluations;
                    out::note(format!(
                        "{precision}, micro-batch {micro_batch}: {:.3} images/s",
                        row.images_per_second
                    ));
                    measured.rows.push(row);
                }
                Err(GenerateError::OutOfMemory(_)) => {
                    each = f64::INFINITY;
                    measured.left_out.push(micro_batch);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(measured)
    }

    fn row(
        &self,
        generator: &mut Generator,
        recipe: &Recipe,
        micro_batch: usize,
    ) -> Result<Row, GenerateError> {
        memory::forget_peak();
        let seeds: Vec<u64> = (0..(micro_batch * generator.num_lanes()) as u64).collect();
        let steps = recipe.model.sampling.sampler.num_steps;
        let mut seconds_of = |steps| {
            let mut recipe = Recipe { micro_batch, ..recipe.clone() };
            recipe.model.sampling.sampler.num_steps = steps;
            generator.resample(&recipe)?;
            let begun = Instant::now();
            generator.generate(&seeds, self.stop)?;
            Ok::<_, GenerateError>(begun.elapsed().as_secs_f64())
        };
        // The first does not count: memory is taken, libraries choose their ways.
        let evaluation = seconds_of(SHORT)? / evaluations(SHORT);
        let affordable = ((self.seconds / evaluation + 1.0) / 2.0) as u32;
        let (seconds, taken) = if affordable >= steps || steps <= 2 * SHORT {
            let begun = Instant::now();
            let mut all = vec![seconds_of(steps)?];
            while begun.elapsed().as_secs_f64() + all[0] < self.seconds {
                all.push(seconds_of(steps)?);
            }
            all.sort_by(f64::total_cmp);
            (all[all.len() / 2], steps)
        } else {
            let taken = affordable.clamp(2 * SHORT, steps);
            let (short, long) = (seconds_of(SHORT)?, seconds_of(taken)?);
            let slope = (long - short) / (evaluations(taken) - evaluations(SHORT));
            (long + slope.max(0.0) * (evaluations(steps) - evaluations(taken)), taken)
        };
        let images_per_second = seeds.len() as f64 / seconds;
        Ok(Row { micro_batch, images_per_second, steps: taken, peak_bytes: memory::peak_bytes(self.device) })
    }
}

/// Of Heun's method without its last correction.
fn evaluations(steps: u32) -> f64 {
    f64::from(2 * steps - 1)
}

/// How many tasks wanted a core in the last minute.
pub fn load_average() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

/// Since this process was started; Linux counts in hundredths of a second.
fn process_seconds() -> Option<f64> {
    let uptime = fs::read_to_string("/proc/uptime").ok()?;
    let uptime: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let started: f64 = stat.rsplit(')').next()?.split_whitespace().nth(19)?.parse().ok()?;
    Some(uptime - started / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_micro_batch_that_is_as_fast_is_best() {
        let row = |(micro_batch, images_per_second)| Row {
            micro_batch,
            images_per_second,
            steps: 2,
            peak_bytes: None,
        };
        let mut measured = Measured {
            precision: Precision::Fp32,
            ready_seconds: None,
            load_seconds: 0.0,
            lanes: 1,
            weights_bytes: 0,
            loaded_bytes: None,
            load_peak_bytes: None,
            rows: [(1, 5.0), (8, 9.6), (32, 10.0), (64, 9.9)].map(row).into(),
            left_out: Vec::new(),
        };
        assert_eq!(measured.best().map(|row| row.micro_batch), Some(8));
        measured.rows.clear();
        assert!(measured.best().is_none());
    }

    #[test]
    fn this_process_is_young() {
        assert!(process_seconds().is_none_or(|seconds| (-0.1..3600.0).contains(&seconds)));
    }
}
