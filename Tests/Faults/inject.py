#!/usr/bin/env python3
"""Fails every call of a kind once, and looks at what is left.

  python3 Tests/Faults/inject.py .build/release/atelier [--short] [--all] [--only NAME,…]

Every work of works.py runs once undisturbed, then once for each of its writes, syncs, renames, opens,
cuts, folders that are made, large blocks of memory and blocks that C code asks for, with that one call
failing (fault_shim.c, preloaded). What must hold: the tool ends with one line and a code of the table, or
does its work; a result is whole, equal to that of the undisturbed run, or not there; a training goes on
from what is left and ends with the same bytes; nothing unfinished is left after the next run.

Of a file's many like calls (the pieces of a picture) the first, the last and some between are failed, of
every file; --all takes each. --short takes a few places of two works.
"""
import os, shutil, subprocess, sys, tempfile
import works

KINDS = {"write": 28, "fsync": 5, "rename": 13, "open": 24, "truncate": 28, "mkdir": 13, "mmap": 12, "malloc": 12}
SHORT = ("train-denoise", "denoise-folder")


def shim(folder):
    path = os.path.join(folder, "fault_shim.so")
    compiler = shutil.which("cc") or shutil.which("clang") or sys.exit("a C compiler is needed")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", path,
                    os.path.join(works.HERE, "fault_shim.c"), "-ldl"], check=True)
    return path


def c_places(tool):
    """Where the tool's own C code lies, for the shim: runs of functions that Swift did not name."""
    listed = subprocess.run(["nm", "--defined-only", tool], capture_output=True, text=True)
    symbols = sorted((int(words[0], 16), words[2]) for words in map(str.split, listed.stdout.splitlines())
                     if len(words) == 3 and words[1] in "tTwW")
    places, low, is_own = [], None, False
    for address, name in symbols + [(symbols[-1][0] + 4096, "$s")] if symbols else []:
        if name.startswith(("$s", "_$s")):
            if low is not None and is_own:
                places.append(f"{low:x}-{address:x}")
            low, is_own = None, False
        else:
            low = address if low is None else low
            is_own |= name.startswith(("ci_", "ck_"))
    return ",".join(places)


def chosen(paths, is_short, most):
    """The numbers of the calls to fail, from 1: of each file at most so many, its first and last among them."""
    by_file = {}
    for number, path in enumerate(paths, 1):
        by_file.setdefault(path, []).append(number)
    numbers = []
    for calls in by_file.values():
        if most and len(calls) > most:
            half = most // 2
            middle = calls[half:-half]
            calls = calls[:half] + middle[::len(middle) // 3 or 1][:2] + calls[-half:]
        numbers += calls
    numbers.sort()
    if is_short and len(numbers) > 4:
        numbers = sorted({numbers[index * len(numbers) // 4] for index in range(4)} | {numbers[-1]})
    return numbers


def check(tool, work, kind, number, library, scratch, reference, places):
    folder = os.path.join(scratch, "work")
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder)
    faults = {"LD_PRELOAD": library, "FAULT_CALL": kind, "FAULT_NUMBER": str(number),
              "FAULT_CODE": str(KINDS[kind]), "FAULT_UNDER": folder, **places}
    title = f"{work.name}: {kind} {number}"
    try:
        outcome = works.run(tool, work.arguments, folder, faults)
    except subprocess.TimeoutExpired:
        return "hang", [f"{title}: hangs"]
    problems = []
    errors = works.text(outcome.stderr)
    complaints = [line for line in errors.splitlines() if line.startswith("atelier: ")]
    if outcome.returncode != 0:
        if outcome.returncode not in works.CODES:
            problems.append(f"{title}: ends with {outcome.returncode}: {errors[-300:]}")
        elif len(complaints) != 1:
            problems.append(f"{title}: ends with {outcome.returncode} and {len(complaints)} lines: {errors[-300:]}")
        elif kind in ("write", "rename", "truncate", "mkdir") and outcome.returncode != 73:
            problems.append(f"{title}: ends with {outcome.returncode} for what cannot be written: {errors[-300:]}")
        elif kind in ("mmap", "malloc") and outcome.returncode != 71:
            problems.append(f"{title}: ends with {outcome.returncode} for want of memory: {errors[-300:]}")
    # A state may hold fewer steps; a model of fewer steps is another one, so only the end is compared.
    if not work.training:
        wrong = works.differences(works.snapshot(folder, work.results), reference)
        wrong = [name for name in wrong if not name.endswith("(missing)")]
        if outcome.returncode == 71:
            wrong = [name for name in wrong if os.path.basename(name) not in works.COLLECTIONS
                     or not works.is_whole_collection(os.path.join(folder, name))]
        if wrong:
            problems.append(f"{title}: ends with {outcome.returncode}; torn or other results: {wrong}")
        elif outcome.returncode == 0 and len(works.snapshot(folder, work.results)) < len(reference):
            problems.append(f"{title}: ends with 0, but a result is missing")
    begun = os.path.exists(os.path.join(folder, "run", "configuration.json"))
    work.clear(folder)
    second = works.run(tool, work.resume if work.training and begun else work.arguments, folder)
    if second.returncode != 0:
        problems.append(f"{title}: the next run ends with {second.returncode}: {works.text(second.stderr)[-300:]}")
    wrong = works.differences(works.snapshot(folder, work.results), reference, is_lenient=bool(work.training))
    if wrong:
        problems.append(f"{title}: after the next run other: {wrong}")
    left = works.unfinished(folder)
    if left:
        problems.append(f"{title}: left over: {left}")
    return outcome.returncode, problems


def main():
    arguments = sys.argv[1:]
    is_short, takes_all = "--short" in arguments, "--all" in arguments
    only = arguments[arguments.index("--only") + 1].split(",") if "--only" in arguments else None
    tool = os.path.abspath(arguments[0])
    # Beside the memory: fsync of a real disk takes long, and says nothing here.
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    scratch = os.path.realpath(tempfile.mkdtemp(prefix="atelier-faults-", dir=place))
    problems, total = [], 0
    try:
        library, own = shim(scratch), c_places(tool)
        places = {"FAULT_PLACES": own} if own else {}
        works.prepare(tool, scratch)
        for work in works.trainings() + works.commands():
            if (only and work.name not in only) or (is_short and work.name not in SHORT):
                continue
            plain = os.path.join(scratch, "plain")
            shutil.rmtree(plain, ignore_errors=True)
            os.mkdir(plain)
            first = works.run(tool, work.arguments, plain)
            if first.returncode != 0:
                sys.exit(f"{work.name}: the undisturbed run fails: {works.text(first.stderr)}")
            reference = works.snapshot(plain, work.results)
            for kind in KINDS:
                shutil.rmtree(plain)
                os.mkdir(plain)
                list_file = os.path.join(scratch, "list.txt")
                if os.path.exists(list_file):
                    os.remove(list_file)
                works.run(tool, work.arguments, plain,
                          {"LD_PRELOAD": library, "FAULT_CALL": kind, "FAULT_NUMBER": "0", "FAULT_UNDER": plain,
                           "FAULT_LIST": list_file, **places})
                paths = open(list_file).read().splitlines() if os.path.exists(list_file) else []
                numbers = chosen(paths, is_short, None if takes_all else work.most)
                codes, before = {}, len(problems)
                for number in numbers:
                    code, found = check(tool, work, kind, number, library, scratch, reference, places)
                    codes[code] = codes.get(code, 0) + 1
                    problems += found
                    total += 1
                ends = ", ".join(f"{count} × {code}" for code, count in sorted(codes.items(), key=str))
                print(f"{work.name}: {kind}: {len(numbers)} of {len(paths)} calls failed: {ends or '–'}"
                      f"; {len(problems) - before} problems", flush=True)
                for problem in problems[before:]:
                    print("  " + problem, flush=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"{total} injected faults, {len(problems)} problems")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
