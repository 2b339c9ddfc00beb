"""Perimeters, axes and mean colours of random regions as scikit-image gives them.

usage: make_regions.py > regions.json        (wants numpy and scikit-image)
"""
import json
import sys

import numpy
from skimage.measure import regionprops

generator = numpy.random.default_rng(3)
cases = []
for index in range(8):
    height, width = int(generator.integers(6, 18)), int(generator.integers(6, 22))
    rows, columns = numpy.mgrid[:height, :width]
    mask = numpy.zeros((height, width), dtype=numpy.uint8)
    for _ in range(3):
        y, x = generator.uniform(0, height), generator.uniform(0, width)
        mask |= ((rows - y) ** 2 / generator.uniform(1, 20) + (columns - x) ** 2
                 / generator.uniform(1, 20) <= 1).astype(numpy.uint8)
    if index == 6:
        mask[...] = 0
        mask[2, 3] = 1
    if index == 7:
        mask[...] = 1
        mask[2:4, 2:4] = 0
    colors = generator.integers(0, 256, (height, width, 3)).astype(numpy.uint8)
    region = regionprops(mask, intensity_image=colors)[0]
    cases.append({
        "width": width, "height": height, "mask": mask.ravel().tolist(),
        "colors": colors.ravel().tolist(), "perimeter": region.perimeter,
        "major": region.axis_major_length, "minor": region.axis_minor_length,
        "means": region.intensity_mean.tolist(),
    })
json.dump(cases, sys.stdout, separators=(",", ":"))
print()
