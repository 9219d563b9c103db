//! Images in every format against Pillow's pixels (`infra/parity/images.py --golden` writes them): beside each image that
//! is read lies `<name>.rgb.png`; the others are refused.

use std::fs;
use std::path::{Path, PathBuf};

use fidelis_formats::images::{self, Image};

const EXPECTED: &str = ".rgb.png";

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/images");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| !path.to_string_lossy().ends_with(EXPECTED));
    paths.sort();
    paths
}

fn decode(path: &Path) -> Result<Image, String> {
    images::decode(&fs::read(path).unwrap()).map_err(|error| error.to_string())
}

/// Grey as the three channels of PIL's `convert("RGB")`.
fn rgb(image: Image) -> Image {
    let [channels, height, width] = image.shape;
    Image { shape: [3, height, width], pixels: image.pixels.repeat(3 / channels) }
}

#[test]
fn every_image_is_pillows_or_refused() {
    let (mut equal, mut refused) = (0, 0);
    for path in files() {
        let expected = PathBuf::from(format!("{}{EXPECTED}", path.display()));
        match (decode(&path), expected.exists()) {
            (Ok(found), true) => {
                let (found, expected) = (rgb(found), decode(&expected).unwrap());
                assert_eq!(found.shape, expected.shape, "{}", path.display());
                assert!(
                    found == expected,
                    "{}: other pixels (on x86-64 the build wants nasm)",
                    path.display()
                );
                equal += 1;
            }
            (Err(error), false) => {
                assert!(error.starts_with("is ") && !error.contains('\n'), "{}: {error}", path.display());
                refused += 1;
            }
            (found, _) => panic!("{}: {found:?}", path.display()),
        }
    }
    assert!(equal > 60 && refused > 15, "{equal} equal, {refused} refused");
}

/// A header that asks for more memory than any image of a dataset needs.
#[test]
fn a_bomb_is_refused_by_its_size() {
    let mut bytes =
        fs::read(files().into_iter().find(|path| path.ends_with("grey--33x17-baseline.jpg")).unwrap())
            .unwrap();
    let frame = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    bytes[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xdc, 0xff, 0xdc]);
    let error = images::decode(&bytes).unwrap_err().to_string();
    assert!(error.contains("65500x65500"), "{error}");
}
