use std::{fs, io::Write, path::Path};

use zip::{ZipWriter, write::SimpleFileOptions};

use super::*;

/// A PNG whose samples are `0, 1, 2, …`.
fn png(color: png::ColorType, depth: png::BitDepth, side: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side, side);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if color == png::ColorType::Indexed {
        encoder.set_palette((0..=255_u8).flat_map(|i| [i, 255 - i, 7]).collect::<Vec<_>>());
    }
    let bits = color.samples() * if depth == png::BitDepth::Sixteen { 16 } else { 8 };
    let samples: Vec<u8> = (0..side as usize * side as usize * bits / 8).map(|i| i as u8).collect();
    encoder.write_header().unwrap().write_image_data(&samples).unwrap();
    bytes
}

fn rgb(side: u32) -> Vec<u8> {
    png(png::ColorType::Rgb, png::BitDepth::Eight, side)
}

fn write_zip(path: &Path, entries: &[(&str, &[u8])]) {
    let mut zip = ZipWriter::new(fs::File::create(path).unwrap());
    for (name, bytes) in entries {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

#[test]
fn png_colors_become_one_or_three_channels() {
    use png::{BitDepth::*, ColorType::*};
    for (color, depth, shape, start) in [
        (Grayscale, Eight, [1, 2, 2], [0, 1, 2, 3]),
        (GrayscaleAlpha, Eight, [1, 2, 2], [0, 2, 4, 6]),
        (Rgb, Eight, [3, 2, 2], [0, 3, 6, 9]),
        (Rgba, Eight, [3, 2, 2], [0, 4, 8, 12]),
        (Rgb, Sixteen, [3, 2, 2], [0, 6, 12, 18]),
        (Indexed, Eight, [3, 2, 2], [0, 1, 2, 3]),
    ] {
        let bytes = png(color, depth, 2);
        let image = codec::decode(&bytes).unwrap();
        let head = &bytes[..bytes.len().min(HEAD_BYTES as usize)];
        let told = codec::shape(head).unwrap();
        // A palette is longer than what is read of it.
        assert!(told == Some(shape) || (color == Indexed && told.is_none()), "{color:?} {told:?}");
        assert!(codec::shape(&bytes[..20]).is_err() && codec::shape(b"nothing").is_err());
        assert_eq!((image.shape, &image.pixels[..4]), (shape, &start[..]), "{color:?} {depth:?}");
    }
    let palette = codec::decode(&png(Indexed, Eight, 2)).unwrap();
    assert_eq!(palette.pixels[4..], [255, 254, 253, 252, 7, 7, 7, 7]);
}

/// 8×8 pixels of (200, 30, 60), written by libjpeg at quality 95 without subsampling.
const JPEG: &str = include_str!("red.jpg.hex");

fn jpeg() -> Vec<u8> {
    unhexed(JPEG)
}

fn unhexed(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks_exact(2).map(byte).collect()
}

#[test]
fn jpegs_are_read_and_a_cut_one_is_refused() {
    let image = codec::decode(&jpeg()).unwrap();
    assert_eq!(image.shape, [3, 8, 8]);
    for (channel, expected) in image.pixels.chunks_exact(64).zip([200_i32, 30, 60]) {
        assert!(channel.iter().all(|&value| (i32::from(value) - expected).abs() <= 2), "{channel:?}");
    }
    let whole = jpeg();
    assert!(codec::decode(&whole[..whole.len() - 12]).is_err());
}

/// Found by fuzzing: of this the decoder says a line with its end.
const TABLES_WITHOUT_AN_END: &str = "
    ffd8ffe000104a46494600010100000100010000ffdb0043000201010101010201010102020202020403020202001100000205040100000000
    000000000008ffc40014100100000000000000000000000000000000ffc4000015010101000000000000000000150101010000000000000000
    000000278361676573";

#[test]
fn what_a_decoder_says_is_one_line() {
    for bytes in [&unhexed(TABLES_WITHOUT_AN_END)[..], &jpeg()[..40], &rgb(4)[..40]] {
        let error = codec::decode(bytes).unwrap_err().to_string();
        assert!(!error.contains('\n') && error.starts_with("is no whole image"), "{error:?}");
    }
}

#[test]
fn archives_and_folders_read_alike() {
    let folder = tempfile::tempdir().unwrap();
    let (zip, root) = (folder.path().join("d.zip"), folder.path().join("d"));
    let table = br#"{"labels": [["b/two.png", 6], ["a.jpg", 5], ["z.png", 7]]}"#;
    let entries: &[(&str, &[u8])] = &[
        ("z.png", &rgb(4)),
        ("b/two.png", &rgb(2)),
        ("a.jpg", &jpeg()),
        ("dataset.json", table),
        ("readme.txt", b"no image"),
    ];
    write_zip(&zip, entries);
    for (name, bytes) in entries {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    fs::write(root.join(".hidden.png"), b"passed over").unwrap();
    for path in [zip, root] {
        let mut dataset = Dataset::open(&path).unwrap();
        let names: Vec<String> = (0..dataset.len()).map(|i| dataset.name(i)).collect();
        assert_eq!(names, ["a.jpg", "b/two.png", "z.png"]);
        assert_eq!((0..3).map(|i| dataset.label(i)).collect::<Vec<_>>(), [Some(5), Some(6), Some(7)]);
        let mut clone = dataset.clone();
        let sides: Vec<usize> = [2, 0, 1].map(|i| clone.read(i).unwrap().shape[1]).to_vec();
        assert_eq!(sides, [4, 8, 2]);
        assert_eq!(dataset.read(1).unwrap(), codec::decode(&rgb(2)).unwrap());
        assert!(matches!(dataset.read(3), Err(ImageError::Absent { index: 3, len: 3 })));
    }
}

/// A ZIP from a Mac, class folders that are links, names without or with unusual endings.
#[test]
fn no_image_is_left_out_without_a_word() {
    use std::os::unix::{ffi::OsStrExt, fs::symlink};
    let folder = tempfile::tempdir().unwrap();
    let (zip, root) = (folder.path().join("d.zip"), folder.path().join("d"));
    let image = &rgb(2)[..];
    let seen: &[(&str, &[u8])] = &[
        ("a.PNG", image),
        ("b.jfif", &jpeg()),
        ("c.heic", b"\0\0\0\x20ftypheic"),
        ("d/no-ending", image),
        ("e.webp", b"version https://git-lfs.github.com/spec/v1\n"),
    ];
    let unseen: &[(&str, &[u8])] = &[
        (".hidden.png", image),
        ("__MACOSX/d/._a.png", b"x"),
        ("d/.cache/x.png", image),
        ("notes", b"words"),
        ("x.json", b"{}"),
        ("x.png.bak", image),
    ];
    write_zip(&zip, &[seen, unseen].concat());
    for (name, bytes) in seen.iter().chain(unseen) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    for path in [&zip, &root] {
        let mut dataset = Dataset::open(path).unwrap();
        let names: Vec<String> = (0..dataset.len()).map(|i| dataset.name(i)).collect();
        assert_eq!(names, ["a.PNG", "b.jfif", "c.heic", "d/no-ending", "e.webp"]);
        let outcome: Vec<String> =
            (0..5).map(|i| dataset.read(i).err().map_or(String::new(), |error| error.to_string())).collect();
        assert_eq!([&outcome[0], &outcome[1], &outcome[3]], [""; 3]);
        assert!(outcome[2].contains("HEIC") && outcome[4].contains("Git LFS pointer"), "{outcome:?}");
    }
    let other = folder.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join(std::ffi::OsStr::from_bytes(b"caf\xe9.png")), image).unwrap();
    symlink("../other", root.join("more")).unwrap();
    let mut dataset = Dataset::open(&root).unwrap();
    assert_eq!((dataset.len(), &dataset.name(5)[..]), (6, "more/caf\\xE9.png"));
    assert!(dataset.read(5).is_ok());
    symlink("..", root.join("more/up")).unwrap();
    let error = Dataset::open(&root).unwrap_err().to_string();
    assert!(error.contains("`more/up` is a link to a folder that holds it"), "{error}");
}

#[test]
fn damage_is_named_and_stays_with_its_image() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("d.zip");
    let cut = &rgb(8)[..60];
    write_zip(&path, &[("0.png", &rgb(2)), ("1.png", cut), ("2.png", b""), ("3.png", b"GIF89a")]);
    let mut dataset = Dataset::open(&path).unwrap();
    assert!(dataset.read(0).is_ok());
    for index in 1..4 {
        let error = dataset.read(index).unwrap_err().to_string();
        assert!(error.starts_with("is no whole image"), "{error}");
    }
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(5).position(|w| w == b"0.png").unwrap() + 30;
    bytes[at] ^= 0x40;
    fs::write(&path, bytes).unwrap();
    assert!(Dataset::open(&path).unwrap().read(0).is_err(), "the CRC was not looked at");
}

#[test]
fn what_is_no_dataset_is_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let error = Dataset::open(&path).unwrap_err().to_string();
        assert!(!error.contains('\n') && error.contains(name), "{error}");
        error
    };
    assert!(refused("a.rar", b"").contains("no dataset that is known"));
    assert!(refused("a.zip", b"PK").contains("damaged"));
    assert!(refused("x-images-idx3-ubyte", b"").contains("header"));
    assert!(refused("a.safetensors", b"\x02\0\0\0\0\0\0\0{}").contains("`images`"));
    write_zip(&folder.path().join("empty.zip"), &[("readme.txt", b"")]);
    assert!(matches!(Dataset::open(&folder.path().join("empty.zip")), Err(DatasetError::Empty(_))));
    let unlabelled = br#"{"labels": [["b.png", 1]]}"#;
    write_zip(&folder.path().join("l.zip"), &[("a.png", &rgb(2)), ("dataset.json", unlabelled)]);
    assert_eq!(Dataset::open(&folder.path().join("l.zip")).unwrap().label(0), None, "a distance needs none");
    write_zip(&folder.path().join("l.zip"), &[("a.png", &rgb(2)), ("dataset.json", b"{")]);
    let error = Dataset::open(&folder.path().join("l.zip")).unwrap_err().to_string();
    assert!(error.contains("`dataset.json`") && !error.contains('\n'), "{error}");
}

#[test]
fn idx_files_have_their_classes_beside_them() {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("x-images-idx3-ubyte");
    let bytes = [&[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2][..], &[1, 2, 3, 4]].concat();
    fs::write(&images, &bytes).unwrap();
    fs::write(folder.path().join("x-labels-idx1-ubyte"), [0, 0, 8, 1, 0, 0, 0, 2, 7, 9]).unwrap();
    let mut dataset = Dataset::open(&images).unwrap();
    assert_eq!(dataset.read(1).unwrap(), Image { shape: [1, 1, 2], pixels: vec![3, 4] });
    assert_eq!((dataset.len(), dataset.label(1)), (2, Some(9)));
    fs::write(&images, &bytes[..19]).unwrap();
    let error = Dataset::open(&images).unwrap_err().to_string();
    assert!(error.contains("promises 4 bytes, it holds 3"), "{error}");
}

#[test]
fn tensors_are_read_by_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("i.safetensors");
    let pixels: Vec<u8> = (0..24).collect();
    let labels: Vec<u8> = [4_i64, 5].iter().flat_map(|label| label.to_le_bytes()).collect();
    let tensors = [
        ("images", safetensors::tensor::TensorView::new(safetensors::Dtype::U8, vec![2, 3, 2, 2], &pixels)),
        ("labels", safetensors::tensor::TensorView::new(safetensors::Dtype::I64, vec![2], &labels)),
    ]
    .map(|(name, view)| (name, view.unwrap()));
    fs::write(&path, safetensors::serialize(tensors, None).unwrap()).unwrap();
    let mut dataset = Dataset::open(&path).unwrap();
    assert_eq!(dataset.read(1).unwrap(), Image { shape: [3, 2, 2], pixels: pixels[12..].to_vec() });
    assert_eq!((dataset.len(), dataset.label(0)), (2, Some(4)));
}

/// A far file that remembers how much was asked of it at once.
#[derive(Debug)]
struct Far(Vec<u8>, std::sync::Mutex<Vec<usize>>);

impl ReadAt for Far {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> std::io::Result<usize> {
        self.1.lock().unwrap().push(buffer.len());
        let from = &self.0[(position as usize).min(self.0.len())..];
        let count = from.len().min(buffer.len());
        buffer[..count].copy_from_slice(&from[..count]);
        Ok(count)
    }

    fn num_bytes(&self) -> std::io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn is_far(&self) -> bool {
        true
    }
}

#[test]
fn arrays_that_lie_far_away_are_read_an_image_at_a_time() {
    let pixels = vec![7_u8; 50 * 3 * 32 * 32];
    let images = safetensors::tensor::TensorView::new(safetensors::Dtype::U8, vec![50, 3, 32, 32], &pixels);
    let tensors = safetensors::serialize([("images", images.unwrap())], None).unwrap();
    let mut idx = vec![0, 0, 8, 3, 0, 0, 0, 150, 0, 0, 0, 32, 0, 0, 0, 32];
    idx.extend(&pixels);
    for (name, bytes, size) in [("i.safetensors", tensors, 3 * 1024), ("i-images-idx3-ubyte", idx, 1024)] {
        let far = std::sync::Arc::new(Far(bytes, std::sync::Mutex::default()));
        let path = format!("s3://sets/{name}");
        let mut dataset = Dataset::of(&Place::file(path.as_ref(), far.clone(), None)).unwrap();
        assert_eq!(dataset.read(dataset.len() - 1).unwrap().pixels, pixels[..size], "{name}");
        let asked = far.1.lock().unwrap();
        assert!(asked.iter().all(|&len| len <= size), "{name}: {asked:?}");
    }
}

/// An `.npz` of these arrays: name, dtype, shape, bytes.
fn write_npz(path: &Path, method: zip::CompressionMethod, arrays: &[(&str, &str, &str, Vec<u8>)]) {
    let mut zip = ZipWriter::new(fs::File::create(path).unwrap());
    for (name, descr, shape, bytes) in arrays {
        let dict = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
        zip.start_file(format!("{name}.npy"), SimpleFileOptions::default().compression_method(method))
            .unwrap();
        zip.write_all(b"\x93NUMPY\x01\x00\x76\x00").unwrap();
        zip.write_all(format!("{dict:<117}\n").as_bytes()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

#[test]
fn adms_arrays_are_read_by_place_stored_or_deflated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("samples.npz");
    let labels =
        || ("arr_1", "<i8", "(2,)", [7_i64, 9].iter().flat_map(|label| label.to_le_bytes()).collect());
    let images = || ("arr_0", "|u1", "(2, 1, 2, 3)", (0..12).collect());
    for method in [zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated] {
        write_npz(&path, method, &[images(), labels()]);
        let mut dataset = Dataset::open(&path).unwrap();
        assert_eq!((dataset.len(), dataset.label(0), dataset.label(1)), (2, Some(7), Some(9)));
        let second = Image { shape: [3, 1, 2], pixels: vec![6, 9, 7, 10, 8, 11] };
        assert_eq!(dataset.read(1).unwrap(), second);
        assert!(matches!(dataset.read(2), Err(ImageError::Absent { .. })));
        write_npz(&path, method, &[images()]);
        assert_eq!(Dataset::open(&path).unwrap().label(0), None);
    }
}

#[test]
fn classes_of_an_npz_are_integers_of_any_type_or_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("samples.npz");
    let of = |descr: &'static str, shape: &'static str, bytes: Vec<u8>| {
        let images = ("arr_0", "|u1", "(2, 1, 1, 1)", vec![0, 1]);
        write_npz(&path, zip::CompressionMethod::Stored, &[images, ("arr_1", descr, shape, bytes)]);
        let dataset = Dataset::open(&path).unwrap();
        [dataset.label(0), dataset.label(1)]
    };
    let classes = [Some(3), Some(200)];
    assert_eq!(of("|u1", "(2,)", vec![3, 200]), classes);
    assert_eq!(of("<i2", "(2,)", vec![3, 0, 200, 0]), classes);
    assert_eq!(of("<u4", "(2, 1)", vec![3, 0, 0, 0, 200, 0, 0, 0]), classes);
    assert_eq!(of(">i8", "(2,)", [3_i64, 200].iter().flat_map(|x| x.to_be_bytes()).collect()), classes);
    assert_eq!(of("|b1", "(2, 2)", vec![1, 0, 0, 1]), [Some(0), Some(1)]);
    let halves = [0.5_f64, 1.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    assert_eq!(of("<f8", "(2,)", halves), [None, None]);
    assert_eq!(of("<U3", "(2,)", vec![0; 24]), [None, None]);
}

#[test]
fn an_npz_that_is_no_dataset_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npz");
    let bytes = |count| vec![1_u8; count];
    for method in [zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated] {
        for (arrays, words) in [
            (vec![("mu", "<f8", "(1,)", bytes(8))], "no array `arr_0`"),
            (vec![("arr_0", "<f4", "(1, 1, 1, 1)", bytes(4))], "`arr_0` is <f4 [1, 1, 1, 1]"),
            (vec![("arr_0", "|u1", "(4, 1, 1)", bytes(4))], "expected |u1 [N, H, W, C]"),
            (vec![("arr_0", "|u1", "(1, 1, 1, 4)", bytes(4))], "images of 4 channels"),
            (vec![("arr_0", "|u1", "(9, 1, 1, 1)", bytes(4))], "another length than its header"),
            (vec![("arr_0", "|u1", "(3, 1, 1, 1)", bytes(4))], "another length than its header"),
            (vec![("arr_0", "|u1", "(99999999999999, 8000, 8000, 3)", bytes(4))], "`arr_0`"),
            (vec![("arr_0", "|u1", "(0, 1, 1, 1)", bytes(0))], "holds no images"),
            (
                vec![("arr_0", "|u1", "(2, 1, 1, 1)", bytes(2)), ("arr_1", "<i8", "(1,)", bytes(8))],
                "1 classes for 2 images",
            ),
        ] {
            write_npz(&path, method, &arrays);
            let error = Dataset::open(&path).unwrap_err().to_string();
            assert!(error.contains(words) && error.contains("x.npz") && !error.contains('\n'), "{error}");
        }
    }
    write_npz(&path, zip::CompressionMethod::Stored, &[("arr_0", "|u1", "(1, 1, 1, 1)", bytes(1))]);
    let whole = fs::read(&path).unwrap();
    for len in 0..whole.len() {
        fs::write(&path, &whole[..len]).unwrap();
        assert!(!Dataset::open(&path).unwrap_err().to_string().contains('\n'));
    }
}
