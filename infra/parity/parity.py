"""The same images and weights through fidelis and through its peers.

Weights: each tensor of Inception is drawn from torch's CPU generator, seeded with the CRC-32 of its name, since the
published file cannot be fetched everywhere. fidelis reads them as torch.save leaves them, once in each of its formats.

1. Features: the first 200 test images of Fashion-MNIST as RGB PNGs, through `fidelis-worker features` and
     - pytorch-fid's get_activations (detector `pytorch-fid`),
     - torch-fidelity's inception-v3-compat (detector `inception`);
   the largest difference over the largest magnitude must be at most 1e-4.
2. FID: equal features (ours) into `fidelis metrics` and into both peers' functions, at most 1e-6 apart:
     - the 64 dimensions of largest variance, of images 0-99 against images 100-199. All 2048 would make covariances
       of rank 99, for which a peer's general matrix root or eigenvalues add rounding noise to the figure;
     - full width: 2560 against 2560 seeded normal vectors of 2048 dimensions, correlated and shifted, full rank.
"""

import argparse
import gzip
import json
import pathlib
import struct
import subprocess
import sys
import zlib

import numpy as np
import torch
from PIL import Image

NUM_IMAGES = 200
FEATURES_TOLERANCE = 1e-4
FID_TOLERANCE = 1e-6


def recipe_weights():
    """Inception's state dict under the recipe, with the names and shapes that pytorch-fid's own module has."""
    from pytorch_fid import inception

    module = inception._inception_v3(num_classes=1008, aux_logits=False, weights=None)
    state = module.state_dict()
    for name, tensor in state.items():
        if name.endswith("num_batches_tracked"):
            continue
        torch.manual_seed(zlib.crc32(name.encode()))
        shape = tuple(tensor.shape)
        if name.endswith(("running_var", "bn.weight")):
            state[name] = 0.5 + torch.rand(shape)
        elif name.endswith(("running_mean", ".bias")):
            state[name] = 0.1 * torch.randn(shape)
        else:
            state[name] = torch.randn(shape) * (2 / tensor[0].numel()) ** 0.5
    return state


def write_images(idx, folder):
    """Writes the first images of an idx file as RGB PNGs; gives their paths in order."""
    folder.mkdir()
    with gzip.open(idx) as file:
        magic, count, height, width = struct.unpack(">4I", file.read(16))
        if magic != 2051 or count < NUM_IMAGES:
            sys.exit(f"parity: `{idx}` is no idx file of at least {NUM_IMAGES} images")
        pixels = np.frombuffer(file.read(NUM_IMAGES * height * width), np.uint8).reshape(-1, height, width)
    paths = [folder / f"{i:03}.png" for i in range(NUM_IMAGES)]
    for path, image in zip(paths, pixels):
        Image.fromarray(image).convert("RGB").save(path)
    return paths


def write_safetensors(path, features):
    features = np.ascontiguousarray(features, np.float32)
    entry = {"dtype": "F32", "shape": features.shape, "data_offsets": [0, features.nbytes]}
    header = json.dumps({"features": entry}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + features.tobytes())


def read_safetensors(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    entry = json.loads(data[8 : 8 + length])["features"]
    begin, end = entry["data_offsets"]
    return np.frombuffer(data[8 + length + begin : 8 + length + end], "<f4").reshape(entry["shape"])


def run(*command):
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"parity: `{command[0]} {command[1]}` ended with {done.returncode} (its words are above)")
    return done.stdout


def our_features(options, detector, weights):
    out = options.work / f"{detector}.safetensors"
    run(options.bin / "fidelis-worker", "features", "--images", options.work / "images", "--detector", detector,
        "--weights", weights, "--out", out)
    return read_safetensors(out)


def pytorch_fid_features(paths, state):
    from pytorch_fid import fid_score, inception

    inception.load_state_dict_from_url = lambda *_, **__: state
    model = inception.InceptionV3([inception.InceptionV3.BLOCK_INDEX_BY_DIM[2048]])
    return fid_score.get_activations(paths, model, batch_size=50, dims=2048, num_workers=0)


def torch_fidelity_features(paths, weights):
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    extractor = FeatureExtractorInceptionV3(
        "inception-v3-compat", ["2048"], feature_extractor_weights_path=weights
    )
    images = torch.stack([torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1) for path in paths])
    with torch.no_grad():
        return torch.cat([extractor(part)[0] for part in images.split(50)]).numpy()


def fids(options, first, second):
    """Fréchet distances of the same features: ours, pytorch-fid's, torch-fidelity's."""
    from pytorch_fid import fid_score
    from torch_fidelity import metric_fid

    for name, features in (("first", first), ("second", second)):
        write_safetensors(options.work / f"{name}.safetensors", features)
    out = run(options.bin / "fidelis", "metrics", "--features", options.work / "first.safetensors",
              "--ref", options.work / "second.safetensors", "--metrics", "fid", "--json")
    ours = json.loads(out)["fid"]["value"]
    # float64 from here on in both, as in ours; left alone, torch-fidelity sums means in float32.
    first, second = np.float64(first), np.float64(second)
    theirs = fid_score.calculate_frechet_distance(
        first.mean(0), np.cov(first, rowvar=False), second.mean(0), np.cov(second, rowvar=False)
    )
    stats = [metric_fid.fid_features_to_statistics(torch.from_numpy(f)) for f in (first, second)]
    others = metric_fid.fid_statistics_to_metric(*stats, verbose=False)[metric_fid.KEY_METRIC_FID]
    return ours, float(theirs), others


def normal_features(seed, shift):
    """2560 vectors of 2048 dimensions: correlated, of full rank."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((2560, 2048)) * np.linspace(0.5, 2.0, 2048)
    return (features + 0.5 * rng.standard_normal((2560, 1)) + shift).astype(np.float32)


def report(what, difference, tolerance):
    verdict = "ok" if difference <= tolerance else "TOO FAR"
    print(f"{what}: {difference:.2e} (at most {tolerance:.0e}) {verdict}", flush=True)
    return difference <= tolerance


def compare_features(what, ours, theirs):
    if ours.shape != theirs.shape:
        sys.exit(f"parity: {what}: shapes {ours.shape} and {theirs.shape}")
    theirs = np.float64(theirs)
    return report(what, np.abs(ours - theirs).max() / np.abs(theirs).max(), FEATURES_TOLERANCE)


def compare_fids(options, what, first, second):
    ours, pytorch_fid, torch_fidelity = fids(options, first, second)
    print(f"{what}: fidelis {ours:.12g}, pytorch-fid {pytorch_fid:.12g}, torch-fidelity {torch_fidelity:.12g}")
    return all([
        report("  against pytorch-fid, relative", abs(ours / pytorch_fid - 1), FID_TOLERANCE),
        report("  against torch-fidelity, relative", abs(ours / torch_fidelity - 1), FID_TOLERANCE),
    ])


def main():
    parser = argparse.ArgumentParser()
    for name in ("images", "bin", "work"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    options = parser.parse_args()
    paths = write_images(options.images / "t10k-images-idx3-ubyte.gz", options.work / "images")
    state = recipe_weights()
    current, legacy = options.work / "current.pth", options.work / "legacy.pth"
    torch.save(state, current)
    torch.save(state, legacy, _use_new_zipfile_serialization=False)
    tf1 = our_features(options, "inception", current)
    half_pixel = our_features(options, "pytorch-fid", legacy)
    names = f"features of {NUM_IMAGES} images, largest difference over largest magnitude"
    widest = tf1[:, np.argsort(tf1.var(axis=0))[-64:]]
    fine = [
        compare_features(f"{names}: pytorch-fid", half_pixel, pytorch_fid_features(paths, state)),
        compare_features(f"{names}: inception against torch-fidelity", tf1,
                         torch_fidelity_features(paths, current)),
        compare_fids(options, "fid, 64 dimensions of 100 against 100 images", widest[:100], widest[100:]),
        compare_fids(options, "fid, 2048 dimensions of 2560 against 2560 normal vectors",
                     normal_features(1, 0.0), normal_features(2, 0.05)),
    ]
    if not all(fine):
        sys.exit("parity: fidelis and a peer differ: see above")


if __name__ == "__main__":
    main()
