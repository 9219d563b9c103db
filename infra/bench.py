"""How fast fidelis is on this machine, without peers: the demo's pair through `fidelis-worker bench`, a distance with its
error bar at Inception's size, what the pair's fleet makes of what its device makes alone, and the chunks a second that a fleet
drains where making them costs nothing.

usage: bench.py BIN      words on stderr; the last line on stdout is JSON:
    {"pair": …, "statistics": {…, "seconds", "cpu_s"}, "overhead": {"ratio", "device_idle", "turns": […]},
     "fleet": {"chunks_per_s", …}, "load_before", "cores"}
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
MODELS = ROOT / "infra/demo/models"
OUT = ROOT / "out/bench"
# A load above this share of the cores, before anything is started, is other people's work.
IDLE = 0.25
WORKERS = 2
# Of the pair's fleet beside its device alone.
TURNS = 3
IMAGES = 1024


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def last_json(*arguments):
    """The last line that a command prints, and the seconds that it took."""
    begun = time.perf_counter()
    done = subprocess.run([str(argument) for argument in arguments], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    if done.returncode:
        sys.exit(f"bench: `{' '.join(map(str, arguments))}` ended with {done.returncode}; its words are above")
    return json.loads(done.stdout.strip().splitlines()[-1]), time.perf_counter() - begun


def pair(bin):
    found, _ = last_json(bin / "fidelis-worker", "bench", "--net", MODELS / "fashion-net.safetensors", "--gnet",
                         MODELS / "fashion-gnet.safetensors", "--detector", "fashion-cnn", "--weights",
                         MODELS / "fashion-cnn.safetensors", "--steps", 16, "--micro-batch", "1,8,32,64", "--json")
    return found


def statistics(bin):
    """50,000 × 2048 features, drawn here, to a distance with a jackknife's error bar."""
    found, _ = last_json(bin / "examples/scale", "fid", 50_000, 2048)
    return found


def bare(bin):
    """The chunks of the demo's guided spec made one after the other and dropped; images a second, and CPU seconds in all."""
    before = os.times()
    found, _ = last_json(bin / "examples/bare", "infra/demo/guided.toml", f"0-{IMAGES - 1}")
    after = os.times()
    return found["images_per_s"], sum(after[2:4]) - sum(before[2:4])


def through(bin):
    """The same through queue, store and receipts on one worker, between the first chunk's receipt and the last's; images a
    second, CPU seconds in all, and the share of the time that its device waited."""
    shutil.rmtree(OUT, ignore_errors=True)
    before = os.times()
    command = [bin / "fidelis", "local", "infra/demo/guided.toml", "--seeds", f"0-{IMAGES - 1}", "--out", OUT, "--json"]
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    if done.returncode:
        sys.exit(f"bench: `fidelis local` ended with {done.returncode}; its words are above")
    after = os.times()
    events = [json.loads(line) for line in done.stdout.splitlines()]
    idle = next(event["device_idle"] for event in events if event.get("event") == "stored")
    receipts = sorted(OUT.glob("store/fidelis/runs/*/chunks/*.json"))
    stored = [receipt.stat().st_mtime for receipt in receipts]
    first = IMAGES / len(receipts)
    shutil.rmtree(OUT, ignore_errors=True)
    return (IMAGES - first) / (max(stored) - min(stored)), sum(after[2:4]) - sum(before[2:4]), idle


def overhead(bin):
    """What is left of the device's rate by everything around it, in turns."""
    turns = []
    for _ in range(TURNS):
        (alone, alone_cpu), (rate, cpu, idle) = bare(bin), through(bin)
        turns.append({"alone": alone, "alone_cpu_s": alone_cpu, "images_per_s": rate, "cpu_s": cpu, "device_idle": idle})
    middle = lambda of: sorted(of)[len(turns) // 2]
    return {"images": IMAGES, "ratio": middle(turn["images_per_s"] / turn["alone"] for turn in turns),
            "device_idle": middle(turn["device_idle"] for turn in turns), "turns": turns}


def fleet(bin):
    """Five million images of the synthetic engine in chunks of a thousand: planning, draining and reporting."""
    shutil.rmtree(OUT, ignore_errors=True)
    found, seconds = last_json(bin / "fidelis", "local", "infra/demo/synthetic.toml", "--workers", WORKERS, "--out", OUT,
                               "--json")
    run = found["runs"]["synthetic"]
    shutil.rmtree(OUT, ignore_errors=True)
    return {"workers": WORKERS, "images": run["num_images"], "chunks_per_s": run["images_per_s"] / 1000, "seconds": seconds}


def main():
    bin = pathlib.Path(sys.argv[1]).resolve()
    load = os.getloadavg()[0]
    if load > IDLE * os.cpu_count():
        say(f"the load is {load:.1f} on {os.cpu_count()} cores: others' work is part of these figures")
    found = {"cores": os.cpu_count(), "load_before": load}
    for work in (pair, statistics, overhead, fleet):
        say(work.__doc__ or "the demo's pair")
        found[work.__name__] = work(bin)
    for of in found["pair"]["precisions"]:
        best = max(of["rows"], key=lambda row: row["images_per_second"])
        say(f"{of['precision']}: {best['images_per_second']:.1f} images/s of the guided pair in micro-batches of {best['micro_batch']}")
    say(f"distance and error bar of 50,000 × 2048: {found['statistics']['seconds']:.1f} s, drawing them included")
    say(f"one worker's fleet: {found['overhead']['ratio']:.3f} of what its device makes alone, which waited for "
        f"{100 * found['overhead']['device_idle']:.2f} % of the time")
    say(f"fleet: {found['fleet']['chunks_per_s']:.0f} chunks/s with {WORKERS} workers, {found['fleet']['seconds']:.0f} s in all")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
