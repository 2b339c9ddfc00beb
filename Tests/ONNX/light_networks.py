#!/usr/bin/env python3
"""Compares the nine "light" networks of the wheel onnx==1.22.0 with ONNX Runtime, under seeded weights.

    pip install onnx==1.22.0 onnxruntime numpy
    Tests/ONNX/light_networks.py .build/release/atelier

The wheel has AlexNet, GoogLeNet, ResNet-50 and others with constant weights, which prove no more than sizes; here the
same graphs get random ones.
"""
import glob
import os
import sys
import tempfile

import numpy as np
import onnx
from common import check, reference
from onnx import numpy_helper


def seeded(model):
    """The model with its constant weights as seeded initializers."""
    generator = np.random.default_rng(3)
    graph = model.graph
    positive = {n.input[4] for n in graph.node if n.op_type == "BatchNormalization"}
    scales = {n.input[1] for n in graph.node if n.op_type == "BatchNormalization"}
    shapes = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    kept = []
    for node in graph.node:
        if node.op_type != "ConstantOfShape":
            kept.append(node)
            continue
        name, sizes = node.output[0], [int(size) for size in shapes[node.input[0]]]
        if name in positive or name in scales:
            values = generator.uniform(0.5, 1.5, sizes)
        elif len(sizes) >= 2:
            values = generator.normal(0, np.sqrt(2 / np.prod(sizes[1:])), sizes)
        else:
            values = generator.normal(0, 0.1, sizes)
        graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), name))
    del graph.node[:]
    graph.node.extend(kept)
    return model


def main():
    tool = sys.argv[1] if len(sys.argv) > 1 else ".build/release/atelier"
    base = os.path.join(os.path.dirname(onnx.__file__), "backend/test/data/light")
    failed = 0
    for source in sorted(glob.glob(base + "/*.onnx")):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, os.path.basename(source))
            model = seeded(onnx.load(source))
            onnx.save(model, path)
            known = {i.name for i in model.graph.initializer}
            port = next(p for p in model.graph.input if p.name not in known)
            sizes = [d.dim_value for d in port.type.tensor_type.shape.dim]
            inputs = {port.name: np.random.default_rng(5).random(sizes, np.float32)}
            good, text = check(tool, path, inputs, reference(path, inputs), 1e-4)
            failed += not good
            print("equal" if good else "FAILED", os.path.basename(source), text)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
