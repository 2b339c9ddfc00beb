#!/usr/bin/env python3
"""Times Atelier against PyTorch, alternating, each workload and phase in a process of its own.

usage: compare.py [--only NAME,NAME] [--phases train,infer] [--threads 2] [--seconds 4] [--rounds 3]
                  [--atelier .build/release/atelier] [--peer-python python3] [--modes eager,channels_last,compile]

The peer of a workload is its fastest mode, by the median over the rounds. A ratio is peer / Atelier of the medians
(above 1 Atelier is faster); the spread is the smallest and largest ratio of a round. Times are only comparable
within one table: same machine, same minutes, same number of threads. Exit code 1 when a side gave no figure.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).resolve().parent
NAMES = "A-autoencoder,B-dncnn,C-faceswap,D-unet,E-noise-generator,F-vgg16-transfer"


def processor():
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def records(command):
    """The JSON lines that a process prints; what it says beside them goes to our standard error."""
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    lines = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    if result.returncode != 0:
        print(f"{command[0]} ended with {result.returncode}", file=sys.stderr)
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=NAMES)
    parser.add_argument("--phases", default="train,infer")
    parser.add_argument("--modes", default="eager,channels_last,compile")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--atelier", default=str(HERE.parent / ".build/release/atelier"))
    parser.add_argument("--peer-python", default=os.environ.get("PYTHON", sys.executable))
    parser.add_argument("--json", action="store_true", help="print the rows as JSON lines")
    options = parser.parse_args()
    common = ["--threads", str(options.threads), "--seconds", str(options.seconds)]

    complete = True
    rows = []
    for name in options.only.split(","):
        for phase in options.phases.split(","):
            ours, theirs = [], defaultdict(list)
            for _ in range(options.rounds):
                for record in records(
                    [options.atelier, "bench", "--only", name, "--phase", phase, "--json", *common]
                ):
                    ours.append(record["ms"])
                for mode in options.modes.split(","):
                    for record in records(
                        [options.peer_python, str(HERE / "torch_workloads.py"), "--only", name,
                         "--phases", phase, "--modes", mode, *common]
                    ):
                        if "ms" in record:
                            theirs[mode].append(record["ms"])
                        else:
                            print(f"{name} {phase} {mode}: {record['error']}", file=sys.stderr)
            if not ours or not theirs:
                print(f"{name} {phase}: a side gave no figure", file=sys.stderr)
                complete = False
                continue
            mode, times = min(theirs.items(), key=lambda item: statistics.median(item[1]))
            ratios = [peer / own for own, peer in zip(ours, times)]
            rows.append({
                "workload": name, "phase": phase, "atelier_ms": statistics.median(ours),
                "peer_ms": statistics.median(times), "peer_mode": mode,
                "ratio": statistics.median(times) / statistics.median(ours),
                "ratio_least": min(ratios), "ratio_most": max(ratios)})
            if options.json:
                print(json.dumps(rows[-1]), flush=True)
    if not options.json:
        print(f"{processor()}, {os.cpu_count()} cores, {options.threads} threads; medians of "
              f"{options.rounds} alternating rounds of at least {options.seconds} s")
        print(f"{'workload':<18} {'phase':<6} {'atelier ms':>10} {'peer ms':>9} {'peer mode':<14} "
              f"{'ratio':>6}  spread")
        for row in rows:
            print(f"{row['workload']:<18} {row['phase']:<6} {row['atelier_ms']:>10.1f} "
                  f"{row['peer_ms']:>9.1f} {row['peer_mode']:<14} {row['ratio']:>6.2f}  "
                  f"{row['ratio_least']:.2f}-{row['ratio_most']:.2f}")
    sys.exit(0 if complete else 1)


if __name__ == "__main__":
    main()
