#!/usr/bin/env python3
"""Puts numbers that no training stored into run folders, and goes on with them.

  python3 Tests/Faults/stored.py .build/release/atelier [--only NAME,…]

Every number of every training's configuration.json becomes, one after the other, negative, zero, huge, a
fraction, a text and a list. What must hold: the tool goes on, or ends with one line and a code of the
table; it never traps, hangs or takes much memory (2 GB of address space).
"""
import json, os, resource, shutil, subprocess, sys, tempfile
import works

VALUES = (-1, 0, 1 << 31, 1e300, 0.5, "many", [])


def numbers(object_, path=()):
    """The paths of all numbers."""
    if isinstance(object_, dict):
        for key in sorted(object_):
            yield from numbers(object_[key], path + (key,))
    elif isinstance(object_, list):
        for index, element in enumerate(object_[:2]):
            yield from numbers(element, path + (index,))
    elif isinstance(object_, (int, float)) and not isinstance(object_, bool):
        yield path


def replaced(object_, path, value):
    copy = json.loads(json.dumps(object_))
    place = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return copy


def main():
    arguments = sys.argv[1:]
    only = arguments[arguments.index("--only") + 1].split(",") if "--only" in arguments else None
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    scratch = os.path.realpath(tempfile.mkdtemp(prefix="atelier-stored-", dir=place))
    count, problems = 0, []

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        tool = os.path.abspath(arguments[0])
        works.prepare(tool, scratch)
        for work in works.trainings():
            if only and work.name not in only:
                continue
            made, folder = os.path.join(scratch, work.name), os.path.join(scratch, "work")
            os.mkdir(made)
            if works.run(tool, work.arguments, made).returncode != 0:
                sys.exit(f"{work.name}: the undisturbed run fails")
            with open(os.path.join(made, "run", "configuration.json")) as file:
                stored = json.load(file)
            shutil.copytree(made, folder)
            codes = {}
            for path in numbers(stored):
                for value in VALUES:
                    with open(os.path.join(folder, "run", "configuration.json"), "w") as file:
                        json.dump(replaced(stored, path, value), file)
                    title = f"{work.name}: {'.'.join(map(str, path))} = {value}"
                    count += 1
                    try:
                        # At its end already: a sound configuration trains no further step.
                        end = works.run(tool, work.training.split() + ["--run", "run", "--resume"] + works.QUIET,
                                        folder, timeout=60, before=limit)
                    except subprocess.TimeoutExpired:
                        codes["long"] = codes.get("long", 0) + 1
                        if path[-1] not in ("steps", "minutes", "epochs"):
                            problems.append(f"{title}: hangs")
                        shutil.rmtree(folder)
                        shutil.copytree(made, folder)
                        continue
                    codes[end.returncode] = codes.get(end.returncode, 0) + 1
                    lines = [line for line in works.text(end.stderr).splitlines() if line.startswith("atelier: ")]
                    if end.returncode == 0:
                        shutil.rmtree(folder)
                        shutil.copytree(made, folder)
                    elif end.returncode not in works.CODES | {64} or len(lines) != 1:
                        problems.append(f"{title}: ends with {end.returncode}: {works.text(end.stderr)[:200]}")
            shutil.rmtree(folder)
            print(f"{work.name}: " + ", ".join(f"{number} × {code}" for code, number in sorted(codes.items(), key=str)),
                  flush=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    for problem in problems:
        print(problem)
    print(f"{count} stored numbers, {len(problems)} problems")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
