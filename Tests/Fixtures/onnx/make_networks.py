#!/usr/bin/env python3
"""Makes the small networks of this folder: PyTorch's exports, and what ONNX Runtime gives for them.

    pip install torch==2.13.0 onnx==1.22.0 onnxruntime onnxscript numpy
    python3 make_networks.py

Each NAME.onnx has a NAME.npz with an array in:NAME for each input and out:NAME for each output, in ONNX's layout.
"""
import os
import warnings

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn
from torch.nn import functional as F

warnings.filterwarnings("ignore")
HERE = os.path.dirname(os.path.abspath(__file__))


class Classifier(nn.Module):
    """Convolutions, pooling that rounds up, a flattened image into a dense layer."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1, groups=6)
        self.n, self.c = nn.BatchNorm2d(6), nn.Linear(6 * 4 * 5, 7)
        self.slope = nn.PReLU(6)

    def forward(self, x):
        x = F.max_pool2d(self.slope(self.n(self.a(x))), 2, ceil_mode=True)
        x = F.hardswish(self.b(x)) * F.hardsigmoid(x.mean((2, 3), keepdim=True))
        return F.softmax(self.c(torch.flatten(x, 1)), 1)


class Shuffled(nn.Module):
    """Pixels shuffled down and up, as FFDNet has it, with a noise level beside the picture."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(13, 8, 3, padding=1), nn.Conv2d(8, 12, 3, padding=1)

    def forward(self, x, sigma):
        small = F.pixel_unshuffle(x, 2)
        level = sigma.repeat(1, 1, small.shape[-2], small.shape[-1])
        return F.pixel_shuffle(self.b(F.relu(self.a(torch.cat([small, level], 1)))), 2)


class Unpooled(nn.Module):
    """Max unpooling of odd sizes by the places of two poolings."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = (nn.Conv2d(i, o, 3, padding=1) for i, o in ((2, 5), (5, 5), (5, 3)))

    def forward(self, x):
        x = F.relu(self.a(x))
        first = x.shape
        x, i = F.max_pool2d(x, 2, return_indices=True)
        x = F.relu(self.b(x))
        second = x.shape
        x, j = F.max_pool2d(x, 2, return_indices=True)
        x = F.max_unpool2d(x, j, 2, output_size=second)
        return self.c(F.max_unpool2d(x, i, 2, output_size=first))


class Recurrent(nn.Module):
    """Long short-term memory in both directions, gated units with steps first, a simple layer."""

    def __init__(self):
        super().__init__()
        self.a = nn.LSTM(6, 5, batch_first=True, bidirectional=True)
        self.b, self.c = nn.GRU(10, 4), nn.RNN(4, 3, nonlinearity="relu")
        self.d = nn.Linear(3 + 10, 4)

    def forward(self, x):
        x, (h, c) = self.a(x)
        y, _ = self.c(self.b(x.transpose(0, 1))[0])
        ends = torch.cat([h[0] + c[0], h[1] - c[1]], 1)
        return self.d(torch.cat([y[-1], ends], 1))


class Normalized(nn.Module):
    """Group, instance and layer normalization, reflected borders, a transposed convolution, resizing."""

    def __init__(self):
        super().__init__()
        self.a, self.g = nn.Conv2d(2, 8, 3), nn.GroupNorm(2, 8)
        self.t, self.i = nn.ConvTranspose2d(8, 4, 3, 2, 1, 1), nn.InstanceNorm2d(4, affine=True)
        self.l, self.b = nn.LayerNorm(4), nn.Conv2d(4, 2, 1)

    def forward(self, x):
        x = F.elu(self.g(self.a(F.pad(x, (1, 1, 1, 1), mode="reflect"))))
        x = F.gelu(self.i(self.t(x)))
        x = self.l(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return F.interpolate(self.b(x), scale_factor=2, mode="bilinear", align_corners=True)


class Channels(nn.Module):
    """Channels shuffled between groups and split, as ShuffleNet has it, and attention over pixels."""

    def __init__(self):
        super().__init__()
        self.a, self.q = nn.Conv2d(3, 8, 1), nn.Linear(4, 4)

    def forward(self, x):
        x = self.a(x)
        n, c, h, w = x.shape
        x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        left, right = x.chunk(2, 1)
        pixels = left.flatten(2).transpose(1, 2)
        weights = torch.softmax(self.q(pixels) @ pixels.transpose(1, 2) / 2, -1)
        mixed = (weights @ pixels).transpose(1, 2).reshape(n, 4, h, w)
        return torch.cat([mixed, right[:, :, ::2, ::2].repeat(1, 1, 2, 2)], 1)


def strip(path):
    """Takes out what the exporter says of the code that it saw: places in files, which differ everywhere."""
    model = onnx.load(path)
    for part in [model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output]:
        del part.metadata_props[:]
        part.doc_string = ""
    onnx.save(model, path)


def main():
    torch.manual_seed(7)
    pictures = {
        "classifier": (Classifier(), (torch.randn(1, 3, 7, 9),), ["x"]),
        "shuffled": (Shuffled(), (torch.randn(1, 3, 8, 6), torch.rand(1, 1, 1, 1)), ["x", "sigma"]),
        "unpooled": (Unpooled(), (torch.randn(1, 2, 9, 11),), ["x"]),
        "normalized": (Normalized(), (torch.randn(1, 2, 6, 7),), ["x"]),
        "channels": (Channels(), (torch.randn(1, 3, 4, 6),), ["x"]),
        "recurrent": (Recurrent(), (torch.randn(2, 7, 6),), ["x"]),
    }
    for name, (network, inputs, names) in pictures.items():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.2)
                module.running_var.uniform_(0.5, 1.5)
        network.eval()
        for kind in ("old", "new"):
            # The older exporter has no max unpooling.
            if (name, kind) == ("unpooled", "old"):
                continue
            path = os.path.join(HERE, f"{name}-{kind}")
            options = {"opset_version": 17} if kind == "old" else {}
            torch.onnx.export(
                network, inputs, path + ".onnx", dynamo=kind == "new", input_names=names, output_names=["y"],
                external_data=False, **options)
            strip(path + ".onnx")
            session = onnxruntime.InferenceSession(path + ".onnx")
            result = session.run(None, {n: a.numpy() for n, a in zip(names, inputs)})
            arrays = {"in:" + n: a.numpy() for n, a in zip(names, inputs)}
            np.savez(path + ".npz", **arrays, **{"out:y": result[0]})


if __name__ == "__main__":
    main()
