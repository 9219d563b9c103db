//! Detectors by name: what they refuse, files of one's own, and features that depend on nothing but the pixels.

mod common;
#[path = "../../../tests/src/published/mod.rs"]
#[allow(dead_code, unused_imports)]
mod published;

use std::path::Path;

use common::{fixture, quiet};
use fidelis_edm2::checkpoint::TensorFile;
use fidelis_edm2::detector::{Detector, DetectorError, Inception, Preprocessing};
use fidelis_edm2::generate::{Extractor, Source};
use fidelis_formats::images::Dataset;
use tch::{CModule, Device, Kind, Tensor};

const CPU: Device = Device::Cpu;

/// Differing images that a seed decides.
fn images(shape: [i64; 4]) -> Tensor {
    fidelis_edm2::noise::with_seed(1, || Tensor::randint(256, shape, (Kind::Uint8, CPU)))
}

fn one_line(error: &DetectorError, words: &[&str]) {
    let text = error.to_string();
    assert!(!text.contains('\n') && words.iter().all(|word| text.contains(word)), "{text}");
}

/// Saves `net` as TorchScript.
fn traced(path: &Path, mut net: impl FnMut(&Tensor) -> Tensor) {
    let mut forward = |inputs: &[Tensor]| vec![net(&inputs[0])];
    let input = images([1, 3, 8, 8]);
    CModule::create_by_tracing("Own", "forward", &[input], &mut forward).unwrap().save(path).unwrap();
}

/// A `.safetensors` file with these tensors alone.
fn file_of(path: &Path, tensors: Vec<(&str, Tensor)>) {
    let tensors = tensors.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect();
    TensorFile { tensors, ..TensorFile::default() }.write(path).unwrap();
}

#[test]
fn weights_that_do_not_fit_are_named() {
    let _guard = quiet();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let refused = |detector: &str, tensors: Vec<(&str, Tensor)>, words: &[&str]| {
        file_of(&path, tensors);
        one_line(
            &Detector::load(detector, &path, CPU).unwrap_err(),
            &[words, &["weights.safetensors"]].concat(),
        );
    };
    let zeros = |shape: &[i64]| Tensor::zeros(shape, tch::kind::FLOAT_CPU);
    let first = "Conv2d_1a_3x3.conv.weight";
    refused("inception", vec![("fc.bias", zeros(&[1008]))], &["`inception`", "no tensor", first]);
    refused("pytorch-fid", vec![(first, zeros(&[32, 3, 5, 5]))], &[first, "[32, 3, 5, 5]", "[32, 3, 3, 3]"]);
    refused("inception", vec![(first, zeros(&[32, 3, 3, 3]) / 0.0)], &[first, "finite"]);
    refused("inception", vec![("AuxLogits.fc.bias", zeros(&[1000]))], &["torchvision", "AuxLogits.fc.bias"]);
    refused("dinov2", vec![("cls_token", zeros(&[1, 1, 1024]))], &["`dinov2`", "patch_embed.proj.weight"]);
    refused("fashion-cnn", vec![], &["conv1.weight"]);
    one_line(&Detector::load("incepti0n", &path, CPU).unwrap_err(), &["incepti0n", "`pytorch-fid`", ".pt"]);
    one_line(&Detector::load("inception", &fixture("block-means.pt"), CPU).unwrap_err(), &["block-means.pt"]);
    one_line(&Detector::load("dinov2", &fixture("none.pth"), CPU).unwrap_err(), &["none.pth"]);
}

#[test]
fn inception_takes_every_tensor_but_counters() {
    let _guard = quiet();
    let mut state = common::golden::detectors::recipe::weights("inception").unwrap();
    state.insert("Mixed_5b.branch1x1.bn.num_batches_tracked".to_owned(), Tensor::from(0_i64));
    let copy = || state.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone()));
    assert!(Inception::new(copy().collect(), CPU).is_ok());
    let more = copy().chain([("head.weight".to_owned(), Tensor::from(1.0_f32))]).collect();
    let error = Inception::new(more, CPU).unwrap_err().to_string();
    assert!(error.contains("`head.weight`") && error.contains("no part"), "{error}");
    let less = copy().filter(|(name, _)| name != "fc.bias").collect();
    assert!(Inception::new(less, CPU).unwrap_err().to_string().contains("`fc.bias`"));
}

/// The demo's detector, as `torch.save` writes state dicts.
#[test]
fn torch_files_hold_the_same_weights_as_safetensors() {
    let _guard = quiet();
    let folder = tempfile::tempdir().unwrap();
    let safetensors =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/demo/models/fashion-cnn.safetensors");
    let state = fidelis_formats::state_dict::read(&safetensors).unwrap();
    let x = images([2, 1, 28, 28]);
    let features = |path: &Path| Detector::load("fashion-cnn", path, CPU).unwrap().features(&x).unwrap();
    let expected = features(&safetensors);
    for (name, bytes) in
        [("zip.pth", published::zip_state_dict(&state)), ("legacy.pth", published::legacy_state_dict(&state))]
    {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(features(&path), expected, "{name}");
    }
}

#[test]
fn inception_sees_each_image_alone_and_grey_as_colour() {
    let _guard = quiet();
    let net = Inception::new(common::golden::detectors::recipe::weights("inception").unwrap(), CPU).unwrap();
    let detector = Detector::Inception(Box::new(net.clone()), Preprocessing::Tf1);
    let grey = images([3, 1, 20, 28]);
    let features = detector.features(&grey).unwrap();
    assert_eq!(features.size(), [3, 2048]);
    assert_eq!(detector.features(&grey.expand([3, 3, 20, 28], false)).unwrap(), features);
    assert_eq!(detector.features(&grey.narrow(0, 2, 1)).unwrap(), features.narrow(0, 2, 1));
    assert_ne!(features.narrow(0, 1, 1), features.narrow(0, 2, 1));
    let other = Detector::Inception(Box::new(net), Preprocessing::PytorchFid);
    assert_ne!(other.features(&grey).unwrap(), features, "the modes resize differently");
    let error = detector.features(&images([1, 4, 8, 8])).unwrap_err();
    one_line(&error, &["inception", "[1, 4, 8, 8]", "[N, 1 or 3, H, W]"]);
}

/// Every value is one sum in one order, whoever computes it and whatever is computed beside it; a batch of more images
/// than go together, and an odd one left over.
#[test]
fn threads_and_batches_change_no_bit_of_inception() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("images.safetensors");
    file_of(&data, vec![("images", images([5, 3, 24, 31]))]);
    let weights = folder.path().join("inception.safetensors");
    let state = common::golden::detectors::recipe::weights("inception").unwrap();
    file_of(&weights, state.iter().map(|(name, tensor)| (name.as_str(), tensor.shallow_clone())).collect());
    let dataset = Dataset::open(&data).unwrap();
    let source = Source { dataset: &dataset, indices: &[0, 1, 2, 3, 4] };
    let detectors = [("inception".to_owned(), weights)].into();
    let of = |lanes: usize, micro_batch: usize| {
        let mut extractor = Extractor::load(&detectors, CPU, lanes).unwrap();
        extractor.extract(&source, micro_batch, &|| false).unwrap().features
    };
    let one = of(1, 5);
    assert_eq!(one["inception"].shape, [5, 2048]);
    for (lanes, micro_batch) in [(2, 5), (16, 5), (1, 1), (2, 3)] {
        assert!(
            of(lanes, micro_batch) == one,
            "other features with {lanes} lanes and {micro_batch} images at once"
        );
    }
}

#[test]
fn lanes_change_no_bit_of_features() {
    let _guard = quiet();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("images.safetensors");
    file_of(&data, vec![("images", images([7, 1, 28, 28]))]);
    let cnn = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/demo/models/fashion-cnn.safetensors");
    let detectors =
        [("fashion-cnn".to_owned(), cnn), ("block-means".to_owned(), fixture("block-means.pt"))].into();
    let dataset = Dataset::open(&data).unwrap();
    let extract = |lanes: usize| {
        let source = Source { dataset: &dataset, indices: &[0, 1, 2, 3, 4, 5, 6] };
        Extractor::load(&detectors, CPU, lanes).unwrap().extract(&source, 2, &|| false).unwrap().features
    };
    let (one, three) = (extract(1), extract(3));
    assert_eq!((&one["fashion-cnn"].shape[..], &one["block-means"].shape[..]), (&[7, 128][..], &[7, 16][..]));
    assert_eq!(one, three);
}

/// `block-means.pt` was made with PyTorch 2.13, `torch.jit.script(BlockMeans().eval())`:
///
/// ```text
/// class BlockMeans(torch.nn.Module):
///     def __init__(self):
///         super().__init__()
///         self.register_buffer("scale", torch.tensor(255.0))
///     def forward(self, images: torch.Tensor, flat: bool = True) -> torch.Tensor:
///         assert images.dtype == torch.uint8, "expected uint8 images"
///         means = torch._C._nn.adaptive_avg_pool2d(images.to(torch.float32) / self.scale, [4, 4])
///         return means.flatten(1) if flat else means
/// ```
///
/// without the files ending in `debug_pkl`, which hold paths of the machine.
#[test]
fn a_script_of_ones_own_is_a_detector_under_a_name_of_its_own() {
    let _guard = quiet();
    let detector = Detector::load("block-means", &fixture("block-means.pt"), CPU).unwrap();
    let x = Tensor::arange(2 * 64, (Kind::Uint8, CPU)).reshape([2, 1, 8, 8]);
    let features = detector.features(&x).unwrap();
    // The mean of a 2×2 block of an 8 wide image that counts up: its first pixel + (0 + 1 + 8 + 9)/4.
    let first: Vec<f32> = (0..2)
        .flat_map(|n| (0..4).flat_map(move |row| (0..4).map(move |column| n * 64 + row * 16 + column * 2)))
        .map(|pixel| (pixel as f32 + 4.5) / 255.0)
        .collect();
    assert_eq!(features.size(), [2, 16]);
    let difference = (features - Tensor::from_slice(&first).reshape([2, 16])).abs().max();
    assert!(difference.double_value(&[]) < 1e-6);
    let clone = detector.clone();
    let there = std::thread::spawn(move || clone.features(&images([1, 1, 8, 8])).unwrap().size());
    assert_eq!(there.join().unwrap(), [1, 16]);
}

#[test]
fn scripts_that_are_no_detectors_are_refused_in_one_line() {
    let _guard = quiet();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.pt");
    let x = images([2, 3, 8, 8]);
    let features = |net: &dyn Fn(&Tensor) -> Tensor| {
        traced(&path, net);
        Detector::load("own", &path, CPU).unwrap().features(&x)
    };
    let means = |x: &Tensor| x.to_kind(Kind::Float).mean_dim([2, 3].as_slice(), true, Kind::Float);
    let found = features(&means).unwrap();
    assert_eq!(found.size(), [2, 3], "[N, D, 1, 1] is flattened");
    let double = features(&|x| means(x).to_kind(Kind::Double).flatten(1, -1)).unwrap();
    assert_eq!((double.kind(), double), (Kind::Float, found));
    one_line(&features(&|x| x.flatten(1, -1)).unwrap_err(), &["own.pt", "Uint8"]);
    one_line(&features(&|x| means(x).sum(Kind::Float)).unwrap_err(), &["own.pt", "[]"]);
    one_line(&features(&|x| x.to_kind(Kind::Float)).unwrap_err(), &["own.pt", "[1, 3, 8, 8]"]);
    traced(&path, |x| x.to_kind(Kind::Float).reshape([1, 3 * 64]));
    let error = Detector::load("own", &path, CPU).unwrap().features(&images([1, 3, 9, 9])).unwrap_err();
    one_line(&error, &["own.pt", "forward", "192"]);
    std::fs::write(&path, b"PK no script").unwrap();
    one_line(&Detector::load("own", &path, CPU).unwrap_err(), &["own.pt", "loaded"]);
    std::fs::remove_file(&path).unwrap();
    one_line(&Detector::load("own", &path, CPU).unwrap_err(), &["own.pt", "loaded"]);
    let weights = fixture("vae-tiny.safetensors");
    one_line(&Detector::load("own", &weights, CPU).unwrap_err(), &["own", "no detector"]);
}
