#!/usr/bin/env python3
"""Trains on several ranks under mpirun, disturbs them, and compares every byte with one process.

  python3 Tests/Faults/ranks.py .build/release/atelier .build/release/atelier-cluster
      [--part equal,resume,pictures,faults,kills] [--only NAME,…] [--kills 12] [--seed 1] [--short]

equal     1, 2, 3, 4 and 8 ranks of 1 and 2 threads leave the run folder of one process with the same shards
resume    a training that is stopped goes on with another number of ranks and ends with the same bytes
pictures  denoise, segment and classify over ranks give the files and lines of one process
faults    another build, other arguments, another instruction set, a full disk, a slow rank, other data
kills     Ctrl-C, USR1, and any rank killed at any moment: all end within seconds, no state is lost, a resume ends with the same bytes

Without mpirun it says so and ends with 0.
"""
import argparse, os, random, shutil, signal, subprocess, sys, tempfile, time
import works

SHARDS = 8
STARTER = ["mpirun"]
# Seconds within which all ranks are gone after one is.
SOON = 10


def choose(starter):
    """Takes Open MPI's or MPICH's mpirun, as its version says."""
    told = subprocess.run([starter, "--version"], capture_output=True, text=True).stdout
    STARTER[:] = [starter]
    if "Open MPI" in told or "OpenRTE" in told:
        STARTER.append("--oversubscribe")
        if os.geteuid() == 0:
            STARTER.append("--allow-run-as-root")


def mpirun(contexts, folder, further=None, **streams):
    """Starts mpirun on contexts of (ranks, words before the tool, tool, arguments)."""
    words = list(STARTER)
    for index, (ranks, before, tool, arguments) in enumerate(contexts):
        words += ([":"] if index else []) + ["-n", str(ranks)] + before + [tool] + arguments
    return subprocess.Popen(words, cwd=folder, env=works.environment(further), stdin=subprocess.DEVNULL, **streams)


# How often mpirun itself stayed when all ranks were gone: Open MPI 4.1.4's end waits for a lock of its own now and then.
stuck = 0


def ended(process, timeout=600):
    global stuck
    alone, began = None, time.monotonic()
    while True:
        try:
            out, err = process.communicate(timeout=1)
            return process.returncode, works.text(out), works.text(err)
        except subprocess.TimeoutExpired:
            now = time.monotonic()
            if now - began > timeout:
                process.kill()
                raise
            if ranks_of(process) or now - began < 10:
                alone = None
            elif alone is None:
                alone = now
            elif now - alone > 10:
                stuck += 1
                process.kill()


def ranks_of(process):
    """The process of each rank of a start."""
    found, parents = {}, {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as file:
                parents[int(name)] = int(file.read().rsplit(")", 1)[1].split()[1])
            with open(f"/proc/{name}/environ", "rb") as file:
                entries = dict(entry.split(b"=", 1) for entry in file.read().split(b"\0") if b"=" in entry)
        except (OSError, ValueError, IndexError):
            continue
        rank = entries.get(b"OMPI_COMM_WORLD_RANK", entries.get(b"PMI_RANK"))
        if rank is not None:
            found.setdefault(int(name), int(rank))

    # Open MPI's starter is the ranks' parent, MPICH's their grandparent.
    def is_of(name):
        return name is not None and (parents.get(name) == process.pid or parents.get(parents.get(name)) == process.pid)

    return {rank: name for name, rank in found.items() if is_of(name)}


def left(folder, results):
    """What is left, without the places of the lines that only say that a process went on."""
    found = works.snapshot(folder, results)
    return {name: b"\n".join(line for line in data.split(b"\n") if line) if name.endswith("events.jsonl") else data
            for name, data in found.items()}


class Trial:
    """Trainings in a scratch folder, and what one process leaves."""

    def __init__(self, tool, cluster, scratch, short):
        self.tool, self.cluster, self.scratch, self.short = tool, cluster, scratch, short
        self.inputs = works.prepare(tool, scratch)
        self.problems, self.counts, self.references = [], {}, {}

    def trainings(self, only):
        found = []
        for work in works.trainings():
            if only and work.name not in only:
                continue
            words = list(work.arguments)
            words[words.index("--batch") + 1] = str(4 * SHARDS if "attack" in words else SHARDS)
            # Ranks have threads of their own.
            place = words.index("--threads")
            work.arguments = words[:place] + words[place + 2:] + ["--shards", str(SHARDS)]
            found.append(work)
        return found

    def folder(self, name):
        place = os.path.join(self.scratch, name)
        shutil.rmtree(place, ignore_errors=True)
        os.mkdir(place)
        return place

    def reference(self, work):
        if work.name not in self.references:
            place = self.folder("reference-" + work.name)
            made = works.run(self.tool, work.arguments + ["--threads", "1"], place)
            if made.returncode:
                sys.exit(f"{work.name} cannot run in one process: {works.text(made.stderr)}")
            self.references[work.name] = left(place, work.results)
        return self.references[work.name]

    def problem(self, text):
        self.problems.append(text)
        print("  PROBLEM " + text, flush=True)

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    def compare(self, work, place, what):
        wanted, found = self.reference(work), left(place, work.results)
        for name in sorted(set(wanted) | set(found)):
            if wanted.get(name) != found.get(name):
                self.problem(f"{work.name}, {what}: {name} " + (
                    "is missing" if name not in found else "is new" if name not in wanted else "differs"))
        rest = works.unfinished(place)
        if rest:
            self.problem(f"{work.name}, {what}: unfinished files {rest}")

    def run(self, contexts, place, what, further=None):
        code, out, err = ended(mpirun(contexts, place, further, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        if code:
            self.problem(f"{what}: ended with {code}: {err[-600:]}")
        return out, err

    def resume(self, work, place, ranks):
        words = [word for word in work.resume if word != "--threads"]
        words.remove("1")
        self.run([(ranks, [], self.cluster, words + ["--threads", "1"])], place, f"{work.name}, resume on {ranks}")

    # MARK: - Parts

    def equal(self, work):
        cases = [(2, 1), (3, 2)] if self.short else [(r, t) for r in (1, 2, 3, 4, 8) for t in (1, 2)]
        for ranks, threads in cases:
            place = self.folder("equal")
            what = f"{ranks} ranks of {threads} threads"
            self.run([(ranks, [], self.cluster, work.arguments + ["--threads", str(threads)])], place,
                     f"{work.name}, {what}")
            self.compare(work, place, what)
            self.count("equal")

    def resumes(self, work):
        for first, second in [(3, 2)] if self.short else [(1, 4), (3, 2), (8, 1)]:
            place = self.folder("resume")
            words = list(work.arguments)
            words[words.index("--steps") + 1] = "3"
            self.run([(first, [], self.cluster, words + ["--threads", "1"])], place, f"{work.name} on {first}")
            self.resume(work, place, second)
            # A rate that falls with the progress knows the end; these have none or warm up alone.
            self.compare_last(work, place, f"{first} ranks, then {second}")
            self.count("resume")

    def compare_last(self, work, place, what):
        """The state at the end against that of one process that was stopped at the same step."""
        key = work.name + " in two parts"
        if key not in self.references:
            other = self.folder("reference-two")
            words = list(work.arguments)
            words[words.index("--steps") + 1] = "3"
            for arguments in (words + ["--threads", "1"], work.resume):
                made = works.run(self.tool, arguments, other)
                if made.returncode:
                    sys.exit(f"{work.name} cannot run in two parts: {works.text(made.stderr)}")
            self.references[key] = left(other, work.results)
        wanted, found = self.references[key], left(place, work.results)
        for name in sorted(set(wanted) | set(found)):
            if wanted.get(name) != found.get(name):
                self.problem(f"{work.name}, {what}: {name} differs")

    def pictures(self):
        people = os.path.join(works.SAMPLES, "noisy")
        shapes = os.path.join(works.SAMPLES, "shapes", "images")
        cases = [
            ("denoise", ["denoise", people, "gone.png", "../inputs/crops/a", "-o", "out", "--compare"], ["out"]),
            ("segment", ["segment", shapes, "--model", "segment-shapes", "-o", "out", "--write",
                         "label,overlay,csv,coco,yolo"], ["out"]),
            ("classify", ["classify", os.path.join(works.SAMPLES, "fashion"), "--model",
                          os.path.join(works.MODELS, "classify-fashion.safetensors")], []),
        ]
        import re
        def lines(text):
            return [re.sub(r"\d+\.\d+ s ", "", line) for line in text.split("\n")]
        for name, arguments, results in cases:
            place = self.folder("one")
            made = works.run(self.tool, arguments + ["--threads", "1"], place)
            wanted = (made.returncode, lines(works.text(made.stdout)), left(place, results))
            for ranks in (3,) if self.short else (1, 2, 3, 4):
                other = self.folder("several")
                code, out, err = ended(mpirun([(ranks, [], self.cluster, arguments + ["--threads", "1"])], other,
                                              stdout=subprocess.PIPE, stderr=subprocess.PIPE))
                found = (code, lines(out), left(other, results))
                for what, first, second in zip(("exit code", "lines", "files"), wanted, found):
                    if first != second:
                        self.problem(f"{name} on {ranks} ranks: other {what}: {str(first)[:300]} {str(second)[:300]} {err[-300:]}")
                self.count("pictures")

    def refused(self, what, contexts, words, further=None, code=None):
        """All ranks end soon, rank 0 says one line that has these words."""
        place = self.folder("refused")
        began = time.monotonic()
        process = mpirun(contexts, place, further, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        status, out, err = ended(process)
        seconds = time.monotonic() - began
        told = [line for line in err.split("\n") if line.startswith("atelier:")]
        if status == 0 or len(told) != 1 or not all(word in told[0] for word in words):
            self.problem(f"{what}: ended with {status} and said {told or err[-400:]}")
        if code is not None and status != code:
            self.problem(f"{what}: expected exit code {code}, received {status}")
        if seconds > SOON:
            self.problem(f"{what}: took {seconds:.0f} s to end")
        print(f"  {what}: {told[0] if told else ''} ({seconds:.1f} s)", flush=True)
        self.count("faults")

    def faults(self, work):
        words = work.arguments + ["--threads", "1"]
        other = os.path.join(self.scratch, "other-build")
        shutil.copy(self.cluster, other)
        with open(other, "ab") as file:
            file.write(b"another build")
        self.refused("another build", [(1, [], self.cluster, words), (1, [], other, words)],
                     ["rank 1", "another build"])
        self.refused("other arguments", [(1, [], self.cluster, words), (2, [], self.cluster, words + ["-q", "--save-every", "3"])],
                     ["rank 1", "other arguments"])
        self.refused("more ranks than shards", [(9, [], self.cluster, words)], ["8 shards", "9 ranks"])
        self.full_disks(words)
        # Other pictures under the same path on one machine.
        data = os.path.join(self.inputs, "digits")
        other = os.path.join(self.scratch, "other-machine")
        if not os.path.isdir(other):
            os.makedirs(os.path.join(other, "work"))
            shutil.copytree(self.inputs, os.path.join(other, "inputs"))
            name = os.path.join(other, "inputs", "digits", "train-images-idx3-ubyte")
            with open(name, "r+b") as file:
                file.seek(16)
                file.write(bytes(255 for _ in range(96 * 28 * 28)))
        there = ["sh", "-c", f'cd {other}/work; exec "$0" "$@"']
        self.refused("other data", [(1, [], self.cluster, words), (1, there, self.cluster, words)],
                     ["rank 1", "other data"], code=65)
        shutil.rmtree(os.path.join(other, "inputs", "digits"))
        self.refused("no data", [(1, [], self.cluster, words), (1, there, self.cluster, words)], ["rank 1", "digits"])
        shutil.rmtree(other)
        # Another instruction set: all take the one that all have, and the bytes are its own.
        sets = works.run(self.tool, ["--version"], self.scratch)
        if b"avx512" in sets.stdout or b"avx2" in sets.stdout:
            place = self.folder("isa")
            out, err = self.run([(1, [], self.cluster, words), (1, ["-x", "ATELIER_ISA=baseline"], self.cluster, words)], place,
                                "another instruction set")
            alone = self.folder("isa-alone")
            subprocess.run([self.tool] + words, cwd=alone, capture_output=True,
                           env=dict(works.environment(), ATELIER_ISA="baseline"))
            if left(place, work.results) != left(alone, work.results):
                self.problem("another instruction set: other bytes than in one process of it")
            self.count("faults")
        # A rank that rests for a while holds the others up, and changes nothing.
        place = self.folder("slow")
        process = mpirun([(3, [], self.cluster, words)], place, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(0.5)
        slow = ranks_of(process).get(2)
        if slow:
            os.kill(slow, signal.SIGSTOP)
            time.sleep(2)
            os.kill(slow, signal.SIGCONT)
        code, _, err = ended(process)
        if code:
            self.problem(f"a slow rank: ended with {code}: {err[-300:]}")
        self.compare(work, place, "a slow rank")
        self.count("faults")

    def full_disks(self, words):
        """The disk of rank 0's run, then that of another rank's own files, has no room left."""
        if os.geteuid() != 0:
            print("  SKIPPED: full disks: only root can mount small ones", flush=True)
            return
        small = os.path.join(self.scratch, "small")
        os.makedirs(small, exist_ok=True)
        for what, size, ranks, code in (("a full disk under rank 0's run", "64k", (), 73),
                                        ("a full disk under rank 1's files", "4k", (1,), 73)):
            if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", small], capture_output=True).returncode:
                print("  SKIPPED: full disks: none can be mounted here", flush=True)
                return
            try:
                own = list(words)
                if not ranks:
                    own[own.index("--run") + 1] = os.path.join(small, "run")
                there = ["-x", "TMPDIR=" + small] if ranks else []
                self.refused(what, [(1, [], self.cluster, own), (1, there, self.cluster, own)],
                             ["rank 1", "No space left"] if ranks else ["No space left"], code=code)
            finally:
                subprocess.run(["umount", small], check=True)

    def interrupts(self, work, chance, count):
        """Ctrl-C at mpirun, and the signal that asks for a save."""
        length = self.length(work)
        for index in range(count):
            place = self.folder("interrupt")
            process = mpirun([(3, [], self.cluster, work.arguments + ["--threads", "1"])], place,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            time.sleep(chance.uniform(0.1, length))
            # Ctrl-C gives a second to save in, USR1, which mpirun hands on, as long as that takes.
            process.send_signal(signal.SIGUSR1 if index % 2 else signal.SIGINT)
            began, before = time.monotonic(), stuck
            _, _, err = ended(process)
            if time.monotonic() - began > SOON and stuck == before:
                self.problem(f"{work.name}: an interrupt took {time.monotonic() - began:.0f} s")
            self.goes_on(work, place, chance.choice([1, 2, 4]), f"interrupt {index}")
            self.count("interrupts")

    def goes_on(self, work, place, ranks, what):
        run = os.path.join(place, "run")
        if os.path.exists(os.path.join(run, "configuration.json")):
            self.resume(work, place, ranks)
        else:
            shutil.rmtree(run, ignore_errors=True)
            self.run([(ranks, [], self.cluster, work.arguments + ["--threads", "1"])], place, what)
        self.compare(work, place, f"{what}, then {ranks} ranks")

    def length(self, work):
        began = time.monotonic()
        self.run([(3, [], self.cluster, work.arguments + ["--threads", "1"])], self.folder("length"), "length")
        return time.monotonic() - began

    def kills(self, work, chance, count):
        length = self.length(work)
        slowest, early, silent = 0.0, 0, 0
        index = 0
        while index < count:
            place = self.folder("kill")
            process = mpirun([(3, [], self.cluster, work.arguments + ["--threads", "1"])], place,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            time.sleep(chance.uniform(0.05, length))
            found = ranks_of(process)
            victim = chance.choice(sorted(found)) if found else None
            before = stuck
            if victim is not None:
                os.kill(found[victim], signal.SIGKILL)
            began = time.monotonic()
            _, _, err = ended(process)
            seconds = time.monotonic() - began
            slowest = max(slowest, seconds) if stuck == before else slowest
            told = [line for line in err.split("\n") if line.startswith("atelier:")]
            if victim not in (None, 0) and not told:
                # Before the ranks know each other mpirun alone can say which one ended, and does.
                if "exited on signal 9" in err and not os.path.exists(os.path.join(place, "run")):
                    early += 1
                else:
                    silent += 1
            if len(told) > 1:
                self.problem(f"{work.name}, kill {index}: {told}")
            if seconds > SOON and stuck == before:
                self.problem(f"{work.name}, kill {index}: the others took {seconds:.0f} s to end")
            self.goes_on(work, place, chance.choice([1, 2, 4]), f"kill {index} of rank {victim}")
            # A training that had ended before cannot be killed: another one is.
            index += victim is not None
            self.count("kills" if victim is not None else "kills that came too late")
        print(f"  {work.name}: the others were gone after at most {slowest:.1f} s; {early} ended before the ranks knew each other, in mpirun's "
              f"words; rank 0 had no time for its line {silent} times", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool")
    parser.add_argument("cluster")
    parser.add_argument("--part", default="equal,resume,pictures,faults,kills")
    parser.add_argument("--only", default="")
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mpirun", default="mpirun", help="another starter, such as mpiexec.mpich")
    parser.add_argument("--short", action="store_true")
    options = parser.parse_args()
    if not shutil.which(options.mpirun):
        print(f"SKIPPED: there is no {options.mpirun} here; install openmpi-bin")
        return
    choose(options.mpirun)
    scratch = tempfile.mkdtemp(prefix="atelier-ranks-")
    chance = random.Random(options.seed)
    try:
        trial = Trial(os.path.abspath(options.tool), os.path.abspath(options.cluster), scratch, options.short)
        parts = options.part.split(",")
        trainings = trial.trainings([name for name in options.only.split(",") if name])
        for work in trainings:
            print(work.name, flush=True)
            if "equal" in parts:
                trial.equal(work)
            if "resume" in parts:
                trial.resumes(work)
        if "pictures" in parts:
            print("pictures", flush=True)
            trial.pictures()
        quick = [work for work in trainings if work.name == "train-classify"] or trainings[:1]
        if "faults" in parts:
            print("faults", flush=True)
            trial.faults(quick[0])
        if "kills" in parts:
            print("kills", flush=True)
            trial.interrupts(quick[0], chance, 2 if options.short else 6)
            trial.kills(quick[0], chance, options.kills)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if stuck:
        print(f"mpirun itself did not end {stuck} times after all ranks had")
    print(", ".join(f"{count} {what}" for what, count in trial.counts.items()) + f"; {len(trial.problems)} problems")
    sys.exit(1 if trial.problems else 0)


if __name__ == "__main__":
    main()
