"""The autoguidance paper in small: see docs/reproduction.md. Standard library alone."""

import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import time

DEMO = pathlib.Path("infra/demo").resolve()
OUT = pathlib.Path("out/reproduction").resolve()
NET = DEMO / "models/fashion-net.safetensors"
BIN = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target")).resolve() / "release"
IMAGES = os.environ.get("FIDELIS_FASHION_MNIST", "/usr/share/datasets/fashion-mnist") + "/train-images-idx3-ubyte.gz"

# Settings are chosen by the first, cells are scored by what follows the second; the demo shows neither.
TUNING, SCORING = 100_000, 200_000
NUM_TUNING = 600
PICTURES = "200000-200035"

# Trainings that guiding nets are taken from: recipe, what is another in it, images between snapshots, where. The first is
# that of `make demo-train`; the small net goes on where the demo's guiding net ends.
TRAININGS = {
    "main": ("net", [], 16000, pathlib.Path("out/demo-train/net").resolve()),
    "small": ("gnet", ["steps=1500"], 8000, OUT / "small"),
    "uncond": ("gnet", ["steps=500", "net.label_dim=0"], 32000, OUT / "uncond"),
}

SPEC = f"""name = "NAME"
seeds = "{TUNING}-{TUNING + NUM_TUNING - 1}"
net = "{NET}"
chunk_size = 50
micro_batch = 25
MORE
[sampler]
num_steps = 16

[[detectors]]
name = "fashion-cnn"
weights = "{DEMO}/models/fashion-cnn.safetensors"
reference = "{DEMO}/refs/fashion-train.npz"
"""


def note(text):
    print(f"reproduction: {text}", file=sys.stderr, flush=True)


def told(program, *args):
    """What a program says on stdout; its progress goes to stderr. One that fails ends all of it, to be gone on with."""
    ended = subprocess.run([str(BIN / program), *map(str, args)], stdout=subprocess.PIPE, check=False, text=True)
    if ended.returncode:
        sys.exit(ended.returncode)
    return ended.stdout


def training(name):
    recipe, changes, snapshot, outdir = TRAININGS[name]
    options = [option for change in changes for option in ("--set", change)]
    where = ["--data", IMAGES, "--outdir", str(outdir), "--snapshot", str(snapshot), "--checkpoint", "25600"]
    # One thread: the bits depend on the number of threads.
    recipe = str(DEMO / f"recipes/{recipe}.toml")
    return subprocess.Popen([str(BIN / "fidelis-worker"), "train", "--recipe", recipe, *options, *where, "--threads", "1"])


def train():
    """The main net on one core, the others one after another beside it. What is trained already ends at once."""
    note("training: an hour of two cores, unless it is done already")
    main = training("main")
    try:
        for name in ("small", "uncond"):
            if code := training(name).wait():
                sys.exit(code)
        if code := main.wait():
            sys.exit(code)
    finally:
        main.terminate()
        main.wait()


def lengths(name, kimg, stds):
    """The folder of a net's averages of these lengths."""
    to = OUT / f"ema/{name}-{kimg:07}"
    told("fidelis-worker", "phema", "--in", TRAININGS[name][3], "--std", stds, "--at", kimg, "--out", to)
    return to


def average(folder, std):
    kimg = folder.name.rsplit("-", 1)[1]
    return folder / f"phema-{kimg}-{std:.3f}.safetensors"


def spec(name, **more):
    path = OUT / f"specs/{name}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in more.items())
    path.write_text(SPEC.replace("NAME", name).replace("MORE", lines))
    return path


def swept(name, *axes):
    """The settings of the best of a sweep's cells. The budget pays for half of the images of each, or for more where some are
    given up."""
    note(f"choosing: {name}")
    num_cells = math.prod(len(values.split(",")) for values in axes[1::2])
    budget = ["--budget", num_cells * NUM_TUNING // 2]
    where = ["--local", OUT / "fleet", "--dest", OUT / f"sweeps/{name}", "--name", name, *budget]
    said = told("fidelis", "sweep", "--spec", spec("tuning"), *where, *axes)
    best = json.loads(said.splitlines()[-1])["best"]
    note(f"{name}: {best['value']:.2f} ± {best['sd']:.2f} at {json.dumps(best['settings'])}")
    return best["settings"]


def chosen():
    """Each way to guide the demo's main net with the settings that are best for it: its title, and what its spec says."""
    ways = {"none": {"title": "no guidance"}}

    def guided(key, title, gnets, stds, guidance, *axes):
        folders = {gnet.name: gnet for gnet in gnets}
        axes = ["--gnet", ",".join(map(str, gnets)), "--gnet-ema", stds, "--guidance", guidance, *axes]
        best = swept(key, *axes)
        found = {field: best[field] for field in ("guidance", "interval") if best.get(field) not in (None, "all")}
        ways[key] = {"title": title, "gnet": str(average(folders[best["gnet"]], best["gnet_ema"])), **found}

    early = "0.05,0.1"
    small = [lengths("small", kimg, early) for kimg in (16, 32)]
    guided("auto", "autoguidance: smaller and less trained", small, early, "1.1,1.2,1.35")
    less = [lengths("main", kimg, early) for kimg in (32, 64)]
    guided("less", "less trained only", less, "0.1", "1.1,1.2,1.35,1.6")
    guided("smaller", "smaller only", [lengths("small", 192, "0.1")], "0.1", "1.1,1.2,1.35,1.6,2")
    uncond = [lengths("uncond", 64, "0.1")]
    guided("cfg", "CFG: a smaller net without classes", uncond, "0.1", "1.1,1.2,1.35,1.6,2")
    guided("interval", "CFG within an interval of σ", uncond, "0.1", "1.35,2", "--interval", "0.1:2,0.3:5,0.5:80")
    longer = "0.15,0.2,0.25"
    guided("ema", "the same training, a longer EMA", [lengths("main", 512, longer)], longer, "1.5,2.5")
    return ways


def scored(ways, images):
    """Three blocks of each way on the same seeds, and how far they are from those without guidance."""
    specs = []
    for key, way in ways.items():
        more = {field: way[field] for field in ("gnet", "guidance") if field in way}
        if "interval" in way:
            more["guidance_interval"] = way["interval"]
        specs.append(spec(key, **more))
    seeds = f"{SCORING}-{SCORING + images - 1}"
    said = told("fidelis", "local", *specs, "--repeats", 3, "--seeds", seeds, "--out", OUT / "fleet")
    repeats = json.loads(said.splitlines()[-1])["repeats"]
    unguided = repeats["none"]["fashion-cnn"]["values"]
    for key, way in ways.items():
        of = repeats[key]["fashion-cnn"]
        lower = [before - value for before, value in zip(unguided, of["values"])]
        way.update(fd=of["mean"], sd=of["sd"], values=of["values"], lower=statistics.mean(lower), lower_sd=statistics.stdev(lower))


def pictures(ways):
    """The same seeds by each way."""
    for key, way in ways.items():
        png = OUT / f"pictures/{key}.png"
        png.parent.mkdir(exist_ok=True)
        guide = ["--gnet", way["gnet"], "--guidance", way["guidance"]] if "gnet" in way else []
        if "interval" in way:
            guide += ["--guidance-interval", ",".join(map(str, way["interval"]))]
        to = ["--out", OUT / f"pictures/{key}.safetensors", "--png", png]
        told("fidelis-worker", "sample", "--net", NET, *guide, "--steps", 16, "--seeds", PICTURES, *to)


def line(way):
    gnet = pathlib.Path(way["gnet"]).stem.removeprefix("phema-") if "gnet" in way else "–"
    interval = "–".join(f"{end:g}" for end in way["interval"]) if "interval" in way else "all"
    settings = f"{gnet} | {way.get('guidance', 1):g} | {interval if 'gnet' in way else '–'}"
    lower = f"{way['lower']:.2f} ± {way['lower_sd']:.2f}" if "gnet" in way else "–"
    return f"| {way['title']} | {settings} | {way['fd']:.2f} ± {way['sd']:.2f} | {lower} |"


def main(images):
    begun = time.monotonic()
    train()
    ways = chosen()
    scored(ways, images)
    pictures(ways)
    print("| way | guiding net | w | σ | FD | lower than without |\n| --- | --- | --- | --- | --- | --- |")
    print("\n".join(map(line, ways.values())))
    print()
    print(json.dumps({"images_per_block": images, "seconds": round(time.monotonic() - begun, 1), "ways": ways}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
