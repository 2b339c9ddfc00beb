#!/usr/bin/env python3
"""Runs works with little memory: each must do its work, or end with one line.

  python3 Tests/Faults/memory.py .build/release/atelier [--short] [--only NAME,…]

Twelve works under twelve limits: of the address space (ulimit -v) and of --memory. What must hold: results
as without a limit, or a code of the table with one line and nothing torn; no hang. Where the system's own
loader finds no room for the libraries (127), nothing of the tool has run.
"""
import os, resource, shutil, subprocess, sys, tempfile
import works

# Megabytes of address space, gigabytes of --memory.
SPACES = (90, 105, 120, 135, 150, 200, 300, 500)
ALLOWANCES = ("0.01", "0.05", "0.1", "0.3")
NAMES = ("train-denoise", "train-segment", "train-classify", "train-attack", "denoise-folder", "denoise-tiff",
         "segment", "objects", "attack", "swap", "extract", "export")
SHORT = ("train-classify", "denoise-tiff", "segment")


def outcome(tool, work, folder, reference, space, allowance):
    """How a work ended under a limit, in a word, and what is wrong with it."""
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder)
    further = ["--memory", allowance] if allowance else []

    def limit():
        if space:
            resource.setrlimit(resource.RLIMIT_AS, (space << 20, space << 20))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        run = works.run(tool, work.arguments + further, folder, timeout=240, before=limit)
    except subprocess.TimeoutExpired:
        return "hangs", "hangs"
    errors = works.text(run.stderr)
    lines = [line for line in errors.splitlines() if line.startswith("atelier: ")]
    if run.returncode == 127 and "shared librar" in errors:
        return "loader", None
    if run.returncode == 0:
        wrong = works.differences(works.snapshot(folder, work.results), reference)
        return "done", f"done, but other results: {wrong}" if wrong else None
    # One line, or one for each picture that could not be worked on.
    is_told = lines and len(set(lines)) == len(lines) and (len(lines) == 1 or "folder" in work.name)
    if run.returncode not in works.CODES or not is_told:
        return str(run.returncode), f"ends with {run.returncode} and {len(lines)} lines: {errors[:160]}"
    wrong = works.differences(works.snapshot(folder, work.results), reference)
    torn = [name for name in wrong if not name.endswith("(missing)")]
    if torn and not work.training:
        return str(run.returncode), f"torn: {torn}"
    return str(run.returncode), None


def main():
    arguments = sys.argv[1:]
    only = arguments[arguments.index("--only") + 1].split(",") if "--only" in arguments else None
    is_short = "--short" in arguments
    names = only or (SHORT if is_short else NAMES)
    spaces, allowances = (SPACES[1::3], ALLOWANCES[1:2]) if is_short else (SPACES, ALLOWANCES)
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    scratch = os.path.realpath(tempfile.mkdtemp(prefix="atelier-memory-", dir=place))
    count, problems = 0, []
    try:
        tool = os.path.abspath(arguments[0])
        works.prepare(tool, scratch)
        folder = os.path.join(scratch, "work")
        print("work".ljust(16) + "".join(f"{space} MB".rjust(9) for space in spaces)
              + "".join(f"-m {text}".rjust(9) for text in allowances))
        for work in works.trainings() + works.commands():
            if work.name not in names:
                continue
            shutil.rmtree(folder, ignore_errors=True)
            os.mkdir(folder)
            if works.run(tool, work.arguments, folder).returncode != 0:
                sys.exit(f"{work.name}: fails without a limit")
            reference, row = works.snapshot(folder, work.results), []
            for space, allowance in [(space, None) for space in spaces] + [(None, text) for text in allowances]:
                word, problem = outcome(tool, work, folder, reference, space, allowance)
                row.append(word)
                count += 1
                if problem:
                    what = f"{space} MB" if space else f"--memory {allowance}"
                    problems.append(f"{work.name}, {what}: {problem}")
            print(work.name.ljust(16) + "".join(word.rjust(9) for word in row), flush=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    for problem in problems:
        print(problem)
    print(f"{count} works with little memory, {len(problems)} problems")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
