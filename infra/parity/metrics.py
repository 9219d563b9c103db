"""The same features through `fidelis metrics` and through torch-fidelity and prdc, in float64: KID, Inception Score,
precision, recall, density and coverage, at most 1e-6 apart. parity.sh runs it; the features are those of 2,000 images
against 2,400, made of a generator: correlated, of two classes, and of 2,048 dimensions where Inception's last layer (of
random weights) asks for them."""

import argparse
import json
import pathlib
import sys

import numpy as np
import torch

from parity import report, run, write_safetensors

TOLERANCE = 1e-6


def features(seed, count, dim, shift):
    """Two clusters of correlated normal vectors, float32."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(0).standard_normal((dim, dim)) / np.sqrt(dim)
    clusters = rng.integers(0, 2, (count, 1)) * 0.8
    return np.float32(rng.standard_normal((count, dim)) @ mixing + clusters + shift)


def ours(options, names, more=()):
    command = [options.bin / "fidelis", "metrics", "--features", options.work / "ours.safetensors", "--ref",
               options.work / "real.safetensors", "--metrics", ",".join(names), "--json", *more]
    return json.loads(run(*command))


def compare(what, found, theirs):
    """A value and, where the peer has one, its spread."""
    fine = [report(f"{what}, relative", abs(found["value"] / theirs[0] - 1), TOLERANCE)]
    if len(theirs) > 1:
        fine.append(report(f"{what}'s spread, relative", abs(found["sd"] / theirs[1] - 1), TOLERANCE))
    return all(fine)


def manifolds(options, made, real):
    """precision and recall of torch-fidelity and of prdc (k = 3), density and coverage of prdc (k = 5)."""
    from prdc import compute_prdc
    from torch_fidelity.metric_prc import prc_features_to_metric

    found = ours(options, ["precision", "recall", "density", "coverage"])
    theirs = prc_features_to_metric(torch.from_numpy(made), torch.from_numpy(real), verbose=False)
    three, five = compute_prdc(real, made, 3), compute_prdc(real, made, 5)
    fine = []
    for name in ("precision", "recall"):
        fine.append(compare(f"{name} against torch-fidelity", found[name], [theirs[name]]))
        fine.append(compare(f"{name} against prdc", found[name], [three[name]]))
    for name in ("density", "coverage"):
        fine.append(compare(f"{name} against prdc", found[name], [five[name]]))
    return fine


def kid(options, made, real):
    from torch_fidelity import metric_kid

    theirs = metric_kid.kid_features_to_metric(torch.from_numpy(made), torch.from_numpy(real), verbose=False)
    pair = [theirs[metric_kid.KEY_METRIC_KID_MEAN], theirs[metric_kid.KEY_METRIC_KID_STD]]
    return compare("kid against torch-fidelity", ours(options, ["kid"])["kid"], pair)


def inception_score(options, made):
    from torch_fidelity import metric_isc

    weight = torch.from_numpy(np.float32(np.random.default_rng(3).standard_normal((1008, 2048)) * 0.05))
    torch.save({"fc.weight": weight, "fc.bias": torch.zeros(1008)}, options.work / "last-layer.pth")
    logits = torch.from_numpy(made) @ weight.double().T
    theirs = metric_isc.isc_features_to_metric(logits)
    pair = [theirs[metric_isc.KEY_METRIC_ISC_MEAN], theirs[metric_isc.KEY_METRIC_ISC_STD]]
    found = ours(options, ["is"], ["--weights", options.work / "last-layer.pth"])["is"]
    return compare("is against torch-fidelity", found, pair)


def main():
    parser = argparse.ArgumentParser()
    for name in ("bin", "work"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    options = parser.parse_args()
    fine = []
    for dim in (64, 2048):
        made, real = features(1, 2000, dim, 0.05), features(2, 2400, dim, 0.0)
        write_safetensors(options.work / "ours.safetensors", made)
        write_safetensors(options.work / "real.safetensors", real)
        print(f"2000 against 2400 vectors of {dim} dimensions")
        made, real = np.float64(made), np.float64(real)
        fine += manifolds(options, made, real) + [kid(options, made, real)]
        if dim == 2048:
            fine.append(inception_score(options, made))
    if not all(fine):
        sys.exit("parity: fidelis and a peer differ: see above")


if __name__ == "__main__":
    main()
