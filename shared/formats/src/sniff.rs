//! What a file really is, by its first bytes: for files that are not what their name or their reader expects.

/// How many first bytes [`what`] wants to see.
pub const HEAD_BYTES: usize = 512;

/// A name with its article, for `it is …`; `None` where the bytes tell nothing. Only for words: nothing is decoded.
pub fn what(head: &[u8]) -> Option<&'static str> {
    if head.is_empty() {
        return Some("empty");
    }
    let at = |place: usize, magic: &[u8]| head.get(place..).is_some_and(|rest| rest.starts_with(magic));
    let begins = |magics: &[&[u8]]| magics.iter().any(|magic| head.starts_with(magic));
    let text = text_of(head);
    let says = |words: &[&str]| words.iter().any(|word| text.starts_with(word));
    Some(match head {
        _ if begins(&[b"version https://git-lfs", b"version https://hawser"]) => {
            "a Git LFS pointer, not the file itself: fetch that with `git lfs pull`"
        }
        _ if begins(&[b"/annex/objects/", b"../.git/annex", b".git/annex"]) => {
            "a git-annex pointer, not the file itself: fetch that with `git annex get`"
        }
        _ if says(&["<!doctype html", "<html", "<head", "<body"]) => {
            "an HTML page, as a server sends in the place of a file: get the file again"
        }
        _ if says(&["<svg"]) || (says(&["<?xml"]) && text.contains("<svg")) => "an SVG drawing",
        _ if says(&["<?xml"]) => {
            "an XML document, as a server sends in the place of a file: get the file again"
        }
        _ if begins(&[b"\x1f\x8b"]) => "gzip data: unpack it with `gunzip`",
        _ if begins(&[b"\x28\xb5\x2f\xfd"]) => "zstd data: unpack it",
        _ if begins(&[b"\xfd7zXZ\0"]) => "xz data: unpack it",
        _ if begins(&[b"BZh"]) => "bzip2 data: unpack it",
        _ if begins(&[b"7z\xbc\xaf\x27\x1c"]) => "a 7z archive: unpack it",
        _ if begins(&[b"Rar!\x1a\x07"]) => "a RAR archive: unpack it",
        _ if begins(&[b"PK\x03\x04", b"PK\x05\x06"]) => "a ZIP archive",
        _ if at(257, b"ustar") => "a tar archive: unpack it",
        _ if begins(&[b"%PDF"]) => "a PDF document",
        _ if begins(&[b"\x89HDF\r\n\x1a\n"]) => "an HDF5 file",
        _ if begins(&[b"\x93NUMPY"]) => "a NumPy array",
        _ if begins(&[b"\x89PNG"]) => "a PNG image",
        _ if begins(&[b"\xff\xd8\xff"]) => "a JPEG image",
        _ if begins(&[b"GIF87a", b"GIF89a"]) => "a GIF image",
        _ if begins(&[b"RIFF"]) && at(8, b"WEBP") => "a WebP image",
        _ if begins(&[b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"]) => "a TIFF image",
        _ if begins(&[b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"]) => "a JPEG 2000 image",
        _ if begins(&[b"\xff\x0a", b"\0\0\0\x0cJXL "]) => "a JPEG XL image",
        _ if at(4, b"ftypavif") || at(4, b"ftypavis") => "an AVIF image",
        _ if at(4, b"ftyphei") || at(4, b"ftypmif1") || at(4, b"ftyphev") => "a HEIC image",
        _ if begins(&[b"8BPS"]) => "a Photoshop document",
        _ if begins(&[b"DDS "]) => "a DDS texture",
        _ if begins(&[b"qoif"]) => "a QOI image",
        _ if begins(&[b"\x76\x2f\x31\x01"]) => "an OpenEXR image",
        _ if begins(&[b"#?RADIANCE"]) => "a Radiance image",
        _ if begins(&[b"\0\0\x01\0"]) => "a Windows icon",
        _ if says(&["{", "["]) => "JSON or other text",
        _ if head.iter().all(|&byte| byte == 0) => "nothing but zero bytes: it was not copied whole",
        _ => return None,
    })
}

/// The beginning as lower-case text, without what may stand before it.
fn text_of(head: &[u8]) -> String {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    String::from_utf8_lossy(&head[..head.len().min(HEAD_BYTES)]).trim_start().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_find_in_the_place_of_a_file_is_named() {
        for (head, name) in [
            (&b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n"[..], "Git LFS pointer"),
            (b"\xef\xbb\xbf\r\n<!DOCTYPE HTML><html>", "HTML page"),
            (b"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code>", "XML document"),
            (b"\x1f\x8b\x08\0", "gzip"),
            (b"\0\0\0\x20ftypheic", "HEIC"),
            (b"RIFF\x10\0\0\0WEBPVP8 ", "WebP"),
            (b"", "empty"),
            (&[0; 40], "zero bytes"),
        ] {
            let found = what(head).unwrap_or_default();
            assert!(found.contains(name), "{name}: {found}");
        }
        assert_eq!(what(b"\x01\x02\x03 something else"), None);
        assert_eq!(what(b"RIFF\x10\0\0\0WAVEfmt "), None);
    }
}
