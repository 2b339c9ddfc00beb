#!/usr/bin/env python3
"""PyTorch's side of generation: DCGAN of the sizes of `atelier generate train --network dcgan`, and scikit-learn's RBM.

  generation_peers.py step [--threads 2] [--batch 64]           time of a step of DCGAN at 28x28, on random pictures
  generation_peers.py train DATA OUT --minutes 60               train on Fashion-MNIST's IDX files, write 10,000 PNGs into OUT
  generation_peers.py rbm DATA [--epochs 1]                     an epoch of BernoulliRBM 784-500, batch 100, and its score

The step is that of PyTorch's own example (real batch, drawn batch, generator), Adam with betas (0.5, 0.999). The drawn
PNGs are measured by `atelier generate evaluate --drawn OUT`, with the same classifier as ours. `train` draws with a moving
average of the generator's weights (0.999, warmed up), as ours does.
"""
import argparse
import gzip
import json
import os
import struct
import time

import numpy as np


def idx_images(folder, part="train"):
    """The pictures of an IDX file, [count, 28, 28] in [0, 1]."""
    for name in (f"{part}-images-idx3-ubyte.gz", f"{part}-images-idx3-ubyte"):
        path = os.path.join(folder, name)
        if os.path.exists(path):
            with (gzip.open if name.endswith(".gz") else open)(path, "rb") as file:
                _, count, rows, columns = struct.unpack(">4i", file.read(16))
                data = np.frombuffer(file.read(), np.uint8)
            return data.reshape(count, rows, columns).astype(np.float32) / 255
    raise SystemExit(f"{folder}: expected {part}-images-idx3-ubyte, with .gz or without")


def networks(latent=100, filters=64):
    """Generator and critic of the sizes of Atelier's dcgan at 28x28."""
    from torch import nn

    wide = 2 * filters
    generator = nn.Sequential(
        nn.Linear(latent, 7 * 7 * wide, bias=False), nn.Unflatten(1, (wide, 7, 7)), nn.BatchNorm2d(wide), nn.ReLU(True),
        nn.ConvTranspose2d(wide, filters, 4, 2, 1, bias=False), nn.BatchNorm2d(filters), nn.ReLU(True),
        nn.ConvTranspose2d(filters, 1, 4, 2, 1), nn.Tanh())
    critic = nn.Sequential(
        nn.Conv2d(1, filters, 4, 2, 1), nn.LeakyReLU(0.2, True),
        nn.Conv2d(filters, wide, 4, 2, 1, bias=False), nn.BatchNorm2d(wide), nn.LeakyReLU(0.2, True),
        nn.Flatten(), nn.Linear(7 * 7 * wide, 1))
    for network in (generator, critic):
        for module in network.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
                nn.init.normal_(module.weight, 0, 0.02)
    return generator, critic


class Game:
    """One DCGAN with its optimizers."""

    def __init__(self, batch, latent=100):
        import torch

        self.torch, self.batch, self.latent = torch, batch, latent
        self.generator, self.critic = networks(latent)
        self.loss = torch.nn.BCEWithLogitsLoss()
        self.moves = [
            torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999))
            for network in (self.generator, self.critic)]
        self.ones, self.zeros = torch.ones(batch, 1), torch.zeros(batch, 1)

    def step(self, real):
        """Moves the critic, then the generator, on real pictures [batch, 1, 28, 28] in [-1, 1]."""
        generator_move, critic_move = self.moves
        critic_move.zero_grad()
        drawn = self.generator(self.torch.randn(self.batch, self.latent))
        self.loss(self.critic(real), self.ones).backward()
        self.loss(self.critic(drawn.detach()), self.zeros).backward()
        critic_move.step()
        generator_move.zero_grad()
        self.loss(self.critic(drawn), self.ones).backward()
        generator_move.step()


def step(options):
    import torch

    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    game = Game(options.batch)
    real = torch.rand(options.batch, 1, 28, 28) * 2 - 1
    times, work = [], []
    begin = time.time()
    while len(times) < 8 or time.time() - begin < options.seconds:
        start, used = time.perf_counter(), time.process_time()
        game.step(real)
        times.append(time.perf_counter() - start)
        work.append(time.process_time() - used)
    print(json.dumps({
        "milliseconds": round(1000 * float(np.median(times[3:])), 2),
        "processor_milliseconds": round(1000 * float(np.median(work[3:])), 2), "steps": len(times), "batch": options.batch,
        "threads": options.threads, "torch": torch.__version__}))


def train(options):
    import copy

    import torch
    from PIL import Image

    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    pictures = torch.from_numpy(idx_images(options.data)).unsqueeze(1) * 2 - 1
    game = Game(options.batch)
    average = copy.deepcopy(game.generator)
    begin = time.time()
    steps = 0
    while time.time() - begin < 60 * options.minutes:
        order = torch.randperm(len(pictures))
        for first in range(0, len(pictures) - options.batch + 1, options.batch):
            game.step(pictures[order[first:first + options.batch]])
            steps += 1
            # Ours warms up, too: an average of few steps must not remember the start.
            share = 1 - min(0.999, (steps + 1) / (steps + 10))
            with torch.no_grad():
                for kept, moved in zip(average.state_dict().values(), game.generator.state_dict().values()):
                    kept.lerp_(moved, share) if kept.is_floating_point() else kept.copy_(moved)
            if time.time() - begin > 60 * options.minutes:
                break
        print(f"{steps} steps, {time.time() - begin:.0f} s", flush=True)
    average.eval()
    os.makedirs(options.out, exist_ok=True)
    with torch.no_grad():
        for first in range(0, 10_000, 500):
            drawn = average(torch.randn(500, game.latent)) * 127.5 + 127.5
            for index, picture in enumerate(drawn.round().clamp(0, 255).to(torch.uint8)):
                Image.fromarray(picture[0].numpy()).save(os.path.join(options.out, f"{first + index:05d}.png"))


def rbm(options):
    from sklearn.neural_network import BernoulliRBM

    pictures = idx_images(options.data).reshape(-1, 784)
    machine = BernoulliRBM(
        n_components=500, batch_size=100, learning_rate=0.05, n_iter=options.epochs, random_state=1)
    start = time.perf_counter()
    machine.fit(pictures)
    seconds = (time.perf_counter() - start) / options.epochs
    held = idx_images(options.data, "t10k").reshape(-1, 784)
    bits = (np.random.default_rng(1).random(held.shape) < held).astype(np.float32)
    print(json.dumps({
        "seconds_an_epoch": round(seconds, 2), "epochs": options.epochs,
        "pseudo_likelihood": round(float(machine.score_samples(bits).mean()), 2)}))


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
commands = parser.add_subparsers(required=True)
for name, work in (("step", step), ("train", train), ("rbm", rbm)):
    command = commands.add_parser(name)
    command.set_defaults(work=work)
    command.add_argument("--threads", type=int, default=2)
    command.add_argument("--batch", type=int, default=64)
    command.add_argument("--seed", type=int, default=1)
    if name == "step":
        command.add_argument("--seconds", type=float, default=5)
    else:
        command.add_argument("data")
    if name == "train":
        command.add_argument("out")
        command.add_argument("--minutes", type=float, default=60)
    if name == "rbm":
        command.add_argument("--epochs", type=int, default=1)
options = parser.parse_args()
options.work(options)
