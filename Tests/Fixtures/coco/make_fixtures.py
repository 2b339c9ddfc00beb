"""Writes truth.json, results-masks.json, results-boxes.json and expected.json: a made-up set, detections
of it, and the figures that pycocotools finds. Run: python make_fixtures.py (needs numpy and pycocotools)."""

import contextlib
import io
import json
import pathlib

import numpy as np
from pycocotools import mask as codec
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

HERE = pathlib.Path(__file__).parent
random = np.random.default_rng(5)


def ellipse(width, height, x, y, a, b):
    rows, columns = np.mgrid[0:height, 0:width]
    return ((columns - x) / a) ** 2 + ((rows - y) / b) ** 2 <= 1


def polygon(x, y, radius, corners):
    angles = np.sort(random.uniform(0, 2 * np.pi, corners))
    reach = radius * random.uniform(0.6, 1.1, corners)
    points = np.stack([x + reach * np.cos(angles), y + reach * np.sin(angles)], 1)
    return [round(float(v), 2) for v in points.reshape(-1)]


def runs(mask):
    """Uncompressed counts, background first."""
    flat = np.asfortranarray(mask).reshape(-1, order="F").astype(np.int8)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat, [1 - flat[-1]]])))
    return [int(v) for v in np.diff(np.concatenate([[0], edges]))]


def decoded(segmentation, height, width):
    if isinstance(segmentation, list):
        return codec.decode(codec.merge(codec.frPyObjects(segmentation, height, width)))
    return codec.decode(codec.frPyObjects(segmentation, height, width))


def box(mask):
    return [float(v) for v in codec.toBbox(codec.encode(np.asfortranarray(mask.astype(np.uint8))))]


def truth():
    images, annotations = [], []
    for index in range(14):
        width, height = [(260, 220), (160, 120), (97, 131)][index % 3]
        images.append({"id": 3 * index + 2, "file_name": f"{index}.png", "width": width, "height": height})
        # One picture has no object at all.
        for number in range(0 if index == 6 else random.integers(1, 8)):
            # Class 9 never occurs among the objects, class 4 seldom.
            category = int(random.choice([2, 2, 7, 7, 7, 4]))
            x, y = random.uniform(0.1, 0.9) * width, random.uniform(0.1, 0.9) * height
            radius = random.uniform(4, min(width, height) / 2.2)
            crowd = number == 3
            if crowd or number == 5:
                mask = ellipse(width, height, x, y, radius, radius * 0.8)
                if mask.sum() == 0:
                    continue
                segmentation = {"size": [height, width], "counts": runs(mask)}
            else:
                inside = [min(max(x, 1), width - 1), min(max(y, 1), height - 1)]
                segmentation = [polygon(*inside, radius, int(random.integers(5, 9)))]
                if number == 1:
                    segmentation.append(polygon(width - inside[0], inside[1], 9, 5))
            mask = decoded(segmentation, height, width)
            if mask.sum() == 0:
                continue
            annotations.append({
                "id": len(annotations) + 1, "image_id": images[-1]["id"], "category_id": category,
                "segmentation": segmentation, "area": float(mask.sum()), "bbox": box(mask),
                "iscrowd": int(crowd)})
    categories = [{"id": i, "name": n} for i, n in [(2, "leaf"), (4, "stone"), (7, "shell"), (9, "ghost")]]
    return {"images": images, "annotations": annotations, "categories": categories}


def detections(data):
    sizes = {image["id"]: (image["height"], image["width"]) for image in data["images"]}
    found = []

    def add(image, category, mask, score):
        if mask.sum() == 0:
            return
        coded = codec.encode(np.asfortranarray(mask.astype(np.uint8)))
        jitter = random.uniform(-1.5, 1.5, 4)
        corner = [round(a + float(b), 2) for a, b in zip(box(mask), jitter)]
        corner[2:] = [max(1.0, v) for v in corner[2:]]
        found.append({
            "image_id": image, "category_id": category, "score": score, "bbox": corner,
            "segmentation": {"size": coded["size"], "counts": coded["counts"].decode()}})

    for annotation in data["annotations"]:
        height, width = sizes[annotation["image_id"]]
        mask = decoded(annotation["segmentation"], height, width)
        for copy in range(int(random.choice([0, 1, 1, 1, 2, 5 if annotation["iscrowd"] else 1]))):
            moved = np.roll(mask, random.integers(-4, 5, 2) * (random.random() < 0.7), (0, 1))
            if annotation["iscrowd"]:
                moved = moved * (random.random(moved.shape) < 0.5).astype(np.uint8)
                moved[:, : width // 2] = 0
            # Scores of few decimals, so that there are ties.
            add(annotation["image_id"],
                annotation["category_id"] if random.random() < 0.9 else int(random.choice([2, 4, 7, 9])),
                moved, round(float(random.uniform(0.2, 1)), 1))
    for image in data["images"]:
        # One picture has so many sure mistakes of one class that the limit of ten matters.
        crowded = image["id"] == 5
        for _ in range(14 if crowded else int(random.integers(0, 5))):
            height, width = sizes[image["id"]]
            mask = ellipse(width, height, random.uniform(0, width), random.uniform(0, height),
                           random.uniform(3, 30), random.uniform(3, 30))
            add(image["id"], 7 if crowded else int(random.choice([2, 4, 7, 9])), mask,
                round(float(random.uniform(0.8 * crowded, 1)), 2))
    random.shuffle(found)
    return found


def figures(truth_file, results, kind, limit=None):
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(truth_file))
        # With both forms present the API takes areas from the boxes, also for masks.
        drop = "bbox" if kind == "segm" else "segmentation"
        loaded = coco.loadRes([{k: v for k, v in r.items() if k != drop} for r in results])
        evaluation = COCOeval(coco, loaded, kind)
        if limit:
            evaluation.params.maxDets = [1, 2, limit]
        evaluation.evaluate()
        evaluation.accumulate()
        if limit:
            values = evaluation.eval["precision"][:, :, :, 0, 2]
            return {"ap": float(np.mean(values[values > -1]))}
        evaluation.summarize()
    keys = ["ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large",
            "ar1", "ar10", "ar", "ar_small", "ar_medium", "ar_large"]
    report = {"all": dict(zip(keys, map(float, evaluation.stats))), "classes": {}}
    for index, category in enumerate(evaluation.params.catIds):
        values = evaluation.eval["precision"][:, :, index, 0, 2]
        report["classes"][coco.cats[category]["name"]] = [
            float(np.mean(v)) for v in (values, values[0], values[5])]
    return report


def main():
    data = truth()
    text = json.dumps(data, separators=(",", ":"))
    (HERE / "truth.json").write_text(text + "\n")
    results = detections(data)
    (HERE / "results.json").write_text(json.dumps(results, separators=(",", ":")) + "\n")
    sizes = {image["id"]: (image["height"], image["width"]) for image in data["images"]}
    masks = {}
    for annotation in data["annotations"]:
        coded = codec.encode(np.asfortranarray(
            decoded(annotation["segmentation"], *sizes[annotation["image_id"]])))
        masks[annotation["id"]] = coded["counts"].decode()
    expected = {
        "masks": figures(HERE / "truth.json", results, "segm"),
        "boxes": figures(HERE / "truth.json", results, "bbox"),
        "masks_limit_3": figures(HERE / "truth.json", results, "segm", 3),
        "boxes_limit_3": figures(HERE / "truth.json", results, "bbox", 3),
        "runs": masks,
    }
    (HERE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
    print(json.dumps(expected["masks"]["all"]), len(data["annotations"]), len(results))


main()
