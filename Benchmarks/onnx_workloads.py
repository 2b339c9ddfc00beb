#!/usr/bin/env python3
"""More inference peers of `atelier bench`: the networks of torch_workloads.py in ONNX Runtime and OpenVINO, float32.

usage: onnx_workloads.py [--threads 2] [--seconds 6] [--only NAME,NAME] [--modes onnxruntime,openvino]
                         [--phases infer]

Prints one JSON object a line with the keys of torch_workloads.py. The networks are exported to ONNX in evaluation
mode with their batch size fixed, constants folded. Each mode runs in a process of its own, so that peak_rss_mb holds the
runtime and the model file but neither the other runtime nor PyTorch. Training is not theirs: `train` prints an error.
A-autoencoder prints one, too: max unpooling by switches cannot be exported.

Needs: pip install torch numpy onnx onnxruntime openvino
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NAMES = "A-autoencoder,B-dncnn,C-faceswap,D-unet,E-noise-generator,F-vgg16-transfer"
MODES = "onnxruntime,openvino"


def export(name, folder):
    """Writes the workload's network, its inputs and what it answers; returns what the record says of it."""
    import numpy
    import torch
    from torch_workloads import WORKLOADS

    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    task = WORKLOADS[name](
        lambda *shape: torch.rand(*shape, generator=generator),
        lambda classes, *shape: torch.randint(0, classes, shape, generator=generator))
    for network in task.networks:
        network.eval()

    class Inference(torch.nn.Module):
        """The whole of what the peers infer, as one network."""

        def __init__(self):
            super().__init__()
            self.networks = torch.nn.ModuleList(task.networks)

        def forward(self, *data):
            return task.infer(self.networks, data)

    # Labels are data of the loss alone; a network's inputs are images.
    images = tuple(d for d in task.data if d.dtype == torch.float32)
    with torch.inference_mode():
        expected = task.infer(task.networks, images)
    # Of an image and its target only the image is used; only the face swap reads both.
    used = images if isinstance(expected, tuple) else images[:1]
    inference = Inference().eval()
    path = Path(folder) / "network.onnx"
    torch.onnx.export(
        inference, used, str(path), dynamo=False, opset_version=17, do_constant_folding=True,
        input_names=[f"input{i}" for i in range(len(used))])
    expected = expected if isinstance(expected, tuple) else (expected,)
    numpy.savez(
        Path(folder) / "data.npz", **{f"input{i}": d.numpy() for i, d in enumerate(used)},
        **{f"output{i}": d.numpy() for i, d in enumerate(expected)})
    return {
        "images": task.images,
        "params": sum(p.numel() for n in task.networks for p in n.parameters())}


def onnxruntime_session(path, inputs, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, inputs)


def openvino_session(path, inputs, threads):
    import openvino

    model = openvino.Core().compile_model(path, "CPU", {
        "INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY"})
    request = model.create_infer_request()
    tensors = {name: openvino.Tensor(array, shared_memory=True) for name, array in inputs.items()}

    def run():
        request.infer(tensors, share_inputs=True, share_outputs=True)
        return [request.get_output_tensor(i).data for i in range(len(model.outputs))]

    return run


SESSIONS = {"onnxruntime": onnxruntime_session, "openvino": openvino_session}


def median_ms(step, seconds):
    """As torch_workloads.py has it, which this process does not import: it would bring PyTorch's memory along."""
    for _ in range(3):
        step()
    times = []
    end = time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def measure(mode, folder, threads, seconds):
    """Times the exported network; what it answers must be what PyTorch answers."""
    import numpy

    data = dict(numpy.load(Path(folder) / "data.npz"))
    inputs = {name: array for name, array in data.items() if name.startswith("input")}
    run = SESSIONS[mode](str(Path(folder) / "network.onnx"), inputs, threads)
    for index, answer in enumerate(run()):
        expected = data.pop(f"output{index}")
        limit = 1e-3 * max(float(numpy.abs(expected).max()), 1e-3)
        error = float(numpy.abs(numpy.asarray(answer) - expected).max())
        if not error <= limit:
            raise ValueError(f"output {index} differs from PyTorch by {error:.2g}; at most {limit:.2g} are expected")
    ms = median_ms(run, seconds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"ms": ms, "peak_rss_mb": peak // (1024 if sys.platform != "darwin" else 1 << 20)}


def child(arguments):
    """Runs a part of this script in a process of its own; its last line is the answer."""
    result = subprocess.run(
        [sys.executable, __file__, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lines = result.stdout.strip().splitlines()
    if result.returncode == 0 and lines:
        return json.loads(lines[-1])
    said = result.stderr.strip().splitlines()
    return {"error": (said[-1] if said else f"ended with {result.returncode}")[:120]}


def records(name, modes, phases, options):
    """Yields one record a mode and phase; the network is exported once."""
    with tempfile.TemporaryDirectory() as folder:
        exported = None
        for mode in modes:
            for phase in phases:
                record = {"workload": name, "phase": phase, "mode": mode}
                if phase != "infer":
                    yield record | {"error": f"{mode} does not train"}
                    continue
                if exported is None:
                    exported = child(["--export", folder, "--only", name])
                if "error" in exported:
                    yield record | {"error": f"cannot be exported: {exported['error']}"[:120]}
                    continue
                measured = child([
                    "--measure", folder, "--modes", mode, "--threads", str(options.threads),
                    "--seconds", str(options.seconds)])
                if "error" in measured:
                    yield record | {"error": measured["error"]}
                    continue
                ms = measured["ms"]
                yield record | {
                    "ms": round(ms, 3), "images_per_s": round(1e3 * exported["images"] / ms, 1),
                    "peak_rss_mb": measured["peak_rss_mb"], "params": exported["params"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--only", default=NAMES)
    parser.add_argument("--modes", default=MODES)
    parser.add_argument("--phases", default="infer")
    # The two parts, for the processes that this script starts.
    parser.add_argument("--export", help=argparse.SUPPRESS)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    for name in options.only.split(","):
        if name not in NAMES.split(","):
            parser.error(f"no workload {name}; there are {NAMES}")
    for mode in options.modes.split(","):
        if mode not in SESSIONS:
            parser.error(f"no mode {mode}; there are {MODES}")
    if options.export:
        print(json.dumps(export(options.only, options.export)))
    elif options.measure:
        print(json.dumps(measure(options.modes, options.measure, options.threads, options.seconds)))
    else:
        for name in options.only.split(","):
            for record in records(name, options.modes.split(","), options.phases.split(","), options):
                print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
