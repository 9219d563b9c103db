//! What a file is, by the bytes that it begins with: so that a wrong one is called by its name.

use crate::FormatError;

/// Leading bytes of what files are confused with, and what to call it.
const STARTS: &[(&[u8], &str)] = &[
    (b"version https://git-lfs.github.com/spec/", "a Git LFS pointer"),
    (b"version https://hawser.github.com/spec/", "a Git LFS pointer"),
    (b"\x1f\x8b", "a gzip file"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\x93NUMPY", "a NumPy array (`.npy`)"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ\x00", "an xz file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"BM", "a BMP image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"%PDF-", "a PDF document"),
    (b"\x7fELF", "a program"),
    (b"GGUF", "a GGUF model"),
    (b"#!", "a script"),
    (b"<?xml", "an XML document"),
    (b"<svg", "an SVG image"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"/annex/objects/", "a git-annex pointer"),
    (b"../.git/annex", "a git-annex pointer"),
    (b".git/annex", "a git-annex pointer"),
    (b"II+\x00", "a TIFF image"),
    (b"MM\x00+", "a TIFF image"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 image"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 image"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL image"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"8BPS", "a Photoshop document"),
    (b"DDS ", "a DDS texture"),
    (b"qoif", "a QOI image"),
    (b"\x76\x2f\x31\x01", "an OpenEXR image"),
    (b"#?RADIANCE", "a Radiance image"),
    (b"\x00\x00\x01\x00", "a Windows icon"),
];

/// How many first bytes a look at a file takes.
pub const HEAD_BYTES: usize = 512;

/// What is wrong with a file that begins like this and cannot be read, with what may be done about it.
pub fn described(head: &[u8]) -> Option<String> {
    if head.is_empty() {
        return Some("empty".to_owned());
    }
    if head.iter().all(|&byte| byte == 0) {
        return Some("nothing but zero bytes: it was not copied whole".to_owned());
    }
    name_of(head).map(|name| format!("{name}{}", advice(name)))
}

/// What a file that begins like this is, for people; `None` where its start tells nothing. A few hundred bytes are
/// enough. Of the formats that hold nets and features it knows `.npy`, ZIPs and pickles.
pub fn name_of(leading_bytes: &[u8]) -> Option<&'static str> {
    let text = leading_bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(leading_bytes).trim_ascii_start();
    let begins =
        |word: &str| text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()));
    if ["<!doctype html", "<html", "<head", "<body"].iter().any(|word| begins(word)) {
        return Some("an HTML page");
    }
    if let Some((_, name)) = STARTS.iter().find(|(start, _)| leading_bytes.starts_with(start)) {
        return Some(name);
    }
    match leading_bytes {
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("a WebP image"),
        [_, _, _, _, b'f', b't', b'y', b'p', b'a', b'v', b'i', b'f' | b's', ..] => Some("an AVIF image"),
        [_, _, _, _, b'f', b't', b'y', b'p', b'h', b'e', ..]
        | [_, _, _, _, b'f', b't', b'y', b'p', b'm', b'i', b'f', b'1', ..] => Some("a HEIC image"),
        _ if is_pickle(leading_bytes) => Some("a pickle"),
        _ if is_old_pickle(leading_bytes) => Some("a pickle of protocol 0 or 1"),
        _ if leading_bytes.get(257..262) == Some(b"ustar") => Some("a tar archive"),
        _ if begins("{") || begins("[{") => Some("a JSON document"),
        _ => None,
    }
}

/// What may be done about it, after a semicolon; empty where nothing helps but another file.
pub(crate) fn advice(name: &str) -> &'static str {
    match name {
        "a Git LFS pointer" => "; `git lfs pull` fetches the file that it stands for",
        "a git-annex pointer" => "; `git annex get` fetches the file that it stands for",
        "an HTML page" => "; the address leads to a page about the file, or to a login: give the file's own",
        "a gzip file" => "; unpack it with `gunzip` first",
        "a bzip2 file" | "an xz file" | "a Zstandard file" | "a tar archive" | "a 7-Zip archive"
        | "a RAR archive" => "; unpack it first",
        "a pickle of protocol 0 or 1" => "; write it again with `pickle.dump(…, protocol=4)`",
        "a TorchScript archive" => "; save its weights with `torch.save(module.state_dict(), …)`",
        _ => "",
    }
}

/// The refusal of a file that is no `expected`, where its start tells what it is instead.
pub(crate) fn other(leading_bytes: &[u8], expected: &'static str) -> Option<FormatError> {
    Some(FormatError::Other { found: name_of(leading_bytes)?, expected })
}

/// A pickle of protocol 2 or above, as published checkpoints are.
pub(crate) fn is_pickle(leading_bytes: &[u8]) -> bool {
    matches!(leading_bytes, [0x80, 2..=5, ..]) && !is_safetensors(leading_bytes)
}

/// A header behind its length, whose lowest byte may be any: also the one that marks a pickle.
pub(crate) fn is_safetensors(leading_bytes: &[u8]) -> bool {
    const MAX_HEADER_BYTES: u64 = 100_000_000;
    leading_bytes.get(8) == Some(&b'{')
        && leading_bytes.first_chunk().is_some_and(|length| u64::from_le_bytes(*length) <= MAX_HEADER_BYTES)
}

/// Protocols 0 and 1 have no mark of their own: a dict, list or tuple, or a call of a name, as they write them.
fn is_old_pickle(bytes: &[u8]) -> bool {
    match bytes {
        [b'(', b'd' | b'l' | b't', b'p', b'0'..=b'9', ..] | [b'}' | b']', b'q', 0, ..] => true,
        [b'c', rest @ ..] => {
            let mut lines = rest.split(|&byte| byte == b'\n').take(2);
            let mut is_name = || {
                let is_part = |&byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
                lines.next().is_some_and(|line| (1..100).contains(&line.len()) && line.iter().all(is_part))
            };
            is_name() && is_name() && rest.iter().filter(|&&byte| byte == b'\n').count() >= 2
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_called_by_their_names() {
        let cases: [(&[u8], Option<&str>); 16] = [
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", Some("a Git LFS pointer")),
            (b"\xef\xbb\xbf\n <!DOCTYPE HTML PUBLIC", Some("an HTML page")),
            (b"<html lang=en>", Some("an HTML page")),
            (b"\x1f\x8b\x08", Some("a gzip file")),
            (b"(dp0\nVmu\np1\n", Some("a pickle of protocol 0 or 1")),
            (b"}q\x00(X\x02\0\0\0mu", Some("a pickle of protocol 0 or 1")),
            (b"ccopy_reg\n_reconstructor\np0\n", Some("a pickle of protocol 0 or 1")),
            (b"\x80\x05\x95", Some("a pickle")),
            (b"{\"a\": 1}", Some("a JSON document")),
            (b"class\nof its own", None),
            (b"\x10\0\0\0\0\0\0\0{\"a\":{}}", None),
            (b"", None),
            (b"\x80\x09", None),
            (b"RIFF\0\0\0\0WAVE", None),
            (b"\0\0\0\x20ftypheic", Some("a HEIC image")),
            (b"RIFF\x10\0\0\0WEBPVP8 ", Some("a WebP image")),
        ];
        for (start, name) in cases {
            assert_eq!(name_of(start), name, "{}", start.escape_ascii());
        }
        assert_eq!(described(b"").as_deref(), Some("empty"));
        assert!(described(&[0; 40]).unwrap().contains("zero bytes"));
        assert!(described(b"version https://git-lfs.github.com/spec/v1").unwrap().contains("git lfs pull"));
    }
}
