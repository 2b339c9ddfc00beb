#!/usr/bin/env python3
"""What `segment run`, `propose` and `convert` write, read by the tools it is for.

    Tests/Annotations/outputs.py ATELIER MODEL PICTURES WORK

Proposals as labelme, YOLO and COCO and results as labelme, COCO, YOLO and VOC, against
`segment run --write instances,objects`: by labelme's own LabelFile and shapes_to_label, pycocotools,
datumaro's importers (coco, voc, yolo), the checks of Ultralytics' `verify_image_label` with OpenCV's fillPoly,
and back by Atelier. Needs labelme, datumaro, pycocotools, opencv, pillow, numpy.
"""

import argparse, glob, json, os, shutil, sys
import numpy as np
from PIL import Image
from shared import read_coco, segment as call, stem

failures = []


def segment(atelier, *words):
    result = call(atelier, *words)
    if result.returncode:
        print("FAULT", " ".join(words), result.returncode, result.stderr.strip()[:500])
        failures.append(words[0])
    return result


def agree(title, wanted, found):
    """wanted, found: picture -> list of masks."""
    wrong = total = count = 0
    for name, masks in wanted.items():
        others = found.get(name)
        if others is None:
            print(f"  FAULT {title}: no picture {name!r} in {sorted(found)[:4]}")
            failures.append(title)
            continue
        if len(others) != len(masks):
            print(f"  {title}: {name}: {len(others)} objects, expected {len(masks)}")
        free = list(range(len(others)))
        for mask in masks:
            count += 1
            best = max(free, default=None, key=lambda i: (others[i] & mask).sum())
            if best is None:
                wrong += mask.sum()
                continue
            wrong += (others[best] != mask).sum()
            free.remove(best)
        total += masks[0].size if masks else 0
    share = 1 - wrong / max(total, 1)
    print(f"{title:<44} {count:>4} objects {100 * share:9.4f} %")
    if share < 0.999:
        failures.append(title)


def by_objects(folder):
    result = {}
    for place in glob.glob(os.path.join(glob.escape(folder), "**/*-objects"), recursive=True):
        result[os.path.basename(place)[:-8]] = [
            np.array(Image.open(f)) > 0 for f in sorted(glob.glob(os.path.join(glob.escape(place), "*.png")))
        ]
    return result


def by_labelme(folder):
    try:
        from labelme._label_file import LabelFile
    except ImportError:
        from labelme.label_file import LabelFile
    from labelme.utils import shapes_to_label

    result = {}
    for path in glob.glob(os.path.join(glob.escape(folder), "**/*.json"), recursive=True):
        if stem(path).startswith("coco"):
            continue
        try:
            LabelFile(path)
        except TypeError:
            LabelFile.load(path)
        except Exception as error:
            print("  FAULT labelme's LabelFile:", path, repr(error)[:300])
            failures.append("LabelFile")
            continue
        with open(path) as f:
            content = json.load(f)
        size = (content["imageHeight"], content["imageWidth"])
        masks, groups = [], {}
        for shape in content["shapes"]:
            mask = shapes_to_label(size, [shape], {shape["label"]: 1})[1] > 0
            group = shape["group_id"]
            if group is not None and group in groups:
                masks[groups[group]] |= mask
            else:
                if group is not None:
                    groups[group] = len(masks)
                masks.append(mask)
        result[stem(path)] = masks
    return result


def by_ultralytics(folder):
    import cv2

    result = {}
    for path in glob.glob(os.path.join(glob.escape(folder), "**/*.txt"), recursive=True):
        if stem(path) in ("classes", "labelmap"):
            continue
        picture = next(
            (p for p in glob.glob(glob.escape(path[:-4]) + ".*") if not p.endswith((".txt", ".json"))), None
        )
        if picture is None:
            continue
        width, height = Image.open(picture).size
        lines = [l.split() for l in open(path).read().strip().splitlines() if len(l)]
        masks, boxes = [], []
        for words in lines:
            if len(words) <= 6:
                print("  FAULT a line of", len(words), "numbers is a box to Ultralytics")
                failures.append("short")
            points = np.array(words[1:], np.float32).reshape(-1, 2)
            if points.max() > 1 or points.min() < 0:
                print("  FAULT coordinates beyond 0…1", points.min(), points.max(), path)
                failures.append("range")
            boxes.append((words[0], *points.min(0), *points.max(0)))
            mask = np.zeros((height, width), np.uint8)
            cv2.fillPoly(mask, [np.asarray(points * [width, height], np.int32)], 1)
            masks.append(mask > 0)
        if len(set(boxes)) != len(boxes):
            print("  note: Ultralytics drops", len(boxes) - len(set(boxes)), "of equal boxes in", path)
        result[stem(path)] = masks
    return result


def by_pycocotools(folder):
    coco = read_coco(os.path.join(folder, "coco.json"), os.path.join(folder, "coco-results.json"))
    return {
        stem(p["file_name"]): [coco.annToMask(a) > 0 for a in coco.imgToAnns[i]] for i, p in coco.imgs.items()
    }


def by_datumaro(folder, form):
    from datumaro.components.annotation import AnnotationType
    from datumaro.components.dataset import Dataset
    from pycocotools import mask as tools

    data = Dataset.import_from(folder, form)
    result = {}
    for item in data:
        groups = {}
        height, width = item.media.size
        for a in item.annotations:
            if a.type == AnnotationType.mask:
                mask = a.image.astype(bool)
            elif a.type == AnnotationType.polygon:
                mask = (
                    tools.decode(tools.merge(tools.frPyObjects([list(map(float, a.points))], height, width)))
                    > 0
                )
            else:
                continue
            key = a.group or ("own", len(groups))
            groups[key] = groups[key] | mask if key in groups else mask
        result[os.path.basename(item.id) if not os.path.exists(item.id) else stem(item.id)] = list(
            groups.values()
        )
    print("    classes by datumaro:", [c.name for c in data.categories()[AnnotationType.label].items])
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name in ("atelier", "model", "pictures", "work"):
        parser.add_argument(name)
    o = parser.parse_args()
    atelier = os.path.abspath(o.atelier)
    W = lambda *parts: os.path.join(o.work, *parts)
    shutil.rmtree(o.work, ignore_errors=True)
    tail = ["--model", o.model, "--threads", "1", "-q"]
    # proposals
    for form in ("labelme", "yolo", "coco"):
        segment(atelier, "propose", o.pictures, "--format", form, "-o", W("p-" + form), *tail)
    pool = W("p-labelme")
    names = [f for f in sorted(os.listdir(pool)) if f.lower().endswith((".png", ".jpg", ".tif"))]
    os.makedirs(W("renamed"))
    for f in names:
        shutil.copy(os.path.join(pool, f), W("renamed"))
    segment(
        atelier,
        "run",
        W("renamed"),
        "--write",
        "objects,instances,coco,labelme,yolo,voc",
        "-o",
        W("run"),
        *tail,
    )
    run = by_objects(W("run"))
    agree("run: coco by pycocotools", run, by_pycocotools(W("run")))
    segment(atelier, "run", W("renamed"), "--write", "coco", "--polygons", "-o", W("run-p"), *tail)
    agree("run: coco of polygons by pycocotools", run, by_pycocotools(W("run-p")))
    agree("run: labelme by labelme, with the pictures it names", run, by_labelme(W("run")))
    for f in names:
        shutil.copy(W("renamed", f), W("run"))
    agree("run: YOLO by Ultralytics' rule", run, by_ultralytics(W("run")))
    # a set of VOC as it is written
    segment(atelier, "convert", "--data", W("p-coco"), "--write", "voc", "--pictures", "-o", W("voc"), "-q")
    try:
        agree(
            "convert: VOC by datumaro", by_pycocotools(W("p-coco")), by_datumaro(W("voc"), "voc_segmentation")
        )
    except Exception as error:
        print("FAULT VOC by datumaro", repr(error)[:400])
        failures.append("voc datumaro")
    # proposals
    p = by_pycocotools(W("p-coco"))
    with open(W("p-coco/coco.json")) as file:
        c = json.load(file)
    print(
        "    forms of segmentation in proposals:",
        {k: sum(type(a["segmentation"]).__name__ == k for a in c["annotations"]) for k in ("list", "dict")},
    )
    agree("propose: labelme by labelme, against coco", p, by_labelme(W("p-labelme")))
    agree("propose: YOLO by Ultralytics, against coco", p, by_ultralytics(W("p-yolo")))
    os.makedirs(W("dm/annotations"))
    os.makedirs(W("dm/images/train"))
    shutil.copy(W("p-coco/coco.json"), W("dm/annotations/instances_train.json"))
    for f in names:
        shutil.copy(W("renamed", f), W("dm/images/train"))
    try:
        agree("propose: COCO by datumaro", p, by_datumaro(W("dm"), "coco_instances"))
    except Exception as error:
        print("FAULT COCO by datumaro", repr(error)[:400])
        failures.append("coco datumaro")
    # back by Atelier
    for form in ("labelme", "yolo", "coco"):
        segment(
            atelier, "convert", "--data", W("p-" + form), "--write", "objects", "-o", W("back-" + form), "-q"
        )
        agree(f"propose: {form} back by Atelier", p, by_objects(W("back-" + form)))
        r = segment(
            atelier,
            "train-stars",
            "--data",
            W("p-" + form),
            "--run",
            W("train-" + form),
            "--steps",
            "1",
            "--batch",
            "1",
            "--side",
            "64",
            "--threads",
            "1",
            "--start-from",
            o.model,
        )
        print("    train:", r.stdout.strip().splitlines()[:2], r.stderr.strip().splitlines()[:3])
        r = segment(
            atelier,
            "evaluate",
            "--model",
            o.model,
            "--data",
            W("p-" + form),
            "--threads",
            "1",
            "--detections",
            "500",
        )
        print("    evaluate:", [l for l in r.stdout.splitlines() if l.startswith("all")])
    print(len(failures), "failures:", failures)
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
