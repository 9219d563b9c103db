//! Writes the seeds: small files of every kind that is read, as their own houses write them.

#[path = "../../src/published/mod.rs"]
#[allow(dead_code, unused_imports)]
mod published;

use std::fs;
use std::path::Path;

use fidelis_formats::{Array, Dtype, StateDict};
use published::{Py, dict, ndarray, object, pickle, text};
use zip::CompressionMethod;

fn main() {
    let net = published::net(kwargs(), &state(), encoder());
    write("pickle", "net", &net);
    write("net", "published", &net);
    write("pickle", "text-protocol", b"(lp0\nI7\naL9L\naF1.5\naI01\naVab\np1\nag1\naS'c'\na(dNI1\nsa.");
    write("pickle", "state-dict", &pickle(&published::views(&state()).0, 2));
    write("net", "safetensors", &safetensors());
    write("state_dict", "safetensors", &safetensors());
    write("state_dict", "legacy", &published::legacy_state_dict(&state()));
    write("state_dict", "zip", &published::zip_state_dict(&state()));
    write("state_dict", "entries", &entries());
    let by_python = [
        ("protocol-2", &include_bytes!("../../fixtures/pickles/stats-np1-p2.pkl")[..]),
        ("protocol-5", include_bytes!("../../fixtures/pickles/stats-np2-p5.pkl")),
    ];
    for (name, bytes) in by_python {
        write("statistics", name, bytes);
        write("pickle", name, bytes);
    }
    write("net", "protocol-2", include_bytes!("../../fixtures/pickles/net-p2.pkl"));
    for (name, module) in [("numpy-1", "numpy.core.multiarray"), ("numpy-2", "numpy._core.multiarray")] {
        let statistics = pickle(&statistics(module), 4);
        write("statistics", name, &statistics);
        write("pickle", name, &statistics);
    }
    let arrays = [("mu.npy", npy("<f8", "(1,)")), ("sigma.npy", npy("<f8", "(1, 1)"))];
    let arrays = arrays.map(|(name, bytes)| (name.to_owned(), bytes));
    write("statistics", "npz", &published::zip_entries(&arrays, CompressionMethod::Deflated));
    let raw = [vec![136], arrays[0].1.clone(), arrays[1].1.clone()].concat();
    write("statistics", "arrays", &raw);
    let images = [("arr_0.npy".to_owned(), npy("|u1", "(1, 2, 2, 1)")[..132].to_vec())];
    for (name, method) in [("npz", CompressionMethod::Stored), ("npz-deflated", CompressionMethod::Deflated)]
    {
        write("images", name, &[vec![1], published::zip_entries(&images, method)].concat());
    }
    let labels = br#"{"labels": [["0.png", 6], ["1.png", 5], ["2.jpg", 7]]}"#.to_vec();
    let pictures = [
        ("dataset.json", labels),
        ("0.png", png(png::ColorType::Grayscale)),
        ("1.png", png(png::ColorType::Rgba)),
        ("2.jpg", jpeg()),
    ];
    let pictures = pictures.map(|(name, bytes)| (name.to_owned(), bytes));
    write("images", "zip", &[vec![0], published::zip_entries(&pictures, CompressionMethod::Stored)].concat());
    write("images", "png", &png(png::ColorType::Rgb));
    write("images", "jpeg", &jpeg());
    write("images", "idx", &[&[2, 0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2][..], &[1, 2]].concat());
    write("images", "safetensors", &[vec![3], images_safetensors()].concat());
    for (name, chunk) in [("first", &[0][..]), ("later", &[251, 0x2c, 0x01])] {
        let message = [&[1, 21][..], b"demo-0123456789abcdef", chunk, &[7; 32]];
        write("message", name, &message.concat());
    }
    write("receipt", "features", receipt("6-7", "").as_bytes());
    let unreadable = r#""unreadable":[{"seed":9,"name":"a/b.png","cause":"is no whole image"}],"#;
    write("receipt", "unreadable", receipt("1,3,7-9", unreadable).as_bytes());
}

fn receipt(seeds: &str, unreadable: &str) -> String {
    let digest = "0123456789abcdef".repeat(4);
    let object = |dtype, shape| {
        format!(r#"{{"sha256":"{digest}","num_bytes":1200,"dtype":"{dtype}","shape":[{shape}]}}"#)
    };
    let objects = [("features-inception", object("f32", "2,128")), ("images", object("u8", "2,1,8,8"))];
    let objects = objects.map(|(kind, object)| format!(r#""{kind}":{object}"#)).join(",");
    let start = format!(r#"{{"version":1,"run":"demo-0123456789abcdef","chunk":3,"spec_digest":"{digest}","#);
    let end = r#""device":"cpu","worker":"w1","micro_batch":64,"seconds":1.5,"attempt":1}"#;
    format!(r#"{start}"seeds":"{seeds}",{unreadable}"objects":{{{objects}}},"noise_sha256":"{digest}",{end}"#)
        + "\n"
}

fn write(target: &str, name: &str, bytes: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), bytes).unwrap();
}

fn state() -> StateDict {
    let array = |shape: &[usize]| {
        let len = shape.iter().product::<usize>() * 2;
        Array { dtype: Dtype::F16, shape: shape.to_vec(), bytes: (0..len).map(|i| i as u8).collect() }
    };
    let shapes: [(&str, &[usize]); 3] =
        [("logvar_fourier.freqs", &[2]), ("unet.enc.8x8_conv.weight", &[2, 1, 1, 1]), ("unet.out_gain", &[])];
    shapes.map(|(name, shape)| (name.to_owned(), array(shape))).into()
}

fn kwargs() -> Py {
    let sizes = [("img_resolution", 8), ("img_channels", 1), ("label_dim", 10), ("model_channels", 64)];
    let mult = ("channel_mult", Py::List(vec![Py::Int(1), Py::Int(2)]));
    let balance = ("res_balance", Py::Float(0.3));
    dict(sizes.map(|(name, value)| (name, Py::Int(value))).into_iter().chain([
        mult,
        balance,
        ("clip_act", Py::None),
    ]))
}

fn encoder() -> Py {
    let scale = ndarray("numpy._core.multiarray", &[1], &[0.5]);
    object("StabilityVAEEncoder", dict([("scale", scale), ("bias", Py::List(vec![Py::Float(1.0)]))]))
}

fn statistics(module: &'static str) -> Py {
    let one = || dict([("mu", ndarray(module, &[1], &[0.5])), ("sigma", ndarray(module, &[1, 1], &[2.0]))]);
    Py::Dict(vec![(text("num_images"), Py::Int(1000)), (text("fid"), one()), (text("fd_dinov2"), one())])
}

/// A safetensors file of one tensor, and a config in its metadata.
fn safetensors() -> Vec<u8> {
    let config = r#"{\"img_resolution\":8,\"img_channels\":1,\"label_dim\":0,\"model_channels\":64,\"channel_mult\":[1]}"#;
    let header = format!(
        r#"{{"__metadata__":{{"config":"{config}"}},"unet.out_gain":{{"dtype":"F16","shape":[],"data_offsets":[0,2]}}}}"#
    );
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0, 60]].concat()
}

fn images_safetensors() -> Vec<u8> {
    let header = r#"{"images":{"dtype":"U8","shape":[1,1,1,2],"data_offsets":[0,2]}}"#;
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[1, 2]].concat()
}

fn png(color: png::ColorType) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 2, 2);
    encoder.set_color(color);
    encoder.write_header().unwrap().write_image_data(&vec![7; 4 * color.samples()]).unwrap();
    bytes
}

fn jpeg() -> Vec<u8> {
    let digits = include_str!("../../../shared/formats/src/images/red.jpg.hex");
    let digits: Vec<u8> = digits.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks_exact(2).map(byte).collect()
}

/// A pickle and two storages, as the target `state_dict` cuts its input.
fn entries() -> Vec<u8> {
    let one = Array { dtype: Dtype::F32, shape: vec![2], bytes: vec![0; 8].into() };
    let state: StateDict = [("a".to_owned(), one.clone()), ("b".to_owned(), one)].into();
    [vec![16], pickle(&published::views(&state).0, 2), vec![7; 16]].concat()
}

/// An array of one float64 under any header.
fn npy(descr: &str, shape: &str) -> Vec<u8> {
    let dict = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    let header = format!("{dict:<117}\n");
    [&b"\x93NUMPY\x01\x00\x76\x00"[..], header.as_bytes(), &1.0_f64.to_le_bytes()].concat()
}
