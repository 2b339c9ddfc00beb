# Reads a model file that Atelier wrote with Python's safetensors and NumPy, and checks every bit of it.
#
# Run by InterchangeTests: python check_safetensors.py FILE; prints "ok" and ends with 0, or says what differs.

import sys

import numpy
from safetensors import safe_open

expected = {
    "ramp": (numpy.arange(24, dtype=numpy.float32) * 0.5 - 3).reshape(2, 3, 4),
    "bits": numpy.array(
        [0x7FC01234, 0xFF800001, 0x80000000, 0x00000001, 0x007FFFFF, 0x7F800000],
        dtype=numpy.uint32).view(numpy.float32),
    "scalar": numpy.array(42.5, dtype=numpy.float32),
    "empty": numpy.zeros((3, 0, 2), dtype=numpy.float32),
    "state": numpy.array([1, 2, 255], dtype=numpy.uint8),
    "counters": numpy.array([0, 2**64 - 1, 2**53 + 1], dtype=numpy.uint64),
    "steps": numpy.array([-(2**63), 2**63 - 1], dtype=numpy.int64),
    "größe \"7\"\n\u0001日本": numpy.array([7], dtype=numpy.float32),
}
metadata = {"graph": "{\"layers\": [\"a\\b\", \"é\u2028\"]}\t\u0000", "empty": ""}

with safe_open(sys.argv[1], framework="numpy") as file:
    assert file.metadata() == metadata, file.metadata()
    assert set(file.keys()) == set(expected), set(file.keys()) ^ set(expected)
    for name, array in expected.items():
        received = file.get_tensor(name)
        assert received.dtype == array.dtype, (name, received.dtype)
        assert received.shape == array.shape, (name, received.shape)
        assert received.tobytes() == array.tobytes(), (name, received)
print("ok")
