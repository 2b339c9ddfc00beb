"""Writes the small weight files of PyTorch that the reader's tests open (torch 2.13).

    python make_pytorch.py

Every tensor is a ramp, so that the tests know its numbers without a table:
element i of a tensor called NAME is i / 4 - len(NAME).
"""

import collections
import os

import torch

HERE = os.path.dirname(os.path.abspath(__file__))


def ramp(name, *shape, dtype=torch.float32):
    count = 1
    for size in shape:
        count *= size
    values = torch.arange(count, dtype=torch.float64) / 4 - len(name)
    return values.to(dtype).reshape(shape)


def state():
    """Strides, offsets, a shared storage, every float type, integers, a parameter."""
    shared = ramp("shared", 24)
    entries = [
        ("plain", ramp("plain", 2, 3)),
        ("moved", ramp("moved", 2, 3, 4).permute(2, 0, 1)),
        ("first", shared[:6].reshape(2, 3)),
        ("second", shared[6:].reshape(3, 6)[:, ::2]),
        ("half", ramp("half", 5, dtype=torch.float16)),
        ("brain", ramp("brain", 5, dtype=torch.bfloat16)),
        ("double", ramp("double", 5, dtype=torch.float64)),
        ("count", torch.tensor(7)),
        ("scalar", ramp("scalar")),
        ("empty", ramp("empty", 0, 3)),
        ("parameter", torch.nn.Parameter(ramp("parameter", 3))),
    ]
    return collections.OrderedDict(entries)


def save(value, name, is_archive):
    torch.save(
        value, os.path.join(HERE, name), _use_new_zipfile_serialization=is_archive)


class Thing(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Linear(2, 2)


torch.manual_seed(0)
save(state(), "stream.pth", False)
save(state(), "archive.pt", True)
wrapped = {
    "epoch": 3,
    "best": 0.5,
    "optimizer": {"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"lr": 0.1}]},
    "state_dict": collections.OrderedDict(
        ("module." + name, tensor) for name, tensor in torch.nn.Linear(3, 2).state_dict().items()),
}
for name in ("weight", "bias"):
    key = "module." + name
    wrapped["state_dict"][key] = ramp(name, *wrapped["state_dict"][key].shape)
save(wrapped, "wrapped.pth", False)
save(Thing(), "module.pth", False)
save([torch.zeros(2)], "list.pth", True)
