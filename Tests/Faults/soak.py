#!/usr/bin/env python3
"""Watches memory and open files of a training over many steps.

  python3 Tests/Faults/soak.py .build/release/atelier [--steps 20000]

A denoiser of the smallest size trains with validations, previews and saves every tenth of the way; at
every tenth its resident memory and its number of open files are printed. What was there after the first
fifth may not grow by more than 8 MB or by one file.
"""
import os, shutil, subprocess, sys, tempfile, time
import works


def resident(process):
    """Megabytes in memory, and open files; nothing once the process is gone."""
    try:
        with open(f"/proc/{process}/status") as file:
            line = next(line for line in file if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024, len(os.listdir(f"/proc/{process}/fd"))
    except (OSError, StopIteration):
        return None


def last_step(run):
    """The step of the last row of the log."""
    try:
        with open(os.path.join(run, "log.csv"), "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 400))
            lines = file.read().decode().splitlines()
        return max((int(line.split(",")[0]) for line in lines[1:] if line.split(",")[0].isdigit()), default=0)
    except (OSError, ValueError):
        return 0


def main():
    arguments = sys.argv[1:]
    steps = int(arguments[arguments.index("--steps") + 1]) if "--steps" in arguments else 20000
    tool = os.path.abspath(arguments[0])
    scratch = os.path.realpath(tempfile.mkdtemp(prefix="atelier-soak-"))
    rows = []
    try:
        tenth = str(steps // 10)
        process = subprocess.Popen(
            [tool, "denoise", "train", "--data", os.path.join(works.SAMPLES, "noisy"), "--network", "autoencoder",
             "--widths", "4,4", "--patch", "16", "--batch", "1", "--steps", str(steps), "--validate-every", tenth,
             "--preview-every", tenth, "--save-every", tenth, "--run", "run"] + works.QUIET, cwd=scratch,
            env=works.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        due = steps // 10
        while process.poll() is None:
            step, now = last_step(os.path.join(scratch, "run")), resident(process.pid)
            if step >= due and now:
                rows.append((step, *now))
                print(f"step {step:6d}: {now[0]:6.1f} MB resident, {now[1]} open files", flush=True)
                due += steps // 10
            time.sleep(0.01)
        if process.returncode != 0:
            sys.exit(f"the training ends with {process.returncode}")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    settled = [row for row in rows if row[0] >= steps // 5]
    if len(settled) < 3:
        sys.exit(f"seen at {len(settled)} places alone: too fast to watch; more --steps")
    growth = max(row[1] for row in settled) - settled[0][1]
    files = max(row[2] for row in settled) - min(row[2] for row in settled)
    print(f"{steps} steps: grew by {growth:.1f} MB and {files} open files from step {settled[0][0]} on")
    sys.exit(1 if growth > 8 or files > 1 else 0)


if __name__ == "__main__":
    main()
