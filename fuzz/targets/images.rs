//! Datasets, by the name that the first byte chooses.
#![no_main]

mod check;

use std::path::Path;

use fidelis_formats::images::Dataset;
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 4] = ["x.zip", "x.npz", "x-images-idx3-ubyte", "x.safetensors"];

fuzz_target!(|data: &[u8]| {
    let Some((&choice, rest)) = data.split_first() else { return };
    // A memory file under each name: what is fuzzed opens paths.
    let path = format!("/dev/shm/fidelis-fuzz-{}-{}", std::process::id(), NAMES[usize::from(choice) % 4]);
    std::fs::write(&path, rest).unwrap();
    match Dataset::open(Path::new(&path)) {
        Ok(mut dataset) => {
            for index in 0..dataset.len().min(4) {
                let _ = (dataset.name(index), dataset.label(index));
                match dataset.read(index) {
                    Ok(image) => assert_eq!(image.shape.iter().product::<usize>(), image.pixels.len()),
                    Err(error) => check::line(error),
                }
            }
        }
        Err(error) => check::line(error),
    }
    std::fs::remove_file(&path).unwrap();
});
