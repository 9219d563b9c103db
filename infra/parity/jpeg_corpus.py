"""A corpus of JPEGs, one folder of files named `group--case.jpg`: what encoders write, and what becomes of it.

Needs `cjpeg` (Debian's libjpeg-turbo-progs) and Pillow. The same files every time.
"""

import io
import itertools
import random
import subprocess
import tempfile

import numpy as np
from PIL import Image

SIZES = [(64, 48), (33, 17), (16, 16), (7, 9), (1, 1), (3, 50)]
SAMPLINGS = ["1x1", "2x1", "1x2", "2x2", "4x1", "1x4", "4x2", "3x1", "1x1,2x1,2x1", "1x1,1x2,1x2", "1x1,2x2,1x1",
             "2x1,1x2,1x1", "2x2,2x1,1x2", "2x2,1x1,2x2", "1x2,2x1,1x1"]
CODINGS = {"baseline": [], "optimized": ["-optimize"], "progressive": ["-progressive"], "arithmetic": ["-arithmetic"],
           "arithmetic-progressive": ["-arithmetic", "-progressive"]}
RESTARTS = {"none": [], "row": ["-restart", "1"], "3-blocks": ["-restart", "3B"]}
SCANS = {"each": "0;1;2;", "backwards": "2;1;0;", "luma-first": "0;1 2;", "luma-last": "1 2;0;", "two-one": "0 1;2;"}
PROGRESSIONS = {
    "dc-only": "0 1 2:0-0,0,0;",
    "dc-coarse": "0 1 2:0-0,0,1;",
    "no-refinement": "0 1 2:0-0,0,0;0:1-63,0,2;1:1-63,0,1;2:1-63,0,1;",
    "luma-ac-only": "0 1 2:0-0,0,0;0:1-63,0,0;",
    "low-ac": "0 1 2:0-0,0,0;0:1-5,0,0;1:1-5,0,0;2:1-5,0,0;",
    "whole": "0 1 2:0-0,0,1;0:1-5,0,2;2:1-63,0,1;1:1-63,0,1;0:6-63,0,2;0:1-63,2,1;0 1 2:0-0,1,0;2:1-63,1,0;"
             "1:1-63,1,0;0:1-63,1,0;",
    "dc-apart": "0:0-0,0,0;1:0-0,0,0;2:0-0,0,0;0:1-63,0,0;1:1-63,0,0;2:1-63,0,0;",
}


def picture(size, channels=3, seed=0):
    """Edges, slopes and noise."""
    width, height = size
    rng = np.random.default_rng(seed + 1000 * width + height)
    y, x = np.mgrid[0:height, 0:width]
    planes = [127 + 90 * np.sin((x * (c + 1) + y * (3 - c)) / 9.0) + 30 * ((x // 5 + y // (4 + c)) % 2)
              + rng.normal(0, 12, (height, width)) for c in range(channels)]
    pixels = np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)
    return Image.fromarray(pixels[..., 0] if channels == 1 else pixels, {1: "L", 3: "RGB", 4: "CMYK"}[channels])


def cjpeg(image, *options, scans=None):
    """What cjpeg makes of it, or None where the options make no JPEG."""
    ppm = io.BytesIO()
    image.save(ppm, "PPM")
    options = [str(option) for option in options]
    if scans is not None:
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(scans)
            file.flush()
            return cjpeg(image, *options, "-scans", file.name)
    done = subprocess.run(["cjpeg", *options], input=ppm.getvalue(), capture_output=True)
    return done.stdout if done.returncode == 0 else None


def pillow(image, **options):
    out = io.BytesIO()
    image.save(out, "JPEG", **options)
    return out.getvalue()


def segments(data):
    """(marker, start, end) of each segment in front of the first scan's data; the last is its SOS."""
    at, found = 2, []
    while True:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        found.append((marker, at, at + 2 + length))
        at += 2 + length
        if marker == 0xDA:
            return found


def without(data, marker):
    for found, start, end in reversed(segments(data)):
        if found == marker:
            data = data[:start] + data[end:]
    return data


def adobe(transform):
    return b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + bytes([transform])


def with_segment(data, segment):
    return data[:2] + segment + data[2:]


def with_ids(data, ids):
    """Other component ids, in the frame and in the scan."""
    data = bytearray(data)
    for marker, start, _ in segments(data):
        if marker in (0xC0, 0xC1, 0xC2, 0xC9, 0xCA):
            for i, name in enumerate(ids):
                data[start + 10 + 3 * i] = name
        if marker == 0xDA:
            for i, name in enumerate(ids):
                data[start + 5 + 2 * i] = name
    return bytes(data)


def valid():
    for size, sampling, (coding, options) in itertools.product(SIZES, SAMPLINGS, CODINGS.items()):
        for quality in (35, 92):
            name = f"{size[0]}x{size[1]}-{sampling}-{coding}-q{quality}"
            yield "sampling", name, cjpeg(picture(size), "-quality", quality, "-sample", sampling, *options)
    for sampling, (coding, options), (restart, more) in itertools.product(
            SAMPLINGS, CODINGS.items(), RESTARTS.items()):
        if more:
            name = f"{sampling}-{coding}-{restart}"
            yield "restart", name, cjpeg(picture((61, 45)), "-sample", sampling, *options, *more)
    for size, sampling, (scans, script), (restart, more) in itertools.product(
            SIZES[:4], SAMPLINGS, SCANS.items(), RESTARTS.items()):
        name = f"{size[0]}x{size[1]}-{sampling}-{scans}-{restart}"
        data = cjpeg(picture(size), "-quality", 95, "-sample", sampling, *more, scans=script)
        yield "scans", name, data
        yield "scans", name + "-arithmetic", cjpeg(picture(size), "-arithmetic", "-sample", sampling, *more, scans=script)
    for size, sampling, (scans, script) in itertools.product(SIZES[:4], SAMPLINGS[:6], PROGRESSIONS.items()):
        name = f"{size[0]}x{size[1]}-{sampling}-{scans}"
        yield "progressions", name, cjpeg(picture(size), "-sample", sampling, scans=script)


def colors():
    for size in SIZES:
        name = f"{size[0]}x{size[1]}"
        for coding, options in CODINGS.items():
            yield "grey", f"{name}-{coding}", cjpeg(picture(size, 1), "-grayscale", *options)
            yield "rgb", f"{name}-{coding}", cjpeg(picture(size), "-rgb", *options)
        for progressive, subsampling in itertools.product((False, True), (0, 1, 2)):
            cmyk = pillow(picture(size, 4), quality=90, progressive=progressive, subsampling=subsampling)
            label = f"{name}-{subsampling}-{'progressive' if progressive else 'baseline'}"
            bare = without(cmyk, 0xEE)
            yield "cmyk", f"{label}-adobe", cmyk
            yield "cmyk", f"{label}-bare", bare
            yield "cmyk", f"{label}-ycck", with_segment(bare, adobe(2))
            yield "cmyk", f"{label}-transform1", with_segment(bare, adobe(1))
            rgb = pillow(picture(size), quality=90, progressive=progressive, subsampling=subsampling)
            for bare_name, base in (("jfif", rgb), ("no-jfif", without(rgb, 0xE0))):
                for transform in (0, 1, 2, 7):
                    yield "adobe", f"{label}-{bare_name}-{transform}", with_segment(base, adobe(transform))
                for ids in (b"RGB", b"\x01\x22\x11", b"\x00\x01\x02", b"rgb"):
                    yield "ids", f"{label}-{bare_name}-{ids.hex()}", with_ids(base, ids)
    rgb = pillow(picture((40, 30)))
    yield "markers", "comment", with_segment(rgb, b"\xff\xfe\x00\x06hey\x00")
    exif = Image.Exif()
    for orientation in range(1, 9):
        exif[0x0112] = orientation
        yield "markers", f"orientation-{orientation}", pillow(picture((40, 30)), exif=exif.tobytes())
    yield "markers", "icc", pillow(picture((40, 30)), icc_profile=bytes(3000))
    yield "markers", "no-app", without(rgb, 0xE0)
    yield "markers", "jfif-3", rgb.replace(b"JFIF\x00\x01", b"JFIF\x00\x03")
    mpo = io.BytesIO()
    picture((40, 30)).save(mpo, "MPO", save_all=True, append_images=[picture((40, 30), seed=5)])
    yield "markers", "mpo", mpo.getvalue()


def odd():
    """What is not as the standard has it, or not usual."""
    for coding in ("baseline", "progressive"):
        data = pillow(picture((61, 45)), quality=85, progressive=coding == "progressive")
        found = segments(data)
        for i, (marker, start, _) in enumerate(found):
            where = f"{coding}-{i}-{marker:02x}"
            for junk_name, junk in (("zeros", bytes(5)), ("text", b"hello"), ("fill", b"\xff\xff\xff"),
                                    ("stuffed", b"\xff\x00\x01"), ("long", bytes(range(1, 200)))):
                yield "between", f"{where}-{junk_name}", data[:start] + junk + data[start:]
        yield "between", f"{coding}-before-end", data[:-2] + b"\x01\x02\x03" + data[-2:]
        yield "between", f"{coding}-after-end", data + b"trailing" * 100
        yield "between", f"{coding}-two-images", data + data
        yield "missing", f"{coding}-no-dht", without(data, 0xC4)
        yield "missing", f"{coding}-no-dqt", without(data, 0xDB)
        yield "missing", f"{coding}-no-sof", without(without(data, 0xC0), 0xC2)
        yield "missing", f"{coding}-no-end", data[:-2]
        yield "missing", f"{coding}-half-end", data[:-1]
        for height, width in ((0, 61), (45, 0), (45, 60), (44, 61), (46, 61), (61, 61), (65535, 61), (45, 65535)):
            _, start, _ = next(s for s in found if s[0] in (0xC0, 0xC2))
            sized = data[: start + 5] + height.to_bytes(2, "big") + width.to_bytes(2, "big") + data[start + 9 :]
            yield "sizes", f"{coding}-{width}x{height}", sized
    for sampling in ("4:4:4", "4:2:0"):
        data = pillow(picture((61, 45)), subsampling=sampling)
        yield "missing", f"no-dht-{sampling.replace(':', '')}", without(data, 0xC4)


def restarts(data):
    return [i for i in range(len(data) - 1) if data[i] == 0xFF and 0xD0 <= data[i + 1] <= 0xD7]


def damaged():
    rng = random.Random(7)
    bases = {}
    for sampling, (coding, options) in itertools.product(("1x1", "2x2", "2x1"), CODINGS.items()):
        for restart, more in RESTARTS.items():
            bases[f"{sampling}-{coding}-{restart}"] = cjpeg(picture((61, 45)), "-sample", sampling, *options, *more)
    for name, data in bases.items():
        start = segments(data)[-1][2]
        for cut in (1, 2, 3, 4, 8, 30, (len(data) - start) // 2, len(data) - start - 4, len(data) - start + 5):
            yield "truncated", f"{name}-{cut}", data[:-cut]
            yield "truncated", f"{name}-{cut}-ended", data[: -cut - 2] + b"\xff\xd9"
        marks = restarts(data)
        for place in marks[:: max(1, len(marks) // 3)][:3]:
            yield "restart-damage", f"{name}-{place}-missing", data[:place] + data[place + 2 :]
            yield "restart-damage", f"{name}-{place}-twice", data[:place] + data[place : place + 2] + data[place:]
            other = bytes([0xD0 + (data[place + 1] + 2) % 8])
            yield "restart-damage", f"{name}-{place}-other", data[: place + 1] + other + data[place + 2 :]
        for i in range(6):
            at = rng.randrange(start, len(data) - 2)
            broken = data[:at] + bytes([rng.randrange(255)]) + data[at + 1 :]
            yield "corrupted", f"{name}-{i}", broken
        for i in range(3):
            at = rng.randrange(start, len(data) - 20)
            yield "corrupted", f"{name}-lost-{i}", data[:at] + data[at + rng.randrange(1, 9) :]
        for i in range(4):
            at = rng.randrange(2, start)
            yield "header-damage", f"{name}-{i}", data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]


def write(folder):
    """Writes the corpus; gives the number of files."""
    folder.mkdir(parents=True)
    count = 0
    for group, case, data in itertools.chain(valid(), colors(), odd(), damaged()):
        if data:
            (folder / f"{group}--{case}.jpg").write_bytes(data)
            count += 1
    return count
