"""Halves of autoencoders in PyTorch: the references of tests/fixtures, with PyTorch's own attention kernel.

    PYTHONPATH=tests/fixtures python3 bench/peers/pytorch_autoencoders.py   # is the answer the reference's?
"""

from __future__ import annotations

from typing import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autoencoder_kl_reference import Attention, Autoencoder, AutoencoderConfig
from causal_tokenizer_reference import CausalTokenizer, TokenizerConfig


class FusedAttention(nn.Module):
    """The reference's through `scaled_dot_product_attention`."""

    def __init__(self, layer: Attention) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        layer = self.layer
        tokens = layer.group_norm(x).flatten(2).transpose(1, 2)
        q, k, v = layer.to_q(tokens), layer.to_k(tokens), layer.to_v(tokens)
        mixed = layer.to_out[0](F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0])
        return x + mixed.transpose(1, 2).reshape(x.shape)


def fused(model: Autoencoder) -> Autoencoder:
    for half in (model.encoder, model.decoder):
        half.mid_block.attentions[0] = FusedAttention(half.mid_block.attentions[0])
    return model


def make_coding(name: str, half: str, side: int, frames: int) -> Callable[[], None]:
    """One square picture, or a clip of as many frames, to its latent or back."""
    random = torch.Generator().manual_seed(2)
    torch.manual_seed(1)
    with torch.no_grad():
        if name == "SD-VAE":
            config = AutoencoderConfig()
            model = fused(Autoencoder(config))
            coders = {"encode": model.encode, "decode": model.decode}
            channels, latent, pixels = config.latent_channels, (side // 8,) * 2, (side,) * 2
        elif name == "CausalTokenizer":
            config = TokenizerConfig()
            model = CausalTokenizer(config)
            coders = {"encode": model.encoder, "decode": model.decoder}
            step = 2 ** sum(config.temporal_downsampling)
            latent, pixels = (1 + (frames - 1) // step, side // 8, side // 8), (frames, side, side)
            channels = config.latent_channels
        else:
            raise ValueError(f"unknown autoencoder {name!r}: SD-VAE or CausalTokenizer")
    shape = (1, 3, *pixels) if half == "encode" else (1, channels, *latent)
    given = torch.randn(shape, generator=random)
    return torch.no_grad()(lambda: coders[half](given))


@torch.no_grad()
def check() -> None:
    config = AutoencoderConfig(block_out_channels=(16, 32), norm_groups=8)
    model = Autoencoder(config).eval()
    image = torch.randn(2, 3, 24, 40)
    moments = model.encode(image)
    picture = model.decode(moments[:, :4])
    fused(model)
    print(f"encode within {(model.encode(image) - moments).abs().max():.1e} of the reference's, "
          f"decode {(model.decode(moments[:, :4]) - picture).abs().max():.1e}")


if __name__ == "__main__":
    check()
