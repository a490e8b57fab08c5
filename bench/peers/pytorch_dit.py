"""Times models in PyTorch on the CPU, one JSON request a line on stdin, one JSON answer a line out.

    {"op": "forward", "model": "DiT-S/8", "batch": 8, "threads": 2}   -> {"milliseconds": 61.2}
    {"op": "train",   "model": "DiT-S/8", "batch": 8, "threads": 2}   -> {"milliseconds": 190.5}
    {"op": "product", "size": 512, "threads": 2}                      -> {"milliseconds": 2.1}
    {"op": "attention", "tokens": 256, "heads": 6, "width": 64}       -> {"milliseconds": 5.0}
    {"op": "pictures", "model": "NaViT-B/16", "grids": [[14, 14]]}    -> {"milliseconds": 50.0}
    {"op": "layer", "layer": "3x3:128-128@64x64", "pass": "forward"}  -> {"milliseconds": 4.9}
    {"op": "encode", "model": "SD-VAE", "size": 512}                  -> {"milliseconds": 4300.0}
    {"op": "decode", "model": "CausalTokenizer", "size": 256, "frames": 17}
    {"op": "memory"}                                                  -> {"bytes": 812646400}
    {"op": "info"}                                                    -> {"name": ..., "version": ...}

Each answer is the wall time of one execution; models stay alive and the first request for a shape
runs a few untimed executions first, but for autoencoders. A request that fails is answered with {"error": "..."}.

The models are the references of tests/fixtures with PyTorch's own attention kernel, in float32; DiT's at
256-pixel latents (32x32x4, 1000 classes). A forward runs without gradients. A training step is
forward, mean squared error against a fixed target over all output channels, backward, and AdamW
(the fused kernel where PyTorch has it). With `--channels-last` layers keep their channels last.
"""

from __future__ import annotations

import functools
import json
import resource
import sys
import time
from pathlib import Path
from typing import Callable

import torch

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "fixtures"))

from dit_reference import DiT, DiTConfig  # noqa: E402
from pytorch_autoencoders import make_coding  # noqa: E402
from pytorch_layers import make_attention, make_layer  # noqa: E402
from pytorch_navit import make_pictures  # noqa: E402
import pytorch_walt  # noqa: E402

WARM_UP = 3


@functools.cache
def model_named(name: str) -> DiT:
    random = torch.Generator().manual_seed(1)
    return DiT(DiTConfig.named(name), fused=True).initialise(random).perturb(0.02, random)


@functools.cache
def optimizer_for(name: str) -> torch.optim.Optimizer:
    parameters = [p for p in model_named(name).parameters() if p.requires_grad]
    try:
        return torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.0, fused=True)
    except RuntimeError:
        return torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.0, foreach=True)


def make_forward(name: str, batch: int) -> Callable[[], None]:
    model = model_named(name)
    x, t, y = inputs(model, batch)

    @torch.no_grad()
    def run() -> None:
        model(x, t, y)

    return run


def make_train(name: str, batch: int) -> Callable[[], None]:
    model, optimizer = model_named(name), optimizer_for(name)
    x, t, y = inputs(model, batch)
    shape = (batch, model.config.out_channels, *x.shape[2:])
    target = torch.randn(shape, generator=torch.Generator().manual_seed(3))

    def run() -> None:
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.mse_loss(model(x, t, y), target).backward()
        optimizer.step()

    return run


def make_product(m: int, n: int, k: int) -> Callable[[], None]:
    random = torch.Generator().manual_seed(4)
    a, b = torch.randn(m, k, generator=random), torch.randn(k, n, generator=random)
    out = torch.empty(m, n)
    return lambda: torch.mm(a, b, out=out)


def inputs(model: DiT, batch: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    config, random = model.config, torch.Generator().manual_seed(2)
    x = torch.randn(batch, config.channels, config.input_size, config.input_size, generator=random)
    t = torch.randint(0, 1000, (batch,), generator=random)
    y = torch.randint(0, config.classes, (batch,), generator=random)
    return x, t, y


def make_job(request: dict) -> Callable[[], None]:
    op = request["op"]
    model, batch = request.get("model", "DiT-S/8"), int(request.get("batch", 8))
    gradient = request.get("pass") == "gradient"
    if model in pytorch_walt.SIZES:
        return {"forward": pytorch_walt.make_forward, "train": pytorch_walt.make_train}[op](model, batch)
    if op in ("encode", "decode"):
        size, frames = int(request.get("size", 512)), int(request.get("frames", 1))
        return make_coding(request.get("model", "SD-VAE"), op, size, frames)
    if op == "forward":
        return make_forward(model, batch)
    if op == "train":
        return make_train(model, batch)
    if op == "product":
        size = int(request.get("size", 512))
        return make_product(*(int(request.get(axis, size)) for axis in "mnk"))
    if op == "layer":
        return make_layer(request.get("layer", ""), gradient, "--channels-last" in sys.argv)
    if op == "attention":
        sizes = {"tokens": 256, "heads": 6, "width": 64}
        return make_attention(batch, *(int(request.get(n, s)) for n, s in sizes.items()), gradient)
    if op == "pictures":
        return make_pictures(request.get("model", "NaViT-B/16"), request["grids"])
    known = "forward, train, product, layer, attention, pictures, encode, decode, memory or info"
    raise ValueError(f"unknown op {op!r}: {known}")


@functools.cache
def job(line: str) -> Callable[[], None]:
    """The warm job for a request; `threads` is part of it so that each count is warmed."""
    request = json.loads(line)
    run = make_job(request)
    for _ in range(0 if request["op"] in ("encode", "decode") else WARM_UP):
        run()
    return run


def answer(request: dict) -> dict[str, object]:
    op = request.get("op")
    if op == "memory":
        return {"bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
    if op == "info":
        return {
            "name": "PyTorch",
            "version": torch.__version__,
            "detail": torch.backends.cpu.get_cpu_capability(),
        }
    threads = int(request.get("threads", torch.get_num_threads()))
    if threads != torch.get_num_threads():
        torch.set_num_threads(threads)
    run = job(json.dumps(request))
    start = time.perf_counter()
    run()
    return {"milliseconds": (time.perf_counter() - start) * 1e3}


def main() -> None:
    for line in sys.stdin:
        if not line.strip():
            continue
        try:
            reply = answer(json.loads(line))
        except Exception as error:  # one failed request must not end the process
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
