//! Which files of a folder or an archive are its images. None is left out without a word: what has an image's name and
//! cannot be read is an image that cannot be read.

use crate::sniff;

/// Extensions of images, also of those that are not read here.
const IMAGES: &str = "png apng jpg jpeg jpe jfif webp bmp dib gif tif tiff pbm pgm ppm pnm pfm \
    heic heif avif jp2 j2k jpc jpx jxl tga ico psd exr hdr dds qoi pcx sgi svg dng";
/// Extensions of what lies beside images and is none, and of what programs leave behind: not even looked into.
const OTHERS: &str = "json jsonl txt csv tsv md html htm xml yaml yml toml ini log lst db npy npz pt pth pkl pickle \
    safetensors parquet arrow h5 hdf5 mat py sh ipynb caption captions sha256 md5 gz zip tar pdf doc docx \
    bak old orig tmp temp part partial crdownload swp";

/// What a name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    Image,
    Other,
    /// Nothing that is known: the content tells.
    Unclear,
}

/// What a file's name, or path, says of it.
pub fn named(path: &str) -> Named {
    let name = path.rsplit('/').next().unwrap_or_default();
    let Some((_, extension)) = name.rsplit_once('.') else { return Named::Unclear };
    let extension = extension.to_ascii_lowercase();
    let among = |list: &str| list.split_ascii_whitespace().any(|known| known == extension);
    match () {
        () if among(IMAGES) => Named::Image,
        () if among(OTHERS) || extension.ends_with('~') => Named::Other,
        () => Named::Unclear,
    }
}

/// Whether a file without an image's name begins as one. An index of images (a PDF, a ZIP) is none.
pub fn begins_as_image(head: &[u8]) -> bool {
    sniff::name_of(head).is_some_and(|name| name.ends_with(" image"))
}

/// Hidden from whoever lists a folder: a part of the path begins with a dot, or is where a Mac keeps what it has to say
/// of each file of an archive.
pub fn is_hidden(path: &str) -> bool {
    path.split('/').any(|part| part == "__MACOSX" || (part.starts_with('.') && part != "." && part != ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_images_from_what_lies_beside_them() {
        for name in ["a.png", "a/B.JPEG", "x.jfif", "x.WebP", "no.tif", "y.heic", "n02.01.jpg"] {
            assert_eq!(named(name), Named::Image, "{name}");
        }
        for name in ["dataset.json", "a.png.bak", "a.png~", "a/README.md", "Thumbs.db"] {
            assert_eq!(named(name), Named::Other, "{name}");
        }
        for name in ["00001", "a.png/00001", "n01440764_10026.0"] {
            assert_eq!(named(name), Named::Unclear, "{name}");
        }
        assert!(begins_as_image(b"\xff\xd8\xff\xe0") && !begins_as_image(b"text"));
    }

    #[test]
    fn what_a_mac_adds_is_hidden() {
        for path in ["__MACOSX/a/._b.png", "a/__MACOSX/b.png", ".b.png", "a/.cache/b.png"] {
            assert!(is_hidden(path), "{path}");
        }
        for path in ["./a.png", "a/b.png", "a..png", "__MACOSX.png"] {
            assert!(!is_hidden(path), "{path}");
        }
    }
}
