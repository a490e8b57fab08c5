"""Makes weights for `tessera eval clips` of the public TorchScript of I3D (i3d_torchscript.pt):

    python3 tools/convert_i3d.py i3d_torchscript.pt i3d.safetensors

Needs torch and safetensors. Only do this with a file that you trust: TorchScript is a program.

The file's own names are of no matter: its convolutions, in the order in which it holds them, must be those
of I3D (Carreira and Zisserman, 2017, figure 3), each with a batch norm but the last. That they are shows in
their shapes: every layer takes as many channels as the layers before it give.
"""

import sys

import torch
from safetensors.torch import save_file

BRANCHES = ("b0", "b1a", "b1b", "b2a", "b2b", "b3b")
BLOCKS = ("3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c")
PARTS = {
    "weight": ("weight", "gamma", "scale"),
    "bias": ("bias", "beta", "offset"),
    "running_mean": ("running_mean", "moving_mean", "mean"),
    "running_var": ("running_var", "moving_variance", "moving_var", "var", "variance"),
}
VECTOR_WORDS = {word for words in PARTS.values() for word in words} - {"weight"}


def layers_in_order(state):
    """Each convolution with the vectors that stand behind it, by the last word of their names."""
    layers = []
    for name, value in state.items():
        word = name.rsplit(".", 1)[-1]
        if value.dim() == 5 and word not in VECTOR_WORDS:
            layers.append((name, value, {}))
        elif value.dim() > 0 and layers and value.numel() == layers[-1][1].shape[0]:
            layers[-1][2][word] = value.reshape(-1)
    return layers


def part(layer, wanted):
    name, weight, vectors = layer
    for word in PARTS[wanted]:
        if word in vectors:
            return vectors[word]
    if wanted == "weight":  # the norms of I3D have no scale
        return torch.ones(weight.shape[0])
    raise SystemExit(f"{name}: no {wanted} of a batch norm behind it, only {sorted(vectors)}")


def expected():
    """Names, kernels, and what gives each layer its channels, in order."""
    yield "Conv3d_1a_7x7", 7, None
    yield "Conv3d_2b_1x1", 1, ["Conv3d_1a_7x7"]
    yield "Conv3d_2c_3x3", 3, ["Conv3d_2b_1x1"]
    before = ["Conv3d_2c_3x3"]
    for block in BLOCKS:
        name = f"Mixed_{block}"
        for branch in BRANCHES:
            inner = {"b1b": "b1a", "b2b": "b2a"}.get(branch)
            source = [f"{name}.{inner}"] if inner else before
            yield f"{name}.{branch}", 3 if inner else 1, source
        before = [f"{name}.{branch}" for branch in ("b0", "b1b", "b2b", "b3b")]
    yield "logits", 1, before


def convert(state):
    layers = layers_in_order(state)
    wanted = list(expected())
    if len(layers) != len(wanted):
        raise SystemExit(f"{len(layers)} convolutions in three dimensions, I3D has {len(wanted)}")
    widths, tensors = {}, {}
    for (name, kernel, sources), layer in zip(wanted, layers):
        weight = layer[1]
        inputs = 3 if sources is None else sum(widths[source] for source in sources)
        shape = (weight.shape[0], inputs, kernel, kernel, kernel)
        if tuple(weight.shape) != shape:
            raise SystemExit(f"{layer[0]} {tuple(weight.shape)} stands where {name} {shape} belongs")
        widths[name] = weight.shape[0]
        tensors[f"{name}.conv3d.weight"] = weight
        if name == "logits":
            tensors["logits.conv3d.bias"] = part(layer, "bias")
            continue
        for wanted_part in PARTS:
            tensors[f"{name}.bn.{wanted_part}"] = part(layer, wanted_part)
    return {name: value.detach().float().contiguous().clone() for name, value in tensors.items()}


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    save_file(convert(torch.jit.load(sys.argv[1], map_location="cpu").state_dict()), sys.argv[2])
    print(sys.argv[2])
