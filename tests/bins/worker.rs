//! `fidelis-worker` with a hook for faults: the same command line over the same code.

use std::process::ExitCode;

use clap::Parser;
use fidelis_tests::hook;
use fidelis_worker::{cli::Cli, logs};

#[tokio::main]
async fn main() -> ExitCode {
    hook::install();
    logs::init();
    match Cli::parse().run().await {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            eprintln!("fidelis-worker: {failure}");
            ExitCode::from(failure.code)
        }
    }
}
