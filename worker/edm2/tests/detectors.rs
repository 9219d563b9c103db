//! Detectors by name: what they refuse, files of one's own, and features that depend on nothing but the pixels.

mod common;
#[path = "../examples/recipe-weights/recipe.rs"]
mod recipe;

use std::collections::BTreeMap;
use std::path::Path;

use common::{fixture, quiet};
use fidelis_edm2::checkpoint::TensorFile;
use fidelis_edm2::detector::{Detector, DetectorError};
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

#[test]
fn inception_weights_that_do_not_fit_are_named() {
    let _guard = quiet();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let mut weights = recipe::weights("inception").unwrap();
    let mut load = |change: &dyn Fn(&mut BTreeMap<String, Tensor>), detector: &str| {
        let copy = weights.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect();
        let kept = std::mem::replace(&mut weights, copy);
        let mut file = TensorFile { tensors: kept, ..TensorFile::default() };
        change(&mut file.tensors);
        file.write(&path).unwrap();
        Detector::load(detector, &path, CPU)
    };
    let counter = |state: &mut BTreeMap<String, Tensor>| {
        state.insert("Mixed_5b.branch1x1.bn.num_batches_tracked".to_owned(), Tensor::from(0_i64));
    };
    assert!(load(&counter, "pytorch-fid").is_ok(), "counters of training steps do not matter");
    let name = "Mixed_7c.branch_pool.bn.running_var";
    one_line(&load(&|s| _ = s.remove(name), "inception").unwrap_err(), &[name, "weights.safetensors"]);
    let narrow = |s: &mut BTreeMap<String, Tensor>| {
        _ = s.insert("fc.bias".into(), Tensor::zeros([1000], tch::kind::FLOAT_CPU))
    };
    one_line(&load(&narrow, "inception").unwrap_err(), &["fc.bias", "[1000]", "[1008]"]);
    let extra = |s: &mut BTreeMap<String, Tensor>| _ = s.insert("head.w".into(), Tensor::from(1.0_f32));
    one_line(&load(&extra, "inception").unwrap_err(), &["head.w"]);
    let auxiliary =
        |s: &mut BTreeMap<String, Tensor>| _ = s.insert("AuxLogits.fc.bias".into(), Tensor::from(1.0_f32));
    one_line(&load(&auxiliary, "inception").unwrap_err(), &["torchvision", "AuxLogits.fc.bias"]);
    one_line(&load(&|_| (), "dinov2").unwrap_err(), &["patch_embed.proj.weight"]);
    one_line(&load(&|_| (), "fashion-cnn").unwrap_err(), &["conv1.weight"]);
    one_line(&load(&|_| (), "incepti0n").unwrap_err(), &["incepti0n", "`inception`", "`pytorch-fid`", ".pt"]);
}

#[test]
fn inception_sees_each_image_alone_and_grey_as_colour() {
    let _guard = quiet();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let tensors = recipe::weights("inception").unwrap();
    TensorFile { tensors, ..TensorFile::default() }.write(&path).unwrap();
    let detector = Detector::load("inception", &path, CPU).unwrap();
    let grey = images([3, 1, 20, 28]);
    let colour = grey.expand([3, 3, 20, 28], false);
    let features = detector.features(&grey).unwrap();
    assert_eq!(features.size(), [3, 2048]);
    assert_eq!(detector.features(&colour).unwrap(), features);
    assert_eq!(detector.features(&grey.narrow(0, 2, 1)).unwrap(), features.narrow(0, 2, 1));
    assert_ne!(features.narrow(0, 1, 1), features.narrow(0, 2, 1));
    let modes = Detector::load("pytorch-fid", &path, CPU).unwrap();
    assert_ne!(modes.features(&grey).unwrap(), features, "the modes resize differently");
    let error = detector.features(&images([1, 4, 8, 8])).unwrap_err();
    one_line(&error, &["inception", "[1, 4, 8, 8]", "[N, 1 or 3, H, W]"]);
    lanes_share_it(folder.path(), &path);
}

/// Two lanes give the bits of one.
fn lanes_share_it(folder: &Path, weights: &Path) {
    let data = folder.join("images.safetensors");
    let tensors = [("images".to_owned(), images([5, 3, 9, 9]))].into();
    TensorFile { tensors, ..TensorFile::default() }.write(&data).unwrap();
    let detectors = [("pytorch-fid".to_owned(), weights.to_owned())].into();
    let dataset = Dataset::open(&data).unwrap();
    let extract = |lanes: usize| {
        let source = Source { dataset: &dataset, path: &data, indices: &[0, 1, 2, 3, 4] };
        let mut extractor = Extractor::load(&detectors, CPU, lanes).unwrap();
        extractor.extract(&source, 2, &|| false).unwrap().features.remove("pytorch-fid").unwrap()
    };
    let (one, two) = (extract(1), extract(2));
    assert_eq!(one.shape, [5, 2048]);
    assert_eq!(one, two);
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
