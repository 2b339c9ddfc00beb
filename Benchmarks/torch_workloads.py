#!/usr/bin/env python3
"""The peers' side of `atelier bench`: the same six networks in PyTorch, as its users write them for a CPU.

usage: torch_workloads.py [--threads 2] [--seconds 6] [--only NAME,NAME] [--phases train,infer]
                          [--modes eager,channels_last,compile,max_autotune]

Prints one JSON object a line with the keys of `atelier bench --json`: workload, phase, mode, ms, images_per_s,
peak_rss_mb, params. `train` is forward, loss, backward and Adam's step on a batch in memory; `infer` is the forward
pass in evaluation mode. `ms` is the median over at least five steps after three to warm up. A mode that fails on a
machine (the compiler needs a C++ compiler) prints `error` instead of figures.

Needs: pip install torch numpy
"""

import argparse
import json
import resource
import statistics
import sys
import time
from dataclasses import dataclass
from typing import Callable

import torch
import torch.nn.functional as F
from torch import nn


class Autoencoder(nn.Module):
    """A: convolutions and max pools down, max unpools through the mirror pools' switches and convolutions up."""

    def __init__(self, channels=3, widths=(32, 64, 128)):
        super().__init__()
        down = [channels, *widths]
        up = [*reversed(widths), channels]
        self.down = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in zip(down, down[1:]))
        self.up = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in zip(up, up[1:]))

    def forward(self, x):
        switches = []
        for layer in self.down:
            x, where = F.max_pool2d(F.relu(layer(x)), 2, return_indices=True)
            switches.append(where)
        for index, layer in enumerate(self.up):
            x = layer(F.max_unpool2d(x, switches.pop(), 2))
            if index + 1 < len(self.up):
                x = F.relu(x)
        return x


class DnCNN(nn.Module):
    """B: 17 convolutions of 64 features, batch normalization on the inner 15; predicts the noise."""

    def __init__(self, depth=17, width=64):
        super().__init__()
        layers = [nn.Conv2d(1, width, 3, padding=1), nn.ReLU(inplace=True)]
        for _ in range(depth - 2):
            layers.append(nn.Conv2d(width, width, 3, padding=1, bias=False))
            layers.append(nn.BatchNorm2d(width))
            layers.append(nn.ReLU(inplace=True))
        layers.append(nn.Conv2d(width, 1, 3, padding=1))
        self.noise = nn.Sequential(*layers)

    def forward(self, x):
        return x - self.noise(x)


class FaceSwap(nn.Module):
    """C: one encoder, two decoders, faces of 64x64."""

    def __init__(self):
        super().__init__()
        encoder = []
        for a, b in ((3, 128), (128, 256), (256, 512), (512, 1024)):
            encoder += [nn.Conv2d(a, b, 5, stride=2, padding=2), nn.LeakyReLU(0.1)]
        encoder += [nn.Flatten(), nn.Linear(16 * 1024, 1024), nn.Linear(1024, 16 * 1024)]
        encoder += [nn.Unflatten(1, (1024, 4, 4)), *self.upscale(1024, 512)]
        self.encoder = nn.Sequential(*encoder)
        self.first, self.second = self.decoder(), self.decoder()

    @staticmethod
    def upscale(a, b):
        return nn.Conv2d(a, 4 * b, 3, padding=1), nn.LeakyReLU(0.1), nn.PixelShuffle(2)

    def decoder(self):
        layers = [*self.upscale(512, 256), *self.upscale(256, 128), *self.upscale(128, 64)]
        return nn.Sequential(*layers, nn.Conv2d(64, 3, 5, padding=2), nn.Sigmoid())

    def forward(self, first, second):
        return self.first(self.encoder(first)), self.second(self.encoder(second))


class UNet(nn.Module):
    """D: four levels of two convolutions, transposed convolutions of stride 2 on the way up, 12 classes."""

    def __init__(self, widths=(16, 32, 64, 128), classes=12):
        super().__init__()
        inputs = (3, *widths)
        self.down = nn.ModuleList(self.block(a, b) for a, b in zip(inputs, widths))
        pairs = list(zip(widths[1:], widths))[::-1]
        self.grow = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, stride=2) for a, b in pairs)
        self.up = nn.ModuleList(self.block(2 * b, b) for _, b in pairs)
        self.head = nn.Conv2d(widths[0], classes, 1)

    @staticmethod
    def block(a, b):
        layers = []
        for inputs in (a, b):
            layers += [nn.Conv2d(inputs, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(inplace=True)]
        return nn.Sequential(*layers)

    def forward(self, x):
        skips = []
        for block in self.down[:-1]:
            x = block(x)
            skips.append(x)
            x = F.max_pool2d(x, 2)
        x = self.down[-1](x)
        for grow, block in zip(self.grow, self.up):
            x = block(torch.cat((grow(x), skips.pop()), 1))
        return self.head(x)


class Classifier(nn.Module):
    """E's frozen classifier of 28x28 digits."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.Flatten(),
            nn.Linear(49 * 64, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))

    def forward(self, x):
        return self.net(x)


class NoiseGenerator(nn.Module):
    """E: draws the noise image, at most 0.3."""

    def __init__(self):
        super().__init__()
        self.head = nn.Sequential(*self.down(1, 16, 1), *self.down(16, 32, 2), *self.down(32, 64, 2))
        self.inner = nn.ModuleList(
            nn.Sequential(
                *self.down(64, 64, 1), nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64))
            for _ in range(4))
        self.tail = nn.Sequential(*self.up(64, 32), *self.up(32, 16), nn.Conv2d(16, 1, 3, padding=1))

    @staticmethod
    def down(a, b, stride):
        return (nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU(inplace=True))

    @staticmethod
    def up(a, b):
        return (
            nn.ConvTranspose2d(a, b, 3, 2, 1, output_padding=1, bias=False), nn.BatchNorm2d(b),
            nn.ReLU(inplace=True))

    def forward(self, x):
        x = self.head(x)
        for block in self.inner:
            x = x + block(x)
        return 0.3 * torch.tanh(self.tail(x))


def vgg16_convolutions():
    layers, inputs = [], 3
    for count, width in ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)):
        for _ in range(count):
            layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU(inplace=True)]
            inputs = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


@dataclass
class Task:
    """Networks, data, and how they become a loss or a result; `networks` may be compiled ones."""

    networks: list
    data: list
    loss: Callable
    infer: Callable
    images: int


def frozen(network):
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    return network


def autoencoder(images, _):
    return Task(
        [Autoencoder()], [images(16, 3, 96, 96), images(16, 3, 96, 96)],
        lambda n, d: F.mse_loss(n[0](d[0]), d[1]), lambda n, d: n[0](d[0]), 16)


def dncnn(images, _):
    return Task(
        [DnCNN()], [images(32, 1, 40, 40), images(32, 1, 40, 40)],
        lambda n, d: F.mse_loss(n[0](d[0]), d[1]), lambda n, d: n[0](d[0]), 32)


def face_swap(images, _):
    def loss(networks, data):
        first, second = networks[0](*data)
        return F.l1_loss(first, data[0]) + F.l1_loss(second, data[1])

    data = [images(16, 3, 64, 64), images(16, 3, 64, 64)]
    return Task([FaceSwap()], data, loss, lambda n, d: n[0](*d), 32)


def unet(images, labels):
    return Task(
        [UNet()], [images(4, 3, 256, 256), labels(12, 4, 256, 256)],
        lambda n, d: F.cross_entropy(n[0](d[0]), d[1]), lambda n, d: n[0](d[0]), 4)


def noise_generator(images, labels):
    def loss(networks, data):
        attacked = (data[0] + networks[0](data[0])).clamp(0, 1)
        return -F.cross_entropy(networks[1](attacked), data[1]).clamp(max=20)

    return Task(
        [NoiseGenerator(), frozen(Classifier()).eval()], [images(128, 1, 28, 28), labels(10, 128)],
        loss, lambda n, d: n[0](d[0]), 128)


def vgg16_transfer(images, labels):
    def features(networks, data):
        with torch.no_grad():
            return networks[0](data[0]).contiguous()

    head = nn.Sequential(nn.Flatten(), nn.Linear(49 * 512, 50), nn.ReLU(), nn.Linear(50, 2))
    return Task(
        [frozen(vgg16_convolutions()), head], [images(8, 3, 224, 224), labels(2, 8)],
        lambda n, d: F.cross_entropy(n[1](features(n, d)), d[1]),
        lambda n, d: n[1](features(n, d)), 8)


WORKLOADS = {
    "A-autoencoder": autoencoder,
    "B-dncnn": dncnn,
    "C-faceswap": face_swap,
    "D-unet": unet,
    "E-noise-generator": noise_generator,
    "F-vgg16-transfer": vgg16_transfer,
}


# What `torch.compile` is told; the second times several forms of each product and keeps the fastest.
COMPILED = {"compile": {}, "max_autotune": {"mode": "max-autotune"}}


def median_ms(step, seconds):
    for _ in range(3):
        step()
    times = []
    end = time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def measure(name, mode, phases, seconds):
    """Yields one record a phase."""
    torch.manual_seed(0)
    torch._dynamo.reset()
    generator = torch.Generator().manual_seed(1)
    task = WORKLOADS[name](
        lambda *shape: torch.rand(*shape, generator=generator),
        lambda classes, *shape: torch.randint(0, classes, shape, generator=generator))
    if mode != "eager":
        task.networks = [n.to(memory_format=torch.channels_last) for n in task.networks]
        task.data = [
            d.contiguous(memory_format=torch.channels_last) if d.dim() == 4 else d for d in task.data]
    parameters = [p for n in task.networks for p in n.parameters()]
    run = task.networks
    if mode in COMPILED:
        run = [torch.compile(n, **COMPILED[mode]) for n in run]
    optimizer = torch.optim.Adam([p for p in parameters if p.requires_grad], lr=1e-4, fused=True)

    def train():
        optimizer.zero_grad(set_to_none=True)
        task.loss(run, task.data).backward()
        optimizer.step()

    def infer():
        with torch.inference_mode():
            task.infer(run, task.data)

    for phase in phases:
        record = {"workload": name, "phase": phase, "mode": mode}
        if phase == "infer":
            for network in task.networks:
                network.eval()
        try:
            ms = median_ms(train if phase == "train" else infer, seconds)
        except Exception as error:  # a mode that this machine lacks must not end the others
            yield record | {"error": str(error)[:120]}
            continue
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        yield record | {
            "ms": round(ms, 3), "images_per_s": round(1e3 * task.images / ms, 1),
            "peak_rss_mb": peak // (1024 if sys.platform != "darwin" else 1 << 20),
            "params": sum(p.numel() for p in parameters)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--only", default=",".join(WORKLOADS))
    parser.add_argument("--modes", default="eager,channels_last,compile,max_autotune")
    parser.add_argument("--phases", default="train,infer")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for name in options.only.split(","):
        if name not in WORKLOADS:
            parser.error(f"no workload {name}; there are {', '.join(WORKLOADS)}")
        for mode in options.modes.split(","):
            for record in measure(name, mode, options.phases.split(","), options.seconds):
                print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
