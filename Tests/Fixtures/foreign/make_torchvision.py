"""Writes networks.json: names, sizes and answers of torchvision's and timm's networks with seeded
weights (torch 2.13, torchvision 0.28, timm 1.0).

    python make_torchvision.py

Weights follow from their names alone (see `values`), so that no weights need to be kept.
"""

import json
import os

import numpy as np
import timm
import torch
import torchvision

HERE = os.path.dirname(os.path.abspath(__file__))
CLASSES = 10


def values(name, shape, kind=None):
    """Numbers in [-1, 1) from a hash of name and place, scaled by what the tensor is for."""
    seed = 2166136261
    for byte in name.encode():
        seed = ((seed ^ byte) * 16777619) & 0xFFFFFFFF
    count = int(np.prod(shape)) if len(shape) else 1
    x = (np.arange(count, dtype=np.uint64) * 2654435761 + seed).astype(np.uint32)
    x ^= x >> np.uint32(16)
    x = (x.astype(np.uint64) * 0x7FEB352D).astype(np.uint32)
    x ^= x >> np.uint32(15)
    x = (x.astype(np.uint64) * 0x846CA68B).astype(np.uint32)
    x ^= x >> np.uint32(16)
    u = (x >> np.uint32(8)).astype(np.float32) / np.float32(1 << 23) - np.float32(1)
    if len(shape) >= 2:
        bound = np.sqrt(np.float32(6 / np.prod(shape[1:])))
        u = u * bound
    elif name.endswith("running_var"):
        u = np.float32(1) + np.float32(0.5) * u
    elif kind == "norm":
        u = np.float32(1) + np.float32(0.125) * u
    else:
        u = np.float32(0.125) * u
    return torch.from_numpy(u.astype(np.float32).reshape(shape))


def seeded(model):
    norms = {
        name + ".weight" for name, module in model.named_modules()
        if isinstance(module, torch.nn.BatchNorm2d)
    }
    state = model.state_dict()
    for name, tensor in state.items():
        if tensor.is_floating_point():
            tensor.copy_(values(name, tuple(tensor.shape), "norm" if name in norms else None))
    model.load_state_dict(state)
    return [
        [name, list(tensor.shape), "norm" if name in norms else ""]
        for name, tensor in state.items() if tensor.is_floating_point()
    ]


def answers(model, side):
    names = seeded(model)
    model.eval()
    picture = (values("picture", (1, 3, side, side)) / np.float32(np.sqrt(6 / (3 * side * side))) + 1) / 2
    with torch.no_grad():
        result = model(picture)
    return {"side": side, "tensors": names, "answers": [float(x) for x in result.flatten()]}


torch.set_num_threads(1)
models = torchvision.models
networks = {
    "alexnet": (models.alexnet(num_classes=CLASSES), 224),
    "googlenet": (
        models.googlenet(num_classes=CLASSES, aux_logits=False, init_weights=False), 75),
    "resnet-18": (models.resnet18(num_classes=CLASSES), 64),
    "resnet-50": (models.resnet50(num_classes=CLASSES), 50),
    "mobilenet-v2": (models.mobilenet_v2(num_classes=CLASSES), 64),
    "efficientnet-lite0": (timm.create_model("tf_efficientnet_lite0", num_classes=CLASSES), 61),
    "efficientnet-lite0-timm": (timm.create_model("efficientnet_lite0", num_classes=CLASSES), 64),
}
document = {name: answers(model, side) for name, (model, side) in networks.items()}
# The convolutions alone: the dense layers' 120 million numbers would take long.
for name, model in [("vgg16", models.vgg16()), ("vgg16-bn", models.vgg16_bn())]:
    features = torch.nn.Sequential()
    features.features = model.features
    document[name] = answers(features, 48)
with open(os.path.join(HERE, "networks.json"), "w") as file:
    json.dump(document, file, separators=(",", ":"))
    file.write("\n")
