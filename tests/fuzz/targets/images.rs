//! Datasets, by the name that the first byte chooses; and what follows as one picture in a ZIP whose checksum is right.
#![no_main]

mod check;
#[path = "../../src/published/mod.rs"]
#[allow(dead_code, unused_imports)]
mod published;

use std::path::Path;

use fidelis_formats::images::Dataset;
use libfuzzer_sys::fuzz_target;
use zip::CompressionMethod;

const NAMES: [&str; 4] = ["x.zip", "x.npz", "x-images-idx3-ubyte", "x.safetensors"];

fuzz_target!(|data: &[u8]| {
    let Some((&choice, rest)) = data.split_first() else { return };
    read(NAMES[usize::from(choice) % 4], rest);
    let picture = [("0.png".to_owned(), data.to_vec())];
    read(NAMES[0], &published::zip_entries(&picture, CompressionMethod::Stored));
});

fn read(name: &str, bytes: &[u8]) {
    // A memory file under each name: what is fuzzed opens paths.
    let path = format!("/dev/shm/fidelis-fuzz-{}-{name}", std::process::id());
    std::fs::write(&path, bytes).unwrap();
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
}
