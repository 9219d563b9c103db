//! `recipe-weights inception|dinov2 OUT.safetensors`: weights that anybody can make again, for comparisons.

#![allow(clippy::disallowed_macros, reason = "an example stands alone")]

mod recipe;

use std::path::Path;
use std::process::ExitCode;

use fidelis_edm2::checkpoint::TensorFile;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [detector, out] = &arguments[..] else {
        eprintln!("usage: recipe-weights inception|dinov2 OUT.safetensors");
        return ExitCode::from(2);
    };
    let Some(tensors) = recipe::weights(detector) else {
        eprintln!("`{detector}` has no recipe: expected inception or dinov2");
        return ExitCode::from(2);
    };
    match (TensorFile { tensors, ..TensorFile::default() }).write(Path::new(out)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}
