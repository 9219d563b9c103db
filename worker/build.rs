//! Gives the worker its run path to libtorch; a dependency's link arguments do not reach a binary.

#![allow(clippy::disallowed_macros, reason = "cargo reads it")]

use std::env;
use std::path::Path;

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    let Ok(libtorch) = env::var("LIBTORCH") else { return };
    println!("cargo:rustc-link-arg=-Wl,-rpath,{libtorch}/lib");
    // Nothing of ours names a symbol of the CUDA half: without this the linker would drop it.
    if Path::new(&libtorch).join("lib/libtorch_cuda.so").exists() {
        println!("cargo:rustc-link-arg=-Wl,--no-as-needed,-ltorch_cuda,--as-needed");
    }
}
