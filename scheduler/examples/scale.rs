//! Time and memory of the metrics at a size, on features drawn from a generator:
//! `cargo run --release --example scale -- precision,recall 20000 512`. The last line on stdout is JSON. Processor time
//! (`cpu`) is that of all threads, whatever else the machine does.

use std::time::Instant;

use fidelis_contract::outcome::Failure;
use fidelis_fleet::out;
use fidelis_metrics::{FeatureSet, Gaussian, Inputs, JACKKNIFE_BLOCKS, Metric, MetricError, jackknife};

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let mut next = || args.next().unwrap_or_default();
    let (names, num_images, dim) = (next(), next(), next());
    let size =
        |text: &str| text.parse::<usize>().map_err(|_| anyhow::anyhow!("`{text}` is no size: METRICS N D"));
    let (num_images, dim) = (size(&num_images)?, size(&dim)?);
    let (ours, reference) = (features(num_images, dim, 1)?, features(num_images, dim, 2)?);
    let metrics: Vec<Metric> = names.split(',').filter_map(Metric::find).collect();
    let begun = Instant::now();
    let mut found = Vec::new();
    if metrics.iter().any(|metric| metric.distance().is_some()) {
        let folded = ours.folded(JACKKNIFE_BLOCKS)?;
        let statistics = reference.folded(0)?.total.statistics().map_err(MetricError::from)?;
        let gaussian = Gaussian::new(&statistics)?;
        out::note(format!("folded after {:.1} s, cpu {:.1} s", begun.elapsed().as_secs_f64(), cpu_s()));
        let sd = jackknife::standard_error(&folded.blocks, &gaussian)?;
        found.push(format!(
            "error bar {sd:?} after {:.1} s, cpu {:.1} s",
            begun.elapsed().as_secs_f64(),
            cpu_s()
        ));
        if names.contains("exact") {
            let exact = jackknife::spread(&jackknife::exactly_without_each(&folded.blocks, &gaussian)?);
            found.push(format!(
                "exact error bar {exact} after {:.1} s, cpu {:.1} s",
                begun.elapsed().as_secs_f64(),
                cpu_s()
            ));
        }
    }
    let others: Vec<Metric> = metrics.into_iter().filter(|metric| metric.distance().is_none()).collect();
    let inputs = Inputs {
        ours: &ours,
        reference: Some(&reference),
        statistics: None,
        last_layer: None,
        k: None,
        seed: 2020,
    };
    found.extend(inputs.measure(&others)?.iter().map(|one| format!("{} {}", one.metric.id(), one.value)));
    found.iter().for_each(out::note);
    let peak = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak =
        peak.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default().trim().to_owned();
    out::json(serde_json::json!({"metrics": names, "n": num_images, "dim": dim, "peak": peak,
        "seconds": begun.elapsed().as_secs_f64(), "cpu_s": cpu_s()}));
    Ok(())
}

/// Processor time of this process, user and system; Linux counts in hundredths of a second.
fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

/// Correlated, not centred, of two clusters.
fn features(num_images: usize, dim: usize, seed: u64) -> Result<FeatureSet, MetricError> {
    let mut state = seed;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32
    };
    let mut values = Vec::with_capacity(num_images * dim);
    for row in 0..num_images {
        let common = draw();
        let cluster = if row % 2 == 0 { 0.3 } else { 0.0 };
        values.extend((0..dim).map(|k| (draw() + 0.5 * common) / (1.0 + k as f32).sqrt() + cluster));
    }
    FeatureSet::of(values, dim)
}
