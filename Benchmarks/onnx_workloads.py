#!/usr/bin/env python3
"""More inference peers of `atelier bench`: the networks of torch_workloads.py in ONNX Runtime, OpenVINO and ncnn, float32.

usage: onnx_workloads.py [--threads 2] [--seconds 6] [--only NAME,NAME] [--phases infer]
                         [--modes onnxruntime,openvino,openvino_throughput,ncnn]

Prints one JSON object a line with the keys of torch_workloads.py. The networks are exported to ONNX in evaluation
mode with their batch size fixed, constants folded. Each mode runs in a process of its own, so that peak_rss_mb holds the
runtime and the model file but neither the other runtime nor PyTorch. Training is not theirs: `train` prints an error.
A-autoencoder prints one, too: max unpooling by switches cannot be exported.

`openvino` is its latency hint with one stream, `openvino_throughput` its throughput hint: the batch goes in as
single pictures, as many at once as it wants. ncnn knows no batches, so that its pictures go one after the other.

Needs: pip install torch numpy onnx onnxruntime openvino ncnn pnnx
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
MODES = "onnxruntime,openvino,openvino_throughput,ncnn"


def export(name, folder, mode):
    """Writes the workload's network as the mode reads it, its inputs and what it answers; returns what the record says
    of it."""
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
    pictures = tuple(d[:1] for d in used)
    if mode == "ncnn":
        import pnnx

        pnnx.export(inference, str(Path(folder) / "network.pt"), inputs=pictures, fp16=False)
    else:
        torch.onnx.export(
            inference, pictures if mode in SINGLE else used, str(Path(folder) / "network.onnx"), dynamo=False,
            opset_version=17, do_constant_folding=True, input_names=[f"input{i}" for i in range(len(used))])
    expected = expected if isinstance(expected, tuple) else (expected,)
    numpy.savez(
        Path(folder) / "data.npz", **{f"input{i}": d.numpy() for i, d in enumerate(used)},
        **{f"output{i}": d.numpy() for i, d in enumerate(expected)})
    return {
        "images": task.images,
        "params": sum(p.numel() for n in task.networks for p in n.parameters())}


def onnxruntime_session(folder, inputs, threads):
    import onnxruntime

    path = str(folder / "network.onnx")
    options = onnxruntime.SessionOptions()
    options.enable_cpu_mem_arena = True
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, inputs)


def openvino_session(folder, inputs, threads):
    import openvino

    model = openvino.Core().compile_model(str(folder / "network.onnx"), "CPU", {
        "INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY"})
    request = model.create_infer_request()
    tensors = {name: openvino.Tensor(array, shared_memory=True) for name, array in inputs.items()}

    def run():
        request.infer(tensors, share_inputs=True, share_outputs=True)
        return [request.get_output_tensor(i).data for i in range(len(model.outputs))]

    return run


def openvino_throughput_session(folder, inputs, threads):
    import numpy
    import openvino

    model = openvino.Core().compile_model(str(folder / "network.onnx"), "CPU", {
        "INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "THROUGHPUT"})
    queue = openvino.AsyncInferQueue(model)
    count = len(next(iter(inputs.values())))
    answers = [None] * count

    def keep(request, index):
        answers[index] = [request.get_output_tensor(i).data.copy() for i in range(len(model.outputs))]

    queue.set_callback(keep)
    pictures = [{name: array[i:i + 1] for name, array in inputs.items()} for i in range(count)]

    def run():
        for index, picture in enumerate(pictures):
            queue.start_async(picture, index)
        queue.wait_all()
        return [numpy.concatenate(parts) for parts in zip(*answers)]

    return run


def ncnn_session(folder, inputs, threads):
    import ncnn
    import numpy

    network = ncnn.Net()
    network.opt.num_threads = threads
    # float32 throughout, as the others.
    network.opt.use_fp16_packed = network.opt.use_fp16_storage = network.opt.use_fp16_arithmetic = False
    network.opt.use_bf16_storage = False
    for load, ending in ((network.load_param, "param"), (network.load_model, "bin")):
        if load(str(folder / f"network.ncnn.{ending}")) != 0:
            raise ValueError(f"ncnn does not take network.ncnn.{ending}")
    outputs = len(network.output_names())
    count = len(next(iter(inputs.values())))

    def run():
        answers = []
        for index in range(count):
            with network.create_extractor() as extractor:
                for place in range(len(inputs)):
                    extractor.input(f"in{place}", ncnn.Mat(inputs[f"input{place}"][index]))
                answers.append([numpy.array(extractor.extract(f"out{i}")[1]) for i in range(outputs)])
        return [numpy.stack(parts) for parts in zip(*answers)]

    return run


SESSIONS = {
    "onnxruntime": onnxruntime_session, "openvino": openvino_session,
    "openvino_throughput": openvino_throughput_session, "ncnn": ncnn_session}
# Those that take a batch as single pictures.
SINGLE = ("openvino_throughput", "ncnn")


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
    run = SESSIONS[mode](Path(folder), inputs, threads)
    for index, answer in enumerate(run()):
        expected = data.pop(f"output{index}")
        answer = numpy.asarray(answer).reshape(expected.shape)
        limit = 1e-3 * max(float(numpy.abs(expected).max()), 1e-3)
        error = float(numpy.abs(answer - expected).max())
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
    """Yields one record a mode and phase."""
    for mode in modes:
        with tempfile.TemporaryDirectory() as folder:
            exported = None
            for phase in phases:
                record = {"workload": name, "phase": phase, "mode": mode}
                if phase != "infer":
                    yield record | {"error": f"{mode} does not train"}
                    continue
                if exported is None:
                    exported = child(["--export", folder, "--only", name, "--modes", mode])
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
        print(json.dumps(export(options.only, options.export, options.modes)))
    elif options.measure:
        print(json.dumps(measure(options.modes, options.measure, options.threads, options.seconds)))
    else:
        for name in options.only.split(","):
            for record in records(name, options.modes.split(","), options.phases.split(","), options):
                print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
