"""The peers' side of `make bench-peers`: each function prepares some work and returns what does it once."""

import json
import math
import pathlib
import re
import struct

import numpy as np
import torch

import plain_edm2

XS = {"img_resolution": 64, "img_channels": 4, "label_dim": 1000, "model_channels": 128, "channel_mult": [1, 2, 3, 4],
      "num_blocks": 3, "attn_resolutions": [16, 8]}


def xs_shapes():
    """Names and shapes of the weights of EDM2-XS."""
    width, levels = XS["model_channels"], list(enumerate(XS["channel_mult"]))
    emb = width * max(XS["channel_mult"])
    shapes = {"emb_fourier.freqs": (width,), "emb_fourier.phases": (width,), "emb_noise.weight": (emb, width),
              "emb_label.weight": (emb, XS["label_dim"]), "out_gain": (), "out_conv.weight": (XS["img_channels"], width, 3, 3),
              "enc.64x64_conv.weight": (width, XS["img_channels"] + 1, 3, 3)}

    def block(name, inputs, out, inner, attention):
        shapes.update({f"{name}.emb_gain": (), f"{name}.emb_linear.weight": (out, emb),
                       f"{name}.conv_res0.weight": (out, inner, 3, 3), f"{name}.conv_res1.weight": (out, out, 3, 3)})
        if inputs != out:
            shapes[f"{name}.conv_skip.weight"] = (out, inputs, 1, 1)
        if attention:
            shapes.update({f"{name}.attn_qkv.weight": (3 * out, out, 1, 1), f"{name}.attn_proj.weight": (out, out, 1, 1)})

    channels, skips = width, [width]
    for level, times in levels:
        side, out = 64 >> level, width * times
        if level:
            block(f"enc.{side}x{side}_down", channels, channels, channels, False)
            skips.append(channels)
        for i in range(XS["num_blocks"]):
            block(f"enc.{side}x{side}_block{i}", channels, out, out, side in XS["attn_resolutions"])
            channels = out
            skips.append(channels)
    for level, times in reversed(levels):
        side, out = 64 >> level, width * times
        for name in ["in0", "in1"] if level == len(levels) - 1 else ["up"]:
            block(f"dec.{side}x{side}_{name}", channels, channels, channels, name == "in0")
        for i in range(XS["num_blocks"] + 1):
            inputs = channels + skips.pop()
            block(f"dec.{side}x{side}_block{i}", inputs, out, inputs, side in XS["attn_resolutions"])
            channels = out
    return {"unet." + name: shape for name, shape in shapes.items()} | {
        "logvar_fourier.freqs": (128,), "logvar_fourier.phases": (128,), "logvar_linear.weight": (1, 128)}


def write_xs(path):
    """A random net of EDM2-XS's shape, in float16 as published."""
    generator = torch.Generator().manual_seed(1)
    header, blobs, end = {"__metadata__": {"config": json.dumps({**XS, "encoder": "rgb"})}}, [], 0
    for name, shape in xs_shapes().items():
        tensor = torch.full(shape, 0.5) if name.endswith("_gain") else torch.randn(shape, generator=generator)
        blob = tensor.to(torch.float16).numpy().tobytes()
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [end, end + len(blob)]}
        end += len(blob)
        blobs.append(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def operations(path):
    """Floating-point operations of one evaluation for one image, as few as are known to do: 3×3 convolutions by Winograd's
    F(4×4), except where few pixels would wait for large weights."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    config = json.loads(header.pop("__metadata__")["config"])
    products = 0
    for name, tensor in header.items():
        shape = tensor["shape"]
        if not name.startswith("unet.") or len(shape) < 2:
            continue
        side = re.search(r"\.(\d+)x\d+_", name)
        side = int(side[1]) if side else config["img_resolution"]
        pixels = side * side if len(shape) == 4 else 1
        products += math.prod(shape) * pixels * winograd(shape, pixels)
        if name.endswith("attn_qkv.weight"):
            products += 2 * shape[1] * pixels * pixels
    return 2 * products


def winograd(shape, pixels):
    """The share of a 3×3 convolution's multiplications that is left."""
    few = pixels < 256 and 36 * 4 * math.prod(shape[:2]) > 1 << 20
    return 1 if shape[2:] != [3, 3] or few else 2.25 / 9


def forward(path, batch):
    net = plain_edm2.load(path, "cpu", torch.float32)
    x, sigma = torch.ones(batch, 4, 64, 64), torch.full((batch,), 2.0)
    labels = torch.zeros(batch, dtype=torch.int64)
    return lambda: net.denoise(x, sigma, labels)


def guided_sampling(net, gnet, *, guidance, images, steps, micro_batch):
    """Heun's sampler without churn over a guided pair, as the papers write it."""
    pair = [plain_edm2.load(path, "cpu", torch.float32) for path in (net, gnet)]
    config = pair[0].config
    shape = (config["img_channels"], config["img_resolution"], config["img_resolution"])
    low, high, rho = 0.002 ** (1 / 7), 80 ** (1 / 7), 7
    levels = [(high + i / (steps - 1) * (low - high)) ** rho for i in range(steps)] + [0.0]

    def denoise(x, level, labels):
        sigma = torch.full((len(x),), level)
        main, guide = (net.denoise(x, sigma, labels) for net in pair)
        return torch.lerp(guide, main, guidance)

    @torch.no_grad()
    def sample(first):
        draws = []
        for seed in range(first, first + micro_batch):
            generator = torch.Generator().manual_seed(seed)
            draws.append((torch.randn(shape, generator=generator),
                          torch.randint(config["label_dim"], (), generator=generator)))
        x, labels = torch.stack([noise for noise, _ in draws]) * levels[0], torch.stack([label for _, label in draws])
        for level, below in zip(levels, levels[1:]):
            slope = (x - denoise(x, level, labels)) / level
            after = x + slope * (below - level)
            if below:
                slope = (slope + (after - denoise(after, below, labels)) / below) / 2
                after = x + slope * (below - level)
            x = after

    return lambda: [sample(first) for first in range(0, images, micro_batch)]


def inception_files(work, count):
    """Inception's weights under parity's recipe, and images."""
    import parity

    weights, images = work / "inception.pth", work / f"bench-images-{count}"
    torch.save(parity.recipe_weights(), weights)
    if not images.exists():
        from PIL import Image

        images.mkdir()
        generator = np.random.RandomState(0)
        for i in range(count):
            Image.fromarray(generator.randint(0, 256, (64, 64, 3), dtype=np.uint8)).save(images / f"{i:03}.png")
    return weights, images


def inception(weights, images):
    from pytorch_fid import fid_score
    from pytorch_fid import inception as peer

    peer.load_state_dict_from_url = lambda *_, **__: torch.load(weights, weights_only=True)
    model = peer.InceptionV3([peer.InceptionV3.BLOCK_INDEX_BY_DIM[2048]])
    files = sorted(pathlib.Path(images).glob("*.png"))
    return lambda: fid_score.get_activations(files, model, batch_size=16, dims=2048, num_workers=0), _convolutions(model)


def _convolutions(model):
    """Floating-point operations for one image, as few as are known to do."""
    products = []

    def count(layer, _, output):
        shape, pixels = list(layer.weight.shape), output.shape[2] * output.shape[3]
        products.append(math.prod(shape) * pixels * (winograd(shape, pixels) if layer.stride == (1, 1) else 1))

    hooks = [layer.register_forward_hook(count) for layer in model.modules() if isinstance(layer, torch.nn.Conv2d)]
    with torch.no_grad():
        model(torch.zeros(1, 3, 299, 299))
    for hook in hooks:
        hook.remove()
    return 2 * sum(products)


def _features(count, dim, seed):
    """Correlated normal features."""
    generator = np.random.default_rng(seed)
    mix = np.eye(dim, dtype=np.float32) + generator.standard_normal((dim, dim), dtype=np.float32) / math.sqrt(dim)
    return generator.standard_normal((count, dim), dtype=np.float32) @ mix


def _statistics(features):
    wide = features.astype(np.float64)
    return wide.mean(axis=0), np.cov(wide, rowvar=False)


def statistics_files(work, dim):
    paths = [work / f"statistics-{seed}.npz" for seed in (1, 2)]
    for seed, path in zip((1, 2), paths):
        if not path.exists():
            mu, sigma = _statistics(_features(3 * dim, dim, seed))
            np.savez(path, mu=mu, sigma=sigma)
    return paths


def frechet(one, two):
    from pytorch_fid.fid_score import calculate_frechet_distance

    read = [np.load(path) for path in (one, two)]
    moments = [value for file in read for value in (file["mu"], file["sigma"])]
    return lambda: calculate_frechet_distance(*moments)


def features_files(work, count, dim):
    """The features once as fidelis reads them and once as numpy does: the same .npy."""
    flat = work / "features-50k.npy"
    if not flat.exists():
        np.save(flat, _features(count, dim, 3))
    return flat, flat, statistics_files(work, dim)[0]


def features_to_fid(flat, reference):
    from pytorch_fid.fid_score import calculate_frechet_distance

    def once():
        file = np.load(reference)
        return calculate_frechet_distance(*_statistics(np.load(flat)), file["mu"], file["sigma"])

    return once
