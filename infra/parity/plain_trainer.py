"""EDM2's training step in plain PyTorch, written from the project's specification of it: what fidelis is compared with.

Weights, optimiser and averages are float32 and eager, as anybody would write them down.
"""

import json
import math
import struct

import numpy
import torch

import plain_edm2

NAMES = {torch.float32: "F32", torch.int64: "I64", torch.float64: "F64"}


def write_safetensors(path, tensors, metadata):
    """Tensors and metadata (texts) as a safetensors file."""
    header, data = {"__metadata__": metadata}, bytearray()
    for name, tensor in tensors.items():
        part = tensor.detach().contiguous().numpy().tobytes()
        header[name] = {"dtype": NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(part)]}
        data += part
    head = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(head)) + head + data)


def initial_state(config):
    """Fresh weights: standard normal, gains zero, frequencies and phases of the Fourier features random."""
    options = {**plain_edm2.DEFAULTS, **config}
    width, mults, blocks = options["model_channels"], options["channel_mult"], options["num_blocks"]
    levels = [(options["img_resolution"] >> level, width * mult) for level, mult in enumerate(mults)]
    noise, emb, state = levels[0][1], max(channels for _, channels in levels), {}

    def conv(name, out, inner, side):
        state[name + ".weight"] = torch.randn(out, inner, side, side)

    def block(name, inner, out, is_encoder, attends):
        conv(name + ".conv_res0", out, out if is_encoder else inner, 3)
        state[name + ".emb_gain"] = torch.zeros(())
        state[name + ".emb_linear.weight"] = torch.randn(out, emb)
        conv(name + ".conv_res1", out, out, 3)
        if inner != out:
            conv(name + ".conv_skip", out, inner, 1)
        if attends and out // options["channels_per_head"]:
            conv(name + ".attn_qkv", 3 * out, out, 1)
            conv(name + ".attn_proj", out, out, 1)

    def fourier(name, channels):
        state[name + ".freqs"] = 2 * math.pi * torch.randn(channels)
        state[name + ".phases"] = 2 * math.pi * torch.rand(channels)

    fourier("unet.emb_fourier", noise)
    state["unet.emb_noise.weight"] = torch.randn(emb, noise)
    if options["label_dim"]:
        state["unet.emb_label.weight"] = torch.randn(emb, options["label_dim"])
    conv("unet.enc.{0}x{0}_conv".format(levels[0][0]), width * mults[0], options["img_channels"] + 1, 3)
    channels, skips = levels[0][1], [levels[0][1]]
    for level, (side, out) in enumerate(levels):
        attends = side in options["attn_resolutions"]
        if level:
            block(f"unet.enc.{side}x{side}_down", channels, channels, True, False)
            skips.append(channels)
        for i in range(blocks):
            block(f"unet.enc.{side}x{side}_block{i}", channels, out, True, attends)
            channels = out
            skips.append(out)
    for level, (side, out) in reversed(list(enumerate(levels))):
        attends = side in options["attn_resolutions"]
        if level == len(levels) - 1:
            block(f"unet.dec.{side}x{side}_in0", channels, channels, False, True)
            block(f"unet.dec.{side}x{side}_in1", channels, channels, False, False)
        else:
            block(f"unet.dec.{side}x{side}_up", channels, channels, False, False)
        for i in range(blocks + 1):
            block(f"unet.dec.{side}x{side}_block{i}", channels + skips.pop(), out, False, attends)
            channels = out
    conv("unet.out_conv", options["img_channels"], levels[0][1], 3)
    state["unet.out_gain"] = torch.zeros(())
    fourier("logvar_fourier", 128)
    state["logvar_linear.weight"] = torch.randn(1, 128)
    return state


def gamma(sigma_rel):
    """The largest real root of the profile's polynomial."""
    inverse = sigma_rel**-2
    roots = numpy.roots([1, 7, 16 - inverse, 12 - inverse])
    return max(root.real for root in roots if abs(root.imag) < 1e-9)


class Trainer:
    """A net in training; `run` has batch, alpha_ref, t_ref, rampup_images, P_mean, P_std and ema."""

    def __init__(self, state, config, run):
        self.run, self.seen = run, 0
        self.state = {name: tensor.clone() for name, tensor in state.items()}
        self.trained = {name: t.requires_grad_() for name, t in self.state.items() if "fourier" not in name}
        self.net = plain_edm2.Net(self.state, config, "cpu", torch.float32)
        self.adam = torch.optim.Adam(self.trained.values(), lr=1.0, betas=(0.9, 0.99), eps=1e-8)
        self.emas = [{name: t.detach().clone() for name, t in self.state.items()} for _ in run["ema"]]
        self.gammas = [gamma(sigma_rel) for sigma_rel in run["ema"]]

    def lr(self):
        run, seen = self.run, self.seen
        decayed = run["alpha_ref"] / math.sqrt(max(seen / (run["t_ref"] * run["batch"]), 1))
        return decayed * (min(seen / run["rampup_images"], 1) if run["rampup_images"] else 1)

    def loss(self, images, labels, rnd_normal, noise):
        data = self.net.config["sigma_data"]
        sigma = (rnd_normal * self.run["P_std"] + self.run["P_mean"]).exp()
        weight = (sigma**2 + data**2) / (sigma * data) ** 2
        denoised = self.net.denoised(images + noise * sigma.reshape(-1, 1, 1, 1), sigma, labels)
        features = torch.cos(torch.outer(sigma.log() / 4, self.net.buffers["logvar_fourier.freqs"])
                             + self.net.buffers["logvar_fourier.phases"]) * math.sqrt(2)
        logvar = self.net.conv(features, "logvar_linear").flatten()
        scale = (weight / logvar.exp()).reshape(-1, 1, 1, 1)
        return scale * (denoised - images) ** 2 + logvar.reshape(-1, 1, 1, 1)

    def step(self, images, labels, rnd_normal, noise):
        """One step; the mean loss per element before it."""
        run = self.run
        with torch.no_grad():
            for tensor in self.trained.values():
                if tensor.ndim >= 2:
                    tensor.copy_(plain_edm2.normalize(tensor, list(range(1, tensor.ndim))))
        self.net.acting = {name: self.net.act(name) for name in self.trained if name.endswith(".weight")}
        loss = self.loss(images, labels, rnd_normal, noise)
        self.adam.zero_grad(set_to_none=True)
        (loss.sum() / run["batch"]).backward()
        for tensor in self.trained.values():
            torch.nan_to_num(tensor.grad, nan=0, posinf=0, neginf=0, out=tensor.grad)
        self.adam.param_groups[0]["lr"] = self.lr()
        self.adam.step()
        self.seen += run["batch"]
        with torch.no_grad():
            for ema, power in zip(self.emas, self.gammas):
                beta = (1 - run["batch"] / self.seen) ** (power + 1)
                for name, tensor in self.trained.items():
                    ema[name].lerp_(tensor, 1 - beta)
        return loss.detach().mean(dtype=torch.float64).item()
