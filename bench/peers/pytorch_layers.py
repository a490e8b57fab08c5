"""Convolutions, group norms and attention by themselves in PyTorch, as `tessera bench` times them."""

from __future__ import annotations

from typing import Callable

import torch
import torch.nn.functional as F

GROUPS, EPSILON = 32, 1e-6


def make_layer(name: str, gradient: bool, channels_last: bool) -> Callable[[], None]:
    """`KERNEL:INPUTS-OUTPUTS@SIZES`, padded to keep the size, before the first frame only along time."""
    kernel, rest = name.split(":")
    channels, sizes = rest.split("@")
    inputs, outputs = map(int, channels.split("-"))
    shape = [int(size) for size in sizes.split("x")]
    random = torch.Generator().manual_seed(5)
    layout = {4: torch.channels_last, 5: torch.channels_last_3d} if channels_last else {}

    def tensor(*sizes: int) -> torch.Tensor:
        value = torch.randn(*sizes, generator=random)
        return value.contiguous(memory_format=layout.get(value.dim(), torch.contiguous_format))

    if kernel.startswith("norm"):
        return make_norm(tensor(1, inputs, *shape), kernel == "norm-silu", gradient)
    kernels = [int(size) for size in kernel.split("x")]
    x = tensor(1, inputs, *shape)
    if len(kernels) == 3:
        x = F.pad(x, (0, 0, 0, 0, kernels[0] - 1, 0))
    x = x.contiguous(memory_format=layout.get(x.dim(), torch.contiguous_format))
    weight = tensor(outputs, inputs, *kernels)
    padding = [0 if len(kernels) == 3 and axis == 0 else size // 2 for axis, size in enumerate(kernels)]
    ones = [1] * len(kernels)
    arguments = (ones, padding, ones, False, [0] * len(kernels), 1)
    forward = torch.no_grad()(lambda: torch.ops.aten.convolution(x, weight, None, *arguments))
    if not gradient:
        return forward
    cotangent = torch.randn_like(forward())
    backward = torch.ops.aten.convolution_backward
    return lambda: backward(cotangent, x, weight, None, *arguments, (True, True, False))


def make_norm(x: torch.Tensor, activated: bool, gradient: bool) -> Callable[[], None]:
    """By itself or with SiLU behind it; the gradient includes the forward pass."""
    weight, bias = torch.ones(x.shape[1]), torch.zeros(x.shape[1])
    cotangent = torch.ones_like(x)
    operands = [operand.requires_grad_(gradient) for operand in (x, weight, bias)]

    def run() -> None:
        y = F.group_norm(operands[0], GROUPS, operands[1], operands[2], EPSILON)
        y = F.silu(y) if activated else y
        if gradient:
            torch.autograd.grad(y, operands, cotangent)

    return run


def make_attention(batch: int, tokens: int, heads: int, width: int, gradient: bool) -> Callable[[], None]:
    """Heads lie side by side, as a model's projections leave them; the gradient includes the forward pass."""
    random = torch.Generator().manual_seed(6)
    operands = [
        torch.randn(batch, tokens, heads, width, generator=random).requires_grad_(gradient)
        for _ in range(3)
    ]
    cotangent = torch.ones(batch, heads, tokens, width)

    def run() -> None:
        q, k, v = (operand.transpose(1, 2) for operand in operands)
        y = F.scaled_dot_product_attention(q, k, v)
        if gradient:
            torch.autograd.grad(y, operands, cotangent)

    return run
