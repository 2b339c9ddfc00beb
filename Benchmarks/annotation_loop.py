#!/usr/bin/env python3
"""How many corrections which figure costs: nuclei from 20 annotated pictures to more.

Plays the loop of `atelier segment propose`: a network learns from 20 pictures, proposes masks for the
pool, the pictures that it is least sure of are "corrected" (their truth is taken), and it goes on with
them. Beside it the same number of steps from pictures drawn at random. The test part judges; nothing
is chosen by it.

    Benchmarks/annotation_loop.py ATELIER NUCLEI WORK [--seeds 3] [--steps 300] [--rounds 3] [--more 10]
        [--random 80] [--same] [--widths 16,32,48,64] [--threads 2]

Prints a table and writes WORK/loop.json and WORK/loop.csv; WORK keeps the run folders, and what is
there is not made again.
"""
import argparse
import csv
import json
import os
import random
import shutil
import subprocess
import sys


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("atelier")
    parser.add_argument("nuclei")
    parser.add_argument("work")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--more", type=int, default=10)
    parser.add_argument("--random", type=int, default=80)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--same", action="store_true", help="as many drawn at random, too")
    parser.add_argument("--widths", default="16,32,48,64")
    parser.add_argument("--threads", default="2")
    return parser.parse_args()


class Loop:
    def __init__(self, options):
        self.options = options
        with open(os.path.join(options.nuclei, "index.csv"), newline="") as file:
            self.rows = list(csv.DictReader(file))
        self.pool = [row["name"] for row in self.rows if row["split"] == "train"]
        self.counts = {row["name"]: int(row["instances"]) for row in self.rows}

    def call(self, *words):
        result = subprocess.run(
            [self.options.atelier, *words, "--threads", self.options.threads],
            capture_output=True, text=True)
        if result.returncode != 0:
            sys.exit(f"{' '.join(words)}: {result.stderr.strip()}")
        return result.stdout

    def folder(self, path, names):
        """A set of the chosen training pictures with the validation part beside them."""
        if os.path.isdir(path):
            shutil.rmtree(path)
        chosen = set(names)
        rows = [row for row in self.rows if row["split"] == "val" or row["name"] in chosen]
        for part in ("images", "labels"):
            os.makedirs(os.path.join(path, part))
            for row in rows:
                name = row["name"] + ".png"
                os.symlink(os.path.join(self.options.nuclei, part, name), os.path.join(path, part, name))
        with open(os.path.join(path, "index.csv"), "w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=self.rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)

    def train(self, place, names, steps, start=None, seed=1):
        """Trains and gives the AP50 of the test part."""
        known = os.path.join(place, "figure.json")
        if os.path.exists(known):
            with open(known) as file:
                return json.load(file)["ap50"]
        data, run = os.path.join(place, "set"), os.path.join(place, "run")
        if os.path.isdir(run):
            shutil.rmtree(run)
        self.folder(data, names)
        words = ["segment", "train-stars", "--data", data, "--run", run, "--steps", str(steps),
                 "--widths", self.options.widths, "--seed", str(seed), "--quiet",
                 "--validate-every", str(steps), "--preview-every", str(steps)]
        self.call(*words, *(["--start-from", start] if start else []))
        text = self.call("segment", "evaluate", "--model", os.path.join(run, "last.safetensors"),
                         "--data", self.options.nuclei, "--part", "test", "--detections", "300",
                         "--json")
        figure = json.loads(text)["all"]["masks"]["ap50"]
        with open(known, "w") as file:
            json.dump({"ap50": figure, "pictures": sorted(names)}, file)
        return figure

    def uncertain(self, place, model, names):
        """The next pictures by the model's own doubt."""
        known = os.path.join(place, "next.json")
        if os.path.exists(known):
            with open(known) as file:
                return json.load(file)
        pool, proposals = os.path.join(place, "pool"), os.path.join(place, "proposals")
        for path in (pool, proposals):
            if os.path.isdir(path):
                shutil.rmtree(path)
        os.makedirs(pool)
        for name in self.pool:
            if name not in names:
                os.symlink(os.path.join(self.options.nuclei, "images", name + ".png"),
                           os.path.join(pool, name + ".png"))
        text = self.call("segment", "propose", pool, "--model", model, "-o", proposals, "--count",
                         str(self.options.more), "--json")
        chosen = [os.path.splitext(item["name"])[0] for item in json.loads(text)["proposals"]]
        with open(known, "w") as file:
            json.dump(chosen, file)
        return chosen

    def play(self, seed):
        """One seed: rows of (way, pictures, objects corrected, AP50)."""
        options = self.options
        order = list(self.pool)
        random.Random(seed).shuffle(order)
        rows = []

        def place(name):
            path = os.path.join(os.path.abspath(options.work), f"seed{seed}", name)
            os.makedirs(path, exist_ok=True)
            return path

        def note(way, names, figure):
            rows.append((way, len(names), sum(self.counts[name] for name in names), figure))
            print(f"seed {seed}: {way}, {len(names)} pictures, {rows[-1][2]} objects: "
                  f"AP50 {figure:.3f}", flush=True)

        names = order[:options.first]
        figure = self.train(place("first"), names, options.steps, seed=seed)
        note("first", names, figure)
        start = os.path.join(place("first"), "run", "last.safetensors")
        for number in range(1, options.rounds + 1):
            here = place(f"uncertain{number}")
            names = names + self.uncertain(here, start, names)
            figure = self.train(here, names, options.steps, start, seed)
            note("uncertain", names, figure)
            start = os.path.join(here, "run", "last.safetensors")
        total = options.steps * (options.rounds + 1)
        if options.same:
            same = order[:len(names)]
            note("random", same, self.train(place("random-same"), same, total, seed=seed))
        many = order[:options.random]
        note("random", many, self.train(place("random-more"), many, total, seed=seed))
        return rows


def main():
    options = arguments()
    options.nuclei = os.path.abspath(options.nuclei)
    options.atelier = os.path.abspath(options.atelier)
    loop = Loop(options)
    table = {}
    for seed in range(1, options.seeds + 1):
        for way, pictures, objects, figure in loop.play(seed):
            table.setdefault((way, pictures), []).append((objects, figure))
    lines = []
    for (way, pictures), values in table.items():
        figures = [figure for _, figure in values]
        lines.append({"way": way, "pictures": pictures,
                      "objects": sum(count for count, _ in values) / len(values),
                      "ap50": sum(figures) / len(figures), "each": figures})
    print(f"\n{'way':<10} {'pictures':>8} {'objects':>8} {'AP50':>7}  of each seed")
    for line in lines:
        each = " ".join(f"{value:.3f}" for value in line["each"])
        print(f"{line['way']:<10} {line['pictures']:>8} {line['objects']:>8.0f} {line['ap50']:>7.3f}  {each}")
    with open(os.path.join(options.work, "loop.json"), "w") as file:
        json.dump(lines, file, indent=2)
    with open(os.path.join(options.work, "loop.csv"), "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["way", "pictures", "objects", "ap50"])
        writer.writerows([[l["way"], l["pictures"], l["objects"], l["ap50"]] for l in lines])


if __name__ == "__main__":
    main()
