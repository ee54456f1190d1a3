from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from restorecli.photos.formats.packing import tiff_write
from restorecli.photos.formats.page import Page
from restorecli.photos.raster import Samples


def photo(shape: tuple[int, ...], dtype: type) -> Samples:
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 0.9, shape[1])[None, :, None]
    values = (ramp + 0.1 * rng.random(shape)) * np.iinfo(dtype).max
    return values.astype(dtype)


@pytest.mark.usefixtures("_packer")
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("exif", [None, b"MM\0*\0\0\0\x08\0\0\0\0\0\0"], ids=["little", "big"])
def test_other_readers_find_the_same_samples(dtype: type, channels: int, exif: bytes | None):
    samples = photo((700, 611, channels), dtype)  # several strips, the last one smaller
    stream = io.BytesIO()
    tiff_write.encode([Page(samples, channels in (2, 4), exif=exif)], stream)
    assert stream.getvalue()[:2] == (b"MM" if exif else b"II")
    stream.seek(0)
    with tifffile.TiffFile(stream) as opened:
        page = opened.pages.first
        assert page.compression == 8 and page.predictor == 2
        assert np.array_equal(page.asarray().reshape(samples.shape), samples)
    if dtype == np.uint8 or channels == 1:
        assert np.array_equal(np.asarray(Image.open(stream)).reshape(samples.shape), samples)


@pytest.mark.usefixtures("_packer")
def test_rows_that_are_views_are_packed_as_they_are_seen():
    whole = photo((20, 40, 3), np.uint16)
    for seen in (whole[::-1, ::-1], whole[:, 5:9], whole.transpose(1, 0, 2)):
        packed = tiff_write.strip(seen, big_endian=False)
        differences = np.frombuffer(zlib.decompress(packed), "<u2").reshape(seen.shape)
        assert np.array_equal(np.cumsum(differences, axis=1, dtype=np.uint16), seen)
