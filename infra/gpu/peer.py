"""What needs PyTorch itself: its plain EDM2 net beside ours, its generator beside ours, its profiler on ours.

usage: peer.py golden NET.safetensors GOLDEN.safetensors DEVICE   the plain net computes what it should
       peer.py noise DRAWS.safetensors DEVICE                     a seed's draws are those of a torch.Generator
       peer.py turns NET.safetensors DEVICE DEVICE-CHECK          speed, in turns on one device
       peer.py profile TRACE.pt NET.safetensors DEVICE MICRO-BATCH   kernels of one evaluation by time

Each finding is a line of JSON on stdout, and the same for people on stderr.
"""

import json
import os
import pathlib
import subprocess
import sys
import time

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parent.parent / "parity")]

import plain_edm2  # noqa: E402
import torch  # noqa: E402

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
TOLERANCE = {"fp32": 1e-4, "fp16": 3e-3, "bf16": 3e-2}


def row(ok=None, **fields):
    check = "peer-" + sys.argv[1]
    verdict = {True: "ok", False: "FAILED", None: "-"}[ok]
    print(f"{verdict:7} {check:12}", *(f"{name}={json.dumps(value)}" for name, value in fields.items()), file=sys.stderr)
    print(json.dumps({"check": check, **({} if ok is None else {"ok": ok}), **fields}), flush=True)
    return ok is not False


def synchronize(device):
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def golden(net, expected, device):
    tensors, _ = plain_edm2.read_safetensors(expected)
    x, sigma, label = (tensors[name].to(device) for name in ("x", "sigma", "label"))
    held = True
    for name, dtype in DTYPES.items():
        found = plain_edm2.load(net, device, dtype).denoise(x, sigma, label).cpu()
        off = ((found - tensors["D"]).abs().max() / tensors["D"].abs().max()).item()
        held &= row(off <= TOLERANCE[name], what="plain PyTorch's D", precision=name, off=off, tolerance=TOLERANCE[name])
    return held


def noise(path, device):
    """In the order in which the published figures draw: noise, class, churn."""
    ours, _ = plain_edm2.read_safetensors(path)
    held = True
    for i, seed in enumerate(ours["seeds"].tolist()):
        generator = torch.Generator(device).manual_seed(seed % (1 << 32))
        randn = lambda: torch.randn(ours["noise"].shape[1:], generator=generator, device=device).cpu()  # noqa: E731
        theirs = [randn()]
        label = torch.randint(1000, [], generator=generator, device=device).item()
        theirs += [randn() for _ in range(ours["churn"].shape[1])]
        found = torch.stack([ours["noise"][i], *ours["churn"][i]])
        off = (found - torch.stack(theirs)).abs()
        ok = off.max().item() <= 2e-6 and label == ours["labels"][i].item()
        held &= row(ok, seed=seed, bit_equal=not off.any().item(), values_that_differ=off.count_nonzero().item(),
                    largest=off.max().item(), label=label, our_label=ours["labels"][i].item())
    return held


def turns(net, device, program):
    """Both do the same number of evaluations, one after the other, and again; each keeps its best turn."""
    tiny = device == "cpu"
    rounds, batches, evaluations = (2, [2], 2) if tiny else (4, [8, 64], 20)
    for name in ["fp16", "fp32"] if tiny else ["fp16", "bf16", "fp32"]:
        plain = plain_edm2.load(net, device, DTYPES[name])
        channels, side = plain.config["img_channels"], plain.config["img_resolution"]
        for n in batches:
            x = torch.ones([n, channels, side, side], device=device)
            sigma, labels = torch.full([n], 2.0, device=device), torch.zeros([n], dtype=torch.int64, device=device)

            def theirs():
                synchronize(device)
                start = time.perf_counter()
                for _ in range(evaluations):
                    plain.denoise(x, sigma, labels)
                synchronize(device)
                return time.perf_counter() - start

            ours = subprocess.Popen(
                [program, "turns", net, name, str(n)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                env={**os.environ, "LD_LIBRARY_PATH": os.environ["FIDELIS_TORCH_LIB"]},
            )

            def our_turn():
                ours.stdin.write(f"{evaluations}\n")
                ours.stdin.flush()
                return float(ours.stdout.readline())

            our_turn(), theirs()
            both = [(our_turn(), theirs()) for _ in range(rounds)]
            ours.stdin.close()
            ours.wait()
            best = [min(times) for times in zip(*both)]
            rates = [n * evaluations / seconds for seconds in best]
            row(what="in turns", precision=name, micro_batch=n, evaluations_per_s=rates[0],
                plain_pytorch_evaluations_per_s=rates[1], ratio=rates[0] / rates[1], turns=both)
    return True


def profile(trace, net, device, n):
    """The traced evaluation calls the operators that ours calls; its kernels are ours."""
    _, metadata = plain_edm2.read_safetensors(net)
    config, n = json.loads(metadata["config"]), int(n)
    side = config["img_resolution"]
    inputs = (
        torch.ones([n, config["img_channels"], side, side], device=device),
        torch.full([n], 2.0, device=device),
        torch.zeros([n], dtype=torch.int64, device=device),
    )
    module = torch.jit.load(trace, map_location=device)
    activities = [torch.profiler.ProfilerActivity.CPU]
    if device != "cpu":
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    # Fused operators would be kernels that ours never calls.
    with torch.no_grad(), torch.jit.optimized_execution(False):
        for _ in range(3):
            module(*inputs)
        synchronize(device)
        with torch.profiler.profile(activities=activities) as profiler:
            module(*inputs)
            synchronize(device)
    cost = (lambda e: e.self_cpu_time_total) if device == "cpu" else (lambda e: e.self_device_time_total)
    # On a GPU an operator's row counts the kernels that it launched, which have rows of their own.
    rows = [e for e in profiler.key_averages() if device == "cpu" or e.device_type == torch.autograd.DeviceType.CUDA]
    kernels = sorted(rows, key=cost, reverse=True)
    total = sum(cost(kernel) for kernel in kernels) or 1
    for kernel in kernels[:25]:
        row(kernel=kernel.key, calls=kernel.count, us=cost(kernel), share=cost(kernel) / total)
    return True


if __name__ == "__main__":
    # As our nets compute: no TF32 in float32.
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.set_num_threads(1)
    sys.exit(0 if {"golden": golden, "noise": noise, "turns": turns, "profile": profile}[sys.argv[1]](*sys.argv[2:]) else 1)
