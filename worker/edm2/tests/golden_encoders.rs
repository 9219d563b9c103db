//! The autoencoder against an independent implementation (tests/fixtures), to 1e-4 of the largest magnitude.

mod common;

use common::agreement::{Agreement, agree};
use common::place::Place;
use common::{fixture, golden, quiet, tensors};
use fidelis_edm2::checkpoint::TensorFile;
use fidelis_edm2::encoder::{Codec, Encoder, StabilityVae};
use fidelis_edm2::net::Precision;
use fidelis_edm2::noise::with_seed;
use fidelis_formats::net::Whitening;
use tch::{Device, Kind, Tensor};

const CPU: (Device, Precision) = (Device::Cpu, Precision::Fp32);

fn vae() -> StabilityVae {
    StabilityVae::load(&fixture("vae-tiny.safetensors"), CPU).unwrap()
}

fn check(what: &str, found: &Tensor, expected: &Tensor) {
    agree(&[Agreement::of(what, found, expected, 1e-6)]);
}

#[test]
fn latents_become_the_golden_pixels() {
    let _guard = quiet();
    agree(&golden::encoders::decoder(Place::of_test()));
}

#[test]
fn pixels_become_the_golden_posterior() {
    let _guard = quiet();
    agree(&golden::encoders::encoder(Place::of_test()));
}

#[test]
fn an_image_is_decoded_and_encoded_alike_in_any_batch() {
    let _guard = quiet();
    let (vae, golden) = (vae(), tensors("vae-golden.safetensors").tensors);
    let second = |name: &str| golden[name].narrow(0, 1, 1);
    let (decoded, encoded) = (vae.decode(&golden["latent"]).unwrap(), vae.encode(&golden["image"]).unwrap());
    assert_eq!(vae.decode(&second("latent")).unwrap(), decoded.narrow(0, 1, 1));
    assert_eq!(vae.encode(&second("image")).unwrap(), encoded.narrow(0, 1, 1));
}

#[test]
fn latents_are_drawn_from_the_posterior_and_whitened() {
    let _guard = quiet();
    let path = fixture("vae-tiny.safetensors");
    let codec = Codec::load(Encoder::StabilityVae, Some(&path), CPU).unwrap();
    let moments = tensors("vae-golden.safetensors").tensors["raw_mean_std"].shallow_clone();
    let (one, two) = (with_seed(7, || codec.latents(&moments)), with_seed(7, || codec.latents(&moments)));
    assert_eq!(one, two);
    let noise = with_seed(7, || Tensor::randn([2, 4, 8, 8], (Kind::Float, Device::Cpu)));
    let raw = moments.narrow(1, 0, 4) + moments.narrow(1, 4, 4) * noise;
    check("vae draw", &vae().raw(&one).unwrap(), &raw);
}

#[test]
fn a_nets_own_whitening_takes_the_place_of_the_published_one() {
    let _guard = quiet();
    let latent = &tensors("vae-golden.safetensors").tensors["latent"];
    let own = Whitening { scale: vec![0.5, 1.0, 2.0, 4.0], bias: vec![1.0, 0.0, -1.0, 0.5] };
    let found = vae().whitened(&own).unwrap().raw(latent).unwrap();
    let channel = |c: i64| (latent.narrow(1, c, 1) - own.bias[c as usize]) / own.scale[c as usize];
    check("own whitening", &found, &Tensor::cat(&[0, 1, 2, 3].map(channel), 1));
    for wrong in [vec![1.0; 3], vec![0.0; 4], vec![f64::NAN; 4]] {
        let error = vae().whitened(&Whitening { scale: wrong, ..own.clone() }).unwrap_err().to_string();
        assert!(error.contains("expected four factors"), "{error}");
    }
}

/// The fixture as an older diffusers wrote it: other names, and convolutions where the linear layers are.
#[test]
fn older_names_and_shapes_are_the_same_net() {
    let _guard = quiet();
    let mut file = tensors("vae-tiny.safetensors");
    let old = |name: &str| {
        [("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")]
            .iter()
            .fold(name.to_owned(), |name, (new, old)| name.replace(new, old))
    };
    let as_conv = |(name, tensor): (String, Tensor)| match tensor.size()[..] {
        [out, input] => (old(&name), tensor.reshape([out, input, 1, 1])),
        _ => (old(&name), tensor),
    };
    file.tensors = std::mem::take(&mut file.tensors).into_iter().map(as_conv).collect();
    assert_eq!(file.tensors.keys().filter(|name| name.contains("proj_attn")).count(), 4);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.safetensors");
    file.write(&path).unwrap();
    let latent = &tensors("vae-golden.safetensors").tensors["latent"];
    let found = StabilityVae::load(&path, CPU).unwrap().decode(latent).unwrap();
    assert_eq!(found, vae().decode(latent).unwrap());
}

#[test]
fn files_and_images_that_do_not_fit_are_named() {
    let _guard = quiet();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vae.safetensors");
    let refused = |change: &dyn Fn(&mut TensorFile), words: &[&str]| {
        let mut file = tensors("vae-tiny.safetensors");
        change(&mut file);
        file.write(&path).unwrap();
        let text = StabilityVae::load(&path, CPU).unwrap_err().to_string();
        let ok = words.iter().all(|word| text.contains(word)) && text.contains("vae.safetensors");
        assert!(ok && !text.contains('\n'), "{text}");
    };
    let name = "decoder.mid_block.attentions.0.to_q.weight";
    refused(&|file| _ = file.tensors.remove(name), &["no tensor", name]);
    refused(
        &|file| _ = file.tensors.insert(name.into(), Tensor::zeros([64, 32], tch::kind::FLOAT_CPU)),
        &[name, "[64, 32]", "[64, 64]"],
    );
    refused(&|file| _ = file.tensors.insert("loss.w".into(), Tensor::from(1.0_f32)), &["loss.w", "no part"]);
    refused(
        &|file| {
            _ = file
                .tensors
                .insert("quant_conv.bias".into(), Tensor::full([8], f64::NAN, tch::kind::FLOAT_CPU))
        },
        &["quant_conv.bias", "finite"],
    );
    let config = |json: &'static str| {
        move |file: &mut TensorFile| _ = file.metadata.insert("config".into(), json.into())
    };
    refused(&config("{"), &["config"]);
    refused(&config(r#"{"latent_channels": 16}"#), &["latent_channels", "16"]);
    refused(&config(r#"{"block_out_channels": [48]}"#), &["block_out_channels", "48"]);
    // Without a config it has the published shape, which this small file does not have.
    refused(&|file| file.metadata.clear(), &["decoder.conv_in.weight", "[512, 4, 3, 3]"]);

    let images = Tensor::zeros([1, 3, 60, 64], (Kind::Uint8, Device::Cpu));
    assert!(vae().encode(&images).unwrap_err().to_string().contains("divisible by 8"));
    let latents = Tensor::zeros([1, 3, 8, 8], tch::kind::FLOAT_CPU);
    assert!(vae().decode(&latents).unwrap_err().to_string().contains("[1, 3, 8, 8]"));
}
