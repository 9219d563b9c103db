//! `fidelis-worker`: see `fidelis-worker --help`.

use std::process::ExitCode;

use clap::Parser;
use fidelis_worker::{cli::Cli, logs};

#[tokio::main]
async fn main() -> ExitCode {
    logs::init();
    match Cli::parse().run().await {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            eprintln!("fidelis-worker: {failure}");
            ExitCode::from(failure.code)
        }
    }
}
