"""Normalisation, activations, and operations that join tensors."""

import numpy as np
import torch
import torch.nn.functional as F

from golden_spatial import simple
from golden_support import normal, rounded, to_nchw, to_nhwc, uniform

# Values at which activations are asked: zero, close to it on both sides, ordinary, and far out.
PROBES = [
    0.0, 1e-7, -1e-7, 1e-3, -1e-3, 0.05, -0.05, 0.3, -0.3, 0.7, -0.7, 1.0, -1.0, 1.7, -1.7, 2.5, -2.5,
    4.0, -4.0, 6.0, -6.0, 9.0, -9.0, 15.0, -15.0, 30.0, -30.0,
]


def norm_parameters(name, channels):
    return {
        "gamma": uniform(name, "gamma", (channels,), 0.5, 1.5),
        "beta": normal(name, "beta", (channels,)),
    }


def shifted(name, shape):
    """An input whose mean and variance differ from 0 and 1."""
    return rounded(normal(name, "x", shape) * 1.7 + 0.6)


def batch_norm(cases, label, shape, training, epsilon=1e-5, momentum=0.1):
    """torch's meaning: running = (1 - momentum) · running + momentum · batch, with the unbiased batch variance."""
    kind = "training" if training else "evaluation"
    name = f"batch-norm-{kind}-{label}"
    channels = shape[-1]
    parameters = norm_parameters(name, channels) | {
        "running_mean": normal(name, "running_mean", (channels,)),
        "running_variance": uniform(name, "running_variance", (channels,), 0.5, 2.0),
    }
    after = {}

    def run(x, gamma, beta, running_mean, running_variance):
        mean, variance = running_mean.clone(), running_variance.clone()
        images = to_nchw(x) if x.dim() == 4 else x
        result = F.batch_norm(images, mean, variance, gamma, beta, training, momentum, epsilon)
        after.update(mean=mean, variance=variance)
        return to_nhwc(result) if x.dim() == 4 else result

    extras = {
        "updated_mean": lambda: after["mean"].numpy(),
        "updated_variance": lambda: after["variance"].numpy(),
    }
    attributes = {"epsilon": epsilon, "momentum": momentum, "training": training}
    cases.differentiate(
        name, "batch_norm", attributes, run, {"x": shifted(name, shape)}, parameters,
        fixed=("running_mean", "running_variance"), extras=extras if training else None)


def instance_norm(cases, label, shape, affine=True, epsilon=1e-5):
    name = "instance-norm-" + label

    def run(x, gamma=None, beta=None):
        return to_nhwc(F.instance_norm(to_nchw(x), weight=gamma, bias=beta, eps=epsilon))

    cases.differentiate(
        name, "instance_norm", {"epsilon": epsilon, "affine": affine}, run, {"x": shifted(name, shape)},
        norm_parameters(name, shape[-1]) if affine else {})


def group_norm(cases, label, shape, groups, epsilon=1e-5):
    name = "group-norm-" + label
    run = lambda x, gamma, beta: to_nhwc(F.group_norm(to_nchw(x), groups, gamma, beta, epsilon))
    cases.differentiate(
        name, "group_norm", {"groups": groups, "epsilon": epsilon}, run, {"x": shifted(name, shape)},
        norm_parameters(name, shape[-1]))


def activation(cases, label, operation, attributes, run):
    """Adds the probe values as one image [1, 3, 9, 1] and random values as a ragged one."""
    named = lambda x: run(x)
    cases.differentiate(
        f"{label}-probes", operation, attributes, named, {"x": rounded(PROBES).reshape(1, 3, 9, 1)})
    cases.differentiate(
        f"{label}-ragged", operation, attributes, named,
        {"x": normal(label, "x", (3, 5, 3, 5), 3.0)})


def softmax(cases, label, data):
    name = "softmax-" + label
    cases.differentiate(name, "softmax", {}, lambda x: F.softmax(x, -1), {"x": rounded(data)})


def arithmetic(cases):
    """Adds arithmetic of two tensors, scaling, clamping, means, slices and windows."""
    for label, shape in [("image", (1, 4, 5, 3)), ("batch3", (3, 3, 3, 5)), ("vectors", (3, 17))]:
        simple(cases, "subtract-" + label, "subtract", {}, lambda x, y: x - y, shape, shape)
        simple(cases, "maximum-" + label, "maximum", {}, lambda x, y: torch.maximum(x, y), shape, shape)
        name = "divide-" + label
        # Divisors of both signs, none near 0.
        divisor = uniform(name, "y", shape, 0.5, 2.0) * np.sign(normal(name, "sign", shape))
        cases.differentiate(
            name, "divide", {}, lambda x, y: x / y, {"x": normal(name, "x", shape), "y": divisor})
    for label, shape in [("image", (1, 4, 5, 3)), ("vectors", (3, 17))]:
        simple(cases, "affine-" + label, "affine", {"scale": -1.5, "shift": 0.25},
               lambda x: -1.5 * x + 0.25, shape)
        simple(cases, "clamp-" + label, "clamp", {"low": -0.5, "high": 0.75},
               lambda x: x.clamp(-0.5, 0.75), shape)
        simple(cases, "mean-" + label, "mean", {}, lambda x: x.mean(), shape)
        simple(cases, "channel-slice-" + label, "channel_slice", {"start": 1, "count": 2},
               lambda x: x[..., 1:3], shape)
        simple(cases, "channel-embed-" + label, "channel_embed", {"start": 2, "total": 19},
               lambda x: F.pad(x, (2, 17 - x.shape[-1])), shape)
    rows = lambda *parts: torch.cat(parts, 0)
    simple(cases, "join-batches", "join_batches", {}, lambda x, y: rows(x, y), (1, 3, 4, 3), (2, 3, 4, 3))
    simple(cases, "join-batches-vectors", "join_batches", {}, lambda x, y: rows(x, y), (3, 17), (1, 17))
    simple(cases, "split-batch", "split_batch", {"first": 1}, lambda x: rows(x[1:], x[:1]), (3, 2, 3, 5))
    simple(cases, "reshape-image", "reshape", {"sizes": [5, 12]}, lambda x: x.reshape(-1, 5, 12), (3, 4, 5, 3))
    simple(cases, "reshape-vectors", "reshape", {"sizes": [2, 3, 4]}, lambda x: x.reshape(-1, 2, 3, 4), (3, 24))
    for label, shape, window in [("2x2", (1, 4, 6, 3), (2, 2)), ("3x2-batch3", (3, 6, 4, 17), (3, 2))]:
        simple(cases, "subsample-" + label, "subsample", {"window": window},
               lambda x: x[:, ::window[0], ::window[1]], shape)
        simple(cases, "sum-pool-" + label, "sum_pool", {"window": window},
               lambda x: to_nhwc(F.avg_pool2d(to_nchw(x), window, divisor_override=1)), shape)


def add(cases):
    """Adds every case of this file."""
    for training in (True, False):
        batch_norm(cases, "image", (1, 4, 5, 3), training)
        batch_norm(cases, "batch3", (3, 3, 4, 5), training, 1e-3)
        batch_norm(cases, "momentum", (3, 2, 3, 2), training, momentum=0.3)
        batch_norm(cases, "17-channels", (3, 3, 2, 17), training)
        batch_norm(cases, "one-channel", (1, 5, 7, 1), training)
        batch_norm(cases, "vectors", (7, 5), training)
    instance_norm(cases, "image", (1, 4, 5, 3))
    instance_norm(cases, "batch3", (3, 3, 4, 5), epsilon=1e-3)
    instance_norm(cases, "plain", (3, 5, 3, 2), affine=False)
    instance_norm(cases, "17-channels", (1, 3, 4, 17))
    group_norm(cases, "1", (3, 3, 4, 3), 1)
    group_norm(cases, "2", (3, 3, 4, 4), 2)
    group_norm(cases, "4", (1, 4, 5, 12), 4, 1e-3)
    group_norm(cases, "every-channel", (1, 4, 5, 3), 3)

    activation(cases, "relu", "relu", {}, torch.relu)
    for slope in (0.1, 0.2):
        activation(cases, f"leaky-relu-{slope}", "leaky_relu", {"slope": slope},
                   lambda x: F.leaky_relu(x, float(np.float32(slope))))
    activation(cases, "elu", "elu", {"alpha": 1.0}, F.elu)
    activation(cases, "elu-alpha0.5", "elu", {"alpha": 0.5}, lambda x: F.elu(x, 0.5))
    activation(cases, "silu", "silu", {}, F.silu)
    activation(cases, "gelu", "gelu", {}, F.gelu)
    activation(cases, "sigmoid", "sigmoid", {}, torch.sigmoid)
    activation(cases, "tanh", "tanh", {}, torch.tanh)
    softmax(cases, "image", normal("softmax", "image", (1, 3, 4, 5), 2.0))
    softmax(cases, "vectors", normal("softmax", "vectors", (3, 10), 2.0))
    softmax(cases, "17-channels", normal("softmax", "17", (3, 17), 2.0))
    softmax(cases, "large", [[30, -30, 0, 29.5], [-30, -30, -30, -29], [1e-7, -1e-7, 0, 0], [100, 98, 99, -100]])
    softmax(cases, "one-channel", normal("softmax", "one", (1, 2, 3, 1)))

    for label, shape in [("image", (1, 4, 5, 3)), ("batch3", (3, 3, 3, 5)), ("vectors", (3, 17))]:
        simple(cases, "add-" + label, "add", {}, lambda x, y: x + y, shape, shape)
        simple(cases, "multiply-" + label, "multiply", {}, lambda x, y: x * y, shape, shape)
    join = lambda *parts: torch.cat(parts, -1)
    simple(cases, "concatenate-two", "concatenate", {}, lambda x, y: join(x, y), (1, 3, 4, 3), (1, 3, 4, 5))
    simple(cases, "concatenate-two-batch3", "concatenate", {}, lambda x, y: join(x, y), (3, 3, 2, 1), (3, 3, 2, 4))
    simple(cases, "concatenate-three", "concatenate", {}, lambda x, y, z: join(x, y, z),
           (1, 4, 3, 1), (1, 4, 3, 16), (1, 4, 3, 3))
    simple(cases, "concatenate-three-batch3", "concatenate", {}, lambda x, y, z: join(x, y, z),
           (3, 2, 3, 2), (3, 2, 3, 2), (3, 2, 3, 5))
    simple(cases, "concatenate-vectors", "concatenate", {}, lambda x, y: join(x, y), (3, 5), (3, 17))
    arithmetic(cases)
