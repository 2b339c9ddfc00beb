#!/usr/bin/env python3
"""What PyTorch's recurrent layers give, with every gradient: recurrent.json, read by RecurrentTests.

Needs numpy and torch (CPU). Weights are written in Atelier's layout: W [F, sums H], U [H, sums H],
for LSTM one bias, the sum of PyTorch's two.
"""
import json, pathlib
import torch

torch.manual_seed(5)


def numbers(tensor):
    return [float(f"{v:.7g}") for v in tensor.detach().flatten().tolist()]


cases = []
for cell, batch, steps, features, units, both in [
    ("tanh", 2, 5, 3, 4, False), ("relu", 3, 4, 2, 5, False), ("lstm", 3, 6, 4, 5, False),
    ("lstm", 2, 4, 3, 3, True), ("gru", 3, 5, 4, 6, False), ("gru", 1, 3, 2, 4, True),
    ("lstm", 2, 1, 3, 4, False), ("gru", 2, 1, 3, 17, True),
]:
    kind = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}.get(cell)
    settings = dict(batch_first=True, bidirectional=both)
    layer = kind(features, units, **settings) if kind else torch.nn.RNN(
        features, units, nonlinearity=cell, **settings)
    for parameter in layer.parameters():
        torch.nn.init.uniform_(parameter, -0.7, 0.7)
    x = torch.randn(batch, steps, features, requires_grad=True)
    y, _ = layer(x)
    projection = torch.randn_like(y)
    (y * projection).sum().backward()
    parameters = {}
    for suffix, way in [("", ""), ("_reverse", "/back")][: 2 if both else 1]:
        get = lambda name: getattr(layer, name + "_l0" + suffix)
        parts = {
            "weight": (get("weight_ih").T, get("weight_ih").grad.T),
            "recurrent_weight": (get("weight_hh").T, get("weight_hh").grad.T)}
        if cell == "gru":
            parts["bias"] = (get("bias_ih"), get("bias_ih").grad)
            parts["recurrent_bias"] = (get("bias_hh"), get("bias_hh").grad)
        else:
            parts["bias"] = (get("bias_ih") + get("bias_hh"), get("bias_ih").grad)
        for name, (value, gradient) in parts.items():
            parameters[f"recurrent{way}/{name}"] = {
                "value": numbers(value), "gradient": numbers(gradient)}
    cases.append({
        "cell": cell, "batch": batch, "steps": steps, "features": features, "units": units,
        "isBidirectional": both, "x": numbers(x), "y": numbers(y),
        "projection": numbers(projection), "dx": numbers(x.grad), "parameters": parameters})
place = pathlib.Path(__file__).with_name("recurrent.json")
place.write_text(json.dumps(
    {"made_with": f"torch {torch.__version__}", "cases": cases}, separators=(",", ":")) + "\n")
print(len(cases), "cases,", place.stat().st_size, "bytes")
