"""What the scripts of this folder share: ONNX Runtime's outputs, and the tool's word on them."""
import os
import subprocess

import numpy as np
import onnxruntime

onnxruntime.set_default_logger_severity(3)


def reference(path, inputs):
    """The outputs that ONNX Runtime gives for a file, by name; what the graph does not read is left out."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = {port.name for port in session.get_inputs()}
    outputs = [port.name for port in session.get_outputs()]
    return dict(zip(outputs, session.run(None, {n: a for n, a in inputs.items() if n in names})))


def random_inputs(path, seed=1):
    """Seeded numbers in [0, 1) for the inputs of a file with fixed sizes; boxes of objects where rows have five."""
    generator = np.random.default_rng(seed)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    inputs = {}
    for port in session.get_inputs():
        inputs[port.name] = generator.random(port.shape, np.float32)
        if len(port.shape) == 2 and port.shape[1] == 5:
            corners = generator.random((port.shape[0], 2), np.float32) * 60
            image = np.where(np.arange(port.shape[0]) % 3 == 2, -1, 0)[:, None]
            inputs[port.name] = np.concatenate([image, corners, corners + [40, 50]], 1).astype(np.float32)
    return inputs


def check(tool, model, inputs, outputs, tolerance, options=()):
    """Whether the tool gives these outputs for these inputs, and the last line of what it said."""
    numbers = os.path.splitext(model)[0] + ".npz" if model.endswith(".onnx") else model + ".npz"
    arrays = {"in:" + name: array for name, array in inputs.items()}
    arrays.update({"out:" + name: array for name, array in outputs.items()})
    np.savez(numbers, **arrays)
    command = [tool, "model", "check", model, *options, "--against", numbers, "--tolerance", str(tolerance)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).strip().split("\n")
    return done.returncode == 0, lines[-1]
