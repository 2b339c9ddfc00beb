#!/usr/bin/env python3
"""Times Atelier against its peers, alternating, each workload, phase and mode in a process of its own.

usage: compare.py [--only NAME,NAME] [--phases train,infer] [--threads 2] [--seconds 4] [--rounds 3]
                  [--modes eager,channels_last,compile,max_autotune]
                  [--infer-modes onnxruntime,openvino,openvino_throughput,ncnn]
                  [--isa avx2,avx512] [--spread 25]
                  [--atelier .build/release/atelier] [--peer-python python3] [--json | --markdown]

A round times Atelier and every mode of the peers once; every other round goes in the opposite order. The peer of a workload
is its fastest mode, by the median over the rounds. A ratio is peer / Atelier of the medians (above 1 Atelier is
faster); the spread is the smallest and the largest ratio of a round. Memory is the largest resident memory of a
process; its ratio is Atelier's to that of PyTorch's fastest mode (below 1 Atelier needs less). Times are only
comparable within one table: same machine, same minutes, same number of threads. `of peak` counts the operations of
direct convolution against the machine's float32 peak; Winograd's algorithm may exceed 100 %.

Every process is pinned to as many cores as it has threads, one of each pair that shares a core first. `--isa` holds Atelier
and every peer to an instruction set, a table for each; peers that cannot be held (ONNX Runtime, ncnn) are left out of all but
the CPU's best. Above a table stand the load average before and while it was measured. A table whose rounds disagree by
more than `--spread` percent is refused: the rows at fault are named, and the exit code is 3.

Modes that fail (no C++ compiler for `compile`, a network that cannot be exported) are named on standard error. Exit code 1
when Atelier or all peers gave no figure for a row.
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
TORCH_MODES = ("eager", "channels_last", "compile", "max_autotune")
ONNX_MODES = ("onnxruntime", "openvino", "openvino_throughput", "ncnn")
PACKAGES = {"PyTorch": "torch", "ONNX Runtime": "onnxruntime", "OpenVINO": "openvino", "ncnn": "ncnn"}
# Slowest first, with what holds each side to it. OpenVINO stands on oneDNN and hears its word.
ISAS = {
    "avx2": {
        "ATELIER_ISA": "avx2", "ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "DNNL_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    "avx512": {
        "ATELIER_ISA": "avx512", "ATEN_CPU_CAPABILITY": "avx512", "MKL_ENABLE_INSTRUCTIONS": "AVX512"}}
# They ask the CPU alone.
UNHELD = ("onnxruntime", "ncnn")


def processor():
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def cores(threads):
    """So many of the cores that we may use, one of each pair that shares a core first; None where no one can be held."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    allowed = sorted(os.sched_getaffinity(0))

    def siblings(core):
        try:
            return Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list").read_text().strip()
        except OSError:
            return str(core)

    seen, first, second = set(), [], []
    for core in allowed:
        pair = siblings(core)
        (second if pair in seen else first).append(core)
        seen.add(pair)
    return set((first + second)[:threads])


def load():
    """The load average of the last minute."""
    try:
        return os.getloadavg()[0]
    except OSError:
        return float("nan")


def records(command, options=None):
    """The JSON lines that a process prints; what it says beside them goes to our standard error."""
    environment, pin = dict(os.environ), None
    if options is not None:
        # Thread pools that are not told otherwise take a thread for each core of the machine.
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            environment[name] = str(options.threads)
        if options.isa:
            environment |= ISAS[options.isa]
        held = options.cores
        pin = (lambda: os.sched_setaffinity(0, held)) if held else None
        options.loads.append(load())
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, preexec_fn=pin)
    lines = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    if result.returncode != 0:
        print(f"{command[0]} ended with {result.returncode}", file=sys.stderr)
    return lines


def versions(python):
    """The peers' versions, those that are not installed left out."""
    code = (
        "import importlib.metadata as m, json\n"
        "def version(name):\n"
        "    try: return m.version(name)\n"
        "    except m.PackageNotFoundError: return None\n"
        f"print(json.dumps({{k: version(v) for k, v in {PACKAGES!r}.items()}}))")
    found = records([python, "-c", code])
    return {name: version for name, version in (found[0] if found else {}).items() if version}


def machine(options):
    """One line: the processor, what it can do, and who is compared."""
    limits = records([options.atelier, "bench", "--roofline", "--json", "--threads", str(options.threads)], options)
    held = "" if options.cores is None else " on cores " + ",".join(map(str, sorted(options.cores)))
    parts = [processor(), f"{os.cpu_count()} cores", f"{options.threads} threads{held}"]
    peaks = [limit for limit in limits if limit["kind"] == "multiply-add"]
    if peaks:
        wanted = [peak for peak in peaks if peak["instruction_set"] == options.isa] or peaks
        parts.append(f"{wanted[-1]['instruction_set']}, peak {wanted[-1]['all_threads']:.0f} GFLOP/s")
    parts += [
        f"memory {limit['all_threads']:.0f} GB/s" for limit in limits if limit["kind"] == "memory-read"]
    parts += [f"{name} {version}" for name, version in versions(options.peer_python).items()]
    return ", ".join(parts)


def side(options, name, phase, mode):
    """The one record of a mode."""
    common = [
        "--only", name, "--threads", str(options.threads), "--seconds", str(options.seconds)]
    if mode == "atelier":
        command = [options.atelier, "bench", "--phase", phase, "--json"]
    else:
        script = "onnx_workloads.py" if mode in ONNX_MODES else "torch_workloads.py"
        command = [options.peer_python, str(HERE / script), "--phases", phase, "--modes", mode]
    found = records(command + common, options)
    return found[0] if found else {"error": "no figure"}


def rounds_of(options, name, phase):
    """For each mode the records of the rounds in which it gave a figure, by round."""
    modes = ["atelier", *filter(None, options.modes.split(","))]
    if phase == "infer":
        modes += filter(None, options.infer_modes.split(","))
    if options.isa and options.isa != options.best:
        modes = [mode for mode in modes if mode not in UNHELD]
    results = defaultdict(dict)
    failed = set()
    for number in range(options.rounds):
        for mode in modes if number % 2 == 0 else reversed(modes):
            if mode in failed:
                continue
            record = side(options, name, phase, mode)
            if "ms" in record:
                results[mode][number] = record
            else:
                # What fails once fails again; only one line of it.
                failed.add(mode)
                print(f"{name} {phase} {mode}: {record.get('error')}", file=sys.stderr)
    return results


def summary(name, phase, results):
    """The row of the table, or None when a side gave no figure."""
    median = {
        mode: {
            key: statistics.median(record[key] for record in rounds.values())
            for key in ("ms", "peak_rss_mb")}
        for mode, rounds in results.items()}
    own = median.pop("atelier", None)
    if own is None or not median:
        return None
    fastest = min(median, key=lambda mode: median[mode]["ms"])
    ratios = [
        results[fastest][number]["ms"] / record["ms"]
        for number, record in results["atelier"].items() if number in results[fastest]]
    ratio = median[fastest]["ms"] / own["ms"]
    row = {
        "workload": name, "phase": phase, "atelier_ms": own["ms"],
        "peer_ms": median[fastest]["ms"], "peer_mode": fastest, "ratio": ratio,
        "ratio_least": min(ratios, default=ratio), "ratio_most": max(ratios, default=ratio),
        "atelier_mb": own["peak_rss_mb"], "modes": median}
    torch_modes = [mode for mode in median if mode in TORCH_MODES]
    if torch_modes:
        torch = median[min(torch_modes, key=lambda mode: median[mode]["ms"])]
        row |= {"torch_mb": torch["peak_rss_mb"], "memory_ratio": own["peak_rss_mb"] / torch["peak_rss_mb"]}
    shares = [r["peak_share"] for r in results["atelier"].values() if "peak_share" in r]
    if shares:
        row["peak_share"] = statistics.median(shares)
    return row


def cells(row, modes, mark):
    """A row as text; the fastest peer is marked."""
    times = []
    for mode in modes:
        ms = row["modes"].get(mode, {}).get("ms")
        text = "-" if ms is None else f"{ms:.1f}"
        times.append(mark(text) if mode == row["peer_mode"] else text)
    memory = f"{row['memory_ratio']:.2f}" if "memory_ratio" in row else "-"
    share = f"{100 * row['peak_share']:.0f} %" if "peak_share" in row else "-"
    return [
        row["workload"], row["phase"], f"{row['atelier_ms']:.1f}", *times,
        f"{row['ratio']:.2f}", f"{row['ratio_least']:.2f}-{row['ratio_most']:.2f}", share,
        f"{row['atelier_mb']:.0f}", f"{row['torch_mb']:.0f}" if "torch_mb" in row else "-", memory]


def table(rows, modes, markdown):
    """The lines of the table."""
    header = [
        "workload", "phase", "Atelier ms", *modes, "ratio", "spread", "of peak", "Atelier MiB",
        "PyTorch MiB", "memory"]
    if markdown:
        lines = [header, ["---", "---", *["---:"] * (len(header) - 2)]]
        lines += [cells(row, modes, lambda text: f"**{text}**") for row in rows]
        return ["| " + " | ".join(line) + " |" for line in lines]
    lines = [header, *(cells(row, modes, lambda text: f"{text}*") for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    return [
        "  ".join(
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths))).rstrip()
        for line in lines]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=NAMES)
    parser.add_argument("--phases", default="train,infer")
    parser.add_argument("--modes", default=",".join(TORCH_MODES))
    parser.add_argument("--infer-modes", default=",".join(ONNX_MODES))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--isa", default="", help="avx2, avx512 or both: a table for each")
    parser.add_argument("--spread", type=float, default=25, help="percent; above it a table is refused")
    parser.add_argument("--atelier", default=str(HERE.parent / ".build/release/atelier"))
    parser.add_argument("--peer-python", default=os.environ.get("PYTHON", sys.executable))
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print the rows as JSON lines, each when it is done")
    form.add_argument("--markdown", action="store_true", help="print the table for a README")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds takes at least 1")

    sets = list(filter(None, options.isa.split(",")))
    for isa in sets:
        if isa not in ISAS:
            parser.error(f"--isa takes {', '.join(ISAS)}; received {isa}")
    options.cores = cores(options.threads)
    if options.cores is not None and len(options.cores) < options.threads:
        parser.error(f"--threads {options.threads}: only {len(options.cores)} cores may be used")
    codes = [measured(options, isa) for isa in sets or [None]]
    sys.exit(max(codes))


def known_sets(options):
    """The instruction sets of this CPU that Atelier names, slowest first."""
    limits = records([options.atelier, "bench", "--roofline", "--json", "--threads", "1"])
    return [limit["instruction_set"] for limit in limits if limit["kind"] == "multiply-add"]


def measured(options, isa):
    """Measures and prints one table; the exit code."""
    options.isa, options.loads = isa, []
    known = known_sets(options)
    options.best = known[-1] if known else None
    if isa and isa not in known:
        print(f"this CPU has no {isa}: {', '.join(known)}", file=sys.stderr)
        return 1
    before = load()
    about = machine(options)
    complete = True
    rows = []
    for name in options.only.split(","):
        for phase in options.phases.split(","):
            row = summary(name, phase, rounds_of(options, name, phase))
            if row is None:
                print(f"{name} {phase}: a side gave no figure", file=sys.stderr)
                complete = False
                continue
            row["spread_percent"] = 100 * (row["ratio_most"] / row["ratio_least"] - 1)
            rows.append(row)
            if options.json:
                print(json.dumps(row | {
                    "machine": about, "isa": isa or options.best, "load": options.loads[-1],
                    "refused": row["spread_percent"] > options.spread}), flush=True)
            else:
                print(f"{name} {phase}: {row['ratio']:.2f} against {row['peer_mode']}", file=sys.stderr)
    refused = [row for row in rows if row["spread_percent"] > options.spread]
    for row in refused:
        print(
            f"refused: {row['workload']} {row['phase']}: the rounds' ratios lie {row['spread_percent']:.0f} % apart "
            f"({row['ratio_least']:.2f}-{row['ratio_most']:.2f}), at most {options.spread:g} % are taken; load "
            f"average {max(options.loads):.1f}", file=sys.stderr)
    if not options.json and not refused:
        wanted = [*options.modes.split(","), *options.infer_modes.split(",")]
        modes = [mode for mode in wanted if any(mode in row["modes"] for row in rows)]
        print(f"{about}. Load average {before:.1f} before, up to {max(options.loads):.1f} while measuring (ours included). "
              f"Medians of {options.rounds} alternating rounds of at least {options.seconds:g} s a side, milliseconds a "
              "step.")
        print()
        print("\n".join(table(rows, modes, options.markdown)))
        print()
    return 3 if refused else 0 if complete else 1


if __name__ == "__main__":
    main()
