"""Nights on the demo's pair: ten of unchanged code, and one of each of seven mistakes, each with the verdict that it should
have: see docs/nightly.md. Progress on stderr, a table and a last line of JSON on stdout. Standard library alone.

usage: nightly.py [N]      N images a block, 200 by default
"""

import copy
import hashlib
import json
import random
import shutil
import struct
import subprocess
import sys
import time

from pair import BIN, DETECTOR, GNET, MODELS, NET, ROOT, note, num_images

NIGHTS = 10
IDENTITY = 200
OUT = ROOT / "out/nightly"

SPEC = f"""name = "nightly"
seeds = "0-LAST"
net = "{NET}"
gnet = "{GNET}"
guidance = 1.2
labels = "balanced"
chunk_size = 50
micro_batch = 25

[sampler]
num_steps = 5

{DETECTOR}"""


def fidelis(*args):
    command = [str(BIN / "fidelis"), *args, "--local", str(OUT / "fleet")]
    return subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode


def night(name, spec, baseline, *more):
    """The exit code of a night and its result."""
    out = OUT / name
    code = fidelis("regress", "--spec", str(spec), "--baseline", str(baseline), "--night", name, "--out", str(out), *more)
    result = out / "result.json"
    return code, json.loads(result.read_text()) if result.exists() else {}


def edited(source, name, edit):
    """A copy of a safetensors file of which one tensor of float16 is changed; as a spec names it."""
    data = bytearray((MODELS / source).read_bytes())
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    tensor, change = edit
    begin, end = (8 + length + offset for offset in header[tensor]["data_offsets"])
    values = struct.unpack(f"<{(end - begin) // 2}e", data[begin:end])
    data[begin:end] = struct.pack(f"<{len(values)}e", *change(list(values)))
    return placed(OUT / name, data)


def placed(path, data):
    path.write_bytes(data)
    return {"path": str(path), "sha256": hashlib.sha256(data).hexdigest()}


def perturbed(values):
    """Each weight by one percent of itself, up or down: a net of normalised weights does not see all go up."""
    draws = random.Random(0)
    return [value * (1 + draws.choice((-0.01, 0.01))) for value in values]


def half_a_pixel(values):
    """Kernels [32, 1, 3, 3], each averaged with itself one pixel aside: what a bilinear resize does that is aligned half a
    pixel off."""
    rows = [values[i : i + 3] for i in range(0, len(values), 3)]
    return [value for a, b, c in rows for value in (a / 2, (a + b) / 2, (b + c) / 2)]


def plants(spec):
    """What somebody might do, as a spec: name, the field that tells of it, the spec."""
    def plant(name, field, **fields):
        other = copy.deepcopy(spec)
        for key, value in fields.items():
            other[key] = {**other[key], **value} if key == "sampler" else value
        return name, field, other

    swapped = {"path": str(NET), "sha256": hashlib.sha256(NET.read_bytes()).hexdigest()}
    tensor = "unet.dec.7x7_block0.conv_res0.weight"
    net = edited("fashion-net.safetensors", "net-1-percent.safetensors", (tensor, perturbed))
    resized = edited("fashion-cnn.safetensors", "cnn-resized.safetensors", ("conv1.weight", half_a_pixel))
    detector = {**spec["detectors"][0], "weights": resized}
    shifted = placed(OUT / "labels.txt", "".join(f"{(i + 1) % 10}\n" for i in range(10)).encode())
    yield plant("a guiding net swapped (for the main net)", "gnet", gnet=swapped)
    yield plant("one sampler step fewer", "sampler.num_steps", sampler={"num_steps": spec["sampler"]["num_steps"] - 1})
    yield plant("a detector's resize changed (half a pixel)", "detectors[0].weights", detectors=[detector])
    yield plant("one weight tensor perturbed by 1 %", "net", net=net)
    yield plant("labels shifted by one", "labels", labels={"file": shifted})
    yield plant("noise of another mode (cuda)", "noise", noise="cuda")
    yield plant("bf16 instead of fp32", "precision", precision="bf16")


def seen(identity):
    """When the images are seen to be others, how many are, and by how much."""
    apart = [part for part in [identity["latents"], *identity["features"].values()] if part]
    at = [part["seen_at"] for part in apart if part["seen_at"]]
    at += [] if identity["same_noise"] else [1]
    largest = [part["largest"] for part in apart]
    return {
        "verdict": identity["verdict"],
        "seen_at": min(at, default=None),
        "latents": identity["latents"] and identity["latents"]["largest"],
        "features": max(part["largest"] for part in identity["features"].values()),
        "num_other": max((part["num_other"] for part in apart), default=0),
        "largest": max(largest, default=0.0),
    }


def distance(gate):
    looks = gate["looks"]
    last = looks[-1]
    return {
        "verdict": gate["verdict"],
        "num_images": sum(look["num_images"] for look in looks),
        "percent": [100 * look["worse_by"] / look["baseline"] for look in looks],
        "detectable_percent": 100 * last["detectable"] / last["baseline"],
    }


def facts(code, result):
    statistics = result.get("statistics", {})
    return {
        "exit_code": code,
        "verdict": result.get("verdict"),
        "identity": result.get("identity") and seen(result["identity"]),
        "distance": distance(statistics["fashion-cnn"]) if statistics else None,
    }


def planted(number, plant, baseline):
    """A mistake that the spec tells of, and the same where code does it and the spec says nothing."""
    name, field, spec = plant
    path, hidden = OUT / f"planted-{number}.json", OUT / f"baseline-{number}.json"
    path.write_text(json.dumps(spec))
    code, result = night(f"open-{number}", path, OUT / "baseline.json")
    fields = [change["field"] for change in result.get("fingerprint", [])]
    refused = code == 4 and result["num_made"] == 0 and any(found.startswith(field) for found in fields)
    # The baseline's images, said to be of the changed spec.
    hidden.write_text(json.dumps({**baseline, "spec": spec}))
    row = {"night": name, "field": field, "refused": refused, **facts(*night(f"hidden-{number}", path, hidden))}
    row["expected"] = refused and row["exit_code"] == 1 and row["identity"]["verdict"] == "changed"
    return row


def line(row):
    def percents(of):
        return " and ".join(f"{percent:+.1f} %" for percent in of["percent"])

    identity, of = row["identity"], row["distance"]
    where = f"`{row['field']}`, 0 images" if row.get("refused") else ""
    apart = "-"
    if identity:
        latents = "" if identity["latents"] is None else f"{identity['latents']:.0e} of latents, "
        at = f" at image {identity['seen_at']}" if identity["seen_at"] else ""
        apart = f"{identity['verdict']}{at}: {identity['num_other']} of {IDENTITY}, {latents}{identity['features']:.0e} of features"
    measured = "-" if of is None else f"{of['verdict']} at {of['num_images']}: {percents(of)}"
    return f"| {row['night']} | {where} | {apart} | {measured} | {row['exit_code']} |"


def main(images):
    begun = time.monotonic()
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    spec, baseline = OUT / "nightly.toml", OUT / "baseline.json"
    spec.write_text(SPEC.replace("LAST", str(2 * images - 1)))
    note(f"a baseline of two blocks of {images} images")
    accepted = ["--spec", str(spec), "--why", "the demo's pair as it is in this clone", "--identity", str(IDENTITY)]
    if code := fidelis("baseline", "accept", *accepted, "--night", "zero", "--out", str(baseline)):
        return code
    kept = json.loads(baseline.read_text())
    rows = []
    for number in range(1, NIGHTS + 1):
        note(f"night {number} of {NIGHTS}: nothing changed")
        code, result = night(f"night-{number}", spec, baseline)
        row = {"night": f"unchanged, {number}, block {result.get('block')}", "field": None, **facts(code, result)}
        rows.append({**row, "expected": code == 0 and row["identity"]["verdict"] == "same"})
    note("a night of another micro-batch: other rounding")
    rounding = OUT / "rounding.json"
    rounding.write_text(json.dumps({**kept["spec"], "micro_batch": 10}))
    row = facts(*night("rounding", rounding, baseline, "--allow", "micro_batch"))
    row = {"night": "another micro-batch, as allowed", "field": "micro_batch", **row}
    rows.append({**row, "expected": row["exit_code"] == 0 and row["identity"]["verdict"] in ("same", "within")})
    for number, plant in enumerate(plants(kept["spec"]), 1):
        note(f"planted: {plant[0]}")
        rows.append(planted(number, plant, kept))
    print("| night | fingerprint | images of the same seeds | distance | exit code |\n| --- | --- | --- | --- | --- |")
    print("\n".join(line(row) for row in rows))
    for row in rows:
        if not row["expected"]:
            note(f"`{row['night']}` did not get the verdict that it should have: {json.dumps(row)}")
    unchanged, caught = rows[:NIGHTS], rows[NIGHTS + 1 :]
    summary = {
        "images_per_block": images,
        "unchanged": len(unchanged),
        "passed": sum(row["expected"] for row in unchanged),
        "planted": len(caught),
        "caught": sum(row["expected"] for row in caught),
        "seconds": round(time.monotonic() - begun, 1),
        "nights": rows,
    }
    print()
    print(json.dumps(summary))
    return 0 if all(row["expected"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(num_images((sys.argv[1:] or ["200"])[0], 200)))
