#!/usr/bin/env python3
"""Fails every call of a kind once, and looks at what is left.

  python3 Tests/Faults/inject.py .build/release/atelier [--short] [--only NAME]

Every command runs once undisturbed, then once for each of its writes, syncs, renames, opens, folders
that are made and large blocks of memory, with that one call failing (fault_shim.c, preloaded). What
must hold: the tool ends with one line and a code of the table, or does its work; a result is whole,
equal to that of the undisturbed run, or not there; a training goes on from what is left and ends
with the same model; nothing unfinished is left after the next run. --short takes every call of two
commands at a few places.
"""
import filecmp, os, re, shutil, subprocess, sys, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
KINDS = {"write": 28, "fsync": 5, "rename": 13, "open": 24, "truncate": 28, "mkdir": 13, "memory": 12}
CODES = {65, 66, 70, 71, 73}


def shim(folder):
    path = os.path.join(folder, "fault_shim.so")
    compiler = shutil.which("cc") or shutil.which("clang") or sys.exit("a C compiler is needed")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", path,
                    os.path.join(HERE, "fault_shim.c"), "-ldl"], check=True)
    return path


class Case:
    """One command: its arguments in a work folder, and which files are results."""

    def __init__(self, name, arguments, results, training=None):
        self.name, self.arguments, self.results, self.training = name, arguments, results, training


def cases():
    samples = os.path.join(ROOT, "Samples")
    models = os.path.join(ROOT, "Checkpoints")
    noisy = sorted(os.listdir(os.path.join(samples, "noisy")))[:2]
    pictures = [os.path.join(samples, "noisy", name) for name in noisy]
    shapes = os.path.join(samples, "shapes", "images", "shapes-1.png")
    quiet = ["-q", "--threads", "1"]
    train = ["denoise", "train", "--data", os.path.join(samples, "noisy"), "--network", "autoencoder",
             "--widths", "4,4", "--patch", "16", "--batch", "2", "--seed", "5", "--steps", "6",
             "--save-every", "2", "--validate-every", "3", "--run", "run"] + quiet
    return [
        Case("train", train, ["run/last.safetensors"], training=["denoise", "train"]),
        Case("denoise", ["denoise", pictures[0], "-o", "out.png", "--sigma", "10"] + quiet, ["out.png"]),
        Case("denoise-folder", ["denoise"] + pictures + ["-o", "out", "--compare", "--sigma", "10"] + quiet,
             ["out"]),
        Case("denoise-tiff", ["denoise", pictures[0], "-o", "out.tif", "--sigma", "10"] + quiet, ["out.tif"]),
        Case("denoise-webp", ["denoise", pictures[0], "-o", "out.webp", "--sigma", "10"] + quiet, ["out.webp"]),
        Case("denoise-jpeg", ["denoise", pictures[0], "-o", "out.jpg", "--sigma", "10"] + quiet, ["out.jpg"]),
        Case("segment", ["segment", shapes, "--model", os.path.join(models, "segment-shapes.safetensors"),
                         "-o", "out", "--write", "all"] + quiet, ["out"]),
        Case("shrink", ["model", "shrink", os.path.join(models, "denoise-gray.safetensors"), "-o",
                        "m.safetensors"] + quiet, ["m.safetensors"]),
    ]


def run(tool, case_arguments, folder, environment=None):
    variables = dict(os.environ, ATELIER_CHECKPOINTS=os.path.join(ROOT, "Checkpoints"), **(environment or {}))
    variables.pop("ATELIER_ISA", None)
    return subprocess.run([tool] + case_arguments, cwd=folder, env=variables, capture_output=True, timeout=300)


def files(folder):
    found = []
    for place, _, names in os.walk(folder):
        found += [os.path.relpath(os.path.join(place, name), folder) for name in names]
    return sorted(found)


def equal_or_missing(results, reference, folder):
    """The results that are there but differ from the undisturbed run's."""
    wrong = []
    for result in results:
        whole = os.path.join(reference, result)
        for name in ([result] if os.path.isfile(whole) else
                     [os.path.join(result, name) for name in files(whole)]):
            mine = os.path.join(folder, name)
            if os.path.exists(mine) and not filecmp.cmp(mine, os.path.join(reference, name), shallow=False):
                wrong.append(name)
    return wrong


def check(tool, case, kind, number, library, scratch, reference):
    folder = os.path.join(scratch, "work")
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder)
    faults = {"LD_PRELOAD": library, "FAULT_CALL": kind, "FAULT_NUMBER": str(number),
              "FAULT_CODE": str(KINDS[kind]), "FAULT_UNDER": folder}
    title = f"{case.name}: {kind} {number}"
    try:
        outcome = run(tool, case.arguments, folder, faults)
    except subprocess.TimeoutExpired:
        return [f"{title}: hangs"]
    problems = []
    errors = outcome.stderr.decode(errors="replace")
    complaints = [line for line in errors.splitlines() if line.startswith("atelier: ")]
    if outcome.returncode != 0:
        if outcome.returncode not in CODES:
            problems.append(f"{title}: ends with {outcome.returncode}: {errors[-300:]}")
        elif not complaints:
            problems.append(f"{title}: ends with {outcome.returncode} without a line: {errors[-300:]}")
    # A state may hold fewer steps; a model of fewer steps is another one, so only the end is compared.
    if not case.training:
        wrong = equal_or_missing(case.results, reference, folder)
        if wrong:
            problems.append(f"{title}: torn or other results: {wrong}")
    again = case.arguments
    if case.training and os.path.exists(os.path.join(folder, "run", "configuration.json")):
        again = case.training + ["--run", "run", "--resume", "--steps", "6", "-q", "--threads", "1"]
    second = run(tool, again, folder)
    if second.returncode != 0:
        problems.append(f"{title}: the next run ends with {second.returncode}: {second.stderr.decode()[-300:]}")
    wrong = equal_or_missing(case.results, reference, folder)
    missing = [name for name in case.results if not os.path.exists(os.path.join(folder, name))]
    if wrong or missing:
        problems.append(f"{title}: after the next run other: {wrong}, missing: {missing}")
    left = [name for name in files(folder) if ".partial" in name or name.endswith(".part")]
    if left:
        problems.append(f"{title}: left over: {left}")
    return problems


def main():
    arguments = sys.argv[1:]
    is_short = "--short" in arguments
    only = arguments[arguments.index("--only") + 1] if "--only" in arguments else None
    tool = os.path.abspath(arguments[0])
    scratch = os.path.realpath(tempfile.mkdtemp(prefix="atelier-faults-"))
    problems, total = [], 0
    try:
        library = shim(scratch)
        for case in cases():
            if only and case.name != only:
                continue
            if is_short and case.name not in ("train", "denoise-folder"):
                continue
            reference = os.path.join(scratch, "reference-" + case.name)
            os.mkdir(reference)
            first = run(tool, case.arguments, reference)
            if first.returncode != 0:
                sys.exit(f"{case.name}: the undisturbed run fails: {first.stderr.decode()}")
            for kind in KINDS:
                folder = os.path.join(scratch, "count")
                shutil.rmtree(folder, ignore_errors=True)
                os.mkdir(folder)
                count_file = os.path.join(scratch, "count.txt")
                run(tool, case.arguments, folder,
                    {"LD_PRELOAD": library, "FAULT_CALL": kind, "FAULT_NUMBER": "0", "FAULT_UNDER": folder,
                     "FAULT_COUNT": count_file})
                count = int(open(count_file).read() or 0) if os.path.exists(count_file) else 0
                numbers = list(range(1, count + 1))
                if is_short and len(numbers) > 4:
                    step = len(numbers) / 4
                    numbers = sorted({numbers[int(index * step)] for index in range(4)} | {numbers[-1]})
                for number in numbers:
                    problems += check(tool, case, kind, number, library, scratch, reference)
                    total += 1
                print(f"{case.name}: {kind}: {len(numbers)} of {count} calls failed, "
                      f"{len(problems)} problems so far", flush=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    for problem in problems:
        print(problem)
    print(f"{total} injected faults, {len(problems)} problems")
    sys.exit(1 if problems else 0)


main()
