//! `fidelis-worker` with a hook for faults: the same command line over the same code.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    fidelis_tests::hook::install();
    fidelis_worker::cli::main().await
}
