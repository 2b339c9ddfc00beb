"""Writes small weight files as Keras 2 and Keras 3 lay them out, with h5py 3's default settings.

    python make_keras.py

Element i of a dataset whose last word is NAME is i / 4 - len(NAME).
"""

import os

import h5py
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))


def ramp(name, shape, dtype=np.float32):
    count = int(np.prod(shape))
    return (np.arange(count) / 4 - len(name)).astype(dtype).reshape(shape)


with h5py.File(os.path.join(HERE, "keras2.h5"), "w") as file:
    file.attrs["keras_version"] = "2.15.0"
    weights = file.create_group("model_weights")
    weights.attrs["layer_names"] = np.array([b"conv", b"norm", b"dense"])
    # Enough layers that the group's tree has several leaves.
    for index in range(20):
        weights.create_group(f"idle_{index}")
    for layer, items in {
        "conv": [("kernel:0", (3, 3, 2, 4)), ("bias:0", (4,))],
        "norm": [("gamma:0", (4,)), ("beta:0", (4,)), ("moving_mean:0", (4,)),
                 ("moving_variance:0", (4,))],
        "dense": [("kernel:0", (4, 3)), ("bias:0", (3,))],
    }.items():
        group = weights.create_group(f"{layer}/{layer}")
        for name, shape in items:
            group.create_dataset(name, data=ramp(name.split(":")[0], shape))
    file.create_group("optimizer_weights").create_dataset("iterations:0", data=np.int64(7))

with h5py.File(os.path.join(HERE, "keras3.weights.h5"), "w") as file:
    for layer, shapes in {"conv2d": [(1, 1, 3, 2), (2,)], "dense": [(2, 2), (2,)]}.items():
        group = file.create_group(f"layers/{layer}/vars")
        for index, shape in enumerate(shapes):
            name = str(index)
            dtype = np.float16 if layer == "dense" else np.float64
            group.create_dataset(name, data=ramp(name, shape, dtype))

with h5py.File(os.path.join(HERE, "chunked.h5"), "w") as file:
    file.create_dataset("dense/dense/kernel:0", data=ramp("kernel", (4, 4)), compression="gzip")
