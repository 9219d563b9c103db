"""EDM2's net in plain PyTorch, written from the project's specification of it: what fidelis is compared with.

Eager operators, nothing fused and nothing tuned: the speed that anybody gets who writes the paper down. The
default options of the published nets (resampling by means and copies, no dropout).
"""

import json
import math
import struct

import torch
from torch.nn import functional

DTYPES = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32, "I64": torch.int64, "U8": torch.uint8, "F64": torch.float64}
DEFAULTS = {
    "label_dim": 0, "model_channels": 192, "channel_mult": [1, 2, 3, 4], "channel_mult_noise": None,
    "channel_mult_emb": None, "num_blocks": 3, "attn_resolutions": [16, 8], "label_balance": 0.5,
    "concat_balance": 0.5, "channels_per_head": 64, "res_balance": 0.3, "attn_balance": 0.3, "clip_act": 256,
    "sigma_data": 0.5,
}


def read_safetensors(path):
    """Tensors and metadata of a safetensors file."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = bytearray(file.read())
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        dtype = DTYPES[entry["dtype"]]
        part = data[start:end]
        flat = torch.frombuffer(part, dtype=dtype) if part else torch.empty(0, dtype=dtype)
        tensors[name] = flat.reshape(entry["shape"]).clone()
    return tensors, metadata


def normalize(x, dims):
    norm = torch.linalg.vector_norm(x, dim=dims, keepdim=True, dtype=torch.float32)
    return x / (norm * math.sqrt(norm.numel() / x.numel()) + 1e-4).to(x.dtype)


def mp_silu(x):
    return functional.silu(x) / 0.596


def mp_sum(a, b, t):
    return torch.lerp(a, b, t) / math.sqrt((1 - t) ** 2 + t**2)


def mp_cat(a, b, t):
    na, nb = a.shape[1], b.shape[1]
    c = math.sqrt((na + nb) / ((1 - t) ** 2 + t**2))
    return torch.cat([a * (c / math.sqrt(na) * (1 - t)), b * (c / math.sqrt(nb) * t)], dim=1)


class Net:
    """The denoiser D(x; sigma) of a state dict; activations and convolutions in `dtype`."""

    def __init__(self, tensors, config, device, dtype):
        self.config = {**DEFAULTS, **{name: value for name, value in config.items() if value is not None}}
        self.config["clip_act"] = config.get("clip_act", 256)
        self.device, self.dtype, self.tensors = device, dtype, tensors
        self.acting = {name: self.act(name) for name in tensors if name.endswith(".weight")}
        self.buffers = {name: t.to(device, torch.float32) for name, t in tensors.items() if "fourier" in name}

    def act(self, name):
        """A layer's weight as it acts: normalised in float32; its gain, if any, rounded in the type that stores it."""
        weight = self.tensors[name].to(self.device, torch.float32)
        fan_in = weight[0].numel()
        weight = normalize(weight, list(range(1, weight.ndim)))
        stem = name.removesuffix(".weight")
        gain = {"emb_linear": "emb_gain", "out_conv": "out_gain"}.get(stem.rpartition(".")[2])
        if gain:
            stored = self.tensors[stem.rpartition(".")[0] + "." + gain].to(self.device)
            weight = weight * (stored / math.sqrt(fan_in)).to(torch.float32)
        else:
            weight = weight * (1 / math.sqrt(fan_in))
        return weight.to(self.dtype) if weight.ndim == 4 else weight

    def conv(self, x, name):
        weight = self.acting[name + ".weight"]
        if weight.ndim == 2:
            return x @ weight.T
        return functional.conv2d(x, weight, padding=weight.shape[-1] // 2)

    def embed(self, c_noise, labels):
        freqs, phases = (self.buffers["unet.emb_fourier." + name] for name in ("freqs", "phases"))
        emb = self.conv(torch.cos(torch.outer(c_noise, freqs) + phases) * math.sqrt(2), "unet.emb_noise")
        classes = self.config["label_dim"]
        if classes:
            one_hot = functional.one_hot(labels, classes).to(torch.float32)
            label = self.conv(one_hot * math.sqrt(classes), "unet.emb_label")
            emb = mp_sum(emb, label, self.config["label_balance"])
        return mp_silu(emb)

    def block(self, x, emb, name, kind, resample=None, attention=False):
        options = self.config
        if resample == "down":
            x = functional.avg_pool2d(x, 2)
        elif resample == "up":
            x = functional.interpolate(x, scale_factor=2, mode="nearest")
        skips = name + ".conv_skip.weight" in self.acting
        if kind == "enc":
            x = normalize(self.conv(x, name + ".conv_skip") if skips else x, [1])
        y = self.conv(mp_silu(x), name + ".conv_res0")
        c = self.conv(emb, name + ".emb_linear") + 1
        y = self.conv(mp_silu(y * c[:, :, None, None].to(y.dtype)), name + ".conv_res1")
        if kind == "dec" and skips:
            x = self.conv(x, name + ".conv_skip")
        x = mp_sum(x, y, options["res_balance"])
        if attention and name + ".attn_qkv.weight" in self.acting:
            x = self.attend(x, name)
        return x if options["clip_act"] is None else x.clamp(-options["clip_act"], options["clip_act"])

    def attend(self, x, name):
        n, channels, h, w = x.shape
        heads = channels // self.config["channels_per_head"]
        qkv = self.conv(x, name + ".attn_qkv").reshape(n, heads, channels // heads, 3, h * w)
        q, k, v = normalize(qkv, [2]).unbind(3)
        weights = torch.softmax(torch.einsum("nhcq,nhck->nhqk", q, k) / math.sqrt(q.shape[2]), dim=3)
        y = torch.einsum("nhqk,nhck->nhcq", weights, v).reshape(n, channels, h, w)
        return mp_sum(x, self.conv(y, name + ".attn_proj"), self.config["attn_balance"])

    def unet(self, x, c_noise, labels):
        options = self.config
        emb = self.embed(c_noise, labels)
        sides = [options["img_resolution"] >> level for level in range(len(options["channel_mult"]))]
        attends = options["attn_resolutions"]
        x = self.conv(torch.cat([x, torch.ones_like(x[:, :1])], dim=1), "unet.enc.{0}x{0}_conv".format(sides[0]))
        skips = [x]
        for level, side in enumerate(sides):
            if level:
                x = self.block(x, emb, f"unet.enc.{side}x{side}_down", "enc", "down")
                skips.append(x)
            for i in range(options["num_blocks"]):
                x = self.block(x, emb, f"unet.enc.{side}x{side}_block{i}", "enc", attention=side in attends)
                skips.append(x)
        for level, side in reversed(list(enumerate(sides))):
            if level == len(sides) - 1:
                x = self.block(x, emb, f"unet.dec.{side}x{side}_in0", "dec", attention=True)
                x = self.block(x, emb, f"unet.dec.{side}x{side}_in1", "dec")
            else:
                x = self.block(x, emb, f"unet.dec.{side}x{side}_up", "dec", "up")
            for i in range(options["num_blocks"] + 1):
                x = mp_cat(x, skips.pop(), options["concat_balance"])
                x = self.block(x, emb, f"unet.dec.{side}x{side}_block{i}", "dec", attention=side in attends)
        return self.conv(x, "unet.out_conv")

    @torch.no_grad()
    def denoise(self, x, sigma, labels=None):
        return self.denoised(x, sigma, labels)

    def denoised(self, x, sigma, labels=None):
        data = self.config["sigma_data"]
        sigma = sigma.reshape(-1, 1, 1, 1)
        total = sigma**2 + data**2
        out = self.unet((x / total.sqrt()).to(self.dtype), sigma.flatten().log() / 4, labels)
        return data**2 / total * x + sigma * data / total.sqrt() * out.to(torch.float32)


def load(path, device, dtype):
    """The net of a safetensors file with its config in the metadata."""
    tensors, metadata = read_safetensors(path)
    return Net(tensors, json.loads(metadata["config"]), device, dtype)
