#!/usr/bin/env python3
"""Writes digits/: 24 pictures of three classes as IDX files, bars at three heights in noise; from a seed.

  python3 Tests/Fixtures/faults/make_digits.py
"""
import os, random, struct

chance = random.Random(1)
pixels, labels = bytearray(), bytearray()
for index in range(24):
    top = 4 + 8 * (index % 3)
    picture = bytearray(chance.randrange(40) for _ in range(28 * 28))
    for row in range(top, top + 6):
        for column in range(6, 22):
            picture[row * 28 + column] = 200 + chance.randrange(50)
    pixels += picture
    labels.append(index % 3)
folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "digits")
os.makedirs(folder, exist_ok=True)
with open(os.path.join(folder, "train-images-idx3-ubyte"), "wb") as file:
    file.write(struct.pack(">IIII", 0x803, 24, 28, 28) + pixels)
with open(os.path.join(folder, "train-labels-idx1-ubyte"), "wb") as file:
    file.write(struct.pack(">II", 0x801, 24) + labels)
