"""What the golden scripts share: seeded inputs, the list of cases, and the two files that a list becomes.

A list NAME becomes NAME.json and NAME.safetensors. Every tensor of a case has the key CASE/ROLE. Roles: x, y, z
(inputs in order), target, labels; weight, bias, gamma, beta, running_mean, running_variance, class_weights;
output; upstream (the cotangent of the output); gradient.ROLE (the gradient of sum(output * upstream)); and those
that a case lists under "extras". Arithmetic is float64 over inputs that were rounded to float32 first, results
are rounded to float32 once. Images are NHWC, labels and switches int32.
"""

import json
import pathlib
import zlib

import numpy as np
import torch
from safetensors.numpy import save_file

FOLDER = pathlib.Path(__file__).resolve().parent


def generator(name):
    """The random generator that belongs to a case, so that a new case moves no other."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def rounded(values):
    """The float64 array of the nearest float32 numbers."""
    return np.asarray(values, dtype=np.float32).astype(np.float64)


def normal(name, role, shape, scale=1.0):
    """Seeded normal numbers that belong to one tensor of one case."""
    return rounded(generator(name + "/" + role).standard_normal(shape) * scale)


def uniform(name, role, shape, low=0.0, high=1.0):
    """Seeded numbers in [low, high) that belong to one tensor of one case."""
    return rounded(generator(name + "/" + role).uniform(low, high, shape))


def integers(name, role, shape, count):
    """Seeded int32 numbers in 0..<count that belong to one tensor of one case."""
    return generator(name + "/" + role).integers(0, count, shape).astype(np.int32)


def to_nchw(tensor):
    return tensor.permute(0, 3, 1, 2).contiguous()


def to_nhwc(tensor):
    """The result in NHWC; its gradient comes back contiguous.

    torch's instance_norm (2.13, batch 1) returns wrong gradients for a gradient in channels-last order.
    """
    if tensor.requires_grad:
        tensor.register_hook(lambda gradient: gradient.contiguous())
    return tensor.permute(0, 2, 3, 1).contiguous()


class Cases:
    """A list of cases and their tensors."""

    def __init__(self, name, about):
        self.name = name
        self.about = about
        self.cases = []
        self.tensors = {}

    def keep(self, key, array):
        array = np.asarray(array)
        kind = np.int32 if array.dtype.kind in "iu" else np.float32
        assert key not in self.tensors, key
        assert np.isfinite(array).all(), key
        self.tensors[key] = np.array(array, dtype=kind, order="C")
        return key

    def append(self, name, operation, attributes, **lists):
        assert all(case["name"] != name for case in self.cases), name
        case = {"name": name, "operation": operation, "attributes": attributes}
        self.cases.append(case | lists)

    def differentiate(
        self, name, operation, attributes, function, inputs, parameters=None, fixed=(), extras=None,
        upstream=None,
    ):
        """Runs `function(**inputs, **parameters)` and adds output, upstream and gradients as a case.

        Roles in `fixed` and integer tensors get no gradient. `extras` maps a role to an array, or to a
        function without arguments that is called after the run.
        """
        parameters = parameters or {}
        leaves = {}
        for role, array in (inputs | parameters).items():
            leaf = torch.from_numpy(np.array(array))
            if array.dtype.kind == "f" and role not in fixed:
                leaf.requires_grad_(True)
            leaves[role] = leaf
        output = function(**leaves)
        assert output.dtype == torch.float64, name
        if upstream is None:
            upstream = normal(name, "upstream", tuple(output.shape))
        output.backward(torch.from_numpy(np.asarray(upstream)))
        key = lambda role: f"{name}/{role}"
        for role, array in (inputs | parameters).items():
            self.keep(key(role), array)
        self.keep(key("output"), output.detach().numpy())
        self.keep(key("upstream"), upstream)
        gradients = {}
        for role, leaf in leaves.items():
            if leaf.requires_grad:
                gradients[key(role)] = self.keep(key("gradient." + role), leaf.grad.numpy())
        kept = {}
        for role, array in (extras or {}).items():
            kept[role] = self.keep(key(role), array() if callable(array) else array)
        lists = {
            "inputs": [key(role) for role in inputs],
            "parameters": [key(role) for role in parameters],
            "output": key("output"),
            "upstream": key("upstream"),
            "gradients": gradients,
        }
        if kept:
            lists["extras"] = kept
        self.append(name, operation, attributes, **lists)

    def write(self):
        """Writes the two files and returns their sizes in bytes."""
        lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in self.cases)
        index = FOLDER / f"{self.name}.json"
        index.write_text(f'{{"about":{json.dumps(self.about)},\n"cases":[\n{lines}\n]}}\n')
        sizes = [index.stat().st_size]
        if self.tensors:
            arrays = FOLDER / f"{self.name}.safetensors"
            save_file(self.tensors, arrays)
            arrays.chmod(index.stat().st_mode)
            sizes.append(arrays.stat().st_size)
        print(f"{self.name}: {len(self.cases)} cases, {len(self.tensors)} tensors, {sizes} bytes")
        return sum(sizes)
