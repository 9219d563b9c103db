//! `fidelis-worker`: see `fidelis-worker --help`.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    fidelis_worker::cli::main().await
}
