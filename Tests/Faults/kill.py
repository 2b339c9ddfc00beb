#!/usr/bin/env python3
"""Kills trainings and writers at random moments, and looks at every byte that is left.

  python3 Tests/Faults/kill.py .build/release/atelier [--kills 40] [--seed 1] [--only NAME,…]
      [--state FILE]

Works of works.py are killed (SIGKILL) at moments drawn over the length of an undisturbed run, half of those of
trainings while a file is being written: inside states, models and previews. After each kill every file must
be whole or absent; a training must go on and end with the bytes of the undisturbed one (models, states,
previews, logs, but for seconds), other commands with the same results; and after the next start nothing
unfinished may be left. --state keeps the counts in a file, from which the next call goes on.
"""
import json, os, random, shutil, signal, subprocess, sys, tempfile, time
import works


class Tally:
    """Kills by work, kept in a file where one is named."""

    def __init__(self, path):
        self.path, self.works, self.problems = path, {}, []
        if path and os.path.exists(path):
            with open(path) as file:
                stored = json.load(file)
            self.works, self.problems = stored["works"], stored["problems"]

    def add(self, name, kind, problems):
        counts = self.works.setdefault(name, {})
        counts[kind] = counts.get(kind, 0) + 1
        self.problems += problems
        for problem in problems:
            print("  " + problem, flush=True)
        if self.path:
            with open(self.path + ".new", "w") as file:
                json.dump({"works": self.works, "problems": self.problems}, file)
            os.replace(self.path + ".new", self.path)

    @property
    def kills(self):
        return sum(count for counts in self.works.values() for kind, count in counts.items() if kind != "over")


def start(tool, arguments, folder):
    return subprocess.Popen([tool] + arguments, cwd=folder, env=works.environment(), stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def kill_at(process, folder, moment, waits_for_file):
    """Kills a process after so many seconds, or at the first file after them that is being written."""
    begin = time.monotonic()
    while process.poll() is None:
        gone = time.monotonic() - begin
        if gone >= moment:
            inside = unfinished_now(folder) if waits_for_file else None
            if not waits_for_file or inside:
                process.send_signal(signal.SIGKILL)
                process.wait()
                return inside or "between"
        time.sleep(0.0005 if waits_for_file else max(0.0005, min(0.01, moment - gone)))
    return "over"


def wait_for_helpers(folder):
    """Waits for programs that a killed tool had started, such as ffmpeg: they end where their input does."""
    begin = time.monotonic()
    while time.monotonic() - begin < 20:
        places = []
        for entry in os.scandir("/proc"):
            try:
                places.append(os.readlink(f"/proc/{entry.name}/cwd") if entry.name.isdigit() else "")
            except OSError:
                pass
        if folder not in places:
            return
        time.sleep(0.01)


def unfinished_now(folder):
    """Where a file is being written now: previews, a folder of results, the run itself."""
    for place in ("run", "run/previews", "run/timelapse", "out", "."):
        try:
            with os.scandir(os.path.join(folder, place)) as entries:
                if any(entry.name.startswith(".atelier-") for entry in entries):
                    return "inside " + place
        except OSError:
            pass
    return None


def whole(folder, reference, work):
    """Files that are torn: neither absent nor as some undisturbed moment has them."""
    found = works.snapshot(folder, work.results)
    if not work.training:
        return [name for name in works.differences(found, reference)
                if not name.endswith("(missing)") and ".partial" not in name]
    torn = []
    for name, data in found.items():
        base = os.path.basename(name)
        if base.startswith(".atelier-") or base in ("run.lock", "about.json", "events.out", "log.csv", "events.jsonl"):
            continue
        if "previews/" in name or "timelapse/" in name or base == "configuration.json":
            if data != reference.get(name):
                torn.append(name)
        elif base.endswith(".safetensors") and not is_whole_model(os.path.join(folder, name)):
            torn.append(name)
    return torn


def is_whole_model(path):
    """Whether a safetensors file has the bytes that its header announces."""
    with open(path, "rb") as file:
        data = file.read()
    length = int.from_bytes(data[:8], "little")
    try:
        header = json.loads(data[8:8 + length])
    except ValueError:
        return False
    ends = [value["data_offsets"][1] for name, value in header.items() if name != "__metadata__"]
    return len(data) == 8 + length + max(ends, default=0)


def one(tool, work, chance, seconds, reference, folder):
    """One work, killed once or several times on its way; gives the kinds of kills, and problems."""
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder)
    kinds, problems = [], []
    arguments = work.arguments
    for _ in range(chance.choice((1, 1, 2)) if work.training else 1):
        process = start(tool, arguments, folder)
        kind = kill_at(process, folder, chance.uniform(0.02, seconds), chance.random() < 0.5)
        kinds.append(kind)
        wait_for_helpers(folder)
        torn = whole(folder, reference, work)
        if torn:
            problems.append(f"{work.name}: killed {kind}: torn: {torn}")
        if work.training and os.path.exists(os.path.join(folder, "run", "configuration.json")):
            arguments = work.resume
        if kind == "over":
            break
    work.clear(folder)
    try:
        again = works.run(tool, arguments, folder)
    except subprocess.TimeoutExpired:
        return kinds, problems + [f"{work.name}: killed {kinds}: the next run hangs"]
    if again.returncode != 0:
        problems.append(f"{work.name}: killed {kinds}: the next run ends with {again.returncode}: "
                        + works.text(again.stderr)[-300:])
    wrong = works.differences(works.snapshot(folder, work.results), reference)
    if wrong:
        problems.append(f"{work.name}: killed {kinds}: after the next run other: {wrong}")
    left = works.unfinished(folder)
    if left:
        problems.append(f"{work.name}: killed {kinds}: left over: {left}")
    return kinds, problems


def main():
    arguments = sys.argv[1:]

    def option(name, other):
        return arguments[arguments.index(name) + 1] if name in arguments else other
    tool, kills = os.path.abspath(arguments[0]), int(option("--kills", "40"))
    only = option("--only", None)
    tally = Tally(option("--state", None))
    chance = random.Random(int(option("--seed", "1")) * 1_000_003 + tally.kills)
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    scratch = os.path.realpath(tempfile.mkdtemp(prefix="atelier-kills-", dir=place))
    try:
        works.prepare(tool, scratch)
        chosen = [work for work in works.trainings() + works.commands()
                  if work.results and (not only or work.name in only.split(","))]
        references = {}
        folder = os.path.join(scratch, "work")
        weights = [3 if work.training else 1 for work in chosen]
        if only is None:
            # Slow works are killed as well, more seldom.
            weights = [weight / (4 if work.name in works.SLOW else 1) for work, weight in zip(chosen, weights)]
        while tally.kills < kills:
            work = chance.choices(chosen, weights)[0]
            if work.name not in references:
                plain = os.path.join(scratch, "plain")
                shutil.rmtree(plain, ignore_errors=True)
                os.mkdir(plain)
                begin = time.monotonic()
                first = works.run(tool, work.arguments, plain)
                if first.returncode != 0:
                    sys.exit(f"{work.name}: the undisturbed run fails: {works.text(first.stderr)}")
                references[work.name] = (time.monotonic() - begin, works.snapshot(plain, work.results))
            seconds, reference = references[work.name]
            kinds, problems = one(tool, work, chance, seconds, reference, folder)
            for index, kind in enumerate(kinds):
                tally.add(work.name, kind, problems if index == 0 else [])
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    for name, counts in sorted(tally.works.items()):
        print(f"{name}: " + ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())))
    print(f"{tally.kills} kills, {len(tally.problems)} problems")
    sys.exit(1 if tally.problems else 0)


if __name__ == "__main__":
    main()
