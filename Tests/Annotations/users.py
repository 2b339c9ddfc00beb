#!/usr/bin/env python3
"""What people who annotate meet: their tools' files into Atelier, Atelier's into their tools.

    Tests/Annotations/users.py ATELIER [--pictures FOLDER] [--nuclei NUCLEI] [--only cvat,quirks]

Runs the scripts beside this one, each in a folder of its own, and tells which failed: cvat.py, labelstudio.py,
quirks.py, outputs.py (with the model objects-nuclei on the pictures) and, where NUCLEI is given, roundtrip.py.
Each may be run alone and says in its first lines what it needs from PyPI; what is not installed is left out.
Exit code 1 where one failed.
"""

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SAMPLES = os.path.join(HERE, "../../Samples/nuclei/images")
NEEDS = {
    "cvat": ["datumaro", "pycocotools"],
    "labelstudio": ["label_studio_sdk", "pycocotools"],
    "quirks": ["pycocotools"],
    "outputs": ["labelme", "datumaro", "pycocotools", "cv2"],
    "roundtrip": ["labelme", "pycocotools", "tifffile"],
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("atelier")
    parser.add_argument("--pictures", default=SAMPLES)
    parser.add_argument("--nuclei")
    parser.add_argument("--only", default=",".join(NEEDS))
    options = parser.parse_args()
    failed = []
    for name in options.only.split(","):
        missing = [package for package in NEEDS[name] if importlib.util.find_spec(package) is None]
        if missing or (name == "roundtrip" and not options.nuclei):
            print(
                f"{name}: left out, " + (f"without {', '.join(missing)}" if missing else "without --nuclei")
            )
            continue
        with tempfile.TemporaryDirectory() as work:
            rest = {"outputs": ["objects-nuclei", options.pictures, work], "roundtrip": [options.nuclei]}
            command = [
                sys.executable,
                os.path.join(HERE, name + ".py"),
                options.atelier,
                *rest.get(name, [work]),
            ]
            print(f"{name}:", flush=True)
            if subprocess.run(command).returncode != 0:
                failed.append(name)
    print("failed: " + (", ".join(failed) or "none"))
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
