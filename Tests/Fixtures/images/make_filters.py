#!/usr/bin/env python3
"""What SciPy's ndimage makes of small pictures: filters.json, read by LinearFilterTests.

Needs numpy and scipy; prints the versions that it was made with into the file.
"""
import json, pathlib
import numpy as np, scipy
from scipy import ndimage

random = np.random.default_rng(7)
MODES = {"reflect": "reflect", "replicate": "nearest", "zero": "constant"}
SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], float)
KERNELS = {
    "blur": np.full((3, 3), 1 / 9),
    "sharpen": np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]], float),
    "emboss": np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], float),
    "laplacian": np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], float),
    "sobel-x": SOBEL, "sobel-y": SOBEL.T,
    "1,2,3,4;0,-1,2,5": np.array([[1, 2, 3, 4], [0, -1, 2, 5]], float),
    "0.5;-1.25;0.25;3;1": np.array([[0.5], [-1.25], [0.25], [3], [1]]),
}


def each_channel(picture, work):
    return np.stack([work(picture[..., c].astype(float)) for c in range(picture.shape[2])], -1)


def filtered(picture, name, mode):
    mode = MODES[mode]
    if name == "edges":
        return each_channel(picture, lambda p: np.hypot(
            ndimage.correlate(p, SOBEL, mode=mode), ndimage.correlate(p, SOBEL.T, mode=mode)))
    if name.startswith("gaussian:"):
        sigma = float(name.split(":")[1])
        return each_channel(picture, lambda p: ndimage.gaussian_filter(p, sigma, mode=mode))
    return each_channel(picture, lambda p: ndimage.correlate(p, KERNELS[name], mode=mode))


cases = []
pictures = [
    (random.integers(0, 256, (7, 19, 3)), 255), (random.integers(0, 65536, (5, 18, 1)), 65535),
    (random.integers(0, 256, (2, 3, 1)), 255),
]
for number, (picture, full) in enumerate(pictures):
    for mode in MODES:
        for names in [[n] for n in [*KERNELS, "edges", "gaussian:0.8", "gaussian:2"]] + [
            ["gaussian:1", "sobel-x", "blur"]]:
            if full == 65535 and mode != "reflect" and len(names) == 1 and names != ["sharpen"]:
                continue
            values = picture
            for name in names:
                values = filtered(values, name, mode)
            # A shared scale brings large responses into the range.
            scale, offset = (0.25, 0.5) if names[0] in ("emboss", "laplacian") else (1, 0)
            exact = values * scale + offset * full
            cases.append({
                "picture": number, "kernels": names, "border": mode, "scale": scale,
                "offset": offset, "exact": [round(float(v), 4) for v in exact.ravel()]})
place = pathlib.Path(__file__).with_name("filters.json")
place.write_text(json.dumps(
    {"made_with": f"scipy {scipy.__version__}, numpy {np.__version__}", "cases": cases,
     "pictures": [
         {"width": picture.shape[1], "height": picture.shape[0], "channels": picture.shape[2],
          "full": full, "samples": picture.ravel().tolist()} for picture, full in pictures]},
    separators=(",", ":")) + "\n")
print(len(cases), "cases,", place.stat().st_size, "bytes")
