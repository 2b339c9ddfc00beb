#!/usr/bin/env python3
"""Annotations of every form, written by Atelier, read by the tools' own readers, and back again.

    Tests/Annotations/roundtrip.py ATELIER NUCLEI [--part val]

NUCLEI is a set of pictures with 16-bit label PNGs (images, labels, index.csv). Each form is written by
`atelier segment convert`, read by its own library (labelme's `shapes_to_label`, pycocotools, Pillow,
tifffile), compared with the truth pixel by pixel, read by Atelier, and compared again. Holes and objects
of several parts come from drawn masks. A last part draws polygons as people do, and compares how labelme
and Atelier fill them. Needs labelme, pycocotools, pillow, tifffile, numpy. Exit code 1 below 99.9 %.
"""

import argparse
import csv
import glob
import json
import os
import shutil
import sys
import tempfile

import numpy as np
import tifffile
from PIL import Image, ImageDraw

from shared import read_coco, segment

failures = []


def call(atelier, *words):
    result = segment(atelier, *words)
    if result.returncode != 0:
        sys.exit(f"segment {' '.join(words)}: {result.stderr.strip()}")


def drawn(folder):
    """Masks with holes, parts, corners that touch and single pixels, as a set of label pictures."""
    for part in ("images", "labels"):
        os.makedirs(os.path.join(folder, part))
    random = np.random.default_rng(7)
    for number in range(4):
        labels = np.zeros((180, 240), np.uint16)
        rows, columns = np.mgrid[0:180, 0:240]
        for index in range(1, 9):
            x, y, a, b = random.uniform(20, 220), random.uniform(20, 160), *random.uniform(6, 30, 2)
            ring = ((columns - x) / a) ** 2 + ((rows - y) / b) ** 2
            labels[(ring <= 1) & (ring >= random.uniform(0, 0.3))] = index
        labels[2:12, 2:12] = 9
        labels[2:12:2, 3:12:2] = 0
        labels[170, 5] = 10
        labels[172:176, 5:30] = 11
        labels[172:176, 40:60] = 11
        Image.fromarray(labels).save(os.path.join(folder, "labels", f"drawn{number}.png"))
        picture = random.integers(0, 255, (180, 240), np.uint8)
        Image.fromarray(picture).save(os.path.join(folder, "images", f"drawn{number}.png"))


def truth(folder, names):
    return {
        name: np.array(Image.open(os.path.join(folder, "labels", name + ".png"))).astype(int)
        for name in names
    }


def same_objects(truth, masks):
    """The share of pixels on which the objects agree, each true one with its best counterpart."""
    wrong = 0
    free = set(range(len(masks)))
    for index in np.unique(truth):
        if index == 0:
            continue
        object_ = truth == index
        touching = [i for i in free if (masks[i] & object_).any()]
        if not touching:
            wrong += object_.sum()
            continue
        best = max(touching, key=lambda i: (masks[i] & object_).sum())
        wrong += (masks[best] != object_).sum()
        free.discard(best)
    for i in free:
        wrong += masks[i].sum()
    return 1 - wrong / truth.size


def by_labelme(folder, name, size):
    from labelme.utils import shapes_to_label

    with open(os.path.join(folder, name + ".json")) as file:
        content = json.load(file)
    shapes = [shape for shape in content["shapes"]]
    masks, groups = [], {}
    for shape in shapes:
        _, instance = shapes_to_label(size, [shape], {shape["label"]: 1})
        mask = instance > 0
        group = shape["group_id"]
        if group is not None and group in groups:
            masks[groups[group]] |= mask
            continue
        if group is not None:
            groups[group] = len(masks)
        masks.append(mask)
    return masks


def by_pycocotools(folder, name, size):
    coco = read_coco(os.path.join(folder, "coco.json"))
    picture = next(p for p in coco.loadImgs(coco.getImgIds()) if os.path.splitext(p["file_name"])[0] == name)
    return [coco.annToMask(a).astype(bool) for a in coco.loadAnns(coco.getAnnIds(imgIds=[picture["id"]]))]


def by_yolo(folder, name, size):
    """As the YOLO tools' `polygon2mask` has it: corners cut down to integers, edges filled."""
    masks = []
    with open(os.path.join(folder, name + ".txt")) as file:
        for line in file:
            numbers = np.array(line.split()[1:], float).reshape(-1, 2) * [size[1], size[0]]
            picture = Image.new("L", (size[1], size[0]), 0)
            ImageDraw.Draw(picture).polygon([tuple(p) for p in numbers.astype(int)], outline=1, fill=1)
            masks.append(np.array(picture, bool))
    return masks


def by_voc(folder, name, size):
    labels = np.array(Image.open(os.path.join(folder, "SegmentationObject", name + ".png")))
    return [labels == index for index in np.unique(labels) if index not in (0, 255)]


def by_numbers(folder, name, size):
    path = os.path.join(folder, "labels", name + ".png")
    if not os.path.exists(path):
        path = os.path.join(folder, name + "-instances.png")
    labels = np.array(Image.open(path))
    return [labels == index for index in np.unique(labels) if index != 0]


FORMS = [
    ("labelme", ["labelme"], by_labelme),
    ("COCO, runs", ["coco"], by_pycocotools),
    ("COCO, polygons", ["coco", "--polygons"], by_pycocotools),
    ("YOLO", ["yolo"], by_yolo),
    ("VOC", ["voc"], by_voc),
    ("numbers", ["instances"], by_numbers),
]


def note(what, share, objects):
    print(f"{what:<46} {objects:>5} objects  {100 * share:9.4f} % of the pixels", flush=True)
    if share < 0.999:
        failures.append(what)


def round_trips(atelier, title, data, labels, words, work):
    for form, flags, read in FORMS:
        out = os.path.join(work, title, form.replace(", ", "-"))
        most = max(len(np.unique(l)) - 1 for l in labels.values())
        if form == "VOC" and most > 254:
            print(f"{title}, {form}: left out, {most} objects in a picture and VOC has 254")
            continue
        call(atelier, "convert", "--data", data, *words, "--write", *flags, "--pictures", "-o", out)
        shares, count = [], 0
        for name, label in labels.items():
            masks = read(out, name, label.shape)
            shares.append((same_objects(label, masks), label.size))
            count += len(masks)
        mean = sum(s * n for s, n in shares) / sum(n for _, n in shares)
        note(f"{title}, {form}, by its own reader", mean, count)
        back(atelier, f"{title}, {form}, back by Atelier", out, labels, work)


def back(atelier, what, folder, labels, work):
    again = os.path.join(work, "back")
    shutil.rmtree(again, ignore_errors=True)
    # What was written is read as it is: nothing is moved to where a reader wants it.
    part = ["--part", "val"] if os.path.exists(os.path.join(folder, "ImageSets/Segmentation/val.txt")) else []
    call(atelier, "convert", "--data", folder, *part, "--write", "instances", "-o", again)
    shares, count = [], 0
    for name, label in labels.items():
        masks = by_numbers(again, name, label.shape)
        shares.append((same_objects(label, masks), label.size))
        count += len(masks)
    note(what, sum(s * n for s, n in shares) / sum(n for _, n in shares), count)


def fiji(atelier, title, data, labels, work):
    """Label pictures as Fiji writes them: TIFF, 16 bits, by tifffile."""
    out = os.path.join(work, title, "fiji")
    for part in ("images", "labels"):
        os.makedirs(os.path.join(out, part))
    for name, label in labels.items():
        shutil.copy(os.path.join(data, "images", name + ".png"), os.path.join(out, "images"))
        tifffile.imwrite(os.path.join(out, "labels", name + ".tif"), label.astype(np.uint16), imagej=True)
    back(atelier, f"{title}, label TIFF of tifffile, by Atelier", out, labels, work)


def by_hand(atelier, work):
    """Polygons with corners between pixels, as a hand draws them: labelme's filling and Atelier's."""
    random = np.random.default_rng(3)
    folder = os.path.join(work, "hand")
    os.makedirs(folder)
    wanted = {}
    for number in range(6):
        name, size = f"hand{number}", (300, 400)
        Image.fromarray(random.integers(0, 255, size, np.uint8)).save(os.path.join(folder, name + ".png"))
        shapes = []
        for index in range(12):
            x, y = 50 + 100 * (index % 4), 50 + 100 * (index // 4)
            angles = np.sort(random.uniform(0, 2 * np.pi, random.integers(3, 20)))
            radii = random.uniform(8, 46, len(angles))
            points = np.stack([x + radii * np.cos(angles), y + radii * np.sin(angles)], 1)
            shapes.append(
                {
                    "label": "thing",
                    "points": points.tolist(),
                    "group_id": None,
                    "shape_type": "polygon",
                    "flags": {},
                    "description": "",
                }
            )
        with open(os.path.join(folder, name + ".json"), "w") as file:
            json.dump(
                {
                    "version": "5.4.1",
                    "flags": {},
                    "shapes": shapes,
                    "imagePath": name + ".png",
                    "imageData": None,
                    "imageHeight": size[0],
                    "imageWidth": size[1],
                },
                file,
            )
        masks = by_labelme(folder, name, size)
        label = np.zeros(size, int)
        for index, mask in enumerate(masks):
            label[mask] = index + 1
        wanted[name] = label
    back(atelier, "polygons of a hand, labelme's filling and ours", folder, wanted, work)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("atelier")
    parser.add_argument("nuclei")
    parser.add_argument("--part", default="val")
    options = parser.parse_args()
    atelier, nuclei = os.path.abspath(options.atelier), os.path.abspath(options.nuclei)
    with open(os.path.join(nuclei, "index.csv"), newline="") as file:
        names = [row["name"] for row in csv.DictReader(file) if row["split"] == options.part]
    with tempfile.TemporaryDirectory() as work:
        own = os.path.join(work, "own")
        drawn(own)
        labels = truth(own, [f"drawn{n}" for n in range(4)])
        round_trips(atelier, "drawn", own, labels, [], work)
        fiji(atelier, "drawn", own, labels, work)
        labels = truth(nuclei, names)
        round_trips(atelier, "nuclei", nuclei, labels, ["--part", options.part], work)
        fiji(atelier, "nuclei", nuclei, labels, work)
        by_hand(atelier, work)
    print(f"{len(failures)} below 99.9 %" + (": " + "; ".join(failures) if failures else ""))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
