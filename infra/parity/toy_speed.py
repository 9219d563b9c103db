"""Iterations per second of `fidelis-worker toy train` beside the same loop in plain PyTorch (plain_toy.py), in turns, with
the same number of threads. Start-up cancels out: each turn times a short and a long run and takes the difference. Fails where
the plain loop does not repeat the recorded iterations."""

import argparse
import json
import os
import resource
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

import plain_toy

NETS = {"main": 64, "autoguidance": 32}
HERE = Path(__file__).parent


def recorded(path):
    """The tensors of a safetensors file."""
    raw = path.read_bytes()
    (size,) = struct.unpack("<Q", raw[:8])
    header, body = json.loads(raw[8 : 8 + size]), raw[8 + size :]
    dtypes = {"F32": np.float32, "F64": np.float64}
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            start, end = entry["data_offsets"]
            values = np.frombuffer(body[start:end], dtype=dtypes[entry["dtype"]])
            tensors[name] = torch.from_numpy(values.reshape(entry["shape"]).copy())
    return tensors


def check(path):
    """That the plain loop is the training that is meant."""
    tensors = recorded(path)
    net = plain_toy.Net(tensors["init/layers.0.weight"].shape[0])
    with torch.no_grad():
        net.gain.copy_(tensors["init/gain"])
        for i, weight in enumerate(net.layers):
            weight.copy_(tensors[f"init/layers.{2 * i}.weight"])
    trainer = plain_toy.Trainer(net)
    for step, loss in enumerate(tensors["losses"].tolist()):
        found = trainer.step(tensors[f"step{step}/x"], tensors[f"step{step}/sigma"])
        if abs(found - loss) > 1e-4 * loss:
            sys.exit(f"the plain loop's loss of step {step} is {found}, recorded {loss}")


def timed(command, threads):
    """Wall and processor seconds."""
    environment = dict(os.environ, RAYON_NUM_THREADS=str(threads), OMP_NUM_THREADS=str(threads))
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, env=environment, check=True, stderr=subprocess.DEVNULL)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return np.array([wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime])


def per_iteration(command, iterations, threads):
    """Wall and processor seconds for each of the iterations that a long run does more than a short one."""
    short, long = (timed(command(count), threads) for count in (iterations // 4, iterations))
    return (long - short) / (iterations - iterations // 4)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=Path, required=True)
    parser.add_argument("--fixture", type=Path, required=True)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=100, help="of the long run; the short one has a quarter")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, required=True, help="where the result goes")
    args = parser.parse_args()
    check(args.fixture)
    result = {"threads": args.threads}
    with tempfile.TemporaryDirectory() as work:
        for net, dim in NETS.items():
            ours = lambda n: [args.bin / "fidelis-worker", "toy", "train", "--net", net,
                              "--iterations", str(n), "--out", f"{work}/net.safetensors"]
            plain = lambda n: [sys.executable, HERE / "plain_toy.py", "--dim", str(dim),
                               "--iterations", str(n), "--threads", str(args.threads)]
            turns = [[per_iteration(command, args.iterations, args.threads) for command in (ours, plain)]
                     for _ in range(args.turns)]
            row = {}
            for i, clock in enumerate(["wall", "cpu"]):
                fast, slow = (statistics.median(turn[j][i] for turn in turns) for j in (0, 1))
                ratio = statistics.median(turn[1][i] / turn[0][i] for turn in turns)
                row[clock] = {"fidelis_per_s": 1 / fast, "pytorch_per_s": 1 / slow, "ratio": ratio}
                print(f"toy speed: {net:<13} {clock:<4} fidelis {1 / fast:6.1f}/s · PyTorch {1 / slow:6.1f}/s · {ratio:.2f} ×", flush=True)
            result[net] = row
    args.json.write_text(json.dumps(result))


if __name__ == "__main__":
    main()
