"""Boxes and points of YuNet as ONNX Runtime computes them, decoded as OpenCV's FaceDetectorYN does.

usage: make_yunet.py yunet_n_dyn.onnx FACES-LONDON > yunet.json

Wants numpy, Pillow and onnxruntime. The pictures are 256x256, so nothing is resized.
"""
import json
import pathlib
import sys

import numpy
import onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
names = [output.name for output in session.get_outputs()]
folder = pathlib.Path(sys.argv[2])
result = {}
for file in sorted(folder.glob("*/*.jpg"))[::17]:
    pixels = numpy.asarray(Image.open(file).convert("RGB"))[:, :, ::-1].astype(numpy.float32)
    blob = numpy.ascontiguousarray(pixels.transpose(2, 0, 1)[None])
    outputs = dict(zip(names, session.run(None, {session.get_inputs()[0].name: blob})))
    best = None
    for stride in (8, 16, 32):
        columns = pixels.shape[1] // stride
        classes = outputs[f"cls_{stride}"].reshape(-1).clip(0, 1)
        objects = outputs[f"obj_{stride}"].reshape(-1).clip(0, 1)
        scores = numpy.sqrt(classes * objects)
        index = int(scores.argmax())
        if best is not None and scores[index] <= best["score"]:
            continue
        box = outputs[f"bbox_{stride}"].reshape(-1, 4)[index]
        points = outputs[f"kps_{stride}"].reshape(-1, 5, 2)[index]
        corner = numpy.array([index % columns, index // columns])
        best = {
            "score": float(scores[index]),
            "middle": ((corner + box[:2]) * stride).tolist(),
            "size": (numpy.exp(box[2:]) * stride).tolist(),
            "points": ((corner + points) * stride).tolist(),
        }
    result[str(file.relative_to(folder))] = {
        key: round(value, 4) if isinstance(value, float) else numpy.round(value, 3).tolist()
        for key, value in best.items()
    }
json.dump(result, sys.stdout, indent=1, sort_keys=True)
print()
