"""Images in other formats than JPEG, as Pillow writes them: files named `group--case.ext`."""

import io
import itertools
import struct
import zlib

import numpy as np
from PIL import Image

from jpeg_corpus import SIZES, picture


def saved(image, kind, **options):
    out = io.BytesIO()
    try:
        image.save(out, kind, **options)
    except (OSError, ValueError, KeyError):
        return None
    return out.getvalue()


def modes(size):
    """The same picture in the modes that files hold."""
    color, grey = picture(size), picture(size, 1)
    alpha = Image.fromarray(255 - np.array(grey))
    deep = Image.fromarray((np.array(grey).astype(np.uint16) * 251 + 77).astype(np.uint16))
    palette = color.quantize(200)
    clear = palette.copy()
    clear.info["transparency"] = 3
    return {
        "1": grey.convert("1"), "L": grey, "LA": Image.merge("LA", (grey, alpha)), "P": palette, "P-clear": clear,
        "P16": color.quantize(16), "P4": color.quantize(4), "P2": color.quantize(2), "RGB": color,
        "RGBA": Image.merge("RGBA", (*color.split(), alpha)), "I16": deep, "I": deep.convert("I"),
        "F": grey.convert("F"), "CMYK": color.convert("CMYK"), "YCbCr": color.convert("YCbCr"), "LAB": None,
    }


def png(width, height, depth, color, rows, extra=b""):
    """A PNG of raw rows, without filters."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    data = b"".join(b"\0" + row for row in rows)
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(data))
            + chunk(b"IEND", b""))


def raw_pngs():
    rng = np.random.default_rng(3)
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
    for color, depths in ((0, (1, 2, 4, 8, 16)), (2, (8, 16)), (3, (1, 2, 4, 8)), (4, (8, 16)), (6, (8, 16))):
        for depth in depths:
            width, height = 13, 6
            length = (width * channels[color] * depth + 7) // 8
            rows = [rng.integers(0, 256, length, dtype=np.uint8).tobytes() for _ in range(height)]
            extra = {"plain": b""}
            colors = rng.integers(0, 256, 3 << depth, dtype=np.uint8).tobytes() if color == 3 else b""
            def chunk(kind, data):
                return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            palette = chunk(b"PLTE", colors) if color == 3 else b""
            extra["plain"] = palette
            extra["gamma"] = chunk(b"gAMA", struct.pack(">I", 30000)) + palette
            if color == 0:
                extra["trns"] = chunk(b"tRNS", b"\0\1")
            if color == 2:
                extra["trns"] = chunk(b"tRNS", b"\0\1\0\2\0\3")
            if color == 3:
                extra["trns"] = palette + chunk(b"tRNS", bytes(range(1 << min(depth, 3))))
                extra["short-palette"] = chunk(b"PLTE", colors[:3])
            for name, more in extra.items():
                data = png(width, height, depth, color, rows, more)
                yield "png-raw", f"{color}-{depth}-{name}.png", data
                yield "png-damage", f"{color}-{depth}-{name}-cut.png", data[: len(data) - 30]
                broken = bytearray(data)
                broken[data.index(b"IDAT") + 9] ^= 0x10
                yield "png-damage", f"{color}-{depth}-{name}-crc.png", bytes(broken)


def bitmaps():
    """What Pillow does not write: the old header, top-down rows, 16 and 32 bits, run lengths."""
    rgb = np.array(picture((13, 6)))
    bgrx = np.dstack([rgb[..., ::-1], np.full(rgb.shape[:2], 9, np.uint8)])
    def file(header, data, more=b""):
        start = 14 + len(header) + len(more)
        return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + header + more + data
    def header(height, bits, compression=0, colors=0):
        return struct.pack("<IiiHHIIiiII", 40, 13, height, 1, bits, compression, 0, 0, 0, colors, 0)
    yield "top-down", file(header(-6, 32), bgrx.tobytes())
    yield "bottom-up-32", file(header(6, 32), bgrx[::-1].tobytes())
    masks = struct.pack("<III", 0xFF0000, 0xFF00, 0xFF)
    yield "masks", file(header(6, 32, 3), bgrx[::-1].tobytes(), masks)
    yield "masks-odd", file(header(6, 32, 3), bgrx[::-1].tobytes(), struct.pack("<III", 0xFF, 0xFF00, 0xFF0000))
    alpha = struct.pack("<IiiHHIIiiII", 108, 13, 6, 1, 32, 3, 0, 0, 0, 0, 0) + masks + struct.pack("<I", 0xFF000000)
    yield "v4-alpha", file(alpha + bytes(108 - len(alpha)), bgrx[::-1].tobytes())
    yield "rgb555", file(header(6, 16), (bgrx[..., 0].astype("<u2") * 97)[:, : 13].tobytes() + bytes(12))
    rows = b"".join(row.tobytes() + b"\0" for row in rgb[::-1, :, ::-1])
    yield "old", file(struct.pack("<IHHHH", 12, 13, 6, 1, 24), rows)
    yield "rle8", file(header(6, 8, 1, 2), (b"\x0d\x01\0\0" * 6) + b"\0\1", b"\1\2\3\0\4\5\6\0")
    yield "short-palette", file(header(6, 8, 0, 2), bytes([0, 1] * 48), b"\1\2\3\0\4\5\6\0")
    yield "outside-palette", file(header(6, 8, 0, 2), bytes([0, 5] * 48), b"\1\2\3\0\4\5\6\0")


def corpus():
    yield from raw_pngs()
    for name, data in bitmaps():
        yield "bmp", f"{name}.bmp", data
    for size in SIZES:
        label = f"{size[0]}x{size[1]}"
        for mode, image in modes(size).items():
            if image is None:
                continue
            name = f"{label}-{mode}"
            yield "png", f"{name}.png", saved(image, "PNG")
            yield "bmp", f"{name}.bmp", saved(image, "BMP")
            for interlace in (0, 1):
                yield "gif", f"{name}-{interlace}.gif", saved(image, "GIF", interlace=interlace)
            yield "pnm", f"{name}.ppm", saved(image, "PPM")
            yield "webp-lossless", f"{name}.webp", saved(image, "WEBP", lossless=True, exact=True)
            for quality in (20, 75, 95):
                yield "webp-lossy", f"{name}-q{quality}.webp", saved(image, "WEBP", quality=quality)
            for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "group4", "zstd"):
                yield "tiff", f"{name}-{compression}.tif", saved(image, "TIFF", compression=compression)
        color = picture(size)
        for orientation, extra in itertools.product((3, 6), (1, 2)):
            exif = Image.Exif()
            exif[0x0112] = orientation
            yield "tiff", f"{label}-turned{orientation}-{extra}.tif", saved(color, "TIFF", exif=exif)
        yield "tiff", f"{label}-planes.tif", saved(color, "TIFF", tiffinfo={284: 2})
        yield "tiff", f"{label}-white-is-zero.tif", saved(picture(size, 1), "TIFF", tiffinfo={262: 0})
        yield "tiff", f"{label}-predictor.tif", saved(color, "TIFF", compression="tiff_lzw", tiffinfo={317: 2})
        yield "tiff", f"{label}-big.tif", saved(color, "TIFF", big_tiff=True)
        yield "tiff", f"{label}-tiled.tif", saved(color, "TIFF", tiffinfo={322: 16, 323: 16})
        other = picture(size, seed=1)
        for kind, ext in (("GIF", "gif"), ("WEBP", "webp"), ("PNG", "png"), ("TIFF", "tif")):
            animated = saved(color, kind, save_all=True, append_images=[other], duration=100)
            yield "animated", f"{label}.{ext}", animated
    for kind, ext in (("PNG", "png"), ("GIF", "gif"), ("WEBP", "webp"), ("TIFF", "tif"), ("BMP", "bmp"), ("PPM", "ppm")):
        data = saved(picture((33, 17)), kind)
        for cut in (1, 10, len(data) // 2, len(data) - 20):
            yield "cut", f"{ext}-{cut}.{ext}", data[:-cut]
        yield "after", f"{ext}.{ext}", data + b"more" * 30
    for kind, ext in (("JPEG2000", "jp2"), ("ICO", "ico"), ("TGA", "tga"), ("AVIF", "avif")):
        yield "not-read", f"{ext}.{ext}", saved(picture((33, 17)), kind)


def write(folder):
    """Writes the corpus; gives the number of files."""
    folder.mkdir(parents=True)
    count = 0
    for group, case, data in corpus():
        if data:
            (folder / f"{group}--{case}").write_bytes(data)
            count += 1
    return count
