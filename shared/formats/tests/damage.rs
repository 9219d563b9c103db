//! Damaged files of every kind: one clear line each, and never a panic.

#[path = "../../../tests/src/published/mod.rs"]
#[allow(dead_code, unused_imports)]
mod published;

use std::path::Path;

use bytes::Bytes;
use fidelis_formats::{
    Array, Dtype, StateDict,
    content::{self, Content},
    net,
    pickle::Pickle,
    state_dict, stats,
};
use proptest::prelude::*;
use published::{Py, dict, ndarray, object, pickle};

fn fixture(name: &str) -> Bytes {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(name);
    std::fs::read(path).unwrap().into()
}

fn as_safetensors(net: &Bytes) -> Bytes {
    net::decode(net).unwrap().to_safetensors().unwrap().into()
}

/// A published net of three small tensors.
fn small_net() -> Vec<u8> {
    let array = |shape: &[usize]| {
        let len = shape.iter().product::<usize>() * 2;
        Array { dtype: Dtype::F16, shape: shape.to_vec(), bytes: (0..len).map(|i| i as u8).collect() }
    };
    let shapes: [(&str, &[usize]); 3] =
        [("logvar_fourier.freqs", &[2]), ("unet.enc.8x8_conv.weight", &[2, 1, 1, 1]), ("unet.out_gain", &[])];
    let state: StateDict = shapes.map(|(name, shape)| (name.to_owned(), array(shape))).into();
    let sizes = [("img_resolution", 8), ("img_channels", 1), ("label_dim", 10), ("model_channels", 64)];
    let scale = ndarray("numpy._core.multiarray", &[1], &[0.5]);
    let encoder = object("StabilityVAEEncoder", dict([("scale", scale), ("bias", Py::Float(1.0))]));
    published::net(dict(sizes.map(|(name, value)| (name, Py::Int(value)))), &state, encoder)
}

/// Every reader, over bytes that may be anything.
fn read_all(bytes: &Bytes) {
    let line = |result: Result<(), String>| {
        if let Err(line) = result {
            assert!(!line.is_empty() && !line.contains(['\n', '\r']), "{line:?}");
        }
    };
    line(Pickle::whole(bytes).map(drop).map_err(|error| error.to_string()));
    line(net::decode(bytes).map(drop).map_err(|error| error.to_string()));
    line(state_dict::decode(bytes).map(drop).map_err(|error| error.to_string()));
    line(stats::decode(bytes, None).map(drop).map_err(|error| error.to_string()));
    line(content::decode(bytes).map(drop).map_err(|error| error.to_string()));
}

#[test]
fn every_cut_of_a_small_net_is_refused() {
    let whole = Bytes::from(small_net());
    net::decode(&whole).unwrap();
    for len in 0..whole.len() {
        let error = net::decode(&whole.slice(..len)).unwrap_err().to_string();
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn cuts_of_every_fixture_are_refused() {
    let published = ["main", "guide", "null", "uncond"].map(|name| fixture(&format!("edm2-{name}.pkl")));
    let stored = published[2..].iter().map(as_safetensors).collect::<Vec<_>>();
    for whole in published.into_iter().chain(stored) {
        let last = whole.len() - 1;
        let lens = (0..last).step_by(last / 500).chain(0..1500).chain(last - 500..=last);
        for len in lens {
            let error = net::decode(&whole.slice(..len)).unwrap_err().to_string();
            assert!(!error.contains('\n'), "cut at {len}: {error}");
        }
    }
}

#[test]
fn a_file_says_itself_what_it_is() {
    let kind = |bytes: Bytes| content::decode(&bytes).map_err(|error| error.to_string());
    let published = fixture("edm2-uncond.pkl");
    for net in [as_safetensors(&published), published] {
        assert!(matches!(kind(net).unwrap(), Content::Net(_)));
    }
    for name in ["ref-stats.pkl", "ref-stats.npz"] {
        assert!(matches!(kind(fixture(name)).unwrap(), Content::Statistics(_)), "{name}");
    }
    assert!(matches!(kind(fixture("features.safetensors")).unwrap(), Content::StateDict(_)));
    let state = StateDict::new();
    for bytes in [published::legacy_state_dict(&state), published::zip_state_dict(&state)] {
        assert!(matches!(kind(bytes.clone().into()).unwrap(), Content::StateDict(_)));
        let error = net::decode(&bytes.into()).unwrap_err().to_string();
        assert!(error.contains("`torch.save`"), "{error}");
    }
    assert!(
        kind(fixture("sample.json")).unwrap_err().contains("is a JSON document, not a net, a state dict")
    );
    assert!(kind(Bytes::new()).unwrap_err().contains("it begins like none of them"));
    assert!(kind(pickle(&Py::None, 4).into()).unwrap_err().contains("it is None, no dict"));
}

/// A change of a file: where, in parts of its length, and what stands there then.
fn mutations() -> impl Strategy<Value = Vec<(f64, Vec<u8>)>> {
    let opcode =
        prop::sample::select(b"N(.0123]})tuaebsqrhjpgcRQ\x80\x81\x85\x86\x87\x8c\x93\x94\x95".to_vec());
    let piece = prop_oneof![prop::collection::vec(any::<u8>(), 1..9), prop::collection::vec(opcode, 1..5)];
    prop::collection::vec((0.0..1.0_f64, piece), 1..5)
}

proptest! {
    #[test]
    fn arbitrary_bytes_end_in_a_line(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read_all(&bytes.clone().into());
        for start in [&b"\x80\x04"[..], b"PK\x03\x04", b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."] {
            read_all(&[start, &bytes].concat().into());
        }
    }

    #[test]
    fn mutations_of_real_files_end_in_a_line(changes in mutations(), which in 0..5_usize) {
        let state: StateDict = net::decode(&small_net().into()).unwrap().tensors;
        let mut bytes = match which {
            0 => small_net(),
            1 => published::legacy_state_dict(&state),
            2 => published::zip_state_dict(&state),
            3 => fixture("ref-stats.pkl").to_vec(),
            _ => fixture("ref-stats.npz").to_vec(),
        };
        // Most of the statistics are numbers; their structure lies at the ends.
        let reach = bytes.len().min(4000);
        for (place, piece) in changes {
            let at = ((place * reach as f64) as usize).min(bytes.len() - piece.len());
            bytes[at..at + piece.len()].copy_from_slice(&piece);
        }
        read_all(&bytes.into());
    }
}
