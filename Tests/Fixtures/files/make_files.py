"""Draws TIFF, WebP, PNG and JPEG fixtures and writes what tifffile and Pillow make of them.

Run in this directory: python make_files.py
Needs numpy, pillow, tifffile, imagecodecs. Everything is seeded but for the UUID in ome.tif; the
files are small.
files.json lists them: the sample type that Atelier is to read, size, channels, pages and further
planes. Raw files hold the expected samples, page by page (a page's planes behind it), row by row,
channels interleaved, little-endian.
"""

import json
import struct
import zlib

import numpy
import tifffile
from PIL import Image, ImageOps

random = numpy.random.default_rng(20261130)
listed = []
HEIGHT, WIDTH = 19, 29


def scene(channels=None, height=HEIGHT, width=WIDTH, shift=0.0):
    """A smooth gradient with a disc, an edge and a little texture, in [0, 1]."""
    y, x = numpy.mgrid[0:height, 0:width].astype(float)
    planes = []
    for channel in range(channels or 1):
        plane = 0.5 + 0.3 * numpy.sin(x / 9 + channel + shift) * numpy.cos(y / 7 - channel)
        plane += 0.15 * (((x - 12) ** 2 + (y - 9) ** 2) < 25)
        plane += random.normal(0, 0.02, plane.shape)
        planes.append(plane)
    picture = numpy.clip(numpy.stack(planes, -1), 0, 1)
    return picture if channels else picture[..., 0]


def byte(picture):
    return numpy.rint(picture * 255).astype(numpy.uint8)


def word(picture):
    return numpy.rint(picture * 65535).astype(numpy.uint16)


def note(name, kind, expected, channels, pages=1, planes=0, **more):
    """Lists a file and writes its expected samples: an array, or one for each page and plane."""
    parts = expected if isinstance(expected, list) else [expected]
    types = {"bytes": "u1", "words": "<u2", "floats": "<f4"}
    with open(name + ".raw", "wb") as file:
        for part in parts:
            file.write(numpy.asarray(part).astype(types[kind]).tobytes())
    height, width = parts[0].shape[:2]
    listed.append(dict(name=name, kind=kind, width=width, height=height, channels=channels,
                       pages=pages, planes=planes, **more))


def tiff(name, array, kind, expected=None, channels=1, pages=1, planes=0, bigtiff=False,
         byteorder="<", **options):
    path = name + ".tif"
    with tifffile.TiffWriter(path, bigtiff=bigtiff, byteorder=byteorder) as writer:
        for page in (array if isinstance(array, list) else [array]):
            writer.write(page, contiguous=False, metadata=None, **options)
    stored = tifffile.imread(path) if pages == 1 else None
    if expected is None:
        expected = stored if pages == 1 else list(tifffile.imread(path))
    note(path, kind, expected, channels, pages, planes)


def plain():
    tiff("gray8", byte(scene()), "bytes")
    tiff("rgb8-lzw", byte(scene(3)), "bytes", channels=3, photometric="rgb", compression="lzw",
         predictor=True, rowsperstrip=4)
    tiff("rgba8-deflate", byte(scene(4)), "bytes", channels=4, photometric="rgb",
         extrasamples=["unassalpha"], compression="zlib")
    tiff("graya8", byte(scene(2)), "bytes", channels=2, photometric="minisblack",
         extrasamples=["unassalpha"], planarconfig="contig")
    tiff("gray16-lzw-big", word(scene()), "words", compression="lzw", byteorder=">",
         predictor=True)
    tiff("rgb16-tiles", word(scene(3, 37, 53)), "words", channels=3, photometric="rgb",
         compression="zlib", predictor=True, tile=(16, 32))
    tiff("rgb8-packbits", byte(scene(3)), "bytes", channels=3, photometric="rgb",
         compression="packbits", rowsperstrip=5)
    tiff("rgb8-planar", byte(numpy.moveaxis(scene(3), -1, 0)), "bytes",
         channels=3, photometric="rgb", planarconfig="separate", compression="lzw",
         expected=None)
    listed[-1].update(width=WIDTH, height=HEIGHT)
    # tifffile gives planes first.
    stored = tifffile.imread("rgb8-planar.tif")
    with open("rgb8-planar.tif.raw", "wb") as file:
        file.write(numpy.moveaxis(stored, 0, -1).tobytes())
    tiff("gray8-lzma", byte(scene()), "bytes", compression="lzma")
    tiff("gray16-zstd", word(scene()), "words", compression="zstd", predictor=True)
    tiff("gray8-white-is-zero", byte(scene()), "bytes", photometric="miniswhite")
    stored = tifffile.imread("gray8-white-is-zero.tif")
    with open("gray8-white-is-zero.tif.raw", "wb") as file:
        file.write((255 - stored).tobytes())


def numbers():
    values = scene() * 4000 - 300
    tiff("float32", values.astype("f4"), "floats")
    tiff("float32-tiles", (scene(3, 37, 53) * 7 - 2).astype("f4"), "floats", channels=3,
         photometric="rgb", compression="zlib", predictor=True, tile=(16, 16))
    tiff("float16", values.astype("f2"), "floats")
    tiff("float64", values.astype("f8"), "floats")
    tiff("unsigned32", (scene() * 1e6).astype("u4"), "floats")
    tiff("signed32-big", (scene() * 2e6 - 1e6).astype("i4"), "floats", byteorder=">")
    signed = (scene() * 60000 - 30000).astype("i2")
    tiff("signed16", signed, "words", expected=(signed.astype(int) + 32768))
    signed = (scene() * 250 - 125).astype("i1")
    tiff("signed8", signed, "bytes", expected=(signed.astype(int) + 128))
    twelve = (scene() * 4095).astype("u2")
    tiff("gray12", twelve, "words", bitspersample=12,
         expected=(twelve.astype(int) * 65535 + 2047) // 4095)
    four = (scene() * 15).astype("u1")
    tiff("gray4", four, "bytes", bitspersample=4, expected=four.astype(int) * 17)


def pages():
    stack = [word(scene(shift=0.4 * page)) for page in range(4)]
    tiff("pages-big", stack, "words", pages=4, bigtiff=True, compression="zlib", predictor=True,
         resolution=(25000, 50000), resolutionunit="CENTIMETER")
    stack = numpy.stack([word(scene(shift=0.4 * page)) for page in range(3)])
    tifffile.imwrite("imagej.tif", stack, imagej=True, resolution=(4.7, 4.7),
                     metadata=dict(axes="ZYX", unit="um", spacing=0.5))
    note("imagej.tif", "words", list(tifffile.imread("imagej.tif")), 1, pages=3)
    tifffile.imwrite("ome.tif", stack, ome=True, compression="zlib",
                     metadata=dict(axes="CYX", PhysicalSizeX=0.21, PhysicalSizeY=0.21))
    note("ome.tif", "words", list(tifffile.imread("ome.tif")), 1, pages=3)
    channels = word(scene(4))
    tiff("gray16-four-samples", channels, "words", photometric="minisblack",
         planarconfig="contig", extrasamples=["unspecified"] * 3, planes=3,
         expected=[channels[..., index] for index in range(4)])


def by_pillow():
    gray = byte(scene())
    bilevel = Image.fromarray(gray).convert("1")
    for name, compression in (("group4", "group4"), ("group3", "group3"), ("bilevel", None)):
        bilevel.save(name + ".tif", compression=compression)
        note(name + ".tif", "bytes", numpy.asarray(Image.open(name + ".tif").convert("L")), 1)
    color = Image.fromarray(byte(scene(3)))
    color.quantize(11).save("palette.tif", compression="tiff_lzw")
    note("palette.tif", "bytes", numpy.asarray(Image.open("palette.tif").convert("RGB")), 3)
    color.save("jpeg.tif", compression="jpeg", quality=90)
    note("jpeg.tif", "bytes", numpy.asarray(Image.open("jpeg.tif")), 3)
    exif = Image.Exif()
    exif[0x0112] = 6
    color.save("orientation6.tif", exif=exif, compression="tiff_deflate")
    note("orientation6.tif", "bytes",
         numpy.asarray(ImageOps.exif_transpose(Image.open("orientation6.tif"))), 3)


def premultiplied():
    colors = byte(scene(4))
    colors[:4, :, 3] = 0
    colors[4:8, :, 3] = 255
    alpha = colors[..., 3:].astype(float) / 255
    stored = colors.copy()
    stored[..., :3] = numpy.rint(colors[..., :3] * alpha)
    path = "rgba8-premultiplied.tif"
    tifffile.imwrite(path, stored, photometric="rgb", extrasamples=["assocalpha"], metadata=None)
    whole = stored.astype(int)
    divisor = numpy.maximum(whole[..., 3:], 1)
    expected = numpy.where(alpha > 0, (whole[..., :3] * 255 + divisor // 2) // divisor, 0)
    expected = numpy.dstack([numpy.clip(expected, 0, 255), stored[..., 3]])
    note(path, "bytes", expected, 4)


def webps():
    profile = bytes(range(256)) * 2
    color, alpha = byte(scene(3, 37, 53)), byte(scene(4, 37, 53))
    alpha[:9, :, 3] = 0
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010f] = "Maker"
    for name, array, options in (
            ("lossy", color, dict(quality=90)), ("lossy-low", color, dict(quality=30)),
            ("lossy-alpha", alpha, dict(quality=85)),
            ("lossless", color, dict(lossless=True)),
            ("lossless-alpha", alpha, dict(lossless=True, exact=True)),
            ("lossless-palette", color // 96 * 96, dict(lossless=True)),
            ("attached", color, dict(quality=90, exif=exif.tobytes(), icc_profile=profile,
                                     xmp=b"<x:xmpmeta/>"))):
        path = name + ".webp"
        Image.fromarray(array).save(path, **options)
        opened = ImageOps.exif_transpose(Image.open(path))
        note(path, "bytes", numpy.asarray(opened), array.shape[2])


def chunk(kind, data):
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def pack(values, depth):
    bits = "".join(format(int(value), "0%db" % depth) for value in values)
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
         (0, 1, 1, 2)]


def png(name, samples, depth, color, before, expected, kind):
    """A PNG of samples [height, width, channels], plain and interlaced; Pillow must agree."""
    height, width = samples.shape[:2]
    for interlaced in (0, 1):
        parts = [samples[y::dy, x::dx] for x, y, dx, dy in ADAM7] if interlaced else [samples]
        rows = [b"\0" + pack(row.reshape(-1), depth) for part in parts if part.size for row in part]
        path = name + ("-interlaced" if interlaced else "") + ".png"
        with open(path, "wb") as file:
            file.write(b"\x89PNG\r\n\x1a\n")
            file.write(chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0,
                                                  interlaced)))
            file.write(before + chunk(b"IDAT", zlib.compress(b"".join(rows), 9)))
            file.write(chunk(b"IEND", b""))
        channels = expected.shape[2]
        opened = Image.open(path)
        if color == 0 and depth == 16:
            seen = numpy.asarray(opened).astype(numpy.uint16)[..., None]
            assert (seen == expected[..., :1]).all(), path
        else:
            # Pillow gives the upper 8 of 16 bits, and does not scale a transparent colour.
            seen = numpy.asarray(opened.convert({1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels]))
            shown = expected >> 8 if depth == 16 else expected
            is_odd = before and color in (0, 2) and depth != 8
            colors = slice(0, channels - 1 if is_odd else channels)
            assert (seen.reshape(shown.shape)[..., colors] == shown[..., colors]).all(), path
        note(path, kind, expected, channels)


def pngs():
    """The 52 kinds: each colour type at each depth, with and without a transparent colour."""
    gray = random.integers(0, 65536, (HEIGHT, WIDTH, 1))
    for depth in (1, 2, 4, 8, 16):
        values = gray >> (16 - depth)
        scale = 1 if depth == 16 else 255 // (2 ** depth - 1)
        kind = "words" if depth == 16 else "bytes"
        full = 65535 if depth == 16 else 255
        png("gray%d" % depth, values, depth, 0, b"", values * scale, kind)
        key = int(values[3, 4, 0])
        png("gray%d-key" % depth, values, depth, 0, chunk(b"tRNS", struct.pack(">H", key)),
            numpy.dstack([values * scale, numpy.where(values == key, 0, full)]), kind)
    color = random.integers(0, 65536, (HEIGHT, WIDTH, 4))
    for depth, kind, full in ((8, "bytes", 255), (16, "words", 65535)):
        values = color >> (16 - depth)
        rgb = values[..., :3]
        png("rgb%d" % depth, rgb, depth, 2, b"", rgb, kind)
        key = rgb[3, 4]
        hidden = (rgb == key).all(axis=2)
        png("rgb%d-key" % depth, rgb, depth, 2, chunk(b"tRNS", struct.pack(">3H", *key)),
            numpy.dstack([rgb, numpy.where(hidden, 0, full)]), kind)
        png("graya%d" % depth, values[..., 2:], depth, 4, b"", values[..., 2:], kind)
        png("rgba%d" % depth, values, depth, 6, b"", values, kind)
    for depth in (1, 2, 4, 8):
        count = 2 ** depth
        colors = random.integers(0, 256, (count, 3))
        alpha = random.integers(0, 256, count)
        indices = random.integers(0, count, (HEIGHT, WIDTH, 1))
        before = chunk(b"PLTE", colors.astype("u1").tobytes())
        png("palette%d" % depth, indices, depth, 3, before, colors[indices[..., 0]], "bytes")
        png("palette%d-alpha" % depth, indices, depth, 3,
            before + chunk(b"tRNS", alpha.astype("u1").tobytes()),
            numpy.dstack([colors[indices[..., 0]], alpha[indices[..., 0]]]), "bytes")


def jpegs():
    color = Image.fromarray(byte(scene(3, 37, 53)))
    gray = color.convert("L")
    for name, picture, options in (
            ("jpeg-444", color, dict(subsampling=0, quality=90)),
            ("jpeg-422", color, dict(subsampling=1, quality=85)),
            ("jpeg-420", color, dict(subsampling=2, quality=75)),
            ("jpeg-progressive", color, dict(progressive=True, quality=80)),
            ("jpeg-optimized", color, dict(optimize=True, quality=60)),
            ("jpeg-restarts", color, dict(restart_marker_blocks=2, quality=80)),
            ("jpeg-rgb", color, dict(keep_rgb=True, quality=80)),
            ("jpeg-low", color, dict(quality=5)),
            ("jpeg-gray", gray, dict(quality=85)),
            ("jpeg-gray-progressive", gray, dict(quality=85, progressive=True))):
        path = name + ".jpg"
        picture.save(path, **options)
        seen = numpy.asarray(Image.open(path))
        note(path, "bytes", seen, 1 if picture is gray else 3)


plain()
numbers()
pages()
by_pillow()
premultiplied()
webps()
pngs()
jpegs()
with open("files.json", "w") as file:
    json.dump(listed, file, indent=1, sort_keys=True)
    file.write("\n")
print(len(listed), "files")
