#!/usr/bin/env python3
"""Holds what `calls` printed for one build of the kernels against another: compare.py EXPECTED RECEIVED.

Every number may differ by 2e-5 of the largest of its line, ten times what was seen, and by 1e-6 in any case; NaN equals NaN.
In each file two ways to the same result must agree as well: rows and patches, tiles and products, tiles and blocks.
Exit code 1 names the lines at fault.
"""

import sys

# The largest difference allowed, as a share of the largest number of a line.
LIMIT = 2e-5
TWINS = ((":rows:", ":patches:"), (":tiles", ":products"), (":gradient:tiles", ":gradient:block"))


def lines(path):
    """(name, numbers) for each line; a name ends where the numbers begin, but for the number of its kind."""
    found = []
    with open(path) as file:
        for line in file:
            words = line.split()
            at = next(i for i, word in enumerate(words) if i > 0 and is_number(word) and not is_kind(words, i))
            found.append((" ".join(words[:at]), [float(word) for word in words[at:]]))
    return found


def is_number(word):
    try:
        float(word)
        return True
    except ValueError:
        return False


def is_kind(words, i):
    """Whether word i is the number of a kind: `activation 3`, `loss gradient 2`."""
    return words[0] in ("activation", "binary", "loss") and all(not is_number(w) for w in words[:i])


def distance(expected, received):
    """By how much of the largest number the lines differ; infinity where they cannot be compared."""
    if len(expected) != len(received):
        return float("inf")
    largest = max((abs(v) for v in expected if v == v and abs(v) != float("inf")), default=0)
    worst = 0.0
    for one, other in zip(expected, received):
        if one == other or (one != one and other != other):
            continue
        difference = abs(one - other)
        if difference != difference:
            return float("inf")
        if difference > 1e-6:
            worst = max(worst, difference / max(largest, 1e-30))
    return worst


def main():
    expected, received = (lines(path) for path in sys.argv[1:3])
    faults = []
    if [name for name, _ in expected] != [name for name, _ in received]:
        print("the two files do not hold the same results", file=sys.stderr)
        sys.exit(1)
    worst = (0.0, "none")
    for (name, one), (_, other) in zip(expected, received):
        far = distance(one, other)
        worst = max(worst, (far, name))
        if not far <= LIMIT:
            faults.append(f"{name}: differs by {far:.2g} of its largest number")
    by_name = dict(received)
    pairs = 0
    for name, one in received:
        for first, second in TWINS:
            twin = name.replace(first, second)
            if first in name and twin in by_name and twin != name:
                pairs += 1
                far = distance(one, by_name[twin])
                if not far <= LIMIT:
                    faults.append(f"{name} and {twin} differ by {far:.2g}")
    for fault in faults:
        print(fault, file=sys.stderr)
    count = sum(len(values) for _, values in received)
    print(f"{len(received)} results, {count} numbers, {pairs} pairs of algorithms; most: {worst[0]:.1g} in {worst[1]}")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
