"""The ViT of NaViT on pictures of mixed sizes in PyTorch, one a sequence, padded to the longest.

The layers are those of tests/fixtures' reference, which sees one picture at a time; here a batch of
padded sequences goes through them, with PyTorch's own attention kernel and a mask.
"""

from __future__ import annotations

import functools
from typing import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from navit_reference import AttentionPool, Block, NaViT, NaViTConfig, randomise

SIZES = {"S": (384, 12, 6), "B": (768, 12, 12), "L": (1024, 24, 16)}


@functools.cache
def model_named(name: str, longest: int) -> NaViT:
    size, patch = name.removeprefix("NaViT-").split("/")
    hidden, depth, heads = SIZES[size]
    config = NaViTConfig(int(patch), 3, hidden, depth, heads, 4 * hidden, False, 1000, position_length=longest)
    return randomise(NaViT(config), torch.Generator().manual_seed(1)).eval()


def make_pictures(name: str, grids: list[list[int]]) -> Callable[[], None]:
    """A forward pass over all pictures, given as [rows, columns] of patches."""
    model = model_named(name, max(max(grid) for grid in grids))
    length = max(rows * columns for rows, columns in grids)
    token = torch.arange(length)
    columns = torch.stack([token % grid[1] for grid in grids])
    rows = torch.stack([token // grid[1] for grid in grids])
    seen = torch.stack([token < grid[0] * grid[1] for grid in grids])
    rows, columns = rows * seen, columns * seen
    random = torch.Generator().manual_seed(2)
    patches = torch.randn(len(grids), length, model.config.patch_pixels, generator=random)
    mask = seen[:, None, None, :]
    return torch.no_grad()(lambda: logits(model, patches, rows, columns, mask))


def logits(model: NaViT, patches: Tensor, rows: Tensor, columns: Tensor, mask: Tensor) -> Tensor:
    """Patches (N,L,Cpp), places (N,L), mask (N,1,1,L) -> (N,K)."""
    positions = model.pos_embed
    x = model.patch_embed(patches) + positions.columns[columns] + positions.rows[rows]
    for block in model.blocks:
        x = through_block(block, x, mask)
    return model.head(pooled(model.attn_pool, model.norm(x), mask))


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(N,L,d) -> (N,heads,L,d / heads)."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def through_block(block: Block, x: Tensor, mask: Tensor) -> Tensor:
    layer = block.attn
    q, k, v = (split_heads(part, layer.heads) for part in layer.qkv(block.norm1(x)).chunk(3, dim=-1))
    out = F.scaled_dot_product_attention(layer.q_norm(q), layer.k_norm(k), v, attn_mask=mask)
    x = x + layer.proj(out.transpose(1, 2).flatten(2))
    return x + block.mlp(block.norm2(x))


def pooled(pool: AttentionPool, x: Tensor, mask: Tensor) -> Tensor:
    """(N,L,d) -> (N,d)."""
    k, v = (split_heads(part, pool.heads) for part in pool.kv(x).chunk(2, dim=-1))
    q = split_heads(pool.q(pool.latent).expand(len(x), 1, -1), pool.heads)
    u = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    u = pool.proj(u.transpose(1, 2).flatten(2))[:, 0]
    return u + pool.mlp(pool.norm(u))


if __name__ == "__main__":
    from navit_reference import Image

    grids = [[3, 4], [2, 2], [5, 3]]
    model = model_named("NaViT-S/16", 5)
    out = make_pictures("NaViT-S/16", grids)()
    patches = torch.randn(3, 15, model.config.patch_pixels, generator=torch.Generator().manual_seed(2))
    for i, (height, width) in enumerate(grids):
        token = torch.arange(height * width)
        image = Image(patches[i, : len(token)], token // width, token % width, (height, width))
        with torch.no_grad():
            print(f"{height} x {width}: largest difference {(model(image) - out[i]).abs().max():.1e}")
