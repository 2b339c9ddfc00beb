"""Pooling, unpooling, resizing, pixel shuffle, padding and cropping."""

import numpy as np
import torch
import torch.nn.functional as F

from golden_convolutions import padding_attribute, pair, resolved
from golden_support import normal, to_nchw, to_nhwc


def pooled_with_switches(x, window, stride, edges):
    """Maxima and their places y · width + x in the input's own plane; padding never wins; the first of equals does."""
    top, bottom, left, right = edges
    planes = F.pad(to_nchw(x), (left, right, top, bottom), value=-np.inf)
    values, places = F.max_pool2d(planes, window, stride, return_indices=True)
    y, column = places // planes.shape[3] - top, places % planes.shape[3] - left
    return to_nhwc(values), to_nhwc(y * x.shape[2] + column).to(torch.int32)


def max_pool(cases, label, x, window, stride=None, padding="valid", ties=False):
    name = "max-pool-" + label
    window = pair(window)
    stride = pair(stride or window)
    edges = resolved(padding, x[1:3], window, stride, [1, 1])
    data = normal(name, "x", x)
    if ties:
        data = np.round(data)
    switches = {}

    def run(x):
        values, switches["places"] = pooled_with_switches(x, window, stride, edges)
        return values

    attributes = {"window": window, "stride": stride, "padding": padding_attribute(edges)}
    cases.differentiate(
        name, "max_pool", attributes, run, {"x": data},
        extras={"switches": lambda: switches["places"].numpy()})


def max_unpool(cases, label, mirror, window, stride=None, padding="valid"):
    """x: values to unpool; `pool_input` is what the mirror pool saw and gives the switches and the output size."""
    name = "max-unpool-" + label
    window = pair(window)
    stride = pair(stride or window)
    edges = resolved(padding, mirror[1:3], window, stride, [1, 1])
    pool_input = normal(name, "pool_input", mirror)
    _, switches = pooled_with_switches(torch.from_numpy(pool_input), window, stride, edges)

    def run(x):
        places = to_nchw(switches).to(torch.int64)
        flat = torch.zeros(mirror[0], mirror[3], mirror[1] * mirror[2], dtype=torch.float64)
        flat = flat.scatter_add(2, places.flatten(2), to_nchw(x).flatten(2))
        result = flat.reshape(mirror[0], mirror[3], mirror[1], mirror[2])
        native = F.max_unpool2d(to_nchw(x), places, window, stride, output_size=mirror[1:3]) if (
            padding == "valid") else result
        assert torch.equal(native, result), name
        return to_nhwc(result)

    attributes = {
        "window": window, "stride": stride, "padding": padding_attribute(edges),
        "output_size": list(mirror[1:3]),
    }
    cases.differentiate(
        name, "max_unpool", attributes, run, {"x": normal(name, "x", tuple(switches.shape))},
        extras={"pool_input": pool_input, "switches": switches.numpy()})


def average_pool(cases, label, x, window, stride=None, padding="valid", include=True):
    name = "average-pool-" + label
    window = pair(window)
    stride = pair(stride or window)
    edges = resolved(padding, x[1:3], window, stride, [1, 1])
    top, bottom, left, right = edges

    def run(x):
        sums = lambda t: F.avg_pool2d(
            F.pad(to_nchw(t), (left, right, top, bottom)), window, stride, divisor_override=1)
        count = window[0] * window[1] if include else sums(torch.ones_like(x))
        result = sums(x) / count
        if top == bottom <= window[0] // 2 and left == right <= window[1] // 2:
            native = F.avg_pool2d(
                to_nchw(x), window, stride, (top, left), count_include_pad=include)
            assert torch.allclose(native, result), name
        return to_nhwc(result)

    attributes = {
        "window": window, "stride": stride, "padding": padding_attribute(edges),
        "count_include_pad": include,
    }
    cases.differentiate(name, "average_pool", attributes, run, {"x": normal(name, "x", x)})


def simple(cases, name, operation, attributes, run, *shapes):
    """Adds an operation of one to three random inputs x, y, z."""
    inputs = {role: normal(name, role, shape) for role, shape in zip("xyz", shapes)}
    cases.differentiate(name, operation, attributes, run, inputs)


def bed_of_nails(x, stride):
    n, h, w, c = x.shape
    result = torch.zeros(n, h, stride[0], w, stride[1], c, dtype=x.dtype)
    result[:, :, 0, :, 0] = x
    return result.reshape(n, h * stride[0], w * stride[1], c)


def shuffled(x, block):
    """Channel (dy · block + dx) · C + c of pixel (y, x) becomes channel c of pixel (y · block + dy, x · block + dx)."""
    n, h, w, c = x.shape
    c //= block * block
    parts = x.reshape(n, h, w, block, block, c).permute(0, 1, 3, 2, 4, 5)
    result = parts.reshape(n, h * block, w * block, c)
    order = [(d * c + k) for k in range(c) for d in range(block * block)]
    assert torch.equal(to_nhwc(F.pixel_shuffle(to_nchw(x[..., order]), block)), result)
    return result


def unshuffled(x, block):
    n, h, w, c = x.shape
    parts = x.reshape(n, h // block, block, w // block, block, c).permute(0, 1, 3, 2, 4, 5)
    result = parts.reshape(n, h // block, w // block, block * block * c)
    assert torch.equal(shuffled(result, block), x)
    return result


def taps(at, size):
    """The pixels that a point between them reads and their weights, as torchvision's roi_align_kernel.cpp has it."""
    if at < -1 or at > size:
        return []
    at = max(at, 0.0)
    low = int(at)
    if low >= size - 1:
        return [(size - 1, 1.0)]
    return [(low, 1 - (at - low)), (low + 1, at - low)]


def read_regions(x, boxes, size, scale, samples):
    """torchvision's roi_align(aligned=True), written out in Python; rows of image -1 give zeros."""
    rows = []
    for image, left, top, right, bottom in boxes.tolist():
        bins = []
        for oy in range(size[0]):
            for ox in range(size[1]):
                value = x.new_zeros(x.shape[3])
                for i in range(samples * samples if image >= 0 else 0):
                    high, wide = (bottom - top) * scale / size[0], (right - left) * scale / size[1]
                    y = top * scale - 0.5 + (oy + (i // samples + 0.5) / samples) * high
                    across = left * scale - 0.5 + (ox + (i % samples + 0.5) / samples) * wide
                    for row, down in taps(y, x.shape[1]):
                        for column, part in taps(across, x.shape[2]):
                            value = value + x[int(image), row, column] * (down * part / samples ** 2)
                bins.append(value)
        rows.append(torch.stack(bins).reshape(size[0], size[1], -1))
    return torch.stack(rows)


def region_align(cases, label, features, boxes, size, scale, samples=2):
    """Adds a ROI align; boxes are image, left, top, right, bottom."""
    name = "region-align-" + label
    boxes = np.array(boxes, dtype=np.float32).astype(np.float64)
    run = lambda x, y: read_regions(x, y, size, scale, samples)
    cases.differentiate(
        name, "region_align", {"size": size, "scale": scale, "samples": samples}, run,
        {"x": normal(name, "x", features), "y": boxes}, fixed=("y",))


def padded(x, edges, mode):
    top, bottom, left, right = edges
    return to_nhwc(F.pad(to_nchw(x), (left, right, top, bottom), mode=mode))


def add(cases):
    """Adds every case of this file."""
    max_pool(cases, "2x2-even", (1, 4, 6, 3), 2)
    max_pool(cases, "2x2-odd", (1, 5, 7, 3), 2)
    max_pool(cases, "2x2-batch3", (3, 5, 4, 1), 2)
    max_pool(cases, "2x2-ties", (1, 6, 6, 2), 2, ties=True)
    max_pool(cases, "2x2-stride1", (1, 4, 5, 2), 2, 1)
    max_pool(cases, "2x2-stride3", (1, 8, 7, 2), 2, 3)
    max_pool(cases, "2x2-17-channels", (1, 3, 4, 17), 2)
    max_pool(cases, "2x2-same-odd", (1, 5, 7, 2), 2, 2, "same")
    max_pool(cases, "3x3-stride2", (1, 7, 9, 2), 3, 2)
    max_pool(cases, "3x3-stride2-pad1", (1, 6, 7, 3), 3, 2, 1)
    max_pool(cases, "3x3-stride2-same", (1, 6, 5, 3), 3, 2, "same")
    max_pool(cases, "3x3-stride1-pad1-ties", (1, 5, 5, 2), 3, 1, 1, ties=True)
    max_pool(cases, "3x2-stride-1-2", (1, 6, 5, 2), (3, 2), (1, 2))
    max_pool(cases, "3x3-asymmetric", (1, 5, 6, 2), 3, 2, (0, 1, 1, 0))
    max_pool(cases, "5x5-whole", (3, 5, 5, 1), 5)
    max_unpool(cases, "2x2-even", (1, 4, 6, 3), 2)
    max_unpool(cases, "2x2-odd", (1, 5, 7, 3), 2)
    max_unpool(cases, "2x2-batch3", (3, 5, 4, 1), 2)
    max_unpool(cases, "2x2-stride3", (1, 8, 7, 2), 2, 3)
    max_unpool(cases, "2x2-17-channels", (1, 3, 5, 17), 2)
    max_unpool(cases, "2x2-same-odd", (1, 5, 7, 2), 2, 2, "same")
    max_unpool(cases, "3x3", (1, 7, 8, 2), 3)
    max_unpool(cases, "3x2", (1, 7, 5, 2), (3, 2))
    average_pool(cases, "2x2-even", (1, 4, 6, 3), 2)
    average_pool(cases, "2x2-odd", (3, 5, 7, 1), 2)
    average_pool(cases, "2x2-stride3", (1, 8, 7, 2), 2, 3)
    average_pool(cases, "2x2-same-odd-excluded", (1, 5, 7, 2), 2, 2, "same", False)
    average_pool(cases, "3x3-stride1-pad1", (1, 4, 5, 2), 3, 1, 1)
    average_pool(cases, "3x3-stride1-pad1-excluded", (1, 4, 5, 2), 3, 1, 1, False)
    average_pool(cases, "3x3-stride2-pad1-17", (1, 5, 4, 17), 3, 2, 1, False)
    average_pool(cases, "3x3-asymmetric", (1, 6, 5, 2), 3, 2, (0, 1, 1, 0))
    average_pool(cases, "3x2-asymmetric-excluded", (1, 6, 5, 2), (3, 2), (2, 1), (1, 0, 0, 1), False)
    for label, shape in [("3x5", (1, 3, 5, 3)), ("one-pixel", (3, 1, 1, 5)), ("17", (3, 4, 4, 17))]:
        simple(cases, "global-average-pool-" + label, "global_average_pool", {},
               lambda x: x.mean((1, 2)), shape)
    for label, shape, factor in [
        ("2x2", (1, 3, 4, 3), [2, 2]), ("batch3", (3, 2, 3, 1), [2, 2]), ("3x3", (1, 3, 2, 2), [3, 3]),
        ("1x3", (1, 3, 3, 2), [1, 3]), ("17-channels", (1, 2, 3, 17), [2, 2]),
    ]:
        nearest = lambda x: to_nhwc(
            F.interpolate(to_nchw(x), scale_factor=[float(f) for f in factor], mode="nearest"))
        simple(cases, "nearest-upsample-" + label, "nearest_upsample", {"factor": factor}, nearest, shape)
        simple(cases, "bed-of-nails-" + label, "bed_of_nails", {"factor": factor},
               lambda x: bed_of_nails(x, factor), shape)
    for label, shape, size in [
        ("up2", (1, 3, 4, 3), [6, 8]), ("up-odd", (1, 4, 3, 2), [7, 5]), ("up-fraction", (3, 4, 5, 1), [6, 7]),
        ("down2", (1, 6, 8, 2), [3, 4]), ("down-odd", (1, 7, 9, 2), [3, 4]), ("down-third", (1, 9, 7, 1), [3, 2]),
        ("up-and-down", (1, 4, 9, 2), [9, 4]), ("same-size", (1, 4, 5, 2), [4, 5]), ("from-one", (1, 1, 1, 3), [3, 4]),
        ("to-one", (1, 5, 4, 3), [1, 1]), ("17-channels", (1, 3, 3, 17), [5, 4]),
    ]:
        bilinear = lambda x: to_nhwc(
            F.interpolate(to_nchw(x), size=size, mode="bilinear", align_corners=False))
        simple(cases, "bilinear-" + label, "bilinear", {"output_size": size}, bilinear, shape)
    for label, shape, block in [
        ("2", (1, 3, 4, 12), 2), ("2-batch3", (3, 2, 3, 4), 2), ("3", (1, 3, 2, 18), 3), ("4", (1, 2, 3, 16), 4),
    ]:
        whole = (shape[0], shape[1] * block, shape[2] * block, shape[3] // block ** 2)
        simple(cases, "pixel-shuffle-" + label, "pixel_shuffle", {"block": block},
               lambda x: shuffled(x, block), shape)
        simple(cases, "pixel-unshuffle-" + label, "pixel_unshuffle", {"block": block},
               lambda x: unshuffled(x, block), whole)
    for label, shape, edges in [
        ("even", (1, 3, 4, 2), (1, 1, 1, 1)), ("asymmetric", (1, 4, 5, 3), (0, 3, 2, 1)),
        ("batch3", (3, 3, 3, 1), (2, 1, 0, 2)), ("bottom-right", (1, 3, 4, 17), (0, 1, 0, 1)),
    ]:
        for mode, torch_mode in [("zero", "constant"), ("replicate", "replicate"), ("reflect", "reflect")]:
            simple(cases, f"pad-{mode}-{label}", "pad",
                   {"padding": padding_attribute(edges), "mode": mode},
                   lambda x: padded(x, edges, torch_mode), shape)
        grown = (shape[0], shape[1] + edges[0] + edges[1], shape[2] + edges[2] + edges[3], shape[3])
        top, _, left, _ = edges
        simple(cases, "crop-" + label, "crop", {"crop": padding_attribute(edges)},
               lambda x: x[:, top:top + shape[1], left:left + shape[2]], grown)
    region_align(cases, "inside", (2, 7, 8, 3), [
        (0, 1.3, 0.9, 5.6, 6.2), (1, 2, 1, 3, 2), (0, 0.5, 0.5, 7.5, 6.5)], [2, 3], 1)
    region_align(cases, "quarter-scale", (1, 6, 6, 5), [(0, 3, 2, 21, 17), (0, 0, 0, 24, 24)], [7, 7], 0.25)
    region_align(cases, "borders", (2, 5, 4, 2), [
        (1, -2.2, -3.4, 2.7, 3), (0, 3, 3.5, 9, 8.25), (1, 40, 40, 50, 50), (0, -9, 1, -6, 3)], [3, 2], 1)
    region_align(cases, "empty-rows", (2, 4, 5, 3), [
        (-1, 0, 0, 0, 0), (1, 1, 1, 4, 3), (-1, 1, 1, 4, 3)], [2, 2], 1)
    region_align(cases, "17-channels", (3, 4, 5, 17), [
        (2, 0.4, 0.2, 4.1, 3.3), (0, 1, 1, 4, 3), (2, 1, 0, 3, 4)], [2, 2], 1, 1)
    region_align(cases, "three-samples", (1, 5, 5, 2), [(0, 0.7, 1.1, 4.2, 3.9)], [2, 2], 1, 3)
