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

# A few of each kind, for the project's own tests.
GOLDEN = """
sampling--33x17-2x2-baseline-q92 sampling--33x17-2x2-progressive-q92 sampling--33x17-2x1-baseline-q92
sampling--33x17-1x2-baseline-q92 sampling--7x9-1x1-optimized-q92 sampling--33x17-4x2-arithmetic-q35
sampling--33x17-1x1,2x2,1x1-baseline-q92 sampling--33x17-2x2,1x1,2x2-progressive-q35 sampling--1x1-2x2-baseline-q92
sampling--3x50-3x1-arithmetic-progressive-q92 restart--2x2-baseline-row restart--2x1-progressive-3-blocks
scans--33x17-2x2-each-none scans--33x17-2x1-backwards-row scans--16x16-1x1-luma-first-none
scans--33x17-1x1,2x1,2x1-luma-last-none scans--33x17-2x2-two-one-3-blocks-arithmetic
progressions--33x17-2x2-dc-only progressions--33x17-2x2-no-refinement progressions--33x17-2x1-whole
grey--33x17-baseline grey--33x17-arithmetic-progressive rgb--33x17-baseline cmyk--33x17-2-baseline-adobe
cmyk--33x17-0-progressive-bare cmyk--33x17-2-baseline-ycck adobe--33x17-2-baseline-no-jfif-0
adobe--33x17-0-baseline-jfif-7 ids--33x17-0-baseline-no-jfif-524742 markers--orientation-6 markers--mpo
between--baseline-3-c0-text between--baseline-before-end missing--no-dht-420 corrupted--1x1-baseline-none-3
corrupted--2x1-baseline-none-1 corrupted--2x2-arithmetic-none-3
missing--baseline-no-end between--baseline-0-e0-text restart-damage--2x2-baseline-row-*-missing
truncated--2x2-baseline-none-2 truncated--2x2-baseline-none-30-ended truncated--2x2-progressive-none-8 sizes--baseline-61x65535
png-raw--0-1-plain png-raw--0-4-trns png-raw--3-2-trns png-raw--3-8-gamma png-raw--2-16-trns png-raw--4-16-plain
png-raw--6-8-plain png-raw--0-16-plain png-raw--3-8-short-palette png-damage--2-8-plain-crc
bmp--top-down bmp--masks bmp--old bmp--short-palette bmp--rle8 bmp--33x17-1 bmp--33x17-P16 bmp--33x17-RGBA bmp--33x17-L
gif--33x17-P-0 gif--33x17-P-clear-1 gif--33x17-L-0 pnm--33x17-RGB pnm--33x17-L pnm--33x17-1
webp-lossless--33x17-RGBA webp-lossless--33x17-L webp-lossy--33x17-RGB-q75 webp-lossy--33x17-RGBA-q20
tiff--33x17-RGB-tiff_lzw tiff--33x17-L-tiff_adobe_deflate tiff--33x17-RGBA-raw tiff--33x17-predictor tiff--33x17-big
tiff--33x17-white-is-zero tiff--33x17-RGB-packbits tiff--33x17-P-raw tiff--33x17-turned6-1 tiff--33x17-planes
animated--33x17 cut--webp-1 not-read--jp2 not-read--avif
""".split()
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


def write_golden(work, folder):
    """The golden files, and beside each that fidelis is to read `<name>.rgb.png`, Pillow's pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    for pattern in GOLDEN:
        paths = sorted(path for name in ("jpeg", "others") for path in (work / name).glob(f"{pattern}.*"))
        if not paths:
            sys.exit(f"parity: nothing is called `{pattern}`")
        for path in paths[:1] if "*" in pattern else paths:
            (folder / path.name).write_bytes(path.read_bytes())
            if any((work / f"{name}-pixels" / f"{path.name}.pnm").exists() for name in ("jpeg", "others")):
                Image.fromarray(pillows(path)).save(folder / f"{path.name}.rgb.png", optimize=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pixels", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--show", default="", help="outcomes to list, between commas")
    parser.add_argument("--golden", type=pathlib.Path, help="a folder that the golden files are written to")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    bad = 0
    for name, corpus in (("jpeg", jpeg_corpus), ("others", other_corpus)):
        count = corpus.write(options.work / name)
        print(f"{name}: {count} files")
        bad += compare(options.work / name, options.pixels, options.work / f"{name}-pixels", options.show.split(","))
    if options.golden:
        write_golden(options.work, options.golden)
    if bad:
        sys.exit(f"parity: {bad} images are not as Pillow has them: see above")


if __name__ == "__main__":
    main()
