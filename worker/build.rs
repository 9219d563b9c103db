//! Gives the worker its run path to libtorch, as a dependency's link arguments do not reach a binary, and tells it the
//! version.

#![allow(clippy::disallowed_macros, reason = "cargo reads it")]

use std::path::Path;
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    let Ok(libtorch) = env::var("LIBTORCH") else { return };
    println!("cargo:rustc-link-arg=-Wl,-rpath,{libtorch}/lib");
    // As `2.13.0`, or with what it was built for behind a plus sign.
    if let Ok(text) = fs::read_to_string(Path::new(&libtorch).join("build-version"))
        && let Some(version) = text.trim().split('+').next()
    {
        println!("cargo:rustc-env=FIDELIS_LIBTORCH={version}");
    }
    // Nothing of ours names a symbol of the CUDA half: without this the linker would drop it.
    if Path::new(&libtorch).join("lib/libtorch_cuda.so").exists() {
        println!("cargo:rustc-link-arg=-Wl,--no-as-needed,-ltorch_cuda,--as-needed");
    }
}
