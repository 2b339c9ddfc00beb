#!/usr/bin/env python3
"""Compares PyTorch's exports of well-known networks, read by Atelier, with ONNX Runtime.

    pip install torch==2.13.0 torchvision onnx==1.22.0 onnxruntime onnxscript numpy
    Tests/ONNX/torch_exports.py .build/release/atelier [NAME ...]

Seeded random weights; each network through the older and the newer exporter, with fixed and with free sizes. Failures of
the exporters themselves are named and do not count.
"""
import os
import sys
import tempfile
import warnings

import torch

# torchvision's own C++ operators, which no network here needs, may be built for another PyTorch.
_register = torch.library.register_fake
torch.library.register_fake = lambda name, *a, **k: (
    (lambda function: function) if str(name).startswith("torchvision::") else _register(name, *a, **k))

from common import check, reference
from torch import nn
from torch.nn import functional as F
from torchvision import models

warnings.filterwarnings("ignore")


def seeded(network):
    """The network with seeded statistics, in the form for inference."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.8, 1.2)
            module.weight.data.uniform_(0.8, 1.2)
            module.bias.data.normal_(0, 0.1)
    return network.eval()


def conv(i, o, kernel=3, **options):
    return nn.Conv2d(i, o, kernel, **{"padding": kernel // 2, **options})


class UNet(nn.Module):
    """Two levels; `up` says how the lower one is enlarged."""

    def __init__(self, up):
        super().__init__()
        self.up, self.pool = up, nn.MaxPool2d(2)
        self.a, self.b, self.c = conv(3, 16), conv(16, 32), conv(48, 8)
        self.t = nn.ConvTranspose2d(32, 32, 2, 2)

    def forward(self, x):
        a = F.relu(self.a(x))
        b = F.relu(self.b(self.pool(a)))
        if self.up == "transposed":
            b = self.t(b)
        else:
            corners = {} if self.up == "nearest" else {"align_corners": self.up == "bilinear"}
            b = F.interpolate(b, scale_factor=2, mode=self.up, **corners)
        return self.c(torch.cat([a, b], 1))


class DnCNN(nn.Module):
    def __init__(self):
        super().__init__()
        layers = [conv(1, 32), nn.ReLU()]
        for _ in range(4):
            layers += [conv(32, 32, bias=False), nn.BatchNorm2d(32), nn.ReLU()]
        self.n = nn.Sequential(*layers, conv(32, 1))

    def forward(self, x):
        return x - self.n(x)


class FFDNet(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.n = nn.Sequential(conv(4 * c + 1, 32), nn.ReLU(), conv(32, 32), nn.ReLU(), conv(32, 4 * c))

    def forward(self, x, sigma):
        x = F.pixel_unshuffle(x, 2)
        level = sigma.repeat(1, 1, x.shape[-2], x.shape[-1])
        return F.pixel_shuffle(self.n(torch.cat([x, level], 1)), 2)


class DRUNet(nn.Module):
    def __init__(self):
        super().__init__()

        def block(c):
            return nn.Sequential(conv(c, c, bias=False), nn.ReLU(), conv(c, c, bias=False))

        self.head, self.tail = conv(2, 16, bias=False), conv(16, 1, bias=False)
        self.r1, self.r2, self.r3 = block(16), block(32), block(16)
        self.down, self.up = nn.Conv2d(16, 32, 2, 2, bias=False), nn.ConvTranspose2d(32, 16, 2, 2, bias=False)

    def forward(self, x):
        a = self.head(x)
        a = a + self.r1(a)
        b = self.down(a)
        u = self.up(b + self.r2(b)) + a
        return self.tail(u + self.r3(u))


class SegNet(nn.Module):
    """Odd sizes, unpooled by the places of the pooling."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c, self.d = conv(3, 16), conv(16, 16), conv(16, 16), conv(16, 5)

    def forward(self, x):
        x = F.relu(self.a(x))
        first = x.shape
        x, i = F.max_pool2d(x, 2, return_indices=True)
        x = F.relu(self.b(x))
        second = x.shape
        x, j = F.max_pool2d(x, 2, return_indices=True)
        x = F.relu(self.c(F.max_unpool2d(x, j, 2, output_size=second)))
        return self.d(F.max_unpool2d(x, i, 2, output_size=first))


class DCGAN(nn.Module):
    def __init__(self):
        super().__init__()
        self.n = nn.Sequential(
            nn.ConvTranspose2d(32, 64, 4, 1, 0, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
            nn.ConvTranspose2d(64, 32, 4, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
            nn.ConvTranspose2d(32, 3, 4, 2, 1, bias=False), nn.Tanh())

    def forward(self, x):
        return self.n(x)


class CycleGAN(nn.Module):
    def __init__(self):
        super().__init__()

        def block(c):
            half = [nn.ReflectionPad2d(1), nn.Conv2d(c, c, 3), nn.InstanceNorm2d(c)]
            return nn.Sequential(*half, nn.ReLU(), nn.ReflectionPad2d(1), nn.Conv2d(c, c, 3), nn.InstanceNorm2d(c))

        self.head = nn.Sequential(
            nn.ReflectionPad2d(3), nn.Conv2d(3, 16, 7), nn.InstanceNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, 32, 3, 2, 1), nn.InstanceNorm2d(32), nn.ReLU())
        self.body = block(32)
        self.tail = nn.Sequential(
            nn.ConvTranspose2d(32, 16, 3, 2, 1, 1), nn.InstanceNorm2d(16), nn.ReLU(), nn.ReflectionPad2d(3),
            nn.Conv2d(16, 3, 7), nn.Tanh())

    def forward(self, x):
        x = self.head(x)
        return self.tail(x + self.body(x))


def classifier(name, size=96, **options):
    return lambda: getattr(models, name)(weights=None, **options), [(1, 3, size, size)]


def segmenter(name):
    return lambda: getattr(models.segmentation, name)(weights=None, weights_backbone=None), [(1, 3, 96, 96)]


NETWORKS = {
    "alexnet": classifier("alexnet", 224),
    "vgg16": classifier("vgg16", 224),
    "googlenet": classifier("googlenet", init_weights=False, aux_logits=False),
    "resnet-18": classifier("resnet18"),
    "resnet-50": classifier("resnet50"),
    "mobilenet-v2": classifier("mobilenet_v2"),
    "mobilenet-v3": classifier("mobilenet_v3_small"),
    "efficientnet-b0": classifier("efficientnet_b0"),
    "densenet-121": classifier("densenet121"),
    "squeezenet": classifier("squeezenet1_1"),
    "shufflenet-v2": classifier("shufflenet_v2_x0_5"),
    "convnext": classifier("convnext_tiny", 64),
    "fcn": segmenter("fcn_resnet50"),
    "deeplab": segmenter("deeplabv3_resnet50"),
    **{f"unet-{up}": (lambda up=up: UNet(up), [(1, 3, 32, 48)]) for up in ("transposed", "nearest", "bilinear", "bicubic")},
    "dncnn": (DnCNN, [(1, 1, 40, 48)]),
    "ffdnet-colour": (lambda: FFDNet(3), [(1, 3, 40, 48), (1, 1, 1, 1)]),
    "ffdnet-gray": (lambda: FFDNet(1), [(1, 1, 40, 48), (1, 1, 1, 1)]),
    "drunet": (DRUNet, [(1, 2, 40, 48)]),
    "segnet": (SegNet, [(1, 3, 33, 47)]),
    "dcgan": (DCGAN, [(2, 32, 1, 1)]),
    "cyclegan": (CycleGAN, [(1, 3, 48, 48)]),
}


class First(nn.Module):
    """A network's first or named output."""

    def __init__(self, network):
        super().__init__()
        self.n = network

    def forward(self, *inputs):
        result = self.n(*inputs)
        return result["out"] if isinstance(result, dict) else result


def export(network, inputs, names, kind, path):
    """Writes a network through one of the exporters, batch and picture sizes free where the kind says so."""
    is_free = kind.endswith("free") and inputs[0].shape[-1] > 1
    if kind.startswith("older"):
        axes = {"x": {0: "n", 2: "h", 3: "w"}, "y": {0: "n"}} if is_free else None
        torch.onnx.export(network, inputs, path, dynamo=False, opset_version=17, input_names=names,
                          output_names=["y"], dynamic_axes=axes)
        return
    free = torch.export.Dim.DYNAMIC
    shapes = tuple({0: free, 2: free, 3: free} if i == 0 else {} for i in range(len(inputs))) if is_free else None
    torch.onnx.export(network, inputs, path, dynamo=True, input_names=names, output_names=["y"],
                      dynamic_shapes=(shapes,) if shapes else None, verbose=False)


def main():
    tool = sys.argv[1] if len(sys.argv) > 1 else ".build/release/atelier"
    wanted = sys.argv[2:] or list(NETWORKS)
    failed = 0
    for name in wanted:
        make, sizes = NETWORKS[name]
        torch.manual_seed(1)
        network = First(seeded(make())).eval()
        inputs = tuple(torch.randn(size) for size in sizes)
        names = ["x", "sigma"][: len(inputs)]
        for kind in ("older", "older free", "newer", "newer free"):
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, name + ".onnx")
                try:
                    export(network, inputs, names, kind, path)
                except Exception as error:
                    print("not exported", name, kind, str(error).strip().split("\n")[0][:120])
                    continue
                arrays = {n: a.numpy() for n, a in zip(names, inputs)}
                good, text = check(tool, path, arrays, reference(path, arrays), 1e-4)
                failed += not good
                print("equal" if good else "FAILED", name, kind, text)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
