#!/usr/bin/env python3
"""CVAT's exports, written by CVAT's own library (datumaro), read by Atelier, pixel by pixel.

    Tests/Annotations/cvat.py ATELIER WORK [--only coco,voc,ultralytics,mask]

Pictures are synthetic: polygons with several parts, brush masks with holes, crowds, boxes, ellipses, turned
boxes, overlaps, empty pictures, three classes, folders, spaces and letters beyond ASCII in names. Each form
is written as CVAT exports it (the folder of the unpacked archive), read back by datumaro (the truth), and by
`segment inspect` and `segment convert --write instances,coco`; CVAT's, datumaro's and LabelMe's own forms,
which are not read, must be named. Needs datumaro, pycocotools, pillow, numpy.
Exit code 1 where a form is not read or below 99.9 %.
"""

import argparse, glob, json, os, shutil, sys
import numpy as np
from PIL import Image
from shared import read_coco, segment

failures = []
BOXES = True
HARD = ["plain", "with space", "Zellkern äö €", "folder a/inside", "dots.in.name", "empty", "UPPER"]
NAMES = ["plain", "two", "three", "empty"]
# Forms that are refused with what to export instead.
NAMED = ["cvat", "labelme", "datumaro"]
CLASSES = ["nucleus", "round cell", "Müll"]


def scene(seed, size=(150, 210)):
    """A picture and (class, list of polygons | mask | box | ellipse, attributes)."""
    random = np.random.default_rng(seed)
    objects = []
    if seed == NAMES.index("empty"):
        return objects
    for index in range(7):
        x, y = 25 + 52 * (index % 4), 35 + 70 * (index // 4)
        angles = np.sort(random.uniform(0, 2 * np.pi, 12))
        radii = random.uniform(10, 22, 12)
        points = np.stack([x + radii * np.cos(angles), y + radii * np.sin(angles)], 1).round(2)
        objects.append((index % 3, "polygon", points, {"occluded": False, "z": index}))
    return objects


def dataset(media):
    from datumaro.components.annotation import Bbox, Ellipse, Mask, Polygon
    from datumaro.components.dataset import Dataset
    from datumaro.components.dataset_base import DatasetItem
    from datumaro.components.media import Image as Medium

    random = np.random.default_rng(5)
    items = []
    for seed, name in enumerate(NAMES):
        size = (150 + 3 * seed, 210 - 2 * seed)
        path = os.path.join(media, name + (".PNG" if name == "UPPER" else ".png"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Image.fromarray(random.integers(0, 255, (*size, 3), np.uint8)).save(path)
        annotations = []
        for number, (label, kind, points, attributes) in enumerate(scene(seed, size)):
            group = number + 1
            if number == 2:  # brush
                rows, columns = np.mgrid[0 : size[0], 0 : size[1]]
                ring = np.hypot(columns - points[:, 0].mean(), rows - points[:, 1].mean())
                annotations.append(Mask((ring < 18) & (ring > 7), label=label, group=group))
            elif number == 3 and BOXES:
                annotations.append(
                    Bbox(*points.min(0), *(points.max(0) - points.min(0)), label=label, group=group)
                )
            elif number == 4:
                annotations.append(Ellipse(*points.min(0), *points.max(0), label=label, group=group))
            elif number == 5:  # two parts
                annotations.append(Polygon(points.flatten().tolist(), label=label, group=group))
                annotations.append(
                    Polygon(
                        ((points - points.mean(0)) * 0.3 + [51, 70]).flatten().tolist(),
                        label=label,
                        group=group,
                    )
                )
            elif number == 6 and seed == 0:
                annotations.append(
                    Polygon(
                        points.flatten().tolist(), label=label, group=group, attributes={"is_crowd": True}
                    )
                )
            else:
                annotations.append(
                    Polygon(
                        points.flatten().tolist(),
                        label=label,
                        group=group,
                        attributes={"occluded": True, "Größe": "klein"},
                    )
                )
        items.append(
            DatasetItem(id=name, subset="default", annotations=annotations, media=Medium.from_file(path=path))
        )
    return Dataset.from_iterable(items, categories=CLASSES)


def exported(form, data, out):
    """Writes a form as CVAT does (cvat/apps/dataset_manager/formats)."""
    from datumaro.components.annotation import AnnotationType

    if form == "coco":
        data.export(out, "coco_instances", save_media=True, merge_images=False)
    elif form in ("voc", "mask"):
        data.transform("polygons_to_masks")
        data.transform("boxes_to_masks")
        data.transform("merge_instance_segments")
        data.export(
            out,
            "voc_segmentation" if form == "mask" else "voc",
            save_media=True,
            apply_colormap=True,
            label_map={
                "background": [[0, 0, 0], [], []],
                **{name: [[40 + 60 * i, 200 - 70 * i, 90], [], []] for i, name in enumerate(CLASSES)},
            },
        )
    elif form == "cvat":
        data.export(out, "cvat", save_media=True)
    elif form == "labelme":
        data.export(out, "label_me", save_media=True)
    elif form == "datumaro":
        data.export(out, "datumaro", save_media=True)
    elif form == "ultralytics":
        # datumaro of PyPI writes boxes alone; CVAT's fork writes polygons, the text being this:
        os.makedirs(out, exist_ok=True)
        lines = []
        for item in data:
            path = os.path.join(out, "images/train", item.id + os.path.splitext(item.media.path)[1])
            text = os.path.join(out, "labels/train", item.id + ".txt")
            for place in (path, text):
                os.makedirs(os.path.dirname(place), exist_ok=True)
            shutil.copy(item.media.path, path)
            height, width = item.media.size
            with open(text, "w") as file:
                for a in item.annotations:
                    if a.type == AnnotationType.polygon:
                        numbers = np.array(a.points).reshape(-1, 2) / [width, height]
                        file.write(f"{a.label} " + " ".join(f"{n:.6f}" for n in numbers.flatten()) + "\n")
            lines.append("data/images/train/" + os.path.relpath(path, os.path.join(out, "images/train")))
        with open(os.path.join(out, "train.txt"), "w") as file:
            file.write("\n".join(lines) + "\n")
        with open(os.path.join(out, "data.yaml"), "w") as file:
            file.write(
                "names:\n"
                + "".join(f"  {i}: {n}\n" for i, n in enumerate(CLASSES))
                + "path: .\ntrain: train.txt\n"
            )


def truths(data, polygons_alone=False):
    """Of each picture the masks of its objects (groups joined), as datumaro rasters them."""
    from datumaro.components.annotation import AnnotationType
    from pycocotools import mask as tools

    result = {}
    for item in data:
        height, width = item.media.size
        groups = {}
        for a in item.annotations:
            if a.type == AnnotationType.mask:
                mask = a.image.astype(bool)
            elif a.type in (AnnotationType.polygon, AnnotationType.bbox, AnnotationType.ellipse):
                rle = tools.merge(tools.frPyObjects([list(map(float, a.as_polygon()))], height, width))
                mask = tools.decode(rle).astype(bool)
            else:
                continue
            if polygons_alone and a.type != AnnotationType.polygon:
                continue
            key = (not polygons_alone and a.group) or ("own", len(groups))
            label = data.categories()[next(iter(data.categories()))][a.label].name
            old = groups.get(key)
            groups[key] = (label, mask | old[1] if old else mask, a.attributes.get("is_crowd", False))
        result[item.id] = (list(groups.values()), (height, width))
    return result


def compare(form, data_path, truth, out, atelier):
    shutil.rmtree(out, ignore_errors=True)
    look = segment(atelier, "inspect", "--data", data_path, "--json")
    result = segment(atelier, "convert", "--data", data_path, "--write", "coco,instances", "-o", out)
    if result.returncode:
        named = "export" in result.stderr and form.split()[0] in NAMED
        print(f"{form}: {'named' if named else 'NOT READ'}: {result.stderr.strip()[:600]}")
        if not named:
            failures.append(form)
        return
    print(
        f"{form}: inspect rc {look.returncode}",
        json.loads(look.stdout or "{}").get("table"),
        (look.stderr.strip() or "")[:300],
    )
    for line in (result.stdout + result.stderr).strip().splitlines():
        print("    ", line[:300])
    coco = read_coco(os.path.join(out, "coco.json"))
    names = {c["id"]: c["name"] for c in coco.loadCats(coco.getCatIds())}
    by = {os.path.splitext(p["file_name"])[0]: p["id"] for p in coco.loadImgs(coco.getImgIds())}
    wrong = total = count = missing = 0
    for name, (objects, size) in truth.items():
        key = next((k for k in (name, "default/" + name, os.path.basename(name)) if k in by), None)
        if key is None:
            print(f"     no picture {name} among {sorted(by)}")
            failures.append(form)
            continue
        found = [
            (names[a["category_id"]], coco.annToMask(a).astype(bool), a["iscrowd"])
            for a in coco.loadAnns(coco.getAnnIds(imgIds=[by[key]]))
        ]
        for label, mask, crowd in objects:
            count += 1
            best = max(
                (f for f in found if f[0] == label),
                default=None,
                key=lambda f: (f[1] & mask).sum() / max((f[1] | mask).sum(), 1),
            )
            if best is None:
                missing += 1
                wrong += mask.sum()
                continue
            difference = (best[1] != mask).sum()
            if difference:
                print(f"       {name}: {label} differs by {difference} of {mask.sum()}")
            wrong += difference
        total += size[0] * size[1]
        if len(found) != len(objects):
            print(f"     {name}: {len(found)} objects, expected {len(objects)}")
    share = 1 - wrong / max(total, 1)
    print(f"  => {form}: {count} objects, {missing} missing, {100 * share:.4f} % of the pixels")
    if share < 0.999:
        failures.append(form)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("atelier")
    parser.add_argument("work")
    parser.add_argument("--hard", action="store_true", help="names with spaces, dots, folders, letters")
    parser.add_argument(
        "--no-boxes", action="store_true", help="draw no boxes, which COCO gives no segmentation"
    )
    parser.add_argument("--flat", action="store_true", help="move images/default/* of COCO to images")
    parser.add_argument("--only", default="coco,voc,mask,ultralytics,cvat,labelme,datumaro")
    options = parser.parse_args()
    atelier = os.path.abspath(options.atelier)
    global BOXES
    BOXES = not options.no_boxes
    if options.hard:
        NAMES[:] = HARD
    for form in options.only.split(","):
        out = os.path.join(options.work, form)
        shutil.rmtree(out, ignore_errors=True)
        media = os.path.join(options.work, "media")
        data = dataset(media)
        truth = truths(data, form == "ultralytics")
        try:
            exported(form, data, out)
        except Exception as error:
            print(f"{form}: datumaro does not write it: {error!r}")
            continue
        if options.flat and os.path.isdir(os.path.join(out, "images/default")):
            os.rename(os.path.join(out, "images/default"), os.path.join(out, "i"))
            os.rmdir(os.path.join(out, "images"))
            os.rename(os.path.join(out, "i"), os.path.join(out, "images"))
        places = [out]
        if form == "coco":
            places = [out] + glob.glob(os.path.join(out, "annotations/*.json"))
        for place in places:
            compare(
                f"{form} ({os.path.relpath(place, options.work)})",
                place,
                truth,
                os.path.join(options.work, "read-" + form),
                atelier,
            )
    print(len(failures), "failures:", "; ".join(failures))
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
