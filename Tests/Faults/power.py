#!/usr/bin/env python3
"""Takes the power away after every write, and looks at what a disk may hold then.

  python3 Tests/Faults/power.py .build/release/atelier [--resumes 20] [--only NAME,…]

Everything that a work does to files is written down in order (fault_shim.c). Every beginning of that
record is replayed as the unkindest disk would: what was written and not synced is dropped, torn in its
middle or there; names that were made or changed and whose folder was not synced are there up to every
place in their order. Each file that is written whole (states, models, configurations, previews, results) must
be one of its whole versions then, and not an older one than was last synced with its folder. So many of the
different states of trainings are gone on from, and must end with the bytes of the undisturbed run.
"""
import hashlib, os, shutil, sys, tempfile
import works
from inject import shim

# What grows at its end; a resume cuts it.
GROWING = ("log.csv", "events.jsonl")


class File:
    """A file's bytes: what is synced, and what was done since."""

    def __init__(self):
        self.synced, self.pending = b"", []

    def content(self, share):
        """The bytes with the first share of the changes that were not synced, the last of them torn."""
        data, count = bytearray(self.synced), len(self.pending)
        for index, (kind, offset, piece) in enumerate(self.pending):
            part = share * count - index
            if part <= 0:
                break
            if kind == "cut":
                del data[offset:]
                continue
            piece = piece[:len(piece) // 2] if part < 1 else piece
            if len(data) < offset:
                data.extend(bytes(offset - len(data)))
            data[offset:offset + len(piece)] = piece
        return bytes(data)

    def sync(self):
        self.synced, self.pending = self.content(1), []


class Disk:
    """Names and files: what the process sees, and what is synced of the names."""

    def __init__(self, root):
        self.root, self.seen, self.folders = root, {}, {root}
        self.durable, self.pending = {}, []
        # By path: the whole versions, and the first of them that may be found.
        self.versions, self.oldest = {}, {}

    def apply(self, kind, path, other, offset, data):
        if kind == "new":
            self.seen[path] = File()
            self.pending.append(("link", path, None, self.seen[path]))
        elif kind == "folder":
            self.folders.add(path)
            self.pending.append(("folder", path, None, None))
        elif kind == "unlink":
            self.seen.pop(path, None)
            self.pending.append(("unlink", path, None, None))
        elif kind == "rename":
            file = self.seen.pop(path)
            self.seen[other] = file
            self.pending.append(("rename", path, other, file))
            if os.path.basename(other) not in GROWING:
                self.versions.setdefault(other, [None]).append(file.content(1))
        elif kind == "sync" and path in self.folders:
            kept = []
            for change in self.pending:
                if os.path.dirname(change[2] or change[1]) == path:
                    self.change(self.durable, change)
                    if change[2] in self.versions:
                        self.oldest[change[2]] = len(self.versions[change[2]]) - 1
                else:
                    kept.append(change)
            self.pending = kept
        elif kind == "sync":
            self.seen[path].sync()
        elif path in self.seen:
            self.seen[path].pending.append((kind, offset, data))

    @staticmethod
    def change(names, change):
        kind, path, other, file = change
        if kind == "link":
            names[path] = file
        elif kind == "folder":
            names[path] = None
        elif kind == "unlink":
            names.pop(path, None)
        else:
            names.pop(path, None)
            names[other] = file

    def states(self):
        """What may be found after the power was gone now: names with bytes, None for folders."""
        for count in range(len(self.pending) + 1):
            names = dict(self.durable)
            for change in self.pending[:count]:
                self.change(names, change)
            # What lies in a folder that is not there is lost with it.
            folders = {self.root} | {path for path, file in names.items() if file is None}
            found = {path: file for path, file in names.items()
                     if all(parent in folders for parent in self.parents(path))}
            open_files = any(file and file.pending for file in found.values())
            for share in (0, 0.5, 1) if open_files else (1,):
                yield {path: None if file is None else file.content(share) for path, file in found.items()}

    def parents(self, path):
        while path != self.root:
            path = os.path.dirname(path)
            yield path

    def faults(self, state):
        """Files that are neither their former nor their new version."""
        found = []
        for path, versions in self.versions.items():
            allowed = versions[self.oldest.get(path, 0):]
            if state.get(path) not in allowed:
                what = "missing" if path not in state else f"{len(state[path])} bytes of no version"
                found.append(f"{os.path.relpath(path, self.root)} ({what})")
        return found


def record(path):
    """The changes that the shim wrote down."""
    with open(path, "rb") as file:
        while line := file.readline():
            kind, first, second, offset, count = line.split()
            name = file.read(int(first)).decode()
            other = file.read(int(second)).decode() or None
            yield kind.decode(), name, other, int(offset), file.read(int(count))


def signature(state):
    whole = hashlib.sha256()
    for path in sorted(state):
        data = state[path]
        if os.path.basename(path).startswith("events.out") or os.path.basename(path) == "run.lock":
            continue
        whole.update(path.encode() + b"\0" + (b"folder" if data is None else hashlib.sha256(data).digest()))
    return whole.digest()


def lay(state, folder, root):
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder)
    for path in sorted(state):
        place = os.path.join(folder, os.path.relpath(path, root))
        if state[path] is None:
            os.makedirs(place, exist_ok=True)
        else:
            with open(place, "wb") as file:
                file.write(state[path])


def check(tool, work, library, scratch, resumes):
    folder, log = os.path.join(scratch, "recorded"), os.path.join(scratch, "record.bin")
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder)
    if os.path.exists(log):
        os.remove(log)
    first = works.run(tool, work.arguments, folder, {"LD_PRELOAD": library, "FAULT_UNDER": folder, "FAULT_LOG": log})
    if first.returncode != 0:
        sys.exit(f"{work.name}: the recorded run fails: {works.text(first.stderr)}")
    reference = works.snapshot(folder, work.results)
    disk, problems, moments, checked, different = Disk(folder), [], 0, 0, {}
    for change in record(log):
        disk.apply(*change)
        moments += 1
        for state in disk.states():
            checked += 1
            for fault in disk.faults(state):
                problems.append(f"{work.name}: after {change[0]} of {os.path.relpath(change[1], folder)}: {fault}")
            different.setdefault(signature(state), state if work.training else None)
    chosen = list(different.values()) if work.training else []
    if len(chosen) > resumes:
        chosen = [chosen[index * len(chosen) // resumes] for index in range(resumes)]
    for state in chosen:
        place = os.path.join(scratch, "work")
        lay(state, place, folder)
        begun = os.path.exists(os.path.join(place, "run", "configuration.json"))
        again = works.run(tool, work.resume if begun else work.arguments, place)
        wrong = works.differences(works.snapshot(place, work.results), reference, is_lenient=True)
        if again.returncode != 0 or wrong or works.unfinished(place):
            problems.append(f"{work.name}: going on ends with {again.returncode}, other: {wrong}, left over: "
                            f"{works.unfinished(place)}: {works.text(again.stderr)[-300:]}")
    print(f"{work.name}: power lost after each of {moments} changes: {checked} states of the disk, {len(different)} "
          f"different, {len(chosen)} gone on from; {len(problems)} problems", flush=True)
    for problem in sorted(set(problems))[:20]:
        print("  " + problem, flush=True)
    return checked, len(chosen), problems


def main():
    arguments = sys.argv[1:]
    resumes = int(arguments[arguments.index("--resumes") + 1]) if "--resumes" in arguments else 20
    only = arguments[arguments.index("--only") + 1].split(",") if "--only" in arguments else None
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    scratch = os.path.realpath(tempfile.mkdtemp(prefix="atelier-power-", dir=place))
    states, resumed, problems = 0, 0, []
    try:
        library, tool = shim(scratch), os.path.abspath(arguments[0])
        works.prepare(tool, scratch)
        for work in works.trainings() + works.commands():
            if work.results and (work.name in only if only else work.name not in works.SLOW):
                checked, gone_on, found = check(tool, work, library, scratch, resumes)
                states, resumed, problems = states + checked, resumed + gone_on, problems + found
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"{states} states of the disk, {resumed} gone on from, {len(problems)} problems")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
