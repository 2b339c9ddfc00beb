#!/usr/bin/env python3
"""Holds what `atelier-cluster plan` foresees beside what two ranks take over networks of given speeds.

    sudo Benchmarks/network_plan.py CLUSTER [--only B-dncnn,D-unet] [--rates 100mbit,300mbit,1gbit,3gbit]
        [--delays 50us,200us] [--steps 10]

Two network namespaces stand for two machines (Tests/Faults/network.sh). Both ranks share this machine's
memory, so that the times of a shard are taken while two plans run beside each other, one thread each, and
the slower one counts. Prints a line a network; the last one is the largest difference.
"""
import argparse
import json
import pathlib
import subprocess
import sys

HOUSE = pathlib.Path(__file__).resolve().parents[1]


def forecast(cluster, workload, rate, delay, steps):
    """Milliseconds that two plans at a time foresee, the slower one's."""
    number, unit = rate[:-4], rate[-4:]
    words = [cluster, "plan", "--ranks", "2", "--network", number + {"mbit": "Mb", "gbit": "Gb"}[unit],
             "--delay", delay, "--only", workload, "--threads", "1", "--steps", str(steps), "--json"]
    plans = [subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    rows = []
    for plan in plans:
        out, err = plan.communicate()
        if plan.returncode:
            sys.exit(err.strip())
        rows.append(json.loads(out)[0])
    return max(rows, key=lambda row: row["stepSeconds"])


def measured(cluster, workload, rate, delay, steps):
    words = ["sh", str(HOUSE / "Tests/Faults/network.sh"), rate, delay, "--", cluster, "pace", "--threads", "1",
             "--only", workload, "--steps", str(steps), "--json"]
    result = subprocess.run(words, capture_output=True, text=True)
    if result.returncode:
        sys.exit(result.stderr.strip()[-600:])
    for line in result.stdout.splitlines():
        if line.startswith("{"):
            return json.loads(line)["ms"]
    return json.loads(result.stdout)[0]["ms"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("cluster")
    parser.add_argument("--only", default="B-dncnn,D-unet")
    parser.add_argument("--rates", default="100mbit,300mbit,1gbit,3gbit")
    parser.add_argument("--delays", default="50us,200us")
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    worst = 0.0
    print(f"{'workload':<14}{'rate':>9}{'delay':>7}{'foreseen':>11}{'measured':>11}{'ratio':>8}")
    for workload in options.only.split(","):
        for rate in options.rates.split(","):
            for delay in options.delays.split(","):
                row = forecast(options.cluster, workload, rate, delay, options.steps)
                ms = measured(options.cluster, workload, rate, delay, options.steps)
                ratio = 1e3 * row["stepSeconds"] / ms
                worst = max(worst, abs(ratio - 1))
                print(f"{workload:<14}{rate:>9}{delay:>7}{1e3 * row['stepSeconds']:>8.1f} ms{ms:>8.1f} ms{ratio:>8.3f}"
                      f"   shard {1e3 * row['shardSeconds']:.1f} ms", flush=True)
    print(f"largest difference: {100 * worst:.1f} %")


if __name__ == "__main__":
    main()
