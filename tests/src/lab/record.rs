//! Figures that a test does not judge, for `make faults`.

use std::io::Write;

use anyhow::Result;

/// Names the file that figures are added to, a line each: test, figure, value. Without it they are only printed.
const RECORD_ENV: &str = "FIDELIS_TESTS_RECORD";

/// Notes a figure of the test that is running.
pub fn record(figure: &str, value: impl std::fmt::Display) -> Result<()> {
    let thread = std::thread::current();
    let line = format!("{}\t{figure}\t{value}\n", thread.name().unwrap_or("?"));
    eprint!("{line}");
    if let Some(path) = std::env::var_os(RECORD_ENV) {
        std::fs::File::options().create(true).append(true).open(path)?.write_all(line.as_bytes())?;
    }
    Ok(())
}

/// What decides chance in a test: `FIDELIS_TESTS_SEED`, else 1.
pub fn seed() -> u64 {
    std::env::var("FIDELIS_TESTS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1)
}
