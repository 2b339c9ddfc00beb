"""Draws the picture fixtures and writes what Pillow and scikit-image make of them.

Run in this directory: python make_fixtures.py
Needs numpy, pillow, scikit-image. Everything is seeded; the files are small.
Raw files hold the expected samples, row by row, channels interleaved, 16-bit ones little-endian.
"""

import json
import struct
import zlib

import numpy
from PIL import Image, ImageFilter, ImageOps
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

random = numpy.random.default_rng(20240611)


def scene(height, width, channels):
    """A smooth gradient with shapes, edges and a little texture, 0..255."""
    y, x = numpy.mgrid[0:height, 0:width].astype(float)
    planes = []
    for channel in range(channels):
        phase = 1.3 * channel
        plane = 120 + 80 * numpy.sin(x / 9.0 + phase) * numpy.cos(y / 13.0 - phase)
        plane += 40.0 * (((x - width * 0.4) ** 2 + (y - height * 0.5) ** 2) < (height * 0.3) ** 2)
        plane += 60.0 * ((x // 8 + y // 8 + channel) % 2 == 0) * (x > width * 0.7)
        plane += random.normal(0, 6, plane.shape)
        planes.append(plane)
    return numpy.clip(numpy.rint(numpy.stack(planes, -1)), 0, 255).astype(numpy.uint8)


def raw(name, array):
    array = numpy.asarray(array)
    if array.dtype == numpy.uint16:
        array = array.astype("<u2")
    with open(name + ".raw", "wb") as file:
        file.write(array.tobytes())


def chunk(kind, data):
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def png(name, width, height, depth, color, rows, before=b"", after=b"", interlaced=0):
    """A PNG from packed rows; what Pillow cannot write."""
    data = b"".join(b"\0" + row for row in rows)
    with open(name + ".png", "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        file.write(chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0,
                                              interlaced)))
        file.write(before + chunk(b"IDAT", zlib.compress(data, 9)) + after + chunk(b"IEND", b""))


def pack(values, depth):
    bits = "".join(format(int(v), "0%db" % depth) for v in values)
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
         (0, 1, 1, 2)]


def interlaced_rows(array, depth):
    rows = []
    for x, y, dx, dy in ADAM7:
        part = array[y::dy, x::dx]
        if part.shape[0] and part.shape[1]:
            rows += [pack(row.reshape(-1), depth) for row in part]
    return rows


def depths():
    gray = scene(19, 29, 1)[..., 0]
    for depth in (1, 2, 4):
        values = gray >> (8 - depth)
        png("gray%d" % depth, 29, 19, depth, 0, [pack(row, depth) for row in values])
        raw("gray%d" % depth, (values * (255 // (2 ** depth - 1))).astype(numpy.uint8))
        raw("gray%d-indices" % depth, values)
    Image.fromarray(gray).save("gray8.png")
    raw("gray8", gray)
    for name, channels, color in (("gray16", 1, 0), ("graya16", 2, 4), ("rgb16", 3, 2),
                                  ("rgba16", 4, 6)):
        fine = scene(19, 29, channels).astype(numpy.uint16) * 257
        fine = fine ^ random.integers(0, 256, fine.shape).astype(numpy.uint16)
        png(name, 29, 19, 16, color, [row.astype(">u2").tobytes() for row in fine])
        raw(name, fine)
    for name, mode, channels in (("graya8", "LA", 2), ("rgb8", "RGB", 3), ("rgba8", "RGBA", 4)):
        array = scene(19, 29, channels)
        Image.fromarray(array, mode).save(name + ".png")
        raw(name, array)


def palettes():
    colors = random.integers(0, 256, (16, 3)).astype(numpy.uint8)
    alpha = numpy.array([0, 128, 255, 7], numpy.uint8)
    indices = scene(19, 29, 1)[..., 0] >> 4
    opacity = numpy.full(16, 255, numpy.uint8)
    opacity[:4] = alpha
    before = chunk(b"PLTE", colors.tobytes())
    png("palette4", 29, 19, 4, 3, [pack(row, 4) for row in indices], before)
    raw("palette4", colors[indices])
    raw("palette4-indices", indices)
    keyed = before + chunk(b"tRNS", alpha.tobytes())
    png("palette8-alpha", 29, 19, 8, 3, [row.tobytes() for row in indices], keyed)
    raw("palette8-alpha", numpy.dstack([colors[indices], opacity[indices]]))
    png("palette4-interlaced", 29, 19, 4, 3, interlaced_rows(indices, 4), before, interlaced=1)
    png("palette-beyond", 29, 19, 4, 3, [pack(row, 4) for row in indices],
        chunk(b"PLTE", colors[:9].tobytes()))
    gray = scene(19, 29, 1)[..., 0]
    key = int(gray[3, 4])
    png("gray8-key", 29, 19, 8, 0, [row.tobytes() for row in gray],
        chunk(b"tRNS", struct.pack(">H", key)))
    raw("gray8-key", numpy.dstack([gray, numpy.where(gray == key, 0, 255).astype(numpy.uint8)]))
    color = scene(19, 29, 3)
    png("rgb8-interlaced", 29, 19, 8, 2, interlaced_rows(color, 8), interlaced=1)
    raw("rgb8-interlaced", color)
    texts = chunk(b"tEXt", b"Title\0Caf\xe9")
    texts += chunk(b"zTXt", b"Long\0\0" + zlib.compress(b"again " * 50))
    after = chunk(b"iTXt", b"Author\0\0\0\0\0" + "Zoë Ωmega".encode())
    png("texts", 29, 19, 8, 0, [row.tobytes() for row in gray], texts, after)


def further_depths():
    """Palettes of 1 and 2 bits and 16 bits interlaced; a seed of its own, so that no other file moves."""
    own = numpy.random.default_rng(7)
    y, x = numpy.mgrid[0:19, 0:29]
    for depth in (1, 2):
        colors = own.integers(0, 256, (2 ** depth, 3)).astype(numpy.uint8)
        indices = ((x // 3 + y * y // 11) % 2 ** depth).astype(numpy.uint8)
        name = "palette%d" % depth
        png(name, 29, 19, depth, 3, [pack(row, depth) for row in indices],
            chunk(b"PLTE", colors.tobytes()))
        raw(name, colors[indices])
        raw(name + "-indices", indices)
        expected = numpy.asarray(Image.open(name + ".png").convert("RGB"))
        assert (expected == colors[indices]).all()
    fine = own.integers(0, 65536, (19, 29, 3)).astype(numpy.uint16)
    png("rgb16-interlaced", 29, 19, 16, 2, interlaced_rows(fine, 16), interlaced=1)
    raw("rgb16-interlaced", fine)


def jpegs():
    color = scene(37, 53, 3)
    picture = Image.fromarray(color)
    for name, image, options in (
            ("jpeg-rgb", picture, {"quality": 95, "subsampling": 0}),
            ("jpeg-420", picture, {"quality": 85, "subsampling": 2}),
            ("jpeg-progressive", picture, {"quality": 90, "progressive": True}),
            ("jpeg-gray", picture.convert("L"), {"quality": 90})):
        image.save(name + ".jpg", **options)
        raw(name, numpy.asarray(Image.open(name + ".jpg")))
    picture.convert("CMYK").save("jpeg-cmyk.jpg", quality=80)
    small = Image.fromarray(scene(16, 24, 3)).filter(ImageFilter.GaussianBlur(2))
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        name = "jpeg-orientation%d" % orientation
        small.save(name + ".jpg", quality=90, exif=exif)
        raw(name, numpy.asarray(ImageOps.exif_transpose(Image.open(name + ".jpg"))))
    with open("small.ppm", "wb") as file:
        file.write(b"P6\n# a comment\n53 37\n255\n" + color.tobytes())
    raw("small-ppm", color)
    raw("luma", numpy.asarray(picture.convert("L")))


def resizes():
    color = scene(41, 59, 3)
    Image.fromarray(color).save("resize.png")
    filters = {"nearest": Image.NEAREST, "bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC,
               "lanczos": Image.LANCZOS}
    for width, height in ((23, 17), (71, 48), (30, 64), (59, 20)):
        for name, kernel in filters.items():
            resized = Image.fromarray(color).resize((width, height), kernel)
            raw("resize-%s-%dx%d" % (name, width, height), numpy.asarray(resized))
    image = Image.fromarray(color[..., 0].astype(numpy.float32) / 255)
    for name in ("bilinear", "bicubic", "lanczos"):
        raw("resize-float-%s" % name, numpy.asarray(image.resize((31, 55), filters[name])))
    across = area_matrix(59, 24)
    down = area_matrix(41, 13)
    mean = numpy.einsum("ab,bcd,ec->aed", down, color.astype(float) / 255, across)
    raw("resize-area", mean.astype(numpy.float32))


def area_matrix(old, new):
    """Rows of the parts that a new pixel covers of the old ones."""
    scale = old / new
    low = numpy.arange(new)[:, None] * scale
    parts = numpy.minimum(low + scale, numpy.arange(old) + 1) - numpy.maximum(low, numpy.arange(old))
    parts = numpy.clip(parts, 0, None)
    return parts / parts.sum(1, keepdims=True)


def metrics():
    results = []
    clean = scene(53, 75, 3)
    for name, degraded in (
            ("noise", clean + random.normal(0, 25, clean.shape)),
            ("blur", numpy.asarray(Image.fromarray(clean).filter(ImageFilter.GaussianBlur(1.5)))),
            ("shift", clean.astype(int) + 9)):
        degraded = numpy.clip(numpy.rint(degraded), 0, 255).astype(numpy.uint8)
        Image.fromarray(degraded).save("metric-%s.png" % name)
        for kind, first, second in (
                ("rgb", clean, degraded),
                ("gray", clean[..., 0], degraded[..., 0])):
            _, full = structural_similarity(
                first, second, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
                data_range=255, channel_axis=-1 if kind == "rgb" else None, full=True)
            # The windows that lie wholly in the picture: scikit-image crops its mean the same way.
            results.append({
                "file": "metric-%s.png" % name, "kind": kind,
                "mse": float(mean_squared_error(first, second)),
                "psnr": float(peak_signal_noise_ratio(first, second, data_range=255)),
                "ssim": float(full[5:-5, 5:-5].mean())})
    Image.fromarray(clean).save("metric-clean.png")
    with open("metrics.json", "w") as file:
        json.dump(results, file, indent=1)


depths()
palettes()
jpegs()
resizes()
metrics()
further_depths()
