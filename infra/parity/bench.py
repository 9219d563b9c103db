"""fidelis beside its peers on the same work: in turns, in the same run, on the same machine, with the same weights.

Each row is a kind of work. Both sides do it once to warm up, then `--turns` times in alternation; a turn's ratio is the
peer's seconds over ours, once of CPU time (user and system, all threads) and once of the clock on the wall. The row's
ratio is the median of the CPU ratios where both sides had one thread to use, which other work on the machine blurs
least, and of the wall ratios where both had all cores and the machine was idle. `share` is how much of a row's CPU time
the operations that it cannot do without would take at the rate that one core's registers allow (`examples/limits`).

The last line on stdout is JSON: {"rows": [{"work", "ratio", "target", "spread", …}, …]}. The run is filed under
tests/bench/runs/ unless the machine had other work to do.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

import torch

import bench_peers

ROOT = pathlib.Path(__file__).resolve().parents[2]
# A load above this share of the cores, before anything is started, is other people's work.
IDLE = 0.25


def cpu_seconds(pid):
    """CPU time of a process's threads so far."""
    tasks = pathlib.Path(f"/proc/{pid}/task")
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()) / 1e9


def of_children():
    times = os.times()
    return times.children_user + times.children_system


class Command:
    """A whole process, from its start to its end."""

    def __init__(self, *arguments):
        self.arguments = [str(argument) for argument in arguments]

    def __call__(self):
        cpu, wall = of_children(), time.perf_counter()
        done = subprocess.run(self.arguments, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"bench: `{' '.join(self.arguments)}` failed: {done.stderr.strip()}")
        return of_children() - cpu, time.perf_counter() - wall


class Served:
    """Evaluations by a process that has loaded its net: `device-check turns`."""

    def __init__(self, program, net, precision, batch, work):
        environment = {**os.environ, "FIDELIS_TEST_DEVICE": "cpu", "FIDELIS_CHECK_WORK": str(work),
                       "FIDELIS_FIXTURES": str(ROOT / "tests/fixtures"), "FIDELIS_DEMO": str(ROOT / "infra/demo")}
        self.process = subprocess.Popen([program, "turns", net, precision, str(batch)], env=environment, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def __call__(self):
        before = cpu_seconds(self.process.pid)
        self.process.stdin.write("1\n")
        self.process.stdin.flush()
        wall = float(self.process.stdout.readline())
        return cpu_seconds(self.process.pid) - before, wall

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Here:
    """A function of this process."""

    def __init__(self, function, threads):
        self.function, self.threads = function, threads

    def __call__(self):
        torch.set_num_threads(self.threads)
        cpu, wall = time.process_time(), time.perf_counter()
        self.function()
        return time.process_time() - cpu, time.perf_counter() - wall


def in_turns(ours, theirs, turns):
    """The seconds (CPU, wall) of each turn of both sides, after one that does not count."""
    ours(), theirs()
    return [(ours(), theirs()) for _ in range(turns)]


def row(work, target, ours, theirs, turns, limit_s):
    """`limit_s`: the CPU seconds of ours at the machine's limit."""
    seconds = in_turns(ours, theirs, turns)
    cpu = [peer[0] / own[0] for own, peer in seconds]
    wall = [peer[1] / own[1] for own, peer in seconds]
    found = {"work": work, "ratio": statistics.median(cpu), "target": target, "spread": [min(cpu), max(cpu)],
             "wall_ratio": statistics.median(wall), "wall_spread": [min(wall), max(wall)],
             "ours_s": statistics.median(own[0] for own, _ in seconds),
             "peer_s": statistics.median(peer[0] for _, peer in seconds), "seconds": seconds}
    found["share"] = limit_s / found["ours_s"]
    say("{work}: {ratio:.2f} × (target {target}; {spread[0]:.2f}–{spread[1]:.2f}); wall {wall_ratio:.2f} ×; "
        "{share:.2f} of the limit".format(**found))
    return found


def say(text):
    print(f"bench-peers: {text}", file=sys.stderr, flush=True)


def nets(options):
    """EDM2-XS, one thread on both sides; bf16 beside the peer's float32."""
    path = options.work / "random-XS.safetensors"
    if not path.exists():
        bench_peers.write_xs(path)
    precisions = [("fp32", 1.25)]
    if "avx512_bf16" in pathlib.Path("/proc/cpuinfo").read_text():
        precisions.append(("bf16", 2.6))
    for precision, target in precisions:
        for batch in (1, 8):
            ours = Served(options.bin / "examples/device-check", path, precision, batch, options.work)
            theirs = Here(bench_peers.forward(path, batch), 1)
            limit = bench_peers.operations(path) * batch / options.limits["f32_flops"]
            yield row(f"EDM2-XS forward, {precision}, batch {batch}", target, ours, theirs, options.turns, limit)
            ours.close()


def sampling(options):
    models = ROOT / "infra/demo/models"
    pair = [models / "fashion-net.safetensors", models / "fashion-gnet.safetensors"]
    images, steps = 256, 16
    ours = Command(options.bin / "fidelis-worker", "sample", "--net", pair[0], "--gnet", pair[1], "--guidance", 1.2,
                   "--seeds", f"0-{images - 1}", "--steps", steps, "--out", options.work / "sampled.safetensors")
    theirs = Here(bench_peers.guided_sampling(*pair, guidance=1.2, images=images, steps=steps, micro_batch=32), os.cpu_count())
    operations = sum(map(bench_peers.operations, pair)) * (2 * steps - 1) * images
    yield row(f"guided sampling, demo pair, {images} images", 1.8, ours, theirs, options.turns,
              operations / options.limits["f32_flops"])


def inception(options):
    # Enough that the start of the process and the loading of the weights, which the peer has behind it, are a small share.
    count = 128
    weights, images = bench_peers.inception_files(options.work, count)
    ours = Command(options.bin / "fidelis-worker", "features", "--images", images, "--detector", "pytorch-fid",
                   "--weights", weights, "--out", options.work / "features.safetensors")
    theirs, operations = bench_peers.inception(weights, images)
    yield row("Inception features from uint8 images", 2, ours, Here(theirs, os.cpu_count()), options.turns,
              operations * count / options.limits["f32_flops"])


# Cholesky, its factor's product with the other covariance from both sides, eigenvalues: a third, 5 thirds and 4 thirds.
FRECHET = 10 / 3 * 2048 ** 3


def distances(options):
    files = bench_peers.statistics_files(options.work, dim=2048)
    ours = Command(options.bin / "fidelis", "metrics", "--features", files[0], "--ref", files[1], "--metrics", "fid", "--json")
    yield row("Fréchet distance, D = 2048", 9, ours, Here(bench_peers.frechet(*files), os.cpu_count()), options.turns,
              FRECHET / options.limits["f64_flops"])


def whole(options):
    """50,000 × 2048 features to the distance, ours with the jackknife's error bar and the peer without one."""
    features, flat, reference = bench_peers.features_files(options.work, count=50_000, dim=2048)
    ours = Command(options.bin / "fidelis", "metrics", "--features", features, "--ref", reference, "--metrics", "fid", "--json")
    found = row("features of 50,000 × 2048 from a file to FID", 5, ours,
                Here(bench_peers.features_to_fid(flat, reference), os.cpu_count()), options.turns,
                (50_000 * 2048 ** 2 + FRECHET) / options.limits["f64_flops"])
    ratios = [10 / own[1] for own, _ in found["seconds"]]
    yield found
    yield {"work": "jackknife, D = 2048, n = 50,000, ten blocks (the whole command)", "target": 1,
           "ratio": statistics.median(ratios), "spread": [min(ratios), max(ratios)]}


WORK = {"nets": nets, "sampling": sampling, "inception": inception, "distances": distances, "whole": whole}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=list(WORK), default=list(WORK))
    options = parser.parse_args()
    load = os.getloadavg()[0]
    limits = subprocess.run([options.bin / "examples/limits"], stdout=subprocess.PIPE, check=True, text=True).stdout
    options.limits = json.loads(limits)
    rows = [found for name in options.only for found in WORK[name](options)]
    cpu = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    run = {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "cpu": cpu,
           "cores": os.cpu_count(), "load_before": load, "torch": torch.__version__, "python": platform.python_version(),
           "limits_of_one_core": options.limits, "rows": rows}
    if load > IDLE * os.cpu_count():
        say(f"not filed: the load was {load:.1f} on {os.cpu_count()} cores before anything was measured")
    else:
        path = ROOT / "tests/bench/runs" / f"{run['date'].replace(':', '')}.json"
        path.write_text(json.dumps(run, indent=1) + "\n")
        say(f"filed as {path.relative_to(ROOT)}")
    print(json.dumps({"rows": [{key: value for key, value in found.items() if key != "seconds"} for found in rows]}))


if __name__ == "__main__":
    main()
