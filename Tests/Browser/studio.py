"""Drives the web studio in a real browser: every screen by mouse and by keyboard, and who may not come in.

usage: studio.py STUDIO ATELIER [--only WORD] [--pictures FOLDER]
"""

import argparse
import pathlib
import re
import sys
import time
import traceback

from playwright.sync_api import sync_playwright

import checks_runs, checks_work, checks_everywhere  # noqa: E401, F401: each adds its checks, in this order
from house import House
from visit import Visit, checks


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("studio")
    arguments.add_argument("atelier")
    arguments.add_argument("--only", default="")
    arguments.add_argument("--pictures", type=pathlib.Path)
    options = arguments.parse_args()
    if options.pictures:
        options.pictures.mkdir(parents=True, exist_ok=True)
    house = House(options.studio, options.atelier).start()
    failed, ran = [], 0
    with sync_playwright() as play:
        visit = Visit(play, house, options.pictures)
        visit.run = "0" * 16
        for body in checks:
            name = body.__name__.replace("_", " ")
            if options.only and not re.search(options.only, name):
                continue
            begin = time.time()
            ran += 1
            try:
                body(visit)
                assert not visit.faults, "; ".join(visit.faults[:5])
                print(f"passed: {name} ({time.time() - begin:.1f} s)", flush=True)
            except Exception as error:  # each check is told, and the rest still runs
                failed.append(name)
                print(f"FAILED: {name}: {str(error)[:1500]}", *visit.faults[:5], sep="\n    ", flush=True)
                if options.pictures:
                    visit.page.screenshot(path=str(options.pictures / f"failed-{len(failed)}.png"))
                    traceback.print_exc()
            visit.faults.clear()
        visit.browser.close()
    house.end()
    print(f"{ran - len(failed)} of {ran} checks passed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
