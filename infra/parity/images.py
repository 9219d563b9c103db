"""Every image that Pillow reads, through fidelis: the same pixels as `Image.open(f).convert("RGB")`, or a refusal.

The corpora are made anew each time (jpeg_corpus.py, other_corpus.py). Per group are counted: equal pixels, pixels at most
one level apart, refused by both, refused by fidelis alone, read by fidelis alone, and wrong, which is anything else. Of
the last two there must be none.
"""

import argparse
import collections
import pathlib
import subprocess
import sys
import warnings

import numpy as np
from PIL import Image

import jpeg_corpus
import other_corpus

OUTCOMES = ("equal", "within 1", "both refuse", "we refuse", "only we read", "WRONG")


def pillows(path):
    try:
        with Image.open(path) as image:
            if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
                return None
            return np.array(image.convert("RGB"))
    except Exception:  # noqa: BLE001, whatever Pillow raises is a refusal
        return None


def ours(out, name):
    path = out / f"{name}.pnm"
    return np.array(Image.open(path).convert("RGB")) if path.exists() else None


def outcome(theirs, ours):
    if ours is None:
        return "both refuse" if theirs is None else "we refuse"
    if theirs is None:
        return "only we read"
    if theirs.shape != ours.shape:
        return "WRONG"
    difference = np.abs(theirs.astype(int) - ours).max()
    return "equal" if difference == 0 else "within 1" if difference == 1 else "WRONG"


def compare(corpus, pixels, out, show):
    """Prints the table; gives the number of bad outcomes."""
    out.mkdir()
    done = subprocess.run([str(pixels), str(corpus), str(out)], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"parity: `{pixels}` ended with {done.returncode}")
    reasons = dict(line.split("\t", 1) for line in done.stdout.splitlines())
    table = collections.defaultdict(collections.Counter)
    for path in sorted(corpus.iterdir()):
        found = outcome(pillows(path), ours(out, path.name))
        for group in (path.name.split("--")[0], "all"):
            table[group][found] += 1
        if found in ("WRONG", "only we read") or found in show:
            print(f"  {found}: {path.name} {reasons.get(path.name, '')}")
    print(f"{'group':16}{'cases':>8}" + "".join(f"{name:>14}" for name in OUTCOMES))
    for group, counts in sorted(table.items(), key=lambda item: item[0] == "all"):
        print(f"{group:16}{sum(counts.values()):8}" + "".join(f"{counts[name]:14}" for name in OUTCOMES))
    return table["all"]["WRONG"] + table["all"]["only we read"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pixels", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--show", default="", help="outcomes to list, between commas")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    bad = 0
    for name, corpus in (("jpeg", jpeg_corpus), ("others", other_corpus)):
        count = corpus.write(options.work / name)
        print(f"{name}: {count} files")
        bad += compare(options.work / name, options.pixels, options.work / f"{name}-pixels", options.show.split(","))
    if bad:
        sys.exit(f"parity: {bad} images are not as Pillow has them: see above")


if __name__ == "__main__":
    main()
