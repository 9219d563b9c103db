"""The demo's pair, as scripts measure it. Standard library alone."""

import os
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEMO = ROOT / "infra/demo"
MODELS = DEMO / "models"
NET, GNET = MODELS / "fashion-net.safetensors", MODELS / "fashion-gnet.safetensors"
BIN = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release"
IMAGES = os.environ.get("FIDELIS_FASHION_MNIST", "/usr/share/datasets/fashion-mnist") + "/train-images-idx3-ubyte.gz"

# The end of every spec.
DETECTOR = f"""[[detectors]]
name = "fashion-cnn"
weights = "{MODELS}/fashion-cnn.safetensors"
reference = "{DEMO}/refs/fashion-train.npz"
"""


def note(text):
    """A line on stderr, of the script that runs."""
    print(f"{pathlib.Path(sys.argv[0]).stem}: {text}", file=sys.stderr, flush=True)


def num_images(text, usual):
    """A number of images that distances can be made of."""
    if not re.fullmatch("[1-9][0-9]*", text) or int(text) < 200:
        note(f"N is `{text}`: make it a number of images from 200 on, such as N={usual}")
        sys.exit(2)
    return int(text)
