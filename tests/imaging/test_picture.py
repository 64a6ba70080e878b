"""Pictures as people export them: of any depth, turned, in TIFF, and of kinds that are not read."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from dpmed_core.errors import ImageError
from dpmed_core.imaging.image import read_image
from dpmed_core.imaging.picture import COLOUR, ORIENTATION_TAG, OWN_RANGE, TURNED, read_picture

ROWS, COLUMNS = 60, 48


def ramp(largest: float = 1.0) -> np.ndarray:
    """An image without symmetry, from 0 to `largest`."""
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    values = (2.0 * y / ROWS + x / COLUMNS + 0.4 * (x > 30) * (y < 20)) / 3.4
    return (values - values.min()) / np.ptp(values) * largest


def tags_of(**numbers: int) -> Image.Exif:
    exif = Image.Exif()
    for number in numbers.values():
        exif[ORIENTATION_TAG] = number
    return exif


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


@pytest.mark.parametrize("bits", [10, 12, 14, 15])
def test_values_that_use_some_bits_of_sixteen_are_displayed_in_their_own_range(tmp_path, bits):
    Image.fromarray(ramp(2**bits - 1).astype(np.uint16)).save(tmp_path / "a.png")
    Image.fromarray(ramp(255).astype(np.uint8)).save(tmp_path / "b.png")
    read, eight = read_image(tmp_path / "a.png"), read_image(tmp_path / "b.png")
    assert OWN_RANGE in read.warnings and read.pixels.max() == 255
    # Both ends of the range, half a per cent of the pixels each, become black and white.
    assert np.abs(read.pixels.astype(int) - eight.pixels).max() <= 16 and correlation(read.pixels, eight.pixels) > 0.998
    assert (read.reading.bits, read.reading.values) == (f"{bits} of 16 bits", f"0 to {2**bits - 1}")


def test_values_of_all_sixteen_bits_are_stored_as_before(tmp_path):
    """Divided by the largest number of the type, so that a cohort that was imported before keeps its fingerprint."""
    stored = ramp(60_000).astype(np.uint16)
    Image.fromarray(stored).save(tmp_path / "a.png")
    read = read_picture(tmp_path / "a.png")
    np.testing.assert_allclose(read.pixels, stored / 65535, atol=1e-7)
    assert read.warnings == ()


@pytest.mark.parametrize(
    "stored",
    [ramp(1500) - 700, ramp(0.02), ramp(3000) - 1000, ramp(70_000)],
    ids=["signed", "small fractions", "float", "17 bits"],
)
@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_signed_and_floating_point_values_are_displayed_in_their_own_range(tmp_path, stored, dtype):
    if dtype is np.int32 and np.ptp(stored) < 1:
        stored = stored * 1e5
    Image.fromarray(stored.astype(dtype)).save(tmp_path / "a.tif")
    read = read_picture(tmp_path / "a.tif")
    assert OWN_RANGE in read.warnings and read.pixels.min() == 0 and read.pixels.max() == 1
    assert correlation(read.pixels, ramp()) > 0.995


def test_values_that_are_not_numbers_are_refused(tmp_path):
    stored = ramp().astype(np.float32)
    stored[3, 3] = np.nan
    Image.fromarray(stored).save(tmp_path / "a.tif")
    with pytest.raises(ImageError, match="not numbers"):
        read_picture(tmp_path / "a.tif")


UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.T,
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].T,
    8: lambda a: np.rot90(a, 1),
}
"""What each EXIF orientation says must be done with the stored rows and columns. Source: CIPA DC-008, 4.6.4."""


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_every_exif_orientation_is_turned_upright_with_a_remark(tmp_path, orientation, suffix):
    stored = ramp(255).astype(np.uint8)
    Image.fromarray(stored).save(tmp_path / f"a.{suffix}", exif=tags_of(orientation=orientation))
    read = read_picture(tmp_path / f"a.{suffix}")
    expected = UPRIGHT[orientation](stored)
    assert read.pixels.shape == expected.shape and correlation(read.pixels, expected) > 0.999
    assert (TURNED in read.warnings) == (orientation != 1)
    assert ("orientation" in read.reading.orientation) == (orientation != 1)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_tiff_whose_white_is_zero_is_inverted(tmp_path, bits):
    stored = ramp(2**bits - 1).astype(f"u{bits // 8}")
    Image.fromarray(stored).save(tmp_path / "a.tif")
    # Pillow writes black as zero; the entry of the tag is changed in the file: number, type, count, value.
    written, black_is_zero = (tmp_path / "a.tif").read_bytes(), struct.pack("<HHIH", 262, 3, 1, 1)
    assert written.count(black_is_zero) == 1
    (tmp_path / "a.tif").write_bytes(written.replace(black_is_zero, struct.pack("<HHIH", 262, 3, 1, 0)))
    assert correlation(read_picture(tmp_path / "a.tif").pixels, ramp()) < -0.99


def test_pages_and_kinds_that_are_not_read_are_named(tmp_path):
    picture = Image.fromarray(ramp(255).astype(np.uint8))
    picture.save(tmp_path / "pages.tif", save_all=True, append_images=[picture])
    picture.save(tmp_path / "a.bmp")
    picture.save(tmp_path / "a.webp")
    (tmp_path / "renamed.png").write_bytes((tmp_path / "a.bmp").read_bytes())
    (tmp_path / "empty.png").write_bytes(b"")
    reasons = {
        "pages.tif": "holds 2 pages",
        "a.bmp": "is a BMP picture, which is not read here",
        "a.webp": "is a WebP picture, which is not read here",
        "renamed.png": "is a BMP picture",
        "empty.png": "is empty",
    }
    for name, reason in reasons.items():
        with pytest.raises(ImageError, match=reason):
            read_image(tmp_path / name)


def test_colours_get_a_remark_and_grey_in_three_channels_does_not(tmp_path):
    grey = ramp(255).astype(np.uint8)
    Image.fromarray(np.dstack([grey, grey, grey])).save(tmp_path / "grey.png")
    Image.fromarray(np.dstack([grey, grey // 3, 255 - grey])).save(tmp_path / "colour.png")
    assert read_picture(tmp_path / "grey.png").warnings == ()
    assert read_picture(tmp_path / "colour.png").warnings == (COLOUR,)
    assert read_picture(tmp_path / "colour.png").reading.photometric == "colour"


def test_a_picture_that_is_read_gives_the_same_as_pillow(tmp_path):
    stored = ramp(255).astype(np.uint8)
    packed = io.BytesIO()
    Image.fromarray(stored).save(packed, "PNG")
    (tmp_path / "a.png").write_bytes(packed.getvalue())
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png").pixels, stored.astype(np.float32) / 255)
