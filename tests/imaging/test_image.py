"""From an image file to the stored square."""

import numpy as np
import pytest
from PIL import Image

from dpmed_core.errors import ImageError
from dpmed_core.imaging.image import read_image, squared
from dpmed_core.imaging.stored_format import STORED_SIZE


@pytest.mark.parametrize("shape", [(2048, 2048), (2021, 1777), (1000, 3000), (400, 300), (128, 128), (28, 28), (300, 900)])
def test_block_means_before_the_filter_change_little(shape):
    """Against the filter alone: within three grey levels everywhere, within half a level on average."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.random((20, 20), dtype=np.float32))
    picture = np.asarray(coarse.resize(shape[::-1], Image.Resampling.BICUBIC)).clip(0, 1)
    scale = STORED_SIZE / max(shape)
    size = (max(1, round(shape[1] * scale)), max(1, round(shape[0] * scale)))
    theirs = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS)).clip(0, 1) * 255
    top, left = (STORED_SIZE - size[1]) // 2, (STORED_SIZE - size[0]) // 2
    square = squared(picture)
    error = np.abs(square[top : top + size[1], left : left + size[0]] - theirs)
    assert error.max() <= 3
    assert error.mean() <= 0.5
    square[top : top + size[1], left : left + size[0]] = 0
    assert not square.any()


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P", "I;16", "1"])
def test_images_of_every_colour_mode_become_grey(tmp_path, mode):
    grey = np.random.default_rng(0).integers(0, 256, (STORED_SIZE, STORED_SIZE), dtype=np.uint8)
    if mode == "I;16":
        picture = Image.fromarray(grey.astype(np.uint16) * 257)
    elif mode == "P":
        picture = Image.fromarray(grey)
        picture = picture.convert("P")
    else:
        picture = Image.fromarray(grey).convert(mode)
    picture.save(tmp_path / "radiograph.png")
    expected = np.where(np.asarray(picture), 255, 0) if mode == "1" else grey
    assert np.abs(read_image(tmp_path / "radiograph.png").pixels.astype(int) - expected).max() <= 1


def test_the_format_is_recognised_by_the_first_bytes_whatever_the_name(tmp_path, write_png, write_dicom_file):
    picture = read_image(write_png(tmp_path / "radiograph.png", 1)).pixels
    (tmp_path / "radiograph.png").rename(tmp_path / "radiograph.dcm")
    assert np.array_equal(read_image(tmp_path / "radiograph.dcm").pixels, picture)
    write_dicom_file(tmp_path / "other.jpg", np.arange(64, dtype=np.uint16).reshape(8, 8))
    assert read_image(tmp_path / "other.jpg").identifying == ("SOPInstanceUID",)


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x89PNG\r\n\x1a\n" + b"\0" * 50])
@pytest.mark.parametrize("name", ["radiograph.png", "radiograph.jpg", "radiograph"])
def test_a_file_that_is_not_an_image_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError):
        read_image(tmp_path / name)


def test_an_image_larger_than_the_limit_is_refused_before_it_is_decoded(tmp_path):
    Image.new("1", (60_000, 1000)).save(tmp_path / "radiograph.png")
    with pytest.raises(ImageError, match="more than 50,000,000 pixels"):
        read_image(tmp_path / "radiograph.png")
