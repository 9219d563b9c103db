"""What the autoguidance paper claims, in small, on Fashion-MNIST: trains the nets, chooses EMA lengths, damage and guidance for
each way to guide, and scores each on seeds that nothing was chosen by. See docs/reproduction.md. Everything goes to
out/reproduction (the main net to out/demo-train), and is found again by the next call. Progress on stderr, a table and a last
line of JSON on stdout. Standard library alone.

usage: reproduction.py [N [WAY...]]      N images in each of three blocks, 1000 by default; all ways, or those that are named
"""

import json
import math
import pathlib
import statistics
import subprocess
import sys
import time

from pair import BIN, DEMO, DETECTOR, IMAGES, NET, ROOT, note, num_images

OUT = ROOT / "out/reproduction"

# Settings are chosen by the first, cells are scored by what follows the second; the demo shows neither.
TUNING, SCORING = 100_000, 200_000
NUM_TUNING = 600
PICTURES = "200000-200035"
BATCH = 128

# Trainings that guiding nets are taken from: recipe, what is another in it, images between snapshots, where. The first is
# that of `make demo-train`; the small net goes on where the demo's guiding net ends.
TRAININGS = {
    "main": ("net", [], 16000, ROOT / "out/demo-train/net"),
    "small": ("gnet", [], 8000, OUT / "small"),
    "uncond": ("gnet", ["net.label_dim=0"], 32000, OUT / "uncond"),
}

SPEC = f"""name = "NAME"
seeds = "{TUNING}-{TUNING + NUM_TUNING - 1}"
net = "{NET}"
chunk_size = 50
micro_batch = 25
MORE
[sampler]
num_steps = 16

{DETECTOR}"""


def told(program, *args):
    """What a program says on stdout; its progress goes to stderr. One that fails ends all of it, to be gone on with."""
    ended = subprocess.run([str(BIN / program), *map(str, args)], stdout=subprocess.PIPE, check=False, text=True)
    if ended.returncode:
        sys.exit(ended.returncode)
    return ended.stdout


def training(name, kimg):
    recipe, changes, snapshot, outdir = TRAININGS[name]
    options = [option for change in [f"steps={kimg * 1000 // BATCH}", *changes] for option in ("--set", change)]
    where = ["--data", IMAGES, "--outdir", str(outdir), "--snapshot", str(snapshot), "--checkpoint", "25600"]
    # One thread: the bits depend on the number of threads.
    recipe = str(DEMO / f"recipes/{recipe}.toml")
    return subprocess.Popen([str(BIN / "fidelis-worker"), "train", "--recipe", recipe, *options, *where, "--threads", "1"])


def train(ways):
    """What the ways need: the main net on one core, the others one after another beside it. What is trained already ends at
    once."""
    needed = {}
    for name, kimg in (WAYS[way].needs for way in ways if WAYS[way].needs):
        needed[name] = max(kimg, needed.get(name, 0))
    note(f"training: {', '.join(needed) or 'nothing'}; an hour of two cores at most")
    beside = training("main", needed.pop("main")) if "main" in needed else None
    try:
        for name, kimg in needed.items():
            if code := training(name, kimg).wait():
                sys.exit(code)
        if beside and (code := beside.wait()):
            sys.exit(code)
    finally:
        if beside:
            beside.terminate()
            beside.wait()


def lengths(name, kimg, stds):
    """The folder of a net's averages of these lengths."""
    to = OUT / f"ema/{name}-{kimg:07}"
    told("fidelis-worker", "phema", "--in", TRAININGS[name][3], "--std", stds, "--at", kimg, "--out", to)
    return to


def average(folder, std):
    kimg = folder.name.rsplit("-", 1)[1]
    return folder / f"phema-{kimg}-{std:.3f}.safetensors"


def toml(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(of)}" for key, of in value.items()) + " }"
    return json.dumps(value)


def spec(name, **more):
    path = OUT / f"specs/{name}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"{key} = {toml(value)}\n" for key, value in more.items())
    path.write_text(SPEC.replace("NAME", name).replace("MORE", lines))
    return path


def swept(name, *axes, **more):
    """The settings of the best of a sweep's cells. The budget pays for half of the images of each, or for more where some are
    given up."""
    note(f"choosing: {name}")
    num_cells = math.prod(len(values.split(",")) for values in axes[1::2])
    budget = ["--budget", num_cells * NUM_TUNING // 2]
    where = ["--local", OUT / "fleet", "--dest", OUT / f"sweeps/{name}", "--name", name, *budget]
    said = told("fidelis", "sweep", "--spec", spec("tuning", **more), *where, *axes)
    best = json.loads(said.splitlines()[-1])["best"]
    note(f"{name}: {best['value']:.2f} ± {best['sd']:.2f} at {json.dumps(best['settings'])}")
    return best["settings"]


class Way:
    """One way to guide the demo's main net: its title, and what its spec says once it is chosen."""

    def __init__(self, title, guidance="", net=None, stds="", needs=None, kimgs=(), base="none", **more):
        self.title, self.guidance, self.needs, self.base = title, guidance, needs, base
        # A guiding net of a training at some times, or that of `more`.
        self.net, self.stds, self.kimgs = net, stds, kimgs
        self.axes, self.more = more.pop("axes", ()), more

    def chosen(self, key):
        if not self.guidance:
            return dict(self.more)
        if not self.net:
            best = swept(key, "--guidance", self.guidance, *self.axes, **self.more)
            found = dict(self.more)
        else:
            folders = {folder.name: folder for folder in (lengths(self.net, kimg, self.stds) for kimg in self.kimgs)}
            gnets = ["--gnet", ",".join(map(str, folders.values())), "--gnet-ema", self.stds]
            best = swept(key, *gnets, "--guidance", self.guidance, *self.axes)
            found = {"gnet": str(average(folders[best["gnet"]], best["gnet_ema"]))}
        if best.get("interval") not in (None, "all"):
            found["guidance_interval"] = best["interval"]
        for field, value in best.items():
            if field.startswith("gnet_damage."):
                found["gnet_damage"] = {field.removeprefix("gnet_damage."): value}
        return {**found, "guidance": best["guidance"]}


def damaged(title, **damage):
    """The main net, worse, guided by itself, worse still: of the paper's controlled experiment."""
    return Way(title, "1.2,1.5,2,3", gnet=str(NET), **damage)


def drops(share):
    return {"dropout": share}


def adds(share):
    return {"input_noise": share}


WAYS = {
    "none": Way("no guidance"),
    "auto": Way("autoguidance: smaller and less trained", "1.05,1.1,1.2,1.35", "small", "0.05,0.1", ("small", 32), (16, 32)),
    "less": Way("less trained only", "1.1,1.2,1.35,1.6", "main", "0.1", ("main", 512), (32, 64)),
    "smaller": Way("smaller only", "1.1,1.2,1.35,1.6,2", "small", "0.1", ("small", 192), (192,)),
    "cfg": Way("CFG: a smaller net without classes", "1.1,1.2,1.35,1.6,2", "uncond", "0.1", ("uncond", 64), (64,)),
    "interval": Way(
        "CFG within an interval of σ",
        "1.35,2",
        "uncond",
        "0.1",
        ("uncond", 64),
        (64,),
        axes=("--interval", "0.1:2,0.3:5,0.5:80"),
    ),
    "ema": Way("the same training, a longer EMA", "1.5,2.5", "main", "0.15,0.2,0.25", ("main", 512), (512,)),
    "dropout": Way(
        "the main net with dropout",
        "1.35,2,3",
        gnet=str(NET),
        axes=("--axis", "gnet_damage.dropout=0.05,0.1,0.2,0.35"),
    ),
    "noise": Way(
        "the main net with noise on its input",
        "1.05,1.1,1.35,2",
        gnet=str(NET),
        axes=("--axis", "gnet_damage.input_noise=0.1,0.2"),
    ),
    # The paper's controlled experiment: both nets are worse, the guiding net twice as much.
    "drop": Way("no guidance, 5 % dropout", net_damage=drops(0.05)),
    "drop-drop": damaged("the same, guided by 10 % dropout", net_damage=drops(0.05), gnet_damage=drops(0.1), base="drop"),
    "drop-noise": damaged("the same, guided by 20 % input noise", net_damage=drops(0.05), gnet_damage=adds(0.2), base="drop"),
    "noisy": Way("no guidance, 10 % input noise", net_damage=adds(0.1)),
    "noisy-noise": damaged("the same, guided by 20 % input noise", net_damage=adds(0.1), gnet_damage=adds(0.2), base="noisy"),
    "noisy-drop": damaged("the same, guided by 10 % dropout", net_damage=adds(0.1), gnet_damage=drops(0.1), base="noisy"),
}


def scored(ways, images):
    """Three blocks of each way on the same seeds, and how far they are from those without guidance."""
    specs = [spec(key, **way) for key, way in ways.items()]
    seeds = f"{SCORING}-{SCORING + images - 1}"
    said = told("fidelis", "local", *specs, "--repeats", 3, "--seeds", seeds, "--out", OUT / "fleet")
    repeats = json.loads(said.splitlines()[-1])["repeats"]
    values = {key: repeats[key]["fashion-cnn"]["values"] for key in ways}
    for key, way in ways.items():
        of = repeats[key]["fashion-cnn"]
        lower = [before - value for before, value in zip(values[WAYS[key].base], of["values"])]
        way.update(title=WAYS[key].title, base=WAYS[key].base, fd=of["mean"], sd=of["sd"], values=of["values"])
        way.update(lower=statistics.mean(lower), lower_sd=statistics.stdev(lower))


def pictures(ways):
    """The same seeds by each way."""
    for key, way in ways.items():
        png = OUT / f"pictures/{key}.png"
        png.parent.mkdir(exist_ok=True)
        guide = ["--gnet", way["gnet"], "--guidance", way["guidance"]] if "gnet" in way else []
        if "guidance_interval" in way:
            guide += ["--guidance-interval", ",".join(map(str, way["guidance_interval"]))]
        for net in ("net", "gnet"):
            for what, share in way.get(f"{net}_damage", {}).items():
                guide += [f"--{net}-{what.replace('_', '-')}", share]
        to = ["--out", OUT / f"pictures/{key}.safetensors", "--png", png]
        told("fidelis-worker", "sample", "--net", NET, *guide, "--steps", 16, "--seeds", PICTURES, *to)


def line(key, way):
    gnet = pathlib.Path(way["gnet"]).stem.removeprefix("phema-") if "gnet" in way else "–"
    if damage := way.get("gnet_damage"):
        gnet += ", " + ", ".join(f"{what.replace('_', ' ')} {share:g}" for what, share in damage.items())
    interval = "–".join(f"{end:g}" for end in way["guidance_interval"]) if "guidance_interval" in way else "all"
    settings = f"{gnet} | {way.get('guidance', 1):g} | {interval if 'gnet' in way else '–'}"
    lower = "–" if key == way["base"] else f"{way['lower']:.2f} ± {way['lower_sd']:.2f}"
    return f"| {way['title']} | {settings} | {way['fd']:.2f} ± {way['sd']:.2f} | {lower} |"


def main(images, keys):
    begun = time.monotonic()
    # What others are measured by comes with them.
    keys = [key for key in WAYS if key in keys or key == "none" or any(WAYS[of].base == key for of in keys)]
    train(keys)
    ways = {key: WAYS[key].chosen(key) for key in keys}
    scored(ways, images)
    pictures(ways)
    print("| way | guiding net | w | σ | FD | lower than without |\n| --- | --- | --- | --- | --- | --- |")
    print("\n".join(line(key, way) for key, way in ways.items()))
    print()
    print(json.dumps({"images_per_block": images, "seconds": round(time.monotonic() - begun, 1), "ways": ways}))


if __name__ == "__main__":
    count, *named = sys.argv[1:] or ["1000"]
    if unknown := [name for name in named if name not in WAYS]:
        note(f"there is no way `{unknown[0]}`: name some of {', '.join(WAYS)}")
        sys.exit(2)
    main(num_images(count, 1000), named or list(WAYS))
