"""What the scripts about annotations have in common: calls of Atelier, COCO without its chatter."""

import contextlib
import io
import os
import subprocess


def segment(atelier, *words):
    """`atelier segment …`; the result has `returncode`, `stdout` and `stderr`."""
    return subprocess.run([atelier, "segment", *words], capture_output=True, text=True)


def read_coco(path, results=None):
    """A file of objects as pycocotools loads it, with a file of detections to see that it loads."""
    from pycocotools.coco import COCO

    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(path)
        if results:
            coco.loadRes(results)
    return coco


def stem(name):
    """A path's last name without ending."""
    return os.path.splitext(os.path.basename(name))[0]
