"""Lets others read what Atelier writes: pycocotools loads and evaluates the COCO files, Pillow shows the label
picture's colours and the numbers of objects. The folder is one that `atelier segment` or the test
SegmentationOutputTests (with ATELIER_OUTPUTS set) wrote. Run: python check_outputs.py FOLDER
(needs numpy, pillow, pycocotools)."""

import json
import pathlib
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
from PIL import Image
from pycocotools import mask as codec
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def check(condition, text):
    print(("ok      " if condition else "WRONG   ") + text)
    return bool(condition)


def coco_files(folder):
    coco = COCO(str(folder / "coco.json"))
    passed = check(len(coco.anns) > 0, f"coco.json: {len(coco.imgs)} images, {len(coco.anns)} annotations")
    results = coco.loadRes(str(folder / "coco-results.json"))
    for annotation in coco.anns.values():
        mask = coco.annToMask(annotation)
        passed &= check(int(mask.sum()) == annotation["area"], f"annotation {annotation['id']}: area")
        box = codec.toBbox(codec.encode(np.asfortranarray(mask)))
        passed &= check(np.allclose(box, annotation["bbox"]), f"annotation {annotation['id']}: box")
    for kind in ["segm", "bbox"]:
        evaluation = COCOeval(coco, results, kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        passed &= check(evaluation.stats[0] > 0.999, f"{kind}: the truth against itself has AP 1")
    return passed, coco


def pictures(folder, coco):
    passed = True
    for image in coco.imgs.values():
        stem = folder / pathlib.Path(image["file_name"]).with_suffix("")
        label = Image.open(f"{stem}-label.png")
        passed &= check(label.mode == "P", f"{stem.name}-label.png: a palette")
        color = np.array(Image.open(f"{stem}-color.png").convert("RGB"))
        passed &= check((np.array(label.convert("RGB")) == color).all(), f"{stem.name}: colours of the palette")
        numbers = np.array(Image.open(f"{stem}-instances.png"))
        annotations = coco.imgToAnns[image["id"]]
        passed &= check(numbers.max() == len(annotations), f"{stem.name}-instances.png: {numbers.max()} objects")
        indices = np.array(label)
        for number, annotation in enumerate(annotations, 1):
            mask = coco.annToMask(annotation).astype(bool)
            passed &= check((numbers[mask] == number).all(), f"object {number}: numbers")
            passed &= check((indices[mask] == annotation["category_id"]).all(), f"object {number}: labels")
            file = next(pathlib.Path(f"{stem}-objects").glob(f"{number:03d}-*.png"))
            passed &= check(((np.array(Image.open(file)) > 0) == mask).all(), f"object {number}: {file.name}")
        root = ElementTree.parse(f"{stem}-outlines.svg").getroot()
        paths = [e for e in root if e.tag.endswith("path")]
        passed &= check(len(paths) == len(annotations), f"{stem.name}-outlines.svg: {len(paths)} paths")
    return passed


def main():
    folder = pathlib.Path(sys.argv[1])
    passed, coco = coco_files(folder)
    passed &= pictures(folder, coco)
    lines = (folder / "objects.csv").read_text().splitlines()
    passed &= check(len(lines) == 1 + len(coco.anns), f"objects.csv: {len(lines) - 1} objects")
    scores = {a["score"] for a in json.loads((folder / "coco-results.json").read_text())}
    passed &= check(all(0 <= s <= 1 for s in scores), "scores in [0, 1]")
    print("all read" if passed else "SOMETHING IS WRONG")
    sys.exit(0 if passed else 1)


main()
