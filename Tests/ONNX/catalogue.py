#!/usr/bin/env python3
"""Writes every network of the catalogue as ONNX and compares ONNX Runtime's outputs with Atelier's.

    pip install onnx==1.22.0 onnxruntime numpy
    Tests/ONNX/catalogue.py .build/release/atelier

Weights are the networks' seeded first ones. Each file passes onnx.checker with full shape inference.
"""
import os
import re
import subprocess
import sys
import tempfile

import onnx
from common import check, random_inputs, reference

# Sizes that say more than the standard ones: odd where a network takes them.
OPTIONS = {
    "autoencoder": ["--size", "64x48"],
    "segnet": ["--size", "61x83", "--channels", "3"],
    "segnet-basic": ["--size", "61x83", "--channels", "3"],
    "segment-unet": ["--size", "64x96", "--channels", "3"],
    "fcn": ["--size", "64x96", "--channels", "3"],
}
# Variants beside the standard forms.
VARIANTS = [("autoencoder", ["--size", "64x48", "--unpool", kind]) for kind in ("nearest", "bed-of-nails", "transposed")]


def networks(tool):
    """The names that `model summary` takes, from its own description."""
    text = subprocess.run([tool, "model", "summary", "--help"], capture_output=True, text=True, check=True).stdout
    names = re.search(r"or a network: ([a-z0-9,\s-]+)", text).group(1)
    return [name for name in re.split(r"[,\s]+", names) if name]


def attempt(tool, name, options, extra, tolerance, folder):
    """One network written and compared: whether it is equal, and what was said."""
    path = os.path.join(folder, name + ".onnx")
    command = [tool, "model", "export", name, *options, *extra, "-o", path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return False, done.stderr.strip()
    onnx.checker.check_model(path, full_check=True)
    if "--dynamic" in extra:
        return True, "checked"
    inputs = random_inputs(path)
    outputs = reference(path, inputs)
    # The name stands for the same seeded weights: the engine's own graph is what is compared.
    return check_name(tool, name, inputs, outputs, tolerance, options, folder)


def check_name(tool, name, inputs, outputs, tolerance, options, folder):
    """The engine's own network of a name against ONNX Runtime's outputs."""
    here = os.getcwd()
    tool = os.path.abspath(tool)
    os.chdir(folder)
    try:
        return check(tool, name, inputs, outputs, tolerance, options)
    finally:
        os.chdir(here)


def main():
    tool = sys.argv[1] if len(sys.argv) > 1 else ".build/release/atelier"
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        cases = [(name, OPTIONS.get(name, [])) for name in networks(tool)] + VARIANTS
        for name, options in cases:
            for extra, tolerance in ([], 1e-5), (["--dynamic"], 1e-5), (["--opset", "21"], 1e-5), (["--float16"], 2e-2):
                good, text = attempt(tool, name, options, extra, tolerance, folder)
                failed += not good
                print("equal" if good else "FAILED", name, *options, *extra, text)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
