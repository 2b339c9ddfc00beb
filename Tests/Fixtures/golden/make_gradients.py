#!/usr/bin/env python3
"""What scikit-image's hog makes of small pictures: gradients.json, read by OrientedGradientsTests.

Needs numpy and scikit-image.
"""
import json, pathlib
import numpy as np, skimage
from skimage.feature import hog

random = np.random.default_rng(11)


def picture(height, width, channels):
    """Whole numbers, some rows and columns alike, so that gradients of 0 and of 45 degrees occur."""
    values = random.integers(0, 256, (height, width, channels))
    values[: height // 2] = random.integers(0, 4, (height // 2, width, channels)) * 60
    return values


cases = []
for (height, width, channels), orientations, cell, block, norm in [
    ((28, 28, 1), 9, 4, 2, "L2-Hys"), ((28, 28, 1), 9, 8, 3, "L2-Hys"),
    ((17, 22, 1), 8, 5, 2, "L2"), ((16, 13, 3), 6, 3, 1, "L1"), ((12, 19, 3), 9, 4, 3, "L1-sqrt"),
    ((9, 30, 3), 1, 3, 2, "L2-Hys"), ((10, 10, 1), 12, 5, 2, "L2"),
]:
    image = picture(height, width, channels)
    features = hog(
        image.astype(float) if channels > 1 else image[..., 0].astype(float),
        orientations=orientations, pixels_per_cell=(cell, cell), cells_per_block=(block, block),
        block_norm=norm, channel_axis=-1 if channels > 1 else None)
    cases.append({
        "height": height, "width": width, "channels": channels, "orientations": orientations,
        "cell": cell, "block": block, "norm": norm.lower(), "image": image.ravel().tolist(),
        "features": [round(float(v), 6) for v in features]})
place = pathlib.Path(__file__).with_name("gradients.json")
place.write_text(json.dumps(
    {"made_with": f"scikit-image {skimage.__version__}, numpy {np.__version__}", "cases": cases},
    separators=(",", ":")) + "\n")
print(len(cases), "cases,", place.stat().st_size, "bytes")
