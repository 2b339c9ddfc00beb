#!/usr/bin/env python3
"""The peer's side of `atelier-cluster pace`: the same networks in PyTorch's DistributedDataParallel over Gloo.

usage: torchrun --nproc-per-node 2 ddp_workloads.py [--threads 1] [--steps 12] [--only NAME,NAME]
                [--modes eager,channels_last] [--compress]

Every rank trains on a batch of the workload's size in memory; a step is forward, loss, backward with the mean of
gradients over ranks, and Adam. Rank 0 prints a JSON object a line; ms is the median of the steps after two to warm
up. --compress sends gradients in bfloat16 (DDP's bf16_compress_hook).

Needs: pip install torch numpy
"""

import argparse
import json
import statistics
import time

import torch
import torch.distributed as distributed
from torch import nn
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import bf16_compress_hook

from torch_workloads import WORKLOADS


class Step(nn.Module):
    """The loss of a workload as one module, whose gradients are exchanged."""

    def __init__(self, task):
        super().__init__()
        self.networks = nn.ModuleList(task.networks)
        self.loss = task.loss

    def forward(self, *data):
        return self.loss(list(self.networks), list(data))


def measure(name, mode, steps, compress):
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    task = WORKLOADS[name](
        lambda *shape: torch.rand(*shape, generator=generator),
        lambda classes, *shape: torch.randint(0, classes, shape, generator=generator))
    if mode == "channels_last":
        task.networks = [n.to(memory_format=torch.channels_last) for n in task.networks]
        task.data = [d.contiguous(memory_format=torch.channels_last) if d.dim() == 4 else d for d in task.data]
    network = nn.parallel.DistributedDataParallel(Step(task))
    if compress:
        network.register_comm_hook(None, bf16_compress_hook)
    optimizer = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=1e-4, fused=True)
    times = []
    for _ in range(steps + 2):
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        network(*task.data).backward()
        optimizer.step()
        times.append(time.perf_counter() - start)
    seconds = statistics.median(times[2:])
    ranks = distributed.get_world_size()
    return {"workload": name, "mode": mode, "ranks": ranks, "threads": torch.get_num_threads(),
            "gradients": "bfloat16" if compress else "float32", "ms": round(1e3 * seconds, 3),
            "imagesPerSecond": round(ranks * task.images / seconds, 1)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--only", default=",".join(WORKLOADS))
    parser.add_argument("--modes", default="eager,channels_last")
    parser.add_argument("--compress", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    distributed.init_process_group("gloo")
    for name in options.only.split(","):
        if name not in WORKLOADS:
            parser.error(f"no workload {name}; there are {', '.join(WORKLOADS)}")
        for mode in options.modes.split(","):
            record = measure(name, mode, options.steps, options.compress)
            if distributed.get_rank() == 0:
                print(json.dumps(record), flush=True)
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
