#!/usr/bin/env python3
"""Ask PyTorch what a classifier of Atelier says about picture files, and compare.

usage: torch_decisions.py MODEL.safetensors FOLDER RESULT.json

RESULT.json is what `atelier classify FOLDER --model MODEL.safetensors --json` printed, or what
`atelier attack ... --json` printed (its decisions after the attack, on the files it wrote). The network
is rebuilt from the graph in the model file's metadata; pictures are read with Pillow. Prints the share of
equal decisions and the largest difference of the first probability; exit code 1 below 99.9 %.
"""
import json, os, sys
import numpy as np, torch
import torch.nn.functional as F
from PIL import Image
from safetensors import safe_open


class Network:
    """Runs the graph of a model file, NHWC values as NCHW tensors."""

    def __init__(self, path):
        with safe_open(path, "pt") as file:
            self.weights = {name: file.get_tensor(name) for name in file.keys()}
            metadata = file.metadata()
        self.graph = json.loads(metadata["graph"])
        self.names = json.loads(metadata["information"])["classNames"]

    def parameter(self, index):
        return self.weights[self.graph["parameters"][index]["name"]]

    def __call__(self, pictures):
        values = {}
        for index, value in enumerate(self.graph["values"]):
            source = value["source"]
            if "input" in source: values[index] = pictures
            elif "parameter" in source: values[index] = self.parameter(next(iter(source["parameter"].values())))
        for node in self.graph["nodes"]:
            results = self.run(node["kind"], node["attributes"], [values[i] for i in node["inputs"]])
            for output, result in zip(node["outputs"], results): values[output] = result
        return values[next(o["value"] for o in self.graph["outputs"] if o["name"] == "output")]

    def run(self, kind, a, x):
        if kind == "affine": return [x[0] * a.get("scale", 1) + a.get("shift", 0)]
        if kind == "activation":
            name = next(iter(a["activation"]))
            return [{"relu": F.relu, "tanh": torch.tanh, "identity": lambda v: v}[name](x[0])]
        if kind == "reshape":
            # Flattened in the order of height, width, channels, as the dense layers expect it.
            return [x[0].permute(0, 2, 3, 1).flatten(1)]
        if kind == "max-pool-2d":
            w = a["attributes"]["window"]; s = a["attributes"]["stride"]
            return [F.max_pool2d(x[0], (w["height"], w["width"]), (s["height"], s["width"]))]
        if kind == "convolution-2d":
            assert "identity" in a["epilogue"]["activation"] and not a["epilogue"]["hasAddend"]
            bias = x[2] if a["epilogue"]["hasBias"] else None
            if x[1].ndim == 2: return [F.linear(x[0], x[1].T, bias)]
            c = a["attributes"]; kernel = x[1].permute(3, 2, 0, 1)
            stride = (c["stride"]["height"], c["stride"]["width"])
            padding, form = c["padding"], next(iter(c["padding"]))
            values = x[0]
            if form == "explicit":
                p = padding["explicit"]
                values = F.pad(values, (p["left"], p["right"], p["top"], p["bottom"]))
            elif form == "same":
                assert stride == (1, 1) and kernel.shape[2] % 2 == 1 and kernel.shape[3] % 2 == 1
                values = F.pad(values, (kernel.shape[3] // 2,) * 2 + (kernel.shape[2] // 2,) * 2)
            return [F.conv2d(values, kernel, bias, stride, groups=c["groups"])]
        raise SystemExit(f"{kind}: this script does not know the operation")


def main():
    torch.set_num_threads(1)
    model, folder, result = sys.argv[1:4]
    network = Network(model)
    with open(result) as file: rows = json.load(file)["files"]
    equal, largest, count = 0, 0.0, 0
    with torch.no_grad():
        for row in rows:
            path = row["output"] if "output" in row else row["file"]
            if not os.path.exists(path): path = os.path.join(folder, path)
            said = row["after"] if "after" in row else row["classes"][0]
            pixels = np.asarray(Image.open(path)); pixels = pixels[..., None] if pixels.ndim == 2 else pixels
            picture = torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1)[None]
            probabilities = network(picture).softmax(1)[0]
            best = int(probabilities.argmax()); count += 1
            equal += best == said["class"]
            largest = max(largest, abs(float(probabilities[said["class"]]) - said["probability"]))
    print(f"{equal} of {count} decisions are equal ({100 * equal / max(count, 1):.2f} %), "
          f"largest difference of a probability {largest:.1e}")
    sys.exit(0 if count and equal >= 0.999 * count else 1)


main()
