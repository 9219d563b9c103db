//! `fidelis` with a hook for faults: the same command line over the same code.

use std::process::ExitCode;

use clap::Parser;
use fidelis::cli::{Cli, init_logs};
use fidelis_tests::hook;

#[tokio::main]
async fn main() -> ExitCode {
    hook::install();
    init_logs();
    match Cli::parse().run().await {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            eprintln!("fidelis: {failure}");
            ExitCode::from(failure.code)
        }
    }
}
