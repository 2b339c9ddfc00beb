"""Losses: a scalar output, upstream 1, the gradient of the prediction x."""

import numpy as np
import torch
import torch.nn.functional as F

from golden_support import integers, normal, rounded, to_nchw, uniform


def loss(cases, name, operation, attributes, run, inputs, parameters=None):
    fixed = [role for role in (inputs | (parameters or {})) if role != "x"]
    cases.differentiate(
        name, operation, attributes, run, inputs, parameters, fixed=fixed, upstream=np.array(1.0))


def ssim(x, target):
    """Mean SSIM (Wang et al. 2004): Gaussian 11×11, sigma 1.5, weighted (biased) moments, data range 1, valid area."""
    taps = torch.exp(-((torch.arange(11, dtype=torch.float64) - 5) ** 2) / (2 * 1.5 ** 2))
    taps = taps / taps.sum()
    channels = x.shape[3]
    kernel = (taps[:, None] * taps[None, :]).expand(channels, 1, 11, 11)
    blur = lambda t: F.conv2d(t, kernel, groups=channels)
    a, b = to_nchw(x), to_nchw(target)
    mean_a, mean_b = blur(a), blur(b)
    var_a, var_b = blur(a * a) - mean_a ** 2, blur(b * b) - mean_b ** 2
    covariance = blur(a * b) - mean_a * mean_b
    c1, c2 = 0.01 ** 2, 0.03 ** 2
    top = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return (top / ((mean_a ** 2 + mean_b ** 2 + c1) * (var_a + var_b + c2))).mean()


def rows(x):
    return x.reshape(-1, x.shape[-1])


def cross_entropy(x, labels, weights=None, ignore=-100):
    """torch's mean: sum of weight · loss over sum of weight, ignored rows in neither."""
    return F.cross_entropy(rows(x), labels.reshape(-1).long(), weights, ignore_index=ignore)


def focal(x, labels, gamma):
    """Mean over rows of (1 - p)^gamma · (-log p), p the probability of the label (Lin et al. 2017)."""
    logs = F.log_softmax(rows(x), -1).gather(1, labels.reshape(-1, 1).long())[:, 0]
    return ((1 - logs.exp()) ** gamma * -logs).mean()


def dice(x, target, prediction, smooth=1.0):
    """1 - mean over classes of (2 sum p t + s) / (sum p + sum t + s); sums over batch and pixels."""
    p = {"none": x, "softmax": torch.softmax(x, -1), "sigmoid": torch.sigmoid(x)}[prediction]
    p, t = rows(p), rows(target)
    return 1 - ((2 * (p * t).sum(0) + smooth) / (p.sum(0) + t.sum(0) + smooth)).mean()


def sparse_dice(x, labels, smooth, ignore):
    """The same of softmax's probabilities with a label a row, over the rows that are not ignored."""
    kept = labels.reshape(-1) != ignore
    p = torch.softmax(rows(x), -1)[kept]
    return dice(p, F.one_hot(labels.reshape(-1)[kept].long(), x.shape[-1]).to(p), "none", smooth)


def margin(x, labels, kappa, targeted):
    """Carlini and Wagner 2017: mean over rows of max(z_label - max other + kappa, 0), or its mirror when targeted."""
    index = labels.long()[:, None]
    own = x.gather(1, index)[:, 0]
    other = x.scatter(1, index, -torch.inf).max(1).values
    return (((other - own) if targeted else (own - other)) + kappa).clamp_min(0).mean()


def regression(cases, label, shape, equal=0):
    """The four losses of differences over one pair; the first `equal` elements do not differ."""
    name = "regression-" + label
    x, target = normal(name, "x", shape), normal(name, "target", shape)
    x.flat[:equal] = target.flat[:equal]
    inputs = {"x": x, "target": target}
    delta, epsilon = 0.5, 1e-3
    add = lambda kind, operation, attributes, run: loss(
        cases, f"{kind}-{label}", operation, attributes, run, inputs)
    add("squared-error", "squared_error", {}, lambda x, target: F.mse_loss(x, target))
    add("absolute-error", "absolute_error", {}, lambda x, target: F.l1_loss(x, target))
    add("huber", "huber", {"delta": delta}, lambda x, target: F.huber_loss(x, target, delta=delta))
    add("charbonnier", "charbonnier", {"epsilon": epsilon},
        lambda x, target: torch.sqrt((x - target) ** 2 + epsilon ** 2).mean())


def one_hot(labels, count):
    return np.eye(count)[labels]


def add(cases):
    """Adds every case of this file."""
    regression(cases, "image", (1, 5, 7, 3))
    regression(cases, "batch3", (3, 4, 3, 1), equal=5)
    regression(cases, "vectors", (3, 17))

    bce = lambda x, target: F.binary_cross_entropy_with_logits(x, target)
    for label, shape, scale in [("mask", (1, 5, 7, 1), 2.0), ("batch3", (3, 4, 3, 2), 2.0), ("large", (3, 5), 20.0)]:
        name = "binary-cross-entropy-" + label
        inputs = {"x": normal(name, "x", shape, scale), "target": np.round(uniform(name, "target", shape))}
        loss(cases, name, "binary_cross_entropy", {}, bce, inputs)
    name = "binary-cross-entropy-soft"
    inputs = {"x": normal(name, "x", (3, 7)), "target": uniform(name, "target", (3, 7))}
    loss(cases, name, "binary_cross_entropy", {}, bce, inputs)

    for label, shape, scale, weighted, ignored in [
        ("vectors", (5, 10), 1.0, False, False), ("image", (1, 4, 5, 3), 1.0, False, False),
        ("large", (4, 5), 30.0, False, False), ("weighted", (7, 5), 1.0, True, False),
        ("ignored", (3, 3, 4, 4), 1.0, False, True), ("weighted-ignored", (3, 3, 2, 5), 1.0, True, True),
        ("33-classes", (3, 33), 1.0, False, False),
    ]:
        name = "sparse-cross-entropy-" + label
        labels = integers(name, "labels", shape[:-1], shape[-1])
        if ignored:
            labels.flat[::4] = 255
        parameters = {"class_weights": uniform(name, "class_weights", (shape[-1],), 0.2, 3.0)} if weighted else {}
        attributes = {"ignore_index": 255} if ignored else {}
        run = lambda x, labels, class_weights=None: cross_entropy(
            x, labels, class_weights, 255 if ignored else -100)
        loss(cases, name, "sparse_cross_entropy", attributes, run,
             {"x": normal(name, "x", shape, scale), "labels": labels}, parameters)

    for label, shape in [("vectors", (5, 10)), ("image", (3, 3, 2, 4))]:
        name = "categorical-cross-entropy-" + label
        soft = uniform(name, "target", shape)
        target = rounded(soft / soft.sum(-1, keepdims=True))
        loss(cases, name, "categorical_cross_entropy", {},
             lambda x, target: -(target * F.log_softmax(x, -1)).sum(-1).mean(),
             {"x": normal(name, "x", shape), "target": target})

    for label, shape, gamma in [("vectors", (5, 10), 2.0), ("image", (3, 3, 2, 4), 2.0), ("gamma1.5", (5, 3), 1.5),
                                ("gamma0", (5, 3), 0.0)]:
        name = "focal-" + label
        loss(cases, name, "focal", {"gamma": gamma}, lambda x, labels: focal(x, labels, gamma),
             {"x": normal(name, "x", shape, 2.0), "labels": integers(name, "labels", shape[:-1], shape[-1])})

    for label, shape, prediction in [("image", (1, 5, 4, 3), "none"), ("batch3", (3, 4, 3, 1), "none"),
                                     ("softmax", (3, 3, 4, 4), "softmax"), ("sigmoid", (3, 3, 4, 1), "sigmoid")]:
        name = "dice-" + label
        if shape[-1] > 1:
            target = one_hot(integers(name, "target", shape[:-1], shape[-1]), shape[-1])
        else:
            target = np.round(uniform(name, "target", shape))
        x = uniform(name, "x", shape) if prediction == "none" else normal(name, "x", shape)
        loss(cases, name, "dice", {"smooth": 1.0, "prediction": prediction},
             lambda x, target: dice(x, target, prediction), {"x": x, "target": target})

    for label, shape, smooth, ignored, scale in [
        ("vectors", (5, 10), 1.0, False, 1.0), ("image", (3, 3, 4, 4), 1.0, False, 2.0),
        ("ignored", (3, 5, 4, 3), 1.0, True, 2.0), ("smooth0.25", (7, 5), 0.25, True, 1.0),
        ("steep", (4, 5), 1.0, False, 5.0),
    ]:
        name = "sparse-dice-" + label
        labels = integers(name, "labels", shape[:-1], shape[-1])
        if ignored:
            labels.flat[::4] = 255
        attributes = {"smooth": smooth} | ({"ignore_index": 255} if ignored else {})
        loss(cases, name, "sparse_dice", attributes,
             lambda x, labels: sparse_dice(x, labels, smooth, 255 if ignored else -100),
             {"x": normal(name, "x", shape, scale), "labels": labels})

    for targeted in (False, True):
        for kappa in (0.0, 1.5):
            name = f"margin-{'targeted' if targeted else 'untargeted'}-kappa{kappa}"
            loss(cases, name, "margin", {"kappa": kappa, "targeted": targeted},
                 lambda x, labels: margin(x, labels, kappa, targeted),
                 {"x": normal(name, "x", (9, 5), 1.5), "labels": integers(name, "labels", (9,), 5)})

    for label, shape, noise in [("gray", (1, 13, 12, 1), 0.1), ("colour", (1, 12, 13, 3), 0.2),
                                ("batch3", (3, 11, 12, 1), 0.05), ("window", (1, 11, 11, 1), 0.3)]:
        name = "ssim-" + label
        target = uniform(name, "target", shape)
        x = rounded(np.clip(target + normal(name, "x", shape, noise), 0, 1))
        loss(cases, name, "ssim_loss", {"window": 11, "sigma": 1.5, "data_range": 1.0},
             lambda x, target: 1 - ssim(x, target), {"x": x, "target": target})
