#!/usr/bin/env python3
"""Makes the seeds of the fuzzers: a folder a target, small files of every kind that it reads.

  python3 Tests/Fuzz/make_corpus.py .build/release/atelier OUT

From the fixtures of the tests, and from what the tool writes. Tests/Fuzz/Corpus holds what libFuzzer's
-merge kept of these seeds and of what it found on top (run.sh --merge).
"""
import gzip, json, os, shutil, struct, subprocess, sys, tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FIXTURES = os.path.join(ROOT, "Tests", "Fixtures")


def fixtures(endings, most):
    """The fixtures with these endings of at most so many bytes, smallest first."""
    found = []
    for place, _, names in os.walk(FIXTURES):
        for name in names:
            path = os.path.join(place, name)
            if name.endswith(endings) and 0 < os.path.getsize(path) <= most:
                found.append(path)
    return sorted(found, key=lambda path: (os.path.getsize(path), path))


def seed(out, target, name, data):
    folder = os.path.join(out, target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as file:
        file.write(data)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def header(data):
    """The JSON at the beginning of a safetensors file."""
    return json.loads(data[8:8 + struct.unpack("<Q", data[:8])[0]])


def pictures(out):
    doors = {".png": (0, 1, 2), ".jpg": (0,), ".tif": (3,), ".webp": (5,)}
    for path in fixtures(tuple(doors), 1200):
        data, name = read(path), os.path.basename(path)
        seed(out, "pictures", name, data)
        for door in doors[os.path.splitext(name)[1]]:
            seed(out, "codecs", f"{name}-{door}", bytes([door]) + data)
    seed(out, "pictures", "gray.pgm", b"P5 3 2 255\n" + bytes(range(6)))
    seed(out, "pictures", "plain.ppm", b"P3 2 1 7\n1 2 3 4 5 6\n")
    import zlib
    seed(out, "codecs", "deflated-6", b"\x06" + zlib.compress(b"atelier" * 40))


def texts(out):
    for index, text in enumerate(['{"a":[1,-2.5e3,true,null,"\\u00e9\\n"],"b":{}}', "[]", '"x"', "[[[[1]]]]", "-0.0"]):
        seed(out, "json", f"{index}.json", text.encode())
    cascade = """<?xml version="1.0"?><opencv_storage><cascade type_id="opencv-cascade-classifier"><stageType>BOOST</stageType>
<featureType>HAAR</featureType><height>20</height><width>20</width><stageParams><maxWeakCount>1</maxWeakCount></stageParams>
<featureParams><maxCatCount>0</maxCatCount></featureParams><stageNum>1</stageNum><stages><_><maxWeakCount>1</maxWeakCount>
<stageThreshold>-1.5</stageThreshold><weakClassifiers><_><internalNodes>0 -1 0 0.004</internalNodes><leafValues>0.8 -0.8
</leafValues></_></weakClassifiers></_></stages><features><_><rects><_>6 4 12 9 -1.</_><_>6 7 12 3 3.</_></rects></_>
</features></cascade></opencv_storage>"""
    old = """<opencv_storage><haar type_id="opencv-haar-classifier"><size>20 20</size><stages><_><trees><_><_><feature><rects>
<_>6 4 12 9 -1.</_><_>6 7 12 3 3.</_></rects><tilted>0</tilted></feature><threshold>0.004</threshold><left_val>0.8</left_val>
<right_val>-0.8</right_val></_></_></trees><stage_threshold>-1.5</stage_threshold><parent>-1</parent><next>-1</next></_></stages>
</haar></opencv_storage>"""
    for target in ("markup", "cascade"):
        seed(out, target, "new.xml", cascade.encode())
        seed(out, target, "old.xml", old.encode())
    seed(out, "markup", "small.xml", b"<!-- c --><a b='1'>x &amp; y<c/><![CDATA[z]]></a>")
    coco = {"images": [{"id": 1, "file_name": "a.png", "width": 6, "height": 5}],
            "categories": [{"id": 3, "name": "box"}, {"id": 4, "name": "disc"}],
            "annotations": [
                {"id": 1, "image_id": 1, "category_id": 3, "iscrowd": 0, "area": 4, "bbox": [1, 1, 2, 2],
                 "segmentation": [[1, 1, 3, 1, 3, 3, 1, 3]]},
                {"id": 2, "image_id": 1, "category_id": 4, "iscrowd": 1, "bbox": [0, 0, 2, 5],
                 "segmentation": {"size": [5, 6], "counts": [0, 10, 20]}},
                {"id": 3, "image_id": 1, "category_id": 4, "segmentation": {"size": [5, 6], "counts": "0:T1"}}]}
    seed(out, "coco", "coco.json", json.dumps(coco).encode())
    seed(out, "classes", "classes.txt", b"0 sky 128 128 128\n1 road 64 0 128\n255 void 0 0 0\n")
    seed(out, "classes", "plain.txt", b"# names\n0 one\n1 two\n")
    images = struct.pack(">IIII", 0x803, 2, 3, 3) + bytes(range(18))
    labels = struct.pack(">II", 0x801, 3) + b"\x00\x01\x02"
    for name, data in (("images", images), ("labels", labels)):
        seed(out, "idx", name, data)
        seed(out, "idx", name + ".gz", gzip.compress(data, mtime=0))
        seed(out, "idx", name + "2.gz", gzip.compress(data[:9], mtime=0) + gzip.compress(data[9:], mtime=0))


def weights(out):
    for target, endings, most in (("pickle", (".pth", ".pt"), 3000), ("keras", (".h5",), 20000),
                                  ("arrays", (".npy", ".npz"), 3000), ("safetensors", (".safetensors",), 3000),
                                  ("onnx", (".onnx",), 4000)):
        for path in fixtures(endings, most)[:12]:
            seed(out, target, os.path.basename(path), read(path))
    array = b"\x93NUMPY\x01\x00" + struct.pack("<H", 54)
    array += b"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}"[:53].ljust(53) + b"\n" + struct.pack("<2f", 1, 2)
    seed(out, "arrays", "two.npy", array)


def models(out, tool):
    with tempfile.TemporaryDirectory() as folder:
        def run(*arguments):
            subprocess.run([tool, *arguments, "-q", "--threads", "1"], cwd=folder, check=True)
        os.makedirs(os.path.join(folder, "in"))
        shutil.copy(os.path.join(ROOT, "Samples", "noisy", "bird.png"), os.path.join(folder, "in"))
        for name, further in (("autoencoder", ["--widths", "2,2"]), ("blind-unet", ["--widths", "2,2"]),
                              ("residual-unet", ["--widths", "2,2", "--optimizer", "sgd"]),
                              ("autoencoder", ["--widths", "2,2", "--optimizer", "nadam", "--unpool", "nearest"])):
            run("denoise", "train", "--data", "in", "--network", name, "--patch", "16", "--batch", "1", "--steps", "1",
                "--run", f"{name}{len(further)}", *further)
            place = os.path.join(folder, f"{name}{len(further)}")
            entries = header(read(os.path.join(place, "last.safetensors")))["__metadata__"]
            model = {key: json.loads(entries[key]) for key in ("graph", "information")}
            seed(out, "model", f"{name}{len(further)}.json", json.dumps(model, separators=(",", ":")).encode())
            state = header(read(os.path.join(place, "state.safetensors")))["__metadata__"]["state"]
            seed(out, "state", f"{name}{len(further)}.json", state.encode())
        run("model", "export", "autoencoder", "--widths", "2,2", "--size", "8x8", "-o", "small.onnx")
        seed(out, "onnx", "small.onnx", read(os.path.join(folder, "small.onnx")))


if __name__ == "__main__":
    tool, out = os.path.abspath(sys.argv[1]), sys.argv[2]
    pictures(out)
    texts(out)
    weights(out)
    models(out, tool)
