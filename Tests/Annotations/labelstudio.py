#!/usr/bin/env python3
"""Label Studio's exports, written by its own converter (label-studio-sdk), read by Atelier.

    Tests/Annotations/labelstudio.py ATELIER WORK

Makes a JSON export with polygons, boxes, turned boxes and brushes (RLE) of synthetic pictures, has Label
Studio's converter write COCO, COCO from brushes, YOLO, VOC and brush PNG, and feeds each to `segment inspect`
and `segment convert`. The truth is what pycocotools (COCO) or the polygons themselves (YOLO) give.
Needs label-studio-sdk, pycocotools, pillow, numpy. Exit code 1 where a form is not read or below 99.9 %.
"""

import argparse, glob, json, os, shutil, sys
import numpy as np
from PIL import Image
from shared import read_coco, segment

CONFIG = """<View><Image name="image" value="$image"/>
<PolygonLabels name="polygon" toName="image"><Label value="nucleus"/><Label value="Große Zelle"/></PolygonLabels>
<RectangleLabels name="box" toName="image"><Label value="box"/></RectangleLabels>
<BrushLabels name="brush" toName="image"><Label value="nucleus"/><Label value="hole"/></BrushLabels></View>"""
SIZE = (140, 190)
failures = []


def tasks(work, boxes, brushes, polygons=True):
    from label_studio_sdk.converter import brush

    random = np.random.default_rng(3)
    media = os.path.join(work, "media/upload/1")
    os.makedirs(media, exist_ok=True)
    result = []
    for number, name in enumerate(
        [
            "a1b2c3-plain.png",
            "d4e5-with_dots.v2.final.png",
            "f6-two%20words.png",
            "77-Zellen_äö.png",
            "88-empty.png",
        ]
    ):
        Image.fromarray(random.integers(0, 255, (*SIZE, 3), np.uint8)).save(os.path.join(media, name))
        found = []
        base = {
            "to_name": "image",
            "original_width": SIZE[1],
            "original_height": SIZE[0],
            "image_rotation": 0,
        }
        for index in range(6 if "empty" not in name else 0):
            x, y = 30 + 60 * (index % 3), 35 + 70 * (index // 3)
            angles = np.sort(random.uniform(0, 2 * np.pi, 11))
            points = np.stack(
                [
                    x + random.uniform(9, 24, 11) * np.cos(angles),
                    y + random.uniform(9, 24, 11) * np.sin(angles),
                ],
                1,
            )
            if boxes and index == 1:
                found.append(
                    {
                        **base,
                        "id": f"r{index}",
                        "from_name": "box",
                        "type": "rectanglelabels",
                        "value": {
                            "x": (x - 12) / 1.9,
                            "y": (y - 9) / 1.4,
                            "width": 24 / 1.9,
                            "height": 18 / 1.4,
                            "rotation": 0 if number else 25,
                            "rectanglelabels": ["box"],
                        },
                    }
                )
            elif brushes and index % 2 == 0:
                rows, columns = np.mgrid[0 : SIZE[0], 0 : SIZE[1]]
                ring = np.hypot(columns - x, rows - y)
                mask = ((ring < 20) & (ring > 6)).astype(np.uint8) * 255
                found.append(
                    {
                        **base,
                        "id": f"b{index}",
                        "from_name": "brush",
                        "type": "brushlabels",
                        "value": {"format": "rle", "rle": brush.mask2rle(mask), "brushlabels": ["hole"]},
                    }
                )
            elif polygons:
                found.append(
                    {
                        **base,
                        "id": f"p{index}",
                        "from_name": "polygon",
                        "type": "polygonlabels",
                        "value": {
                            "points": (points / [SIZE[1], SIZE[0]] * 100).tolist(),
                            "closed": True,
                            "polygonlabels": ["nucleus" if index % 2 else "Große Zelle"],
                        },
                    }
                )
        result.append(
            {
                "id": 100 + number,
                "data": {"image": f"/data/upload/1/{name}"},
                "annotations": [
                    {
                        "id": 1000 + number,
                        "completed_by": {"email": "someone@example.com"},
                        "result": found,
                        "was_cancelled": False,
                    }
                ],
            }
        )
    path = os.path.join(work, f"export-{boxes}-{brushes}.json")
    with open(path, "w") as file:
        json.dump(result, file)
    return path


def convert(work, path, form, out):
    from label_studio_sdk.converter import Converter

    if form != "BRUSH_TO_PNG":
        shutil.rmtree(out, ignore_errors=True)
    converter = Converter(
        config=CONFIG,
        project_dir=work,
        upload_dir=os.path.join(work, "media/upload"),
        download_resources=True,
    )
    converter.convert(path, out, form, is_dir=False)


def check(title, atelier, place, out, truth):
    """truth: picture -> list of (class, mask)."""
    shutil.rmtree(out, ignore_errors=True)
    result = segment(atelier, "convert", "--data", place, "--write", "coco", "-o", out)
    look = segment(atelier, "inspect", "--data", place)
    if result.returncode:
        # Label Studio's own JSON and boxes as XML are refused with what to export instead; a PNG for
        # each stroke of a brush is no form of its own.
        named = not truth and ("export" in result.stderr or title.startswith("BRUSH_TO_PNG"))
        print(f"{title}: {'named' if named else 'NOT READ'}: {result.stderr.strip()[:700]}")
        if not named:
            failures.append(title)
        return
    print(f"{title}: {result.stdout.strip()} {result.stderr.strip()[:300]}")
    print("   ", look.stdout.strip().replace("\n", "\n    "), look.stderr.strip()[:300])
    coco = read_coco(os.path.join(out, "coco.json"))
    names = {c["id"]: c["name"] for c in coco.loadCats(coco.getCatIds())}
    wrong = total = 0
    by = {os.path.splitext(os.path.basename(p["file_name"]))[0]: p for p in coco.loadImgs(coco.getImgIds())}
    for picture, objects in truth.items():
        if picture not in by:
            print(f"    no picture {picture} in {sorted(by)}")
            failures.append(title)
            continue
        found = [
            (names[a["category_id"]], coco.annToMask(a).astype(bool))
            for a in coco.loadAnns(coco.getAnnIds(imgIds=[by[picture]["id"]]))
        ]
        if len(found) != len(objects):
            print(f"    {picture}: {len(found)} objects, expected {len(objects)}")
        for label, mask in objects:
            best = max(
                (f for f in found if f[0] == label),
                default=(0, np.zeros_like(mask)),
                key=lambda f: (f[1] & mask).sum(),
            )
            wrong += (best[1] != mask).sum()
        total += SIZE[0] * SIZE[1]
    share = 1 - wrong / max(total, 1)
    print(f"    => {100 * share:.4f} %")
    if share < 0.999:
        failures.append(title)


def coco_truth(path):
    from pycocotools import mask as tools

    with open(path) as file:
        content = json.load(file)
    names = {c["id"]: c["name"] for c in content["categories"]}
    result = {}
    for image in content["images"]:
        masks = []
        for a in content["annotations"]:
            if a["image_id"] != image["id"]:
                continue
            x, y, w, h = a["bbox"]
            polygons = a["segmentation"] or [[x, y, x + w, y, x + w, y + h, x, y + h]]
            rle = tools.merge(tools.frPyObjects(polygons, image["height"], image["width"]))
            masks.append((names[a["category_id"]], tools.decode(rle).astype(bool)))
        result[os.path.splitext(os.path.basename(image["file_name"]))[0]] = masks
    return result


def yolo_truth(folder):
    from pycocotools import mask as tools

    with open(os.path.join(folder, "classes.txt")) as file:
        names = file.read().split("\n")
    result = {}
    for text in glob.glob(os.path.join(folder, "labels/*.txt")):
        masks = []
        for line in open(text):
            words = line.split()
            n = np.array(words[1:], float)
            if len(n) == 4:
                n = np.array(
                    [
                        n[0] - n[2] / 2,
                        n[1] - n[3] / 2,
                        n[0] + n[2] / 2,
                        n[1] - n[3] / 2,
                        n[0] + n[2] / 2,
                        n[1] + n[3] / 2,
                        n[0] - n[2] / 2,
                        n[1] + n[3] / 2,
                    ]
                )
            rle = tools.merge(
                tools.frPyObjects([(n.reshape(-1, 2) * [SIZE[1], SIZE[0]]).flatten().tolist()], *SIZE)
            )
            masks.append((names[int(words[0])], tools.decode(rle).astype(bool)))
        result[os.path.splitext(os.path.basename(text))[0]] = masks
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("atelier")
    parser.add_argument("work")
    parser.add_argument("--copy", action="store_true", help="put the pictures into images, as a person would")
    parser.add_argument(
        "--basenames", action="store_true", help=r"name the pictures images\NAME in COCO, as on Windows"
    )
    options = parser.parse_args()
    atelier, work = os.path.abspath(options.atelier), os.path.abspath(options.work)
    os.makedirs(work, exist_ok=True)
    read = os.path.join(work, "read")
    polygons = tasks(work, False, False)
    for boxes, brushes in ((False, False), (True, False), (False, True), (True, True)):
        path = tasks(work, boxes, brushes)
        kind = "polygons" + (" boxes" if boxes else "") + (" brushes" if brushes else "")
        for form in (
            ("COCO", "YOLO")
            + (("BRUSH_TO_COCO", "BRUSH_TO_PNG") if brushes else ())
            + (("VOC",) if boxes else ())
        ):
            out = os.path.join(work, f"{form}-{kind}".replace(" ", "-"))
            if form == "BRUSH_TO_PNG":
                os.makedirs(out, exist_ok=True)
            try:
                convert(work, path, form, out)
            except Exception as error:
                print(form, kind, "not written:", repr(error))
                continue
            truth = {}
            if "COCO" in form:
                results = glob.glob(os.path.join(out, "*.json"))
                truth = coco_truth(results[0])
                if options.basenames:
                    with open(results[0]) as file:
                        content = json.load(file)
                    for image in content["images"]:
                        image["file_name"] = "images\\" + os.path.basename(image["file_name"])
                    with open(results[0], "w") as file:
                        json.dump(content, file)
                if form == "BRUSH_TO_COCO" or options.copy:
                    for file in glob.glob(os.path.join(work, "media/upload/1/*")):
                        shutil.copy(file, os.path.join(out, "images"))
            elif form == "YOLO":
                truth = yolo_truth(out)
                if options.copy:
                    for file in glob.glob(os.path.join(work, "media/upload/1/*")):
                        shutil.copy(file, os.path.join(out, "images"))
            if form == "BRUSH_TO_PNG":
                os.makedirs(out, exist_ok=True)
            check(f"{form}, {kind}", atelier, out, read, truth)
    check("Label Studio's own JSON", atelier, polygons, read, {})
    print(len(failures), "failures:", "; ".join(failures))
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
