//! `fidelis`: see `fidelis --help`.

use std::process::ExitCode;

use clap::Parser;
use fidelis::cli::{Cli, init_logs};

#[tokio::main]
async fn main() -> ExitCode {
    init_logs();
    match Cli::parse().run().await {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            eprintln!("fidelis: {failure}");
            ExitCode::from(failure.code)
        }
    }
}
