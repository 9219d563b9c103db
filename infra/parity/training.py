"""Compares `fidelis-worker train` with a plain PyTorch trainer (plain_trainer.py).

Without --speed: five steps of a tiny net from the same weights, images and draws; losses and every weight and average must
agree to 1e-5 of each tensor's largest value. With --speed: steps of the demo's net per second of one core's time, both in turns;
the last line on stdout is JSON.
"""

import argparse
import gzip
import json
import pathlib
import resource
import subprocess
import sys
import tempfile
import time
import tomllib

import numpy
import torch

import plain_edm2
import plain_trainer

CONFIG = {
    "img_resolution": 8, "img_channels": 3, "label_dim": 4, "model_channels": 16, "channel_mult": [1, 2],
    "num_blocks": 1, "attn_resolutions": [4], "channels_per_head": 16,
}
RUN = {"batch": 8, "alpha_ref": 0.01, "t_ref": 2, "rampup_images": 16, "P_mean": -0.8, "P_std": 1.6, "ema": [0.05, 0.1]}
STEPS = 5
TOLERANCE = 1e-5


def replayed(worker, work):
    """The record of our steps, and what fidelis makes of the same draws."""
    torch.manual_seed(7)
    # As in the middle of training: gains start at zero, where a change is all there is of them.
    init = {name: torch.rand(()) + 0.5 if name.endswith("gain") else t for name, t in plain_trainer.initial_state(CONFIG).items()}
    shape = (RUN["batch"], CONFIG["img_channels"], 8, 8)
    trainer = plain_trainer.Trainer(init, CONFIG, RUN)
    record, losses = {"init/" + name: tensor for name, tensor in init.items()}, []
    for step in range(STEPS):
        draws = {
            "images": torch.rand(shape) - 0.5, "labels": torch.randint(4, shape[:1]),
            "rnd_normal": torch.randn(shape[0]), "noise": torch.randn(shape),
        }
        record |= {f"step{step}/{name}": tensor for name, tensor in draws.items()}
        losses.append(trainer.step(*draws.values()))
    recording, result = work / "recording.safetensors", work / "replayed.safetensors"
    plain_trainer.write_safetensors(recording, record, {"run": json.dumps(RUN), "config": json.dumps(CONFIG)})
    subprocess.run([worker, "train", "replay", recording, "--out", result], check=True)
    expected = {"final/" + name: tensor.detach() for name, tensor in trainer.state.items()}
    for sigma_rel, ema in zip(RUN["ema"], trainer.emas):
        expected |= {f"ema-{sigma_rel:.3f}/{name}": tensor for name, tensor in ema.items()}
    expected["losses"] = torch.tensor(losses, dtype=torch.float64)
    return expected, plain_edm2.read_safetensors(result)[0]


def compare(worker, work):
    expected, found = replayed(worker, work)
    worst = {}
    for name, tensor in expected.items():
        off = (found[name].double() - tensor.double()).abs().max() / tensor.double().abs().max().clamp(min=1e-30)
        group = name.partition("/")[0]
        worst[group] = max(worst.get(group, (0.0, "")), (off.item(), name))
    for group, (off, name) in worst.items():
        print(f"training: {group:<10} differs by {off:.1e} of a tensor's largest value at most (`{name}`)")
    if len(expected) < 50 or any(off > TOLERANCE for off, _ in worst.values()):
        sys.exit(f"training: more than {TOLERANCE:.0e}: the trainers differ")
    print(f"training: {STEPS} steps of both trainers agree")


def pytorch_speed(trainer, images, labels, steps):
    start = time.process_time()
    for _ in range(steps):
        batch = torch.randint(len(images), (trainer.run["batch"],))
        clean = torch.nn.functional.pixel_unshuffle(images[batch].float() / 127.5 - 1, 2)
        trainer.step(clean, labels[batch], torch.randn(len(batch)), torch.randn_like(clean))
    return steps / (time.process_time() - start)


def fidelis_speed(worker, recipe, data, work, steps):
    """Of what a longer training takes more than a shorter one, which loads, snapshots and draws as much."""
    batch = tomllib.loads(recipe.read_text())["batch"]

    def seconds(count):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with tempfile.TemporaryDirectory(dir=work) as outdir:
            words = ["--recipe", recipe, "--data", data, "--outdir", outdir, "--threads", "1", "--duration", str(count * batch)]
            subprocess.run([worker, "train", *words], check=True, stderr=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    return steps / (seconds(steps + 2) - seconds(2))


def read_idx(path):
    data = gzip.decompress(path.read_bytes())
    sizes = numpy.frombuffer(data, ">u4", data[3], 4)
    return torch.from_numpy(numpy.frombuffer(data, numpy.uint8, offset=4 + 4 * data[3]).reshape(sizes).copy())


def speed(worker, work, images, turns, steps):
    """Turn about, so that whatever else the machine does meets both. Gives the medians."""
    recipe, path = pathlib.Path("infra/demo/recipes/net.toml"), images / "train-images-idx3-ubyte.gz"
    options = tomllib.loads(recipe.read_text())
    run = {"batch": options["batch"], "P_mean": options["p_mean"], "P_std": options["p_std"], "ema": options["ema"], **options["lr"]}
    pixels, labels = read_idx(path).unsqueeze(1), read_idx(images / "train-labels-idx1-ubyte.gz").long()
    trainer = plain_trainer.Trainer(plain_trainer.initial_state(options["net"]), options["net"], run)
    pytorch_speed(trainer, pixels, labels, 1)
    ours, theirs = [], []
    for turn in range(turns):
        ours.append(fidelis_speed(worker, recipe, path, work, steps))
        theirs.append(pytorch_speed(trainer, pixels, labels, steps))
        print(f"speed: turn {turn + 1}: fidelis {ours[-1]:.3f}, PyTorch {theirs[-1]:.3f} steps per second of one core", flush=True)
    median = [float(numpy.median(speeds)) for speeds in (ours, theirs)]
    return {"fidelis_steps_per_s": median[0], "pytorch_steps_per_s": median[1], "ratio": median[0] / median[1]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--images", type=pathlib.Path, help="Fashion-MNIST's folder, for --speed")
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--toy", type=pathlib.Path, help="what toy_speed.py measured, for --speed: goes into the last line")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20, help="in a turn")
    args = parser.parse_args()
    torch.set_num_threads(1)
    worker = args.bin / "fidelis-worker"
    if args.speed:
        result = speed(worker, args.work, args.images, args.turns, args.steps)
        print(json.dumps(result | ({"toy": json.loads(args.toy.read_text())} if args.toy else {})))
    else:
        compare(worker, args.work)


if __name__ == "__main__":
    main()
