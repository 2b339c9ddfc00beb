"""Convolution, transposed convolution and dense layers.

Weights are [kernel height, kernel width, in / groups, out]; a transposed convolution has the weights of the
convolution whose adjoint it is: [kernel height, kernel width, out / groups, in], torch's
[in, out / groups, kernel height, kernel width] permuted (2, 3, 1, 0), nothing flipped; group g maps its block of
in / groups input channels to its block of out / groups output channels.
"""

import numpy as np
import torch
import torch.nn.functional as F

from golden_support import normal, to_nchw, to_nhwc


def pair(value):
    return [value, value] if isinstance(value, int) else list(value)


def resolved(padding, sizes, kernel, stride, dilation):
    """[top, bottom, left, right] of valid, same (more at the end), one number, or four numbers."""
    if padding == "valid":
        return [0, 0, 0, 0]
    if padding == "same":
        result = []
        for n, k, s, d in zip(sizes, kernel, stride, dilation):
            total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
            result += [total // 2, total - total // 2]
        return result
    return [padding] * 4 if isinstance(padding, int) else list(padding)


def padding_attribute(edges):
    return dict(zip(["top", "bottom", "left", "right"], edges))


def convolve(x, weight, bias, edges, stride, dilation, groups):
    top, bottom, left, right = edges
    padded = F.pad(to_nchw(x), (left, right, top, bottom)).contiguous()
    torch_weight = weight.permute(3, 2, 0, 1).contiguous()
    return to_nhwc(F.conv2d(padded, torch_weight, bias, stride, 0, dilation, groups))


def convolve_transposed(x, weight, bias, edges, stride, dilation, groups, extra):
    """The full transposed convolution, cropped by the padding and grown by the output padding (bottom, right)."""
    top, bottom, left, right = edges
    torch_weight = weight.permute(3, 2, 0, 1).contiguous()
    full = F.conv_transpose2d(to_nchw(x), torch_weight, None, stride, 0, 0, groups, dilation)
    result = F.pad(full, (-left, extra[1] - right, -top, extra[0] - bottom))
    if bias is not None:
        result = result + bias[:, None, None]
    if top == bottom and left == right and all(e < max(s, d) for e, s, d in zip(extra, stride, dilation)):
        native = F.conv_transpose2d(
            to_nchw(x), torch_weight, bias, stride, (top, left), extra, groups, dilation)
        assert torch.allclose(native, result, atol=1e-12)
    return to_nhwc(result)


def convolution(cases, label, x, out, kernel, stride=1, padding="same", dilation=1, groups=1, bias=True):
    """Adds one convolution of an input shape [batch, height, width, channels] to `out` channels."""
    name = "convolution-" + label
    kernel, stride, dilation = pair(kernel), pair(stride), pair(dilation)
    edges = resolved(padding, x[1:3], kernel, stride, dilation)
    shape = (*kernel, x[3] // groups, out)
    parameters = {"weight": normal(name, "weight", shape, np.prod(shape[:3]) ** -0.5)}
    if bias:
        parameters["bias"] = normal(name, "bias", (out,))
    attributes = {
        "filters": out, "kernel": kernel, "stride": stride, "dilation": dilation, "groups": groups,
        "padding": padding_attribute(edges), "bias": bias,
        "padding_mode": padding if isinstance(padding, str) else "explicit",
    }
    run = lambda x, weight, bias=None: convolve(x, weight, bias, edges, stride, dilation, groups)
    cases.differentiate(name, "convolution", attributes, run, {"x": normal(name, "x", x)}, parameters)


def transposed(
    cases, label, x, out, kernel, stride=1, padding="same", dilation=1, groups=1, extra=0, bias=True
):
    """Adds one transposed convolution; `same` gives an output of input · stride (the adjoint of a same convolution)."""
    name = "transposed-" + label
    kernel, stride, dilation, extra = pair(kernel), pair(stride), pair(dilation), pair(extra)
    if padding == "same":
        edges, extra = [], []
        for k, s, d in zip(kernel, stride, dilation):
            total = max((k - 1) * d + 1 - s, 0)
            edges += [total // 2, total - total // 2]
            extra.append(max(s - (k - 1) * d - 1, 0))
    else:
        edges = resolved(padding, x[1:3], kernel, stride, dilation)
    shape = (*kernel, out // groups, x[3])
    scale = (np.prod(kernel) * x[3] / groups / np.prod(stride)) ** -0.5
    parameters = {"weight": normal(name, "weight", shape, scale)}
    if bias:
        parameters["bias"] = normal(name, "bias", (out,))
    attributes = {
        "filters": out, "kernel": kernel, "stride": stride, "dilation": dilation, "groups": groups,
        "padding": padding_attribute(edges), "output_padding": extra, "bias": bias,
        "padding_mode": padding if isinstance(padding, str) else "explicit",
    }

    def run(x, weight, bias=None):
        result = convolve_transposed(x, weight, bias, edges, stride, dilation, groups, extra)
        check_adjoint(name, x, weight, result, bias, edges, stride, dilation, groups)
        return result

    cases.differentiate(
        name, "transposed_convolution", attributes, run, {"x": normal(name, "x", x)}, parameters)


def check_adjoint(name, x, weight, result, bias, edges, stride, dilation, groups):
    """Asserts that the convolution with the same weights, read at the transposed output's size, is the adjoint."""
    with torch.no_grad():
        plain = result if bias is None else result - bias
        probe = torch.from_numpy(normal(name, "probe", tuple(result.shape)))
        top, _, left, _ = edges
        needed = [(n - 1) * s + (k - 1) * d + 1
                  for n, s, k, d in zip(x.shape[1:3], stride, weight.shape[:2], dilation)]
        bottom, right = needed[0] - result.shape[1] - top, needed[1] - result.shape[2] - left
        back = convolve(probe, weight, None, [top, bottom, left, right], stride, dilation, groups)
        assert torch.allclose((plain * probe).sum(), (x * back).sum()), name


def dense(cases, label, batch, inputs, outputs, bias=True):
    name = "dense-" + label
    parameters = {"weight": normal(name, "weight", (inputs, outputs), inputs ** -0.5)}
    if bias:
        parameters["bias"] = normal(name, "bias", (outputs,))
    run = lambda x, weight, bias=0: x @ weight + bias
    cases.differentiate(
        name, "dense", {"units": outputs, "bias": bias}, run,
        {"x": normal(name, "x", (batch, inputs))}, parameters)


def flatten_dense(cases, label, x, outputs):
    name = "flatten-dense-" + label
    count = int(np.prod(x[1:]))
    parameters = {
        "weight": normal(name, "weight", (count, outputs), count ** -0.5),
        "bias": normal(name, "bias", (outputs,)),
    }
    run = lambda x, weight, bias: x.reshape(x.shape[0], -1) @ weight + bias
    cases.differentiate(
        name, "flatten_dense", {"units": outputs, "bias": True}, run, {"x": normal(name, "x", x)},
        parameters)


def add(cases):
    """Adds every case of this file."""
    c = lambda *a, **k: convolution(cases, *a, **k)
    c("1x1", (1, 5, 4, 3), 5, 1)
    c("1x1-stride2", (1, 5, 7, 3), 2, 1, 2)
    c("1x1-stride3-over-kernel", (3, 7, 5, 2), 3, 1, 3, "valid")
    c("1x1-one-pixel", (1, 1, 1, 5), 3, 1)
    c("2x2-same", (1, 5, 6, 3), 2, 2)
    c("2x2-stride2", (3, 6, 5, 1), 3, 2, 2)
    c("2x2-stride2-valid", (1, 7, 7, 2), 3, 2, 2, "valid")
    c("2x2-stride3-over-kernel", (1, 8, 9, 2), 3, 2, 3, "valid")
    c("3x3-same", (1, 6, 5, 3), 4, 3)
    c("3x3-same-batch3", (3, 5, 5, 1), 3, 3)
    c("3x3-same-no-bias", (1, 5, 7, 3), 3, 3, bias=False)
    c("3x3-valid", (1, 6, 7, 3), 3, 3, 1, "valid")
    c("3x3-valid-one-output", (1, 3, 3, 3), 5, 3, 1, "valid")
    c("3x3-full", (1, 4, 3, 2), 3, 3, 1, 2)
    c("3x3-pad3-over-kernel", (1, 3, 4, 2), 2, 3, 1, 3)
    c("3x3-asymmetric", (1, 5, 6, 3), 2, 3, 1, (2, 0, 1, 3))
    c("3x3-top-left-only", (1, 6, 6, 2), 3, 3, 2, (1, 0, 1, 0))
    c("3x3-bottom-right-only", (1, 6, 6, 2), 3, 3, 2, (0, 1, 0, 1))
    c("3x3-stride2-same-even", (1, 6, 8, 3), 3, 3, 2)
    c("3x3-stride2-same-odd", (1, 7, 5, 3), 3, 3, 2)
    c("3x3-stride2-pad1", (3, 6, 7, 1), 3, 3, 2, 1)
    c("3x3-stride2-pad1-no-bias", (1, 9, 8, 3), 2, 3, 2, 1, bias=False)
    c("3x3-stride3", (1, 9, 10, 2), 3, 3, 3, "valid")
    c("3x3-stride4-over-kernel", (1, 12, 11, 2), 3, 3, 4, 1)
    c("3x3-stride-1-2", (1, 5, 8, 2), 3, 3, (1, 2))
    c("3x3-stride-3-1", (1, 8, 5, 2), 3, 3, (3, 1), 1)
    c("3x3-one-channel-image", (1, 11, 9, 1), 1, 3)
    c("3x3-one-pixel", (1, 1, 1, 3), 3, 3)
    c("3x3-one-row", (1, 1, 9, 2), 3, 3)
    c("3x3-one-column", (3, 7, 1, 2), 3, 3)
    c("3x3-dilation2", (1, 7, 8, 2), 3, 3, 1, "same", 2)
    c("3x3-dilation2-valid", (1, 7, 6, 2), 3, 3, 1, "valid", 2)
    c("3x3-dilation2-stride2", (1, 9, 8, 2), 2, 3, 2, "same", 2)
    c("3x3-dilation3", (1, 7, 7, 2), 2, 3, 1, "same", 3)
    c("3x3-dilation-1-3", (1, 5, 9, 2), 3, 3, 1, "same", (1, 3))
    c("3x3-dilation2-over-input", (1, 3, 4, 2), 3, 3, 1, "same", 2)
    c("3x3-groups2", (1, 5, 5, 4), 6, 3, groups=2)
    c("3x3-groups2-stride2", (1, 7, 6, 6), 4, 3, 2, groups=2)
    c("3x3-groups3-no-bias", (3, 4, 3, 6), 3, 3, groups=3, bias=False)
    c("3x3-groups2-dilation2", (1, 6, 5, 4), 2, 3, 1, "same", 2, 2)
    c("1x1-groups2", (1, 4, 5, 6), 4, 1, groups=2)
    c("3x3-depthwise", (1, 6, 5, 5), 5, 3, groups=5)
    c("3x3-depthwise-17", (1, 4, 3, 17), 17, 3, groups=17)
    c("3x3-depthwise-stride2", (1, 7, 7, 3), 3, 3, 2, groups=3)
    c("3x3-depthwise-multiplier2", (1, 5, 4, 3), 6, 3, groups=3)
    c("3x3-depthwise-dilation2", (1, 6, 7, 3), 3, 3, 1, "same", 2, 3, bias=False)
    c("5x5-depthwise-33", (1, 3, 4, 33), 33, 5, groups=33)
    c("5x5-same", (1, 6, 7, 2), 2, 5)
    c("5x5-stride2", (1, 9, 7, 2), 3, 5, 2)
    c("5x5-over-input", (1, 3, 2, 2), 3, 5)
    c("5x5-stride2-asymmetric", (1, 8, 7, 1), 3, 5, 2, (1, 2, 0, 3))
    c("7x7-same", (1, 8, 9, 1), 2, 7)
    c("7x7-stride2-pad3", (1, 11, 10, 2), 2, 7, 2, 3)
    c("7x7-over-input", (1, 3, 4, 1), 2, 7, 1, 3)
    c("7x7-stride3-valid", (1, 13, 10, 1), 3, 7, 3, "valid", bias=False)
    c("1x3", (1, 5, 6, 3), 3, (1, 3))
    c("3x1", (1, 6, 5, 3), 3, (3, 1))
    c("3x5-stride-2-1", (1, 7, 6, 2), 2, (3, 5), (2, 1))
    c("5x2-asymmetric", (1, 7, 5, 2), 2, (5, 2), 1, (2, 1, 1, 0))
    c("1x7", (1, 3, 9, 2), 3, (1, 7))
    c("2x3-dilation-3-2", (1, 7, 8, 2), 2, (2, 3), 1, "same", (3, 2))
    c("3x3-16-to-16", (1, 5, 6, 16), 16, 3)
    c("3x3-1-to-33", (1, 6, 7, 1), 33, 3)
    c("3x3-33-to-1", (1, 5, 6, 33), 1, 3)
    c("3x3-17-to-5", (1, 7, 5, 17), 5, 3, 2)
    c("3x3-3-to-17-batch3", (3, 5, 7, 3), 17, 3, 2, 1)
    c("1x1-33-to-17", (1, 4, 5, 33), 17, 1)
    c("1x1-17-to-33", (3, 3, 3, 17), 33, 1, bias=False)
    c("2x2-stride2-16-to-17", (1, 6, 5, 16), 17, 2, 2)
    c("3x3-wide-row", (1, 3, 31, 3), 5, 3)
    c("3x3-ragged", (1, 17, 19, 3), 5, 3)

    t = lambda *a, **k: transposed(cases, *a, **k)
    t("1x1", (1, 4, 5, 3), 5, 1)
    t("1x1-stride2-same", (1, 3, 4, 3), 2, 1, 2)
    t("1x1-stride3-valid", (1, 3, 2, 2), 3, 1, 3, "valid")
    t("2x2-stride2", (1, 3, 4, 3), 2, 2, 2)
    t("2x2-stride2-batch3", (3, 3, 2, 1), 3, 2, 2)
    t("2x2-stride2-no-bias", (1, 4, 3, 5), 3, 2, 2, bias=False)
    t("2x2-stride2-output-padding1", (1, 3, 3, 2), 3, 2, 2, "valid", extra=1)
    t("2x2-stride3-over-kernel", (1, 3, 4, 2), 2, 2, 3, "valid")
    t("2x2-stride3-same", (1, 3, 4, 2), 2, 2, 3)
    t("2x2-stride3-output-padding2", (1, 3, 2, 2), 2, 2, 3, "valid", extra=2)
    t("3x3-stride1-same", (1, 5, 6, 3), 3, 3)
    t("3x3-stride1-valid", (1, 3, 4, 3), 2, 3, 1, "valid")
    t("3x3-stride1-pad2", (1, 5, 5, 2), 3, 3, 1, 2)
    t("3x3-stride2-valid", (1, 3, 4, 2), 3, 3, 2, "valid")
    t("3x3-stride2-same", (1, 4, 3, 3), 2, 3, 2)
    t("3x3-stride2-pad1", (1, 4, 4, 2), 3, 3, 2, 1)
    t("3x3-stride2-pad1-output-padding1", (1, 4, 3, 3), 2, 3, 2, 1, extra=1)
    t("3x3-stride2-pad1-output-padding-0-1", (3, 3, 3, 1), 3, 3, 2, 1, extra=(0, 1))
    t("3x3-stride2-asymmetric", (1, 4, 5, 2), 2, 3, 2, (1, 0, 0, 2))
    t("3x3-stride2-no-bias", (1, 3, 5, 3), 3, 3, 2, 1, extra=1, bias=False)
    t("3x3-stride3", (1, 3, 3, 2), 3, 3, 3)
    t("3x3-stride4-output-padding3", (1, 2, 3, 2), 3, 3, 4, 1, extra=3)
    t("3x3-stride-2-1", (1, 3, 5, 2), 2, 3, (2, 1))
    t("3x3-one-pixel", (1, 1, 1, 3), 2, 3, 2, "valid")
    t("3x3-one-row", (1, 1, 6, 2), 2, 3, 2, 1, extra=1)
    t("4x4-stride2-pad1", (1, 3, 4, 3), 2, 4, 2, 1)
    t("4x4-stride2-pad1-batch3", (3, 3, 3, 1), 2, 4, 2, 1)
    t("4x4-stride2-pad1-16-to-5", (1, 3, 3, 16), 5, 4, 2, 1)
    t("5x5-stride2-pad2-output-padding1", (1, 3, 4, 2), 2, 5, 2, 2, extra=1)
    t("5x5-stride1-same", (1, 4, 5, 2), 2, 5)
    t("7x7-stride2-pad3", (1, 4, 4, 1), 2, 7, 2, 3)
    t("1x3-stride-1-2", (1, 4, 3, 2), 3, (1, 3), (1, 2))
    t("3x5-asymmetric", (1, 5, 4, 2), 2, (3, 5), (2, 1), (0, 1, 2, 1))
    t("3x3-dilation2", (1, 4, 3, 2), 3, 3, 1, "valid", 2)
    t("3x3-dilation2-stride2", (1, 3, 4, 2), 2, 3, 2, 2, 2, extra=1)
    t("3x3-dilation2-output-padding1-over-stride", (1, 4, 3, 2), 2, 3, 1, 1, 2, extra=1)
    t("3x3-dilation2-output-padding1-beyond", (1, 4, 3, 2), 2, 3, 1, "valid", 2, extra=1)
    t("3x3-dilation3-same", (1, 4, 5, 2), 2, 3, 1, "same", 3)
    t("3x3-groups2", (1, 4, 3, 4), 6, 3, 2, 1, groups=2, extra=1)
    t("3x3-groups3-stride1", (1, 4, 4, 6), 3, 3, groups=3)
    t("3x3-depthwise", (1, 4, 3, 5), 5, 3, 2, 1, groups=5)
    t("2x2-depthwise-17", (1, 3, 2, 17), 17, 2, 2, groups=17)
    t("4x4-groups2-dilation2", (1, 3, 3, 4), 2, 4, 2, 1, 2, 2)
    t("2x2-stride2-33-to-17", (1, 2, 3, 33), 17, 2, 2)
    t("3x3-stride2-17-to-3", (1, 3, 3, 17), 3, 3, 2, 1, extra=1)
    t("3x3-stride2-1-to-33", (1, 3, 4, 1), 33, 3, 2, 1, extra=1)
    t("2x2-stride2-ragged", (1, 9, 7, 5), 3, 2, 2)

    dense(cases, "3-to-5", 1, 3, 5)
    dense(cases, "17-to-33", 3, 17, 33)
    dense(cases, "33-to-1", 5, 33, 1)
    dense(cases, "1-to-7-no-bias", 3, 1, 7, bias=False)
    dense(cases, "64-to-10", 1, 64, 10)
    flatten_dense(cases, "image", (3, 3, 5, 2), 7)
    flatten_dense(cases, "one-row", (1, 1, 4, 17), 3)
