//! What was measured, for people and for programs.

use std::fmt::Write;

use serde_json::{Value, json};

use super::measure::{Measured, Row};

/// Images of a run at full size.
const IMAGES: f64 = 50_000.0;
/// A chunk is what is lost with a worker: a minute's work, as far as whole micro-batches on all lanes make it up.
const CHUNK_SECONDS: f64 = 60.0;
/// More would only make objects larger.
const LARGEST_CHUNK: usize = 4096;
/// A load above this share of the cores, before anything is started, is other people's work.
const IDLE: f64 = 0.25;
/// What a worker may have beside its activations, in weights.
const OVERHEAD: f64 = 1.3;

pub struct Report<'a> {
    /// What is measured, as it was named.
    pub files: &'a [String],
    /// Its name, and what it is.
    pub device: (&'a str, Option<String>),
    pub steps: u32,
    /// Load of the machine, and memory in use, before anything was loaded.
    pub load_before: Option<f64>,
    pub process_bytes: Option<u64>,
    /// Of an hour.
    pub price: Option<f64>,
    pub measured: &'a [Measured],
}

/// The images of a chunk for a worker of this speed.
fn chunk_size(row: &Row, lanes: usize) -> usize {
    let unit = row.micro_batch * lanes;
    let images = (row.images_per_second * CHUNK_SECONDS) as usize;
    (images.min(LARGEST_CHUNK) / unit).max(1) * unit
}

fn hours(row: &Row) -> f64 {
    IMAGES / row.images_per_second / 3600.0
}

/// From the start of the process to the images of the smallest micro-batch.
fn first_image(of: &Measured) -> Option<f64> {
    let row = of.rows.first()?;
    Some(of.ready_seconds? + (row.micro_batch * of.lanes) as f64 / row.images_per_second)
}

impl Report<'_> {
    /// What was there before, 1.3 × weights, and the activations, which are what was taken since the nets were loaded.
    fn bound(&self, row: &Row, of: &Measured) -> Option<f64> {
        let activations = row.peak_bytes?.saturating_sub(of.loaded_bytes?);
        Some(self.process_bytes? as f64 + OVERHEAD * of.weights_bytes as f64 + activations as f64)
    }

    /// Whether others' work is part of the figures.
    fn is_disturbed(&self) -> bool {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        self.load_before.is_some_and(|load| load > IDLE * cores as f64)
    }

    pub fn json(&self) -> Value {
        let row = |row: &Row, of: &Measured| {
            json!({
                "micro_batch": row.micro_batch,
                "images_per_second": row.images_per_second,
                "steps_taken": row.steps,
                "peak_bytes": row.peak_bytes,
                "bound_bytes": self.bound(row, of),
                "hours_of_50000": hours(row),
                "cost_of_50000": self.price.map(|price| price * hours(row)),
            })
        };
        let precision = |of: &Measured| {
            let recommended = of.best().map(
                |best| json!({ "micro_batch": best.micro_batch, "chunk_size": chunk_size(best, of.lanes) }),
            );
            json!({
                "precision": of.precision,
                "lanes": of.lanes,
                "load_seconds": of.load_seconds,
                "weights_bytes": of.weights_bytes,
                "loaded_bytes": of.loaded_bytes,
                "load_peak_bytes": of.load_peak_bytes,
                "rows": of.rows.iter().map(|found| row(found, of)).collect::<Vec<_>>(),
                "left_out": of.left_out,
                "recommended": recommended,
            })
        };
        json!({
            "files": self.files,
            "device": self.device.0,
            "device_model": self.device.1,
            "steps": self.steps,
            "price": self.price,
            "load_before": self.load_before,
            "process_bytes": self.process_bytes,
            "first_image_seconds": self.measured.first().and_then(first_image),
            "precisions": self.measured.iter().map(precision).collect::<Vec<_>>(),
        })
    }

    pub fn table(&self) -> String {
        let mut text = String::new();
        let mut fact = |name: &str, value: String| writeln!(text, "{name:<14}{value}").ok();
        fact("files", self.files.join(", "));
        let lanes = self.measured.first().map_or(1, |of| of.lanes);
        let model = self.device.1.as_ref().map_or_else(String::new, |model| format!(" ({model})"));
        fact("device", format!("{}{model}, {lanes} micro-batches side by side", self.device.0));
        fact("sampling", format!("{} steps of Heun's method", self.steps));
        if let Some(seconds) = self.measured.first().and_then(first_image) {
            fact("first image", format!("{seconds:.1} s after the start"));
        }
        for of in self.measured {
            let name = format!("load {}", of.precision);
            let [weights, now, most] =
                [Some(of.weights_bytes), of.loaded_bytes, of.load_peak_bytes].map(gigabytes);
            let seconds = of.load_seconds;
            fact(&name, format!("{seconds:.1} s; weights {weights} GB, in memory {now}, at most {most}"));
        }
        let cost = if self.price.is_some() { "cost" } else { "" };
        let head =
            ["precision", "micro-batch", "images/s", "memory, GB", "of the bound", "50,000 images, h", cost];
        text.push('\n');
        line(&mut text, &head.map(str::to_owned));
        for of in self.measured {
            of.rows.iter().for_each(|row| line(&mut text, &self.cells(row, of)));
        }
        text.push_str(
            "\nthe bound: what the process has before it loads, 1.3 × the weights, what sampling takes beside them\n",
        );
        if let Some(load) = self.load_before.filter(|_| self.is_disturbed()) {
            writeln!(text, "the load was {load:.1} beforehand: others' work is part of these figures").ok();
        }
        self.measured.iter().for_each(|of| advise(&mut text, of, self.steps));
        text
    }

    fn cells(&self, row: &Row, of: &Measured) -> [String; 7] {
        let share = self.bound(row, of).and_then(|bound| Some(row.peak_bytes? as f64 / bound));
        [
            of.precision.to_string(),
            row.micro_batch.to_string(),
            figure(row.images_per_second),
            gigabytes(row.peak_bytes),
            share.map_or_else(|| "–".to_owned(), |share| format!("{share:.2}")),
            figure(hours(row)),
            self.price.map_or_else(String::new, |price| figure(price * hours(row))),
        ]
    }
}

/// What to write into a spec, and what the figures leave out.
fn advise(text: &mut String, of: &Measured, steps: u32) {
    let precision = of.precision;
    match of.best() {
        Some(best) => {
            let chunk = chunk_size(best, of.lanes);
            writeln!(
                text,
                "{precision}: micro_batch = {}, chunk_size = {chunk}, about a minute's work",
                best.micro_batch
            )
        }
        None => writeln!(text, "{precision}: not one image within the memory"),
    }
    .ok();
    if of.rows.iter().any(|row| row.steps < steps) {
        writeln!(text, "{precision}: of fewer steps than {steps} where those would have taken too long, the rest by their slope").ok();
    }
    if !of.left_out.is_empty() {
        let sizes: Vec<String> = of.left_out.iter().map(usize::to_string).collect();
        writeln!(text, "{precision}: no time or no memory for micro-batches of {}", sizes.join(", ")).ok();
    }
}

fn line(text: &mut String, cells: &[String; 7]) {
    const WIDTHS: [usize; 7] = [9, 13, 11, 12, 14, 18, 9];
    let mut line = format!("{:<9}", cells[0]);
    for (cell, width) in cells.iter().zip(WIDTHS).skip(1) {
        write!(line, "{cell:>width$}").ok();
    }
    writeln!(text, "{}", line.trim_end()).ok();
}

/// Three digits.
fn figure(number: f64) -> String {
    let digits = (2.0 - number.abs().max(1e-3).log10().floor()).clamp(0.0, 5.0) as usize;
    format!("{number:.digits$}")
}

fn gigabytes(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "–".to_owned(), |bytes| format!("{:.2}", bytes as f64 / 1e9))
}

#[cfg(test)]
mod tests {
    use fidelis_contract::spec::Precision;

    use super::*;

    fn measured() -> Measured {
        let row = |(micro_batch, images_per_second)| Row {
            micro_batch,
            images_per_second,
            steps: 32,
            peak_bytes: Some(1_500_000_000),
        };
        Measured {
            precision: Precision::Bf16,
            ready_seconds: Some(3.0),
            load_seconds: 2.5,
            lanes: 2,
            weights_bytes: 1_000_000_000,
            loaded_bytes: Some(1_100_000_000),
            load_peak_bytes: Some(1_300_000_000),
            rows: [(1, 0.5), (8, 2.0)].map(row).into(),
            left_out: vec![64],
        }
    }

    fn report(measured: &[Measured], price: Option<f64>) -> Report<'_> {
        let (load_before, process_bytes) = (Some(1e6), Some(100_000_000));
        Report { files: &[], device: ("cpu", None), steps: 32, load_before, process_bytes, price, measured }
    }

    #[test]
    fn figures_follow_from_speed_memory_and_price() {
        let found = [measured()];
        let json = report(&found, Some(3.6)).json();
        assert_eq!(json["first_image_seconds"], 7.0, "3 s, and two images at 0.5 a second");
        let of = &json["precisions"][0];
        // 120 images a minute, of which 16 at a time.
        assert_eq!(of["recommended"], json!({ "micro_batch": 8, "chunk_size": 112 }));
        let row = &of["rows"][1];
        assert_eq!((&row["cost_of_50000"], &row["bound_bytes"]), (&json!(25.0), &json!(1.8e9)));
        assert_eq!(report(&found, None).json()["precisions"][0]["rows"][1]["cost_of_50000"], Value::Null);
    }

    #[test]
    fn the_table_has_a_line_for_each_row_and_what_is_missing() {
        let found = [measured()];
        let text = report(&found, Some(3.6)).table();
        let row = text.lines().find(|line| line.starts_with("bf16 ") && line.contains(" 8 ")).unwrap();
        let cells: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(cells, ["bf16", "8", "2.00", "1.50", "0.83", "6.94", "25.0"]);
        assert!(text.contains("bf16: no time or no memory for micro-batches of 64"), "{text}");
        assert!(text.contains("others' work"), "{text}");
        assert!(!report(&found, None).table().contains("cost"));
    }

    #[test]
    fn chunks_are_whole_and_never_none() {
        let row = |micro_batch, images_per_second| Row {
            micro_batch,
            images_per_second,
            steps: 2,
            peak_bytes: None,
        };
        assert_eq!(chunk_size(&row(64, 0.01), 2), 128);
        assert_eq!(chunk_size(&row(32, 1e6), 1), 4096);
        assert_eq!(chunk_size(&row(48, 1e6), 1), 4080);
    }

    #[test]
    fn three_digits() {
        assert_eq!(
            [0.012_345, 1.0, 12.345, 123.45, 12_345.6].map(figure),
            ["0.0123", "1.00", "12.3", "123", "12346"]
        );
    }
}
