"""W.A.L.T's denoiser on clips in PyTorch, with its own attention kernel, as its users would write it.

    PYTHONPATH=tests/fixtures python3 bench/peers/pytorch_walt.py   # is the answer the reference's?
"""

from __future__ import annotations

import functools
from typing import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from walt_reference import Walt, WaltConfig, WindowAttention, offsets

SIZES = {"WALT-S": WaltConfig(hidden=384, depth=12, heads=6)}


class FusedWindowAttention(nn.Module):
    """The reference's through `scaled_dot_product_attention`: windows are samples, the bias is a mask."""

    def __init__(self, layer: WindowAttention) -> None:
        super().__init__()
        self.layer, self.window, self.places = layer, layer.window, offsets(layer.window)

    def forward(self, x: Tensor, is_image: Tensor | None) -> Tensor:
        """x (N, windows, L, d); there are no pictures."""
        layer = self.layer
        q, k, v = (layer.split(part).flatten(0, 1) for part in layer.qkv(x).chunk(3, dim=-1))
        bias = layer.relative_bias[(slice(None), *self.places)]
        mixed = F.scaled_dot_product_attention(layer.q_norm(q), layer.k_norm(k), v, attn_mask=bias)
        return layer.proj(mixed.transpose(1, 2).reshape(x.shape))


@torch.no_grad()
def perturbed(model: Walt) -> Walt:
    """Weights without zeros, which nothing may be faster for."""
    random = torch.Generator().manual_seed(1)
    for value in model.parameters():
        value.copy_(torch.randn(value.shape, generator=random) * 0.02)
    return model


@functools.cache
def model_named(name: str) -> Walt:
    model = perturbed(Walt(SIZES[name]))
    for layer in model.layers:
        layer.attn = FusedWindowAttention(layer.attn)
    return model


def inputs(config: WaltConfig, batch: int) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(2)
    shape = (batch, config.latent_channels, config.latent_frames, *config.latent_size)
    return {"x": torch.randn(shape, generator=random), "t": 37 * torch.arange(batch) % 1000,
            "y": torch.arange(batch)[:, None] % config.classes, "isImage": torch.zeros(batch),
            "selfCondition": torch.randn(shape, generator=random)}


def make_forward(name: str, batch: int) -> Callable[[], None]:
    model = model_named(name)
    given = inputs(model.config, batch)
    return torch.no_grad()(lambda: model(given))


def make_train(name: str, batch: int) -> Callable[[], None]:
    """One pass, squared error against a fixed target, AdamW."""
    model = model_named(name)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.0, fused=True)
    given = inputs(model.config, batch)
    target = torch.randn(given["x"].shape, generator=torch.Generator().manual_seed(3))

    def run() -> None:
        optimizer.zero_grad(set_to_none=True)
        F.mse_loss(model(given), target).backward()
        optimizer.step()

    return run


if __name__ == "__main__":
    reference = perturbed(Walt(SIZES["WALT-S"]))
    with torch.no_grad():
        given = inputs(reference.config, 2)
        print(f"largest difference {(reference(given) - model_named('WALT-S')(given)).abs().max():.1e}")
