//! Nets at rest: published checkpoints and safetensors.

#[path = "../../../tests/src/published/mod.rs"]
#[allow(dead_code, unused_imports)]
mod published;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fidelis_contract::ids::Digest;
use fidelis_formats::{
    Array, Dtype, StateDict,
    net::{self, Encoder, NetConfig, NetFile, Whitening, check_pair},
};
use published::{Py, dict, object, pickle, rgb_encoder, text};
use serde::Deserialize;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(name)
}

fn read(name: &str) -> NetFile {
    net::read(&fixture(name)).unwrap()
}

/// Of each net what an independent program read: its config, and of each tensor the type, shape and SHA-256 of its bytes.
#[derive(Deserialize)]
struct Known {
    config: NetConfig,
    tensors: BTreeMap<String, KnownTensor>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct KnownTensor {
    dtype: String,
    shape: Vec<usize>,
    sha256: Digest,
}

fn known() -> BTreeMap<String, Known> {
    serde_json::from_slice(&std::fs::read(fixture("edm2-tensors.json")).unwrap()).unwrap()
}

#[test]
fn published_checkpoints_hold_what_others_read_in_them() {
    let nets = known();
    assert_eq!(nets.keys().collect::<Vec<_>>(), ["guide", "main", "null", "uncond"]);
    for (name, known) in nets {
        let pkl = read(&format!("edm2-{name}.pkl"));
        let config = NetConfig { encoder: None, whitening: None, ..pkl.config.clone() };
        assert_eq!(config, known.config, "{name}");
        let told = |array: &Array| KnownTensor {
            dtype: format!("{:?}", array.dtype),
            shape: array.shape.clone(),
            sha256: Digest::of(&array.bytes),
        };
        let found: BTreeMap<_, _> =
            pkl.tensors.iter().map(|(key, array)| (key.clone(), told(array))).collect();
        assert_eq!(found, known.tensors, "{name}");
    }
}

#[test]
fn published_checkpoints_know_their_encoder_and_data() {
    let (main, uncond) = (read("edm2-main.pkl"), read("edm2-uncond.pkl"));
    assert_eq!(uncond.config.encoder, Some(Encoder::Rgb));
    assert_eq!(main.config.encoder, Some(Encoder::StabilityVae));
    let published =
        Whitening::from_moments(&[5.81, 3.25, 0.12, -2.15], &[4.17, 4.62, 3.71, 3.28], (0.0, 0.5));
    let found = main.config.whitening.unwrap();
    let pairs = found.scale.iter().zip(&published.scale).chain(found.bias.iter().zip(&published.bias));
    assert!(pairs.clone().count() == 8 && pairs.clone().all(|(a, b)| (a - b).abs() < 1e-7), "{found:?}");
    let kwargs = main.dataset_kwargs.unwrap();
    assert_eq!((&kwargs["path"], &kwargs["use_labels"]), (&"x.zip".into(), &true.into()));
}

#[test]
fn the_config_alone_is_read_of_both() {
    let folder = tempfile::tempdir().unwrap();
    let stored = folder.path().join("net.safetensors");
    for name in ["edm2-null.pkl", "edm2-uncond.pkl"] {
        let whole = read(name);
        std::fs::write(&stored, whole.to_safetensors().unwrap()).unwrap();
        for path in [&fixture(name), &stored] {
            assert_eq!(net::read_config(path).unwrap(), whole.config, "{}", path.display());
        }
    }
}

fn tensors() -> StateDict {
    let array = |shape: &[usize]| {
        let len = shape.iter().product::<usize>() * 4;
        Array { dtype: Dtype::F32, shape: shape.to_vec(), bytes: (0..len).map(|i| i as u8).collect() }
    };
    [
        ("unet.enc.8x8_conv.weight", array(&[2, 4])),
        ("unet.out_gain", array(&[])),
        ("logvar_fourier.freqs", array(&[3])),
    ]
    .map(|(name, array)| (name.to_owned(), array))
    .into()
}

fn sizes() -> Vec<(&'static str, Py)> {
    let sizes = [("img_resolution", 8), ("img_channels", 4), ("label_dim", 0), ("model_channels", 64)];
    sizes.map(|(name, value)| (name, Py::Int(value))).to_vec()
}

fn with(name: &'static str, value: Py) -> Py {
    let mut kwargs = sizes();
    kwargs.retain(|(other, _)| *other != name);
    kwargs.push((name, value));
    dict(kwargs)
}

fn decode(bytes: Vec<u8>) -> Result<NetFile, String> {
    net::decode(&bytes.into()).map_err(|error| error.to_string())
}

fn encoded(encoder: Py) -> Result<NetConfig, String> {
    decode(published::net(dict(sizes()), &tensors(), encoder)).map(|net| net.config)
}

#[test]
fn what_a_constructor_was_not_told_has_the_published_defaults() {
    let net = decode(published::net(dict(sizes()), &tensors(), Py::None)).unwrap();
    assert_eq!(net.tensors, tensors());
    let NetConfig { channel_mult, channel_mult_noise, channel_mult_emb, num_blocks, .. } = &net.config;
    assert_eq!((&channel_mult[..], channel_mult_noise, channel_mult_emb), (&[1, 2, 3, 4][..], &None, &None));
    assert_eq!((*num_blocks, &net.config.attn_resolutions[..]), (3, &[16, 8][..]));
    let NetConfig { label_balance, concat_balance, res_balance, attn_balance, .. } = net.config;
    assert_eq!((label_balance, concat_balance, res_balance, attn_balance), (0.5, 0.5, 0.3, 0.3));
    let NetConfig { channels_per_head, dropout, clip_act, sigma_data, .. } = net.config;
    assert_eq!((channels_per_head, dropout, clip_act, sigma_data), (64, 0.0, Some(256.0), 0.5));
    assert_eq!((net.config.logvar_channels, net.config.use_fp16, net.config.encoder), (128, true, None));
    let unclipped = decode(published::net(with("clip_act", Py::None), &tensors(), Py::None)).unwrap();
    assert_eq!(unclipped.config.clip_act, None);
}

#[test]
fn what_is_not_known_is_named() {
    let refused = |kwargs, encoder| decode(published::net(kwargs, &tensors(), encoder)).unwrap_err();
    let option = refused(with("use_magic", Py::Bool(true)), Py::None);
    assert!(option.contains("unknown field `use_magic`"), "{option}");
    assert!(refused(with("encoder", text("rgb")), Py::None).contains("the net's option `encoder`"));
    assert!(refused(with("sigma_data", Py::Float(f64::NAN)), Py::None).contains("the number NaN"));
    assert!(refused(with("num_blocks", Py::Int(1 << 40)), Py::None).contains("`num_blocks`"));
    let encoder = refused(dict(sizes()), object("OtherEncoder", dict::<&str>([])));
    assert!(encoder.contains("the encoder `OtherEncoder`"), "{encoder}");
    let more = decode(pickle(&dict([("ema", Py::None), ("optimizer", Py::None)]), 4)).unwrap_err();
    assert!(more.contains("`optimizer`"), "{more}");
    let other = decode(pickle(&dict([("ema", object("SongUNet", dict::<&str>([])))]), 4)).unwrap_err();
    assert!(other.contains("`ema` is a `SongUNet`, no `Precond`"), "{other}");
    let part = dict([
        ("_init_kwargs", dict(sizes())),
        ("_modules", dict([("x", object("Lora", dict::<&str>([])))])),
    ]);
    let part = decode(pickle(&dict([("ema", object("Precond", part))]), 4)).unwrap_err();
    assert!(part.contains("`x`, a `Lora`"), "{part}");
    assert!(decode(pickle(&dict::<&str>([]), 4)).unwrap_err().contains("holds no `ema`"));
}

#[test]
fn the_encoders_scale_comes_from_either_form() {
    let floats = |numbers: &[f64]| Py::List(numbers.iter().map(|&n| Py::Float(n)).collect());
    assert_eq!(encoded(rgb_encoder()).unwrap().encoder, Some(Encoder::Rgb));
    let numbers = [1.0, 2.0, 4.0, 8.0];
    let module = "numpy.core.multiarray";
    let state = [("scale", published::ndarray(module, &[4], &numbers)), ("bias", floats(&numbers))];
    let config = encoded(object("StabilityVAEEncoder", dict(state))).unwrap();
    let whitening = Whitening { scale: numbers.to_vec(), bias: numbers.to_vec() };
    assert_eq!(config.whitening, Some(whitening));
    let moments = dict([("raw_mean", floats(&[1.0; 4])), ("raw_std", floats(&numbers))]);
    let config = encoded(object("StabilityVAEEncoder", dict([("_init_kwargs", moments)]))).unwrap();
    let scale = vec![0.5, 0.25, 0.125, 0.0625];
    let bias = scale.iter().map(|s| -s).collect();
    assert_eq!(config.whitening, Some(Whitening { scale, bias }));
    let few = [("scale", floats(&[1.0])), ("bias", floats(&[1.0]))];
    let error = encoded(object("StabilityVAEEncoder", dict(few))).unwrap_err();
    assert!(error.contains("`whitening` needs a scale and a bias for each of 4 channels"), "{error}");
}

#[test]
fn pairs_are_checked_by_field() {
    let config = |name: &str| read(&format!("edm2-{name}.pkl")).config;
    let (main, null) = (config("main"), config("null"));
    check_pair(&main, &config("guide")).unwrap();
    check_pair(&main, &null).unwrap();
    let refused = |gnet: NetConfig, field| {
        let error = check_pair(&main, &gnet).unwrap_err();
        assert_eq!(error.field, field);
    };
    assert_eq!(check_pair(&null, &main).unwrap_err().field, "label_dim");
    refused(config("uncond"), "image shape");
    refused(NetConfig { sigma_data: 1.0, ..main.clone() }, "sigma_data");
    refused(NetConfig { label_dim: 11, ..main.clone() }, "label_dim");
    let (rgb, vae) = (Some(Encoder::Rgb), Some(Encoder::StabilityVae));
    let with = |encoder| NetConfig { encoder, ..main.clone() };
    assert_eq!(check_pair(&with(rgb), &with(vae)).unwrap_err().field, "encoder");
    check_pair(&with(rgb), &with(None)).unwrap();
}

#[test]
fn a_file_without_a_config_is_no_net() {
    let path = fixture("forward-main.safetensors");
    for error in [net::read(&path).unwrap_err(), net::read_config(&path).unwrap_err()] {
        let line = error.to_string();
        assert!(line.contains("forward-main.safetensors") && line.contains("holds no `config`"), "{line}");
    }
}

#[test]
fn arguments_by_position_are_the_first_of_the_constructor() {
    let net = |args: Vec<Py>, kwargs: Vec<(&'static str, Py)>| {
        let state = dict([("_init_args", Py::Tuple(args)), ("_init_kwargs", dict(kwargs))]);
        decode(pickle(&dict([("ema", object("Precond", state))]), 4)).map(|net| net.config)
    };
    let ints = |values: &[i64]| values.iter().map(|&value| Py::Int(value)).collect::<Vec<_>>();
    let six = [ints(&[64, 4, 10]), vec![Py::Bool(false), Py::Float(0.7), Py::Int(32)]].concat();
    let config = net(six.clone(), vec![("num_blocks", Py::Int(2))]).unwrap();
    assert_eq!((config.img_resolution, config.img_channels, config.label_dim), (64, 4, 10));
    assert_eq!((config.use_fp16, config.sigma_data, config.logvar_channels), (false, 0.7, 32));
    // Published nets of this size do not say so.
    assert_eq!((config.model_channels, config.num_blocks), (192, 2));
    let seven = [six, ints(&[1])].concat();
    assert!(net(seven, vec![]).unwrap_err().contains("`7` arguments of the net's constructor without names"));
    let twice = net(ints(&[64, 4, 0]), vec![("label_dim", Py::Int(0))]).unwrap_err();
    assert!(twice.contains("`label_dim` is given by position and by name"), "{twice}");
    assert!(net(ints(&[64, 4, 0, 7]), vec![]).unwrap_err().contains("expected a boolean"));
}

#[test]
fn filters_and_heads_are_checked() {
    let config =
        |name, value| decode(published::net(with(name, value), &tensors(), Py::None)).map(|net| net.config);
    let taps = |taps: &[f64]| Py::List(taps.iter().map(|&tap| Py::Float(tap)).collect());
    let found = config("resample_filter", taps(&[1.0, 3.0, 3.0, 1.0])).unwrap();
    assert_eq!(found.resample_filter, [1.0, 3.0, 3.0, 1.0]);
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(json["resample_filter"], serde_json::json!([1.0, 3.0, 3.0, 1.0]));
    let usual = config("resample_filter", taps(&[1.0, 1.0])).unwrap();
    assert_eq!(serde_json::to_value(&usual).unwrap().get("resample_filter"), None);
    for wrong in [&[1.0][..], &[1.0, 2.0, 1.0], &[], &[1.0, -1.0], &[1.0; 66]] {
        assert!(
            config("resample_filter", taps(wrong)).unwrap_err().contains("`resample_filter` is ["),
            "{wrong:?}"
        );
    }
    // Levels of 64, 128, 192 and 256 channels.
    assert_eq!(config("channels_per_head", Py::Int(512)).unwrap().heads(256), 0);
    assert_eq!(config("channels_per_head", Py::Int(96)).unwrap().heads(256), 2);
    let uneven = config("channels_per_head", Py::Int(80)).unwrap_err();
    assert!(uneven.contains("`channels_per_head` 80 gives the 256 channels at 1x1 3 heads"), "{uneven}");
}
