#!/usr/bin/env python3
"""COCO files with the habits of Roboflow, SuperAnnotate, Label Studio, CVAT, VGG, makesense and others.

    Tests/Annotations/quirks.py ATELIER WORK

Each case changes a small valid set in one way that some tool is known for; `segment convert` must read it to
the pixel as pycocotools does, or (where expected) refuse it by name. Needs pycocotools, pillow, numpy.
Exit code 1 where a case went otherwise.
"""

import argparse, json, os, shutil, sys
import numpy as np
from PIL import Image
from pycocotools import mask as tools
from shared import read_coco, segment

SIZE = (90, 120)


def base():
    random = np.random.default_rng(1)
    content = {
        "info": {},
        "licenses": [],
        "categories": [
            {"id": 1, "name": "cell", "supercategory": "none"},
            {"id": 2, "name": "debris", "supercategory": "none"},
        ],
        "images": [],
        "annotations": [],
    }
    for number in (1, 2, 3):
        content["images"].append(
            {"id": number, "file_name": f"p{number}.png", "width": SIZE[1], "height": SIZE[0]}
        )
        for index in range(3 if number < 3 else 0):
            x, y = 25 + 35 * index, 45
            angles = np.linspace(0, 2 * np.pi, 9)[:-1]
            radii = random.uniform(8, 16, 8)
            polygon = (
                np.stack([x + radii * np.cos(angles), y + radii * np.sin(angles)], 1)
                .flatten()
                .round(2)
                .tolist()
            )
            rle = tools.frPyObjects([polygon], *SIZE)
            content["annotations"].append(
                {
                    "id": len(content["annotations"]) + 1,
                    "image_id": number,
                    "category_id": 1 + index % 2,
                    "segmentation": [polygon],
                    "iscrowd": 0,
                    "area": float(tools.area(tools.merge(rle))),
                    "bbox": tools.toBbox(tools.merge(rle)).tolist(),
                }
            )
    return content


def pictures(folder, names):
    random = np.random.default_rng(2)
    for name in names:
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Image.fromarray(random.integers(0, 255, (*SIZE, 3), np.uint8)).save(path)


CASES = {}


def case(title, where="annotations.json", names=("p1.png", "p2.png", "p3.png"), part=None, fails=False):
    def keep(change):
        CASES[title] = (change, where, names, part, fails)
        return change

    return keep


@case("as it is")
def _(c):
    pass


@case("ids from 0 everywhere")
def _(c):
    for key in ("images", "annotations", "categories"):
        for one in c[key]:
            one["id"] -= 1
    for a in c["annotations"]:
        a["image_id"] -= 1
        a["category_id"] -= 1


@case(
    "Roboflow: category 0 is the super one, without objects",
    where="train/_annotations.coco.json",
    names=("train/p1.png", "train/p2.png", "train/p3.png"),
)
def _(c):
    c["categories"].insert(0, {"id": 0, "name": "cells", "supercategory": "none"})


@case(
    "Roboflow: names with dots and rf",
    where="train/_annotations.coco.json",
    names=("train/p1_png.rf.aa11.png", "train/p1_png.rf.bb22.png", "train/p3_png.rf.cc33.png"),
)
def _(c):
    for image, name in zip(c["images"], ("p1_png.rf.aa11.png", "p1_png.rf.bb22.png", "p3_png.rf.cc33.png")):
        image["file_name"] = name
        image["extra"] = {"name": "p.png"}


@case("file_name with a folder", names=("batch 1/p1.png", "batch 1/p2.png", "batch 1/p3.png"))
def _(c):
    for i in c["images"]:
        i["file_name"] = "batch 1/" + i["file_name"]


@case("file_name with a folder that is not there")
def _(c):
    for i in c["images"]:
        i["file_name"] = "data/images/" + i["file_name"]


@case("file_name absolute")
def _(c):
    for i in c["images"]:
        i["file_name"] = "/home/someone/data/" + i["file_name"]


@case("file_name with .. (Label Studio)", names=("images/p1.png", "images/p2.png", "images/p3.png"))
def _(c):
    for i in c["images"]:
        i["file_name"] = "../../label-studio/data/media/upload/1/" + i["file_name"]


@case(r"file_name C:\ (Windows)")
def _(c):
    for i in c["images"]:
        i["file_name"] = "C:\\Users\\x\\" + i["file_name"]


@case("file_name url-encoded", names=("my cells 1.png", "my cells 2.png", "my cells 3.png"))
def _(c):
    for i in c["images"]:
        i["file_name"] = f"my%20cells%20{i['id']}.png"


@case("file_name of a url")
def _(c):
    for i in c["images"]:
        i["file_name"] = "https://example.com/bucket/" + i["file_name"]


@case("file_name ./")
def _(c):
    for i in c["images"]:
        i["file_name"] = "./" + i["file_name"]


@case("ending of another case", names=("p1.PNG", "p2.PNG", "p3.PNG"))
def _(c):
    pass


@case("runs uncompressed")
def _(c):
    for a in c["annotations"]:
        m = tools.decode(tools.merge(tools.frPyObjects(a["segmentation"], *SIZE))).flatten(order="F")
        change = np.flatnonzero(np.diff(m)) + 1
        counts = np.diff(np.concatenate([[0], change, [len(m)]])).tolist()
        a["segmentation"] = {"size": list(SIZE), "counts": ([0] if m[0] else []) + counts}


@case("runs as text, iscrowd 1 (CVAT's brush)")
def _(c):
    for a in c["annotations"]:
        r = tools.merge(tools.frPyObjects(a["segmentation"], *SIZE))
        r["counts"] = r["counts"].decode()
        a["segmentation"] = r
        a["iscrowd"] = 1


@case("runs as text, iscrowd 0")
def _(c):
    for a in c["annotations"]:
        r = tools.merge(tools.frPyObjects(a["segmentation"], *SIZE))
        r["counts"] = r["counts"].decode()
        a["segmentation"] = r


@case("segmentation [] (boxes)")
def _(c):
    for a in c["annotations"]:
        a["segmentation"] = []


@case("one segmentation [] among polygons")
def _(c):
    c["annotations"][1]["segmentation"] = []


@case("segmentation missing")
def _(c):
    for a in c["annotations"]:
        del a["segmentation"]


@case("segmentation null")
def _(c):
    c["annotations"][0]["segmentation"] = None


@case("segmentation a flat list")
def _(c):
    for a in c["annotations"]:
        a["segmentation"] = a["segmentation"][0]


@case("segmentation [[]]")
def _(c):
    c["annotations"][0]["segmentation"] = [[]]


@case("polygon of two points beside a good one")
def _(c):
    c["annotations"][0]["segmentation"].append([3.0, 3.0, 9.0, 9.0])


@case("polygon of pairs [[x, y], …]", fails=True)
def _(c):
    for a in c["annotations"]:
        a["segmentation"] = [np.reshape(p, (-1, 2)).tolist() for p in a["segmentation"]]


@case("polygon beyond the picture")
def _(c):
    c["annotations"][0]["segmentation"] = [[-20.0, -5.0, 40.0, -5.0, 40.0, 30.0, -20.0, 30.0]]


@case("no iscrowd, no area, no bbox")
def _(c):
    for a in c["annotations"]:
        del a["iscrowd"], a["area"], a["bbox"]


@case("iscrowd null and false")
def _(c):
    for n, a in enumerate(c["annotations"]):
        a["iscrowd"] = None if n % 2 else False


@case("image ids as text")
def _(c):
    for i in c["images"]:
        i["id"] = str(i["id"])
    for a in c["annotations"]:
        a["image_id"] = str(a["image_id"])


@case("ids as 1.0")
def _(c):
    for a in c["annotations"]:
        a["category_id"] = float(a["category_id"])


@case("annotation ids as uuid text")
def _(c):
    for n, a in enumerate(c["annotations"]):
        a["id"] = f"0000-{n}"


@case("annotation ids twice")
def _(c):
    for a in c["annotations"]:
        a["id"] = 1


@case("annotation without id")
def _(c):
    for a in c["annotations"]:
        del a["id"]


@case("huge ids")
def _(c):
    for a in c["annotations"]:
        a["id"] += 10**15
        a["image_id"] += 10**15
    for i in c["images"]:
        i["id"] += 10**15


@case("width and height missing")
def _(c):
    for i in c["images"]:
        del i["width"], i["height"]


@case("width and height null")
def _(c):
    c["images"][2].update(width=None, height=None)


@case("width and height as 120.0")
def _(c):
    for i in c["images"]:
        i.update(width=float(i["width"]), height=float(i["height"]))


@case("width and height swapped", fails=True)
def _(c):
    for i in c["images"]:
        i["width"], i["height"] = i["height"], i["width"]


@case("two categories of one name")
def _(c):
    c["categories"][1]["name"] = "cell"


@case("category name with spaces and letters")
def _(c):
    c["categories"][1]["name"] = "Große Zelle, alt / neu"


@case("category name empty", fails=True)
def _(c):
    c["categories"][1]["name"] = ""


@case("no categories key", fails=True)
def _(c):
    del c["categories"]


@case("an annotation of an image that is not there", fails=True)
def _(c):
    c["annotations"][0]["image_id"] = 99


@case("one picture is not there", names=("p1.png", "p3.png"))
def _(c):
    pass


@case("keypoints and other keys")
def _(c):
    for a in c["annotations"]:
        a.update(
            keypoints=[1, 2, 2], num_keypoints=1, attributes={"occluded": False, "text": "ä"}, score=None
        )
    c["type"] = "instances"
    c["custom"] = [[[{}]]]


@case("NaN as Python writes it", fails=True)
def _(c):
    c["annotations"][0]["area"] = float("nan")


@case("iscrowd text", fails=True)
def _(c):
    c["annotations"][0]["iscrowd"] = "no"


@case(
    "annotations/instances_train2017.json, train2017/",
    where="annotations/instances_train2017.json",
    names=("train2017/p1.png", "train2017/p2.png", "train2017/p3.png"),
)
def _(c):
    pass


@case(
    "annotations/instances_default.json, images/default/ (CVAT)",
    where="annotations/instances_default.json",
    names=("images/default/p1.png", "images/default/p2.png", "images/default/p3.png"),
)
def _(c):
    pass


@case(
    "annotations/instances_default.json, images/ (older CVAT)",
    where="annotations/instances_default.json",
    names=("images/p1.png", "images/p2.png", "images/p3.png"),
)
def _(c):
    pass


@case(
    "result.json, images/ (Label Studio)",
    where="result.json",
    names=("images/p1.png", "images/p2.png", "images/p3.png"),
)
def _(c):
    for i in c["images"]:
        i["file_name"] = "images/" + i["file_name"]


def masks(content):
    result = {}
    for image in content["images"]:
        result[str(image["id"])] = (
            image["file_name"],
            [
                tools.decode(tools.merge(tools.frPyObjects(a["segmentation"], *SIZE))).astype(bool)
                for a in content["annotations"]
                if a["image_id"] == image["id"]
            ],
        )
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("atelier")
    parser.add_argument("work")
    options = parser.parse_args()
    atelier = os.path.abspath(options.atelier)
    wrong = 0
    for number, (title, (change, where, names, part, fails)) in enumerate(CASES.items()):
        folder = os.path.join(options.work, f"{number:02}")
        shutil.rmtree(folder, ignore_errors=True)
        content = base()
        change(content)
        pictures(folder, names)
        path = os.path.join(folder, where)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            json.dump(content, file)
        truth = base()
        if "beyond" in title or "two points" in title:
            truth["annotations"][0]["segmentation"] = content["annotations"][0]["segmentation"][:1]
        if title.startswith("segmentation [] ") or title in (
            "segmentation missing",
            "segmentation null",
            "one segmentation [] among polygons",
            "segmentation [[]]",
        ):
            for a, b in zip(truth["annotations"], content["annotations"]):
                if not b.get("segmentation") or b["segmentation"] == [[]]:
                    x, y, w, h = a["bbox"]
                    a["segmentation"] = [[x, y, x + w, y, x + w, y + h, x, y + h]]
        if title == "one picture is not there":
            truth["images"] = [i for i in truth["images"] if i["file_name"] in names]
        truth = masks(truth)
        for place in sorted({folder, path}):
            out = os.path.join(options.work, "out")
            shutil.rmtree(out, ignore_errors=True)
            result = segment(atelier, "convert", "--data", place, "--write", "coco", "--pictures", "-o", out)
            kind = "folder" if place == folder else "file"
            if result.returncode:
                note = "" if fails else "FAULT "
                wrong += not fails
                print(
                    f"{note}{title} ({kind}): refused rc {result.returncode}: {result.stderr.strip().replace(options.work, 'W')[:420]}"
                )
                continue
            coco = read_coco(os.path.join(out, "coco.json"))
            found = {
                p["file_name"]: [coco.annToMask(a).astype(bool) for a in coco.imgToAnns[i]]
                for i, p in coco.imgs.items()
            }
            crowds = sum(a["iscrowd"] for a in coco.anns.values())
            want = [m for _, m in truth.values()]
            got = list(found.values())
            pixels = sum((x != y).sum() for one, two in zip(want, got) for x, y in zip(one, two))
            same = [len(m) for m in want] == [len(m) for m in got] and pixels == 0
            bad = not same or fails or crowds
            wrong += bool(bad)
            print(
                f"{'FAULT ' if bad else ''}{title} ({kind}): read, objects {[len(m) for m in got]}, {pixels} pixels differ"
                + (f", {crowds} crowds" if crowds else "")
                + (" names " + ", ".join(found) if "name" in title or "Robo" in title else "")
                + (
                    " | " + result.stderr.strip().replace(options.work, "W")[:200]
                    if result.stderr.strip()
                    else ""
                )
                + (" (expected a refusal)" if fails else "")
            )
    print(wrong, "otherwise than expected")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
