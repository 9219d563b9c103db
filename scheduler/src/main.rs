//! `fidelis`: see `fidelis --help`.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    fidelis::cli::main().await
}
