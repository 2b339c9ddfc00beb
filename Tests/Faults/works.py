"""The works that Tests/Faults disturbs: trainings and commands of seconds, and how to look at what they leave.

Every work runs in a folder of its own beside `inputs`, which `prepare` makes once from the samples and
from a seed. Python's own library is enough.
"""
import json, os, random, shutil, struct, subprocess, sys, zlib

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SAMPLES = os.path.join(ROOT, "Samples")
MODELS = os.path.join(ROOT, "Checkpoints")
QUIET = ["--threads", "1", "-q"]
# What the tool may end with when something is at fault: the table of `atelier --help`.
CODES = {65, 66, 70, 71, 73}
STEPS = 6
# What tells of all pictures: where one cannot be worked on, it is told, and these tell of the others.
COLLECTIONS = ("coco.json", "coco-results.json", "alignments.json", "order.csv", "objects.csv")
# What takes many seconds a run.
SLOW = ("train-swap", "train-objects", "train-duel", "samples")


class Work:
    """A command, or a training: its arguments in the folder of a work, and which entries are results."""

    def __init__(self, name, arguments, results=(), training=None, steps=STEPS):
        # Of a file's like calls at most so many are failed.
        self.most = 2 if name in SLOW else 8
        self.name, self.arguments = name, arguments + QUIET
        self.results, self.training, self.steps = list(results), training, steps

    def clear(self, folder):
        """Takes away the results of a work that refuses to write beside older ones."""
        if self.name.startswith("propose"):
            shutil.rmtree(os.path.join(folder, "out"), ignore_errors=True)

    @property
    def resume(self):
        """The arguments that go on with the training."""
        limit = [] if self.training == "attack train" else ["--steps", str(self.steps)]
        return self.training.split() + ["--run", "run", "--resume"] + limit + QUIET


def environment(further=None):
    variables = dict(os.environ, ATELIER_CHECKPOINTS=MODELS, ATELIER_CACHE="cache", **(further or {}))
    for name in ("ATELIER_ISA", "ATELIER_THREADS", "ATELIER_DATA"):
        variables.pop(name, None)
    return variables


def run(tool, arguments, folder, further=None, timeout=1800, before=None):
    """Runs the tool in a folder; gives the finished process."""
    return subprocess.run([tool] + arguments, cwd=folder, env=environment(further), capture_output=True,
                          timeout=timeout, stdin=subprocess.DEVNULL, preexec_fn=before)


def text(data):
    return data.decode(errors="replace").strip()


def picture(path, width, height, seed):
    """A PNG of two colours that pass into each other, in noise."""
    chance, rows = random.Random(seed), bytearray()
    for y in range(height):
        rows.append(0)
        for x in range(width):
            rows += bytes(min(255, value + chance.randrange(30)) for value in (x * 200 // width, y * 200 // height, 90))

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
                   + chunk(b"IDAT", zlib.compress(bytes(rows))) + chunk(b"IEND", b""))


def digits(folder, part="train"):
    """96 pictures of three classes as IDX files: bars at three heights in noise."""
    os.makedirs(folder, exist_ok=True)
    chance = random.Random(1)
    pixels, labels = bytearray(), bytearray()
    for index in range(96):
        top = 4 + 8 * (index % 3)
        picture = bytearray(chance.randrange(40) for _ in range(28 * 28))
        for row in range(top, top + 6):
            for column in range(6, 22):
                picture[row * 28 + column] = 200 + chance.randrange(50)
        pixels += picture
        labels.append(index % 3)
    with open(os.path.join(folder, part + "-images-idx3-ubyte"), "wb") as file:
        file.write(struct.pack(">IIII", 0x803, 96, 28, 28) + pixels)
    with open(os.path.join(folder, part + "-labels-idx1-ubyte"), "wb") as file:
        file.write(struct.pack(">II", 0x801, 96) + labels)


def prepare(tool, scratch):
    """Makes scratch/inputs, whose files the works name as ../inputs/…"""
    inputs = os.path.join(scratch, "inputs")
    os.mkdir(inputs)
    digits(os.path.join(inputs, "digits"))
    for part in ("train", "t10k"):
        digits(os.path.join(inputs, "parted"), part)
    for name in ("noisy", "small"):
        os.mkdir(os.path.join(inputs, name))
    for index in range(2):
        picture(os.path.join(inputs, "small", f"{index}.png"), 72, 56, index)
    with open(os.path.join(inputs, "book.txt"), "w") as file:
        file.write("".join(f"{count} men went to mow, went to mow a meadow.\n" for count in range(60)))
    for name in ("bird.png", "city.png"):
        shutil.copy(os.path.join(SAMPLES, "noisy", name), os.path.join(inputs, "noisy", name))
    people = os.path.join(SAMPLES, "characters")
    boxes = ["--boxes", os.path.join(people, "boxes.csv"), "--align", "box"] + QUIET
    for person, name in (("a", "maeve"), ("b", "solomon")):
        pictures = [os.path.join(people, f"{name}-{number}.png") for number in (1, 2)]
        made = run(tool, ["swap", "extract"] + pictures + ["-o", "crops/" + person] + boxes, inputs)
        if made.returncode:
            sys.exit("the inputs cannot be made: " + text(made.stderr))
    for arguments in (
            "classify train --data digits --network lenet --batch 8 --steps 4 --hold-out 0 --run victim",
            "model export autoencoder --widths 4,4 --size 16x16 -o small.onnx",
            "generate train --data digits --network rbm --hidden 16 --batch 8 --steps 4 --run machine --export "
            "machine.safetensors",
            "generate train --data digits --filters 4 --latent 8 --batch 8 --watch 24 --steps 4 --run drawing"):
        made = run(tool, arguments.split() + QUIET, inputs)
        if made.returncode:
            sys.exit(f"{arguments}: the inputs cannot be made: " + text(made.stderr))
    return inputs


GENERATOR = "--filters 4 --latent 8 --batch 8 --watch 24".split()


def trainings():
    """All kinds of training and of their networks that keep further files, at the smallest sizes."""
    def work(name, command, arguments, further=("--save-every", "2", "--validate-every", "3"), steps=STEPS):
        return Work(name, command.split() + arguments + ["--run", "run", "--seed", "5", "--steps", str(steps)]
                    + list(further), ["run"], command, steps)
    pictures = ["--save-every", "2", "--validate-every", "3", "--preview-every", "3"]
    # Of what is slow, two steps.
    brief = ["--save-every", "1", "--validate-every", "1", "--preview-every", "2"]
    digits = "../inputs/digits"
    return [
        work("train-denoise", "denoise train", ["--data", "../inputs/noisy", "--network", "autoencoder",
             "--widths", "4,4", "--patch", "16", "--batch", "2"], pictures),
        work("train-self", "denoise train", ["--data", "../inputs/noisy", "--target", "self", "--network",
             "blur-unet", "--widths", "4,4", "--patch", "32", "--batch", "2"], pictures),
        work("train-swap", "swap train", ["--a", "../inputs/crops/a", "--b", "../inputs/crops/b", "--network",
             "slim", "--batch", "1", "--timelapse", "1"], brief, 2),
        work("train-segment", "segment train", ["--data", os.path.join(SAMPLES, "shapes"), "--network", "unet",
             "--width", "4", "--levels", "2", "--crop", "32x32", "--batch", "1"], pictures),
        work("train-objects", "segment train-objects", ["--data", "shapes", "--design", "tiny", "--side", "64",
             "--batch", "1", "--validation-count", "1"], brief, 2),
        work("train-classify", "classify train", ["--data", digits, "--hold-out", "12", "--network", "lenet",
             "--batch", "8"]),
        work("train-attack", "attack train", ["--victim", "../inputs/victim/last.safetensors", "--data", digits,
             "--network", "unet", "--hold-out", "12", "--batch", "32"], []),
        work("train-duel", "attack train", ["--antagonist", "--classifier", "lenet", "--data", digits,
             "--network", "unet", "--hold-out", "12", "--batch", "16", "--pgd-share", "0.5", "--pgd-steps", "2",
             "--validate-every", "1"], [], 2),
        work("train-stars", "segment train-stars", ["--data", "shapes", "--side", "64",
             "--batch", "1", "--widths", "4,4,4", "--rays", "8", "--validation-count", "1"], pictures),
        work("train-generate", "generate train", ["--data", digits] + GENERATOR, pictures),
        work("train-vae", "generate train", ["--data", digits, "--network", "vae"] + GENERATOR, pictures),
        work("train-machine", "generate train", ["--data", digits, "--network", "rbm", "--hidden", "16", "--batch",
             "8", "--hold-out", "12"], pictures),
        work("train-features", "classify train", ["--data", digits, "--hold-out", "12", "--features", "hog",
             "--network", "linear", "--batch", "8"]),
    ]


def commands():
    """Commands, most of which write results."""
    people = os.path.join(SAMPLES, "characters")
    shapes = os.path.join(SAMPLES, "shapes", "images", "shapes-1.png")
    shirts = os.path.join(SAMPLES, "fashion", "shirt", "00004.png")
    small, drawing = "../inputs/small/0.png", "../inputs/drawing/last.safetensors"
    denoise = ["denoise", small, "--sigma", "10"]
    objects = ["--model", "objects-shapes"]
    return [
        Work("denoise", denoise + ["-o", "out.png"], ["out.png"]),
        Work("denoise-folder", ["denoise", "../inputs/small", "-o", "out", "--compare", "--sigma", "10"], ["out"]),
        Work("denoise-tiff", denoise + ["-o", "out.tif"], ["out.tif"]),
        Work("denoise-webp", denoise + ["-o", "out.webp"], ["out.webp"]),
        Work("denoise-jpeg", denoise + ["-o", "out.jpg"], ["out.jpg"]),
        Work("segment", ["segment", shapes, "--model", "segment-shapes", "-o", "out", "--write", "all"], ["out"]),
        Work("objects", ["segment", shapes, "--model", "objects-shapes", "-o", "out", "--write",
                         "instances,boxes,coco"], ["out"]),
        Work("classify", ["classify", shirts, "--model", os.path.join(MODELS, "classify-fashion.safetensors")]),
        Work("attack", ["attack", shirts, "--model", os.path.join(MODELS, "attack-fashion.safetensors"),
                        "--victim", os.path.join(MODELS, "classify-fashion.safetensors"), "-o", "out"], ["out"]),
        Work("swap", ["swap", "run", os.path.join(people, "maeve-1.png"), "--to", "b", "--model",
                      os.path.join(MODELS, "swap-characters.safetensors"), "--boxes", os.path.join(people, "boxes.csv"), "--align", "box", "-o",
                      "out.png"], ["out.png"]),
        Work("extract", ["swap", "extract", os.path.join(people, "maeve-1.png"), "--boxes",
                         os.path.join(people, "boxes.csv"), "--align", "box", "-o", "out"], ["out", "out-sheet.png"]),
        Work("samples", ["samples", "-o", "out"], ["out"]),
        Work("summary", ["model", "summary", "denoise-gray"]),
        Work("export", ["model", "export", "denoise-gray", "-o", "out.onnx"], ["out.onnx"]),
        Work("import", ["model", "import", "../inputs/small.onnx", "-o", "out.safetensors"], ["out.safetensors"]),
        Work("shrink", ["model", "shrink", os.path.join(MODELS, "denoise-gray.safetensors"), "-o",
                        "out.safetensors"], ["out.safetensors"]),
        Work("filter", ["filter", small, "--kernel", "gaussian:1", "edges", "-o", "out.png"], ["out.png"]),
        Work("filter-folder", ["filter", "../inputs/small", "--kernel", "0,1,0;0,1,0;0,1,0", "--detect", "-o", "out"],
             ["out"]),
        Work("generate", ["generate", "--model", drawing, "--count", "4", "-o", "out.png"], ["out.png"]),
        Work("generate-folder", ["generate", "--model", drawing, "--count", "4", "-o", "out"], ["out"]),
        Work("interpolate", ["generate", "interpolate", "--model", drawing, "--numbers", "1,2", "--between", "2", "-o",
                             "out.png"], ["out.png"]),
        Work("generate-film", ["generate", "interpolate", "--model", drawing, "--numbers", "1,2", "--between", "2",
                               "-o", "out.mp4"], ["out.mp4"]),
        Work("generate-evaluate", ["generate", "evaluate", "--model", drawing, "--data", "../inputs/parted", "--count",
                                   "64", "--neighbors", "out.png"], ["out.png"]),
        Work("boltzmann", ["generate", "--model", "../inputs/machine.safetensors", "--gibbs", "4", "--count", "4", "-o",
                           "out.png"], ["out.png"]),
        Work("text", ["course", "text", "../inputs/book.txt", "--units", "8", "--length", "16", "--batch", "2",
                      "--steps", "6", "--count", "20", "-o", "out"], ["out"]),
        Work("play", ["course", "play", "--game", "catch", "--rounds", "4", "--games", "4", "-o", "out"], ["out"]),
        Work("rivals", ["course", "rivals", "--data", "../inputs/parted", "--epochs", "1", "--batch", "32"]),
        Work("propose", ["segment", "propose", shapes, "-o", "out"] + objects, ["out"]),
        Work("propose-coco", ["segment", "propose", shapes, "-o", "out", "--format", "coco"] + objects, ["out"]),
        Work("convert", ["segment", "convert", "--data", os.path.join(SAMPLES, "shapes"), "--write", "coco", "-o",
                         "out"], ["out"]),
        Work("convert-pictures", ["segment", "convert", "--data", os.path.join(SAMPLES, "nuclei"), "--part",
                                  "test", "--write", "labelme", "--pictures", "-o", "out"], ["out"]),
        Work("inspect", ["segment", "inspect", "--data", os.path.join(SAMPLES, "shapes"), "-o", "out.png"],
             ["out.png"]),
        Work("explain", ["classify", "explain", shirts, "--model", os.path.join(MODELS, "classify-fashion.safetensors"),
                         "-o", "out"], ["out"]),
        Work("match", ["swap", "match", "--model", os.path.join(MODELS, "swap-characters.safetensors"), "--a",
                       "../inputs/crops/a", "--b", "../inputs/crops/b", "-o", "out.safetensors"], ["out.safetensors"]),
    ]


# MARK: - What is left

def files(folder):
    """Every file under a folder, by its path in there."""
    found = []
    for place, _, names in os.walk(folder):
        found += [os.path.relpath(os.path.join(place, name), folder) for name in names]
    return sorted(found)


def unfinished(folder):
    """The names of files that were being written."""
    return [name for name in files(folder)
            if ".partial" in name or name.endswith(".part") or os.path.basename(name).startswith(".atelier-")]


def content(path):
    """A file's bytes without what the clock put in: seconds of states and logs, rates."""
    name = os.path.basename(path)
    if name in ("run.lock", "about.json") or name.startswith("events.out"):
        return b""
    with open(path, "rb") as file:
        data = file.read()
    if name == "state.safetensors":
        # Seconds, the checksum that they change, and the lengths of logs in which they stand.
        length = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8:8 + length])
        state = json.loads(header["__metadata__"].pop("state"))
        state["counters"].pop("seconds")
        state.pop("listeners")
        header["__metadata__"] = {"format": header["__metadata__"]["format"], "state": state}
        return json.dumps(header, sort_keys=True).encode() + data[8 + length:]
    if name == "log.csv":
        lines = [line.split(",") for line in data.decode().split("\n")]
        clock = {index for index, word in enumerate(lines[0]) if word in ("seconds", "images_per_second")}
        return "\n".join(",".join(word for index, word in enumerate(line) if index not in clock)
                         for line in lines).encode()
    if name == "events.jsonl":
        return b"\n".join(event(line) for line in data.split(b"\n"))
    return data


def event(line):
    """A line of the events without its seconds; empty for what says only that a process went on."""
    if not line:
        return line
    value = json.loads(line)
    if value["event"] in ("started", "resumed", "stopped", "saved", "warning"):
        return b""
    for name in ("seconds", "imagesPerSecond", "remainingSeconds"):
        value.pop(name, None)
    return json.dumps(value, sort_keys=True).encode()


def snapshot(folder, names):
    """The content of files by name, from results that are files or folders."""
    found = {}
    for result in names:
        whole = os.path.join(folder, result)
        inside = [result] if os.path.isfile(whole) else [os.path.join(result, name) for name in files(whole)]
        for name in inside:
            base = os.path.basename(name)
            name_of_all = "events.out" if base.startswith("events.out") else name
            try:
                found[name_of_all] = content(os.path.join(folder, name))
            except (ValueError, KeyError, struct.error) as error:
                found[name_of_all] = f"cannot be read: {error}".encode()
    return found


def differences(found, reference, is_lenient=False):
    """The files that are not as in the undisturbed run; lenient, logs and pictures may lack something."""
    wrong = []
    for name in sorted(set(found) | set(reference)):
        mine, whole = found.get(name), reference.get(name)
        base, is_picture = os.path.basename(name), "previews/" in name or "timelapse/" in name
        is_log = base in ("log.csv", "events.jsonl", "events.out")
        if mine == whole or (is_lenient and mine is None and (is_picture or is_log)):
            continue
        if is_log and mine is not None and whole is not None:
            mine_lines, lines = [[line for line in data.split(b"\n") if line] for data in (mine, whole)]
            has_all = is_lenient or set(lines) <= set(mine_lines)
            if has_all and set(mine_lines) <= set(lines) and len(set(mine_lines)) == len(mine_lines):
                continue
        wrong.append(name if mine is not None else name + " (missing)")
    return wrong


def is_whole_collection(path):
    """Whether a file about all pictures is whole, whichever it tells of."""
    with open(path, "rb") as file:
        data = file.read()
    if path.endswith(".csv"):
        return data.endswith(b"\n")
    try:
        return json.loads(data) is not None
    except ValueError:
        return False


if __name__ == "__main__" and sys.argv[1:] == ["--quick"]:
    print(",".join(work.name for work in trainings() + commands() if work.results and work.name not in SLOW))
