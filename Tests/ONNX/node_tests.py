#!/usr/bin/env python3
"""Runs the standard's own node tests (the wheel onnx==1.22.0) of the operators that are read.

    pip install onnx==1.22.0 numpy
    Tests/ONNX/node_tests.py .build/release/atelier

Each test is a file of one operator with its inputs and outputs. Whole numbers (sizes, axes, places) become
initializers, because a planned network has fixed sizes; floats stay inputs, or, where the operator takes them only
as known numbers, all but the first become initializers. Every failure is printed; those below are expected.
"""
import copy
import glob
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from onnx import numpy_helper

OPERATORS = set(
    """Conv ConvTranspose MaxPool AveragePool GlobalAveragePool GlobalMaxPool MaxUnpool Relu LeakyRelu PRelu Elu
    Sigmoid HardSigmoid HardSwish Gelu Softplus Tanh Exp Sqrt Clip Add Sub Mul Div Sum MatMul Gemm Concat Split Slice
    Pad Reshape Flatten Transpose Squeeze Unsqueeze Expand Tile Gather ScatterND BatchNormalization
    InstanceNormalization GroupNormalization LayerNormalization LRN Softmax ReduceMean Resize DepthToSpace
    SpaceToDepth Dropout Identity Constant ConstantOfShape Shape Cast""".split()
)

# Why a test fails, by what its name begins with.
EXPECTED = {
    "test_averagepool_2d_dilations": "dilated windows",
    "test_maxpool_2d_dilations": "dilated windows",
    "test_batchnorm_epsilon_training_mode": "training form",
    "test_batchnorm_example_training_mode": "training form",
    "test_training_dropout": "drops values while it infers",
    "test_dropout_default_mask": "a mask of truth values as output",
    "test_maxpool_with_argmax": "places as output of a network",
    "test_maxunpool_export": "places as input of a network",
    "test_resize_downsample_scales_cubic_align_corners": "scale without size; ONNX Runtime differs too",
    "test_resize_downsample_scales_linear_align_corners": "scale without size; ONNX Runtime differs too",
    "test_resize_tf_crop_and_resize": "a region of interest",
    "test_scatternd": "scattering that is no unpooling",
    "test_castlike": "an empty input beside the one that is cast",
    "test_reshape_allowzero_reordered": "tensors without elements",
    "test_slice_start_out_of_bounds": "tensors without elements",
    "test_split_zero_size_splits": "tensors without elements",
}


def tensor(path):
    """The array of a TensorProto file."""
    proto = onnx.TensorProto()
    with open(path, "rb") as file:
        proto.ParseFromString(file.read())
    return numpy_helper.to_array(proto)


def arrays(folder, kind):
    """The inputs or outputs of a test, in order."""
    paths = glob.glob(os.path.join(folder, "test_data_set_0", kind + "_*.pb"))
    return [tensor(path) for path in sorted(paths, key=lambda path: int(path.split("_")[-1][:-3]))]


def unfit(inputs, outputs):
    """Why a test has nothing to run here, or None."""
    if any(array.dtype != np.float32 for array in outputs[:1]):
        return "the result is " + str(outputs[0].dtype)
    if any(array.ndim > 4 for array in inputs + outputs):
        return "rank above 4"
    if not any(array.dtype == np.float32 for array in inputs):
        return "no float goes in"
    return None


def passes(tool, model, inputs, outputs, all_inputs, folder):
    """Whether the tool gives a test's outputs, and what it said."""
    model = copy.deepcopy(model)
    data, first = {}, True
    for port, array in zip(list(model.graph.input), inputs):
        if array.dtype == np.float32 and (all_inputs or first):
            data["in:" + port.name] = array
            first = False
        else:
            model.graph.initializer.append(numpy_helper.from_array(array, port.name))
    for port, array in zip(model.graph.output, outputs):
        data["out:" + port.name] = array.astype(np.float32)
    file, numbers = os.path.join(folder, "test.onnx"), os.path.join(folder, "test.npz")
    onnx.save(model, file)
    np.savez(numbers, **data)
    # The standard's data is rounded to a few digits here and there.
    command = [tool, "model", "check", file, "--against", numbers, "--tolerance", "1e-3"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode == 0, (done.stderr or done.stdout).strip().split("\n")[-1]


def main():
    tool = sys.argv[1] if len(sys.argv) > 1 else ".build/release/atelier"
    base = os.path.join(os.path.dirname(onnx.__file__), "backend/test/data/node")
    counts = {"passed": 0, "expected": 0, "failed": 0}
    left_out = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in sorted(os.listdir(base)):
            model = onnx.load(os.path.join(base, name, "model.onnx"))
            node = model.graph.node
            if len(node) != 1 or node[0].op_type not in OPERATORS or node[0].domain not in ("", "ai.onnx"):
                continue
            try:
                inputs, outputs = arrays(os.path.join(base, name), "input"), arrays(os.path.join(base, name), "output")
            except Exception as error:  # Sequences and other types that are no tensors.
                left_out.setdefault("no tensors", []).append(name)
                continue
            why = unfit(inputs, outputs)
            if why:
                left_out.setdefault(why, []).append(name)
                continue
            good, text = passes(tool, model, inputs, outputs, True, folder)
            if not good:
                good, second = passes(tool, model, inputs, outputs, False, folder)
                text = text if text == second else f"{text} | {second}"
            reason = next((EXPECTED[key] for key in EXPECTED if name.startswith(key)), None)
            kind = "passed" if good else "expected" if reason else "failed"
            counts[kind] += 1
            if not good:
                print(f"{kind}: {name}: {reason or text}")
    total = sum(counts.values())
    print(f"{counts['passed']} of {total} node tests passed, {counts['expected']} exceptions named above")
    for why in sorted(left_out):
        print(f"left out, {why}: {len(left_out[why])}")
    sys.exit(1 if counts["failed"] else 0)


if __name__ == "__main__":
    main()
