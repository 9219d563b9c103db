//! `pixels FOLDER OUT`: the images of a folder as fidelis reads them, each as `OUT/<name>.pnm`; the others are told on
//! stdout, a line each: name, tab, why not. For comparing with other readers (`infra/parity/images.py`).

#![allow(clippy::disallowed_macros, reason = "an example stands alone")]

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs, io};

use fidelis_formats::images::{self, Image};

fn main() -> ExitCode {
    let args: Vec<String> = env::args().collect();
    let [_, folder, out] = &args[..] else {
        eprintln!("pixels: give a folder of images and a folder for the pixels");
        return ExitCode::from(2);
    };
    match convert(Path::new(folder), Path::new(out)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pixels: {error}");
            ExitCode::from(75)
        }
    }
}

fn convert(folder: &Path, out: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        match images::decode(&fs::read(&path)?) {
            Ok(image) => fs::write(out.join(format!("{name}.pnm")), pnm(&image))?,
            Err(error) => println!("{name}\t{error}"),
        }
    }
    Ok(())
}

fn pnm(image: &Image) -> Vec<u8> {
    let [channels, height, width] = image.shape;
    let kind = if channels == 1 { 5 } else { 6 };
    let mut bytes = format!("P{kind}\n{width} {height}\n255\n").into_bytes();
    for pixel in 0..height * width {
        bytes.extend((0..channels).map(|channel| image.pixels[channel * height * width + pixel]));
    }
    bytes
}
