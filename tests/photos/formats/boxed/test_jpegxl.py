"""JPEG XL: EXIF and XMP from the boxes around the code stream, compressed ones too."""

from __future__ import annotations

import struct

import imagecodecs
import numpy as np

from restorecli.photos.read import read

RGB = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def test_exif_and_xmp_are_read_whether_compressed_or_not():
    bare = bytes(imagecodecs.jpegxl_encode(RGB, lossless=True, usecontainer=False))
    exif = b"II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, 0x010F, 2, 6, 26, 0) + b"Maker\0"
    head = box(b"JXL ", b"\r\n\x87\n") + box(b"ftyp", b"jxl \0\0\0\0jxl ")
    plain = box(b"Exif", bytes(4) + exif) + box(b"xml ", XMP)
    packed = box(b"brob", b"Exif" + bytes(imagecodecs.brotli_encode(bytes(4) + exif)))
    packed += box(b"brob", b"xml " + bytes(imagecodecs.brotli_encode(XMP)))
    for beside in (plain, packed):
        photo = read(head + beside + box(b"jxlc", bare)).pages[0]
        assert np.array_equal(np.rint(photo.pixels * 255), RGB)
        assert b"Maker" in photo.metadata.exif
        assert photo.metadata.xmp == XMP
