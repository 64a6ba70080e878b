"""An uploaded case: read like an import, refused in one sentence, and removed."""

import io
import os
import time
import zipfile

import numpy as np
import pytest
from PIL import Image

from benchmarks.mutated_files import mutants
from dpmed_core.cohort.demo.radiograph import write_dicom
from dpmed_core.errors import UploadError
from dpmed_core.imaging.ct.writing import write_series
from dpmed_core.imaging.image import read_image
from dpmed_core.imaging.modality import Modality
from dpmed_core.settings import Settings
from dpmed_core.uploads import single_case
from dpmed_core.uploads.single_case import read_uploaded_case, remove_left_behind

N_MUTANTS = 6


@pytest.fixture
def settings(data_dir):
    return Settings(data_dir=data_dir)


@pytest.fixture
def radiograph(tmp_path):
    """A DICOM file of a radiograph, stored as a negative (MONOCHROME1)."""
    path = tmp_path / "radiograph.dcm"
    pixels = np.random.default_rng(0).random((128, 128), dtype=np.float32)
    write_dicom(path, pixels, age=60, sex="F", portable=False, inverted=True)
    return path


@pytest.fixture
def series(tmp_path):
    """A small CT series as its DICOM files."""
    volume = np.random.default_rng(2).integers(-1000, 1000, (40, 24, 24)).astype(np.int16)
    return write_series(tmp_path / "series", volume, age=61, sex="F", spacing_mm=(5.0, 12.0, 12.0))


def is_empty(settings):
    return [path for path in settings.data_dir.rglob("*") if path.is_file() and not path.name.startswith("secret.key")] == []


@pytest.mark.parametrize("side", [128, 256])
def test_an_image_is_read_exactly_as_an_import_reads_it(settings, radiograph, side):
    uploaded = read_uploaded_case([io.BytesIO(radiograph.read_bytes())], settings, modality=Modality.RADIOGRAPH, side=side)
    assert np.array_equal(uploaded.pixels, read_image(radiograph, side=side).pixels) and uploaded.pixels.shape == (side, side)
    assert is_empty(settings)


def test_a_png_file_is_read(settings):
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (90, 60), dtype=np.uint8)).save(buffer, "PNG")
    buffer.seek(0)
    assert read_uploaded_case([buffer], settings, modality=Modality.RADIOGRAPH, side=128).pixels.shape == (128, 128)


def test_a_series_is_read_as_an_import_reads_it_as_files_or_as_an_archive(settings, series):
    imported = read_image(series[0].parent, modality=Modality.CT).pixels
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in series:
            archive.writestr(f"study/{path.name}", path.read_bytes())
    packed.seek(0)
    for files in ([io.BytesIO(path.read_bytes()) for path in series[::-1]], [packed]):
        assert np.array_equal(read_uploaded_case(files, settings, modality=Modality.CT, side=96).pixels, imported)
    assert is_empty(settings)


def test_a_radiograph_is_refused_as_a_ct_series(settings, radiograph):
    with pytest.raises(UploadError) as refused:
        read_uploaded_case([io.BytesIO(radiograph.read_bytes())], settings, modality=Modality.CT, side=96)
    assert "\n" not in str(refused.value) and is_empty(settings)


def video() -> bytes:
    return b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41" + np.random.default_rng(0).bytes(4000)


def without_pixels(radiograph) -> bytes:
    import pydicom

    dataset = pydicom.dcmread(radiograph)
    del dataset.PixelData
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr("a.txt", "no image")
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["nothing", "text", "video", "no pixels", "cut short", "archive"])
def test_a_file_that_is_not_an_image_is_refused_in_one_sentence_and_removed(settings, radiograph, kind):
    content = {
        "nothing": b"",
        "text": b"Jane Doe, 1950-01-01",
        "video": video(),
        "no pixels": without_pixels(radiograph),
        "cut short": radiograph.read_bytes()[:9000],
        "archive": zipped(),
    }[kind]
    with pytest.raises(UploadError) as refused:
        read_uploaded_case([io.BytesIO(content)], settings, modality=Modality.RADIOGRAPH, side=128)
    assert "\n" not in str(refused.value) and "Jane" not in str(refused.value) and str(refused.value).endswith(".")
    assert is_empty(settings)


def test_broken_files_give_an_image_or_one_sentence(settings):
    sentences = 0
    for _, _, content in mutants(N_MUTANTS, seed=3):
        try:
            assert read_uploaded_case([io.BytesIO(content)], settings, modality=Modality.RADIOGRAPH, side=128).pixels.dtype == np.uint8
        except UploadError as error:
            sentences += 1
            assert "\n" not in str(error)
    assert sentences > N_MUTANTS // 3 and is_empty(settings)


class Endless(io.RawIOBase):
    """A stream that never ends, and counts what was read of it."""

    n_read = 0

    def read(self, size=-1):
        self.n_read += size
        return b"\0" * size


def test_a_large_upload_is_refused_as_soon_as_it_is_too_large(settings, monkeypatch):
    monkeypatch.setitem(single_case.LARGEST_BYTES, Modality.RADIOGRAPH, 3 << 20)
    stream = Endless()
    with pytest.raises(UploadError, match="larger than 3 MiB"):
        read_uploaded_case([stream], settings, modality=Modality.RADIOGRAPH, side=128)
    assert stream.n_read <= 5 << 20 and is_empty(settings)


def test_files_left_by_a_killed_server_are_removed(settings):
    left = settings.uploaded_cases_dir / ".draft-000000000000"
    left.mkdir(parents=True)
    (left / "00000").write_bytes(b"a radiograph")
    remove_left_behind(settings)
    assert left.exists()  # it may still be in use
    past = time.time() - single_case.LEFT_BEHIND_SECONDS - 1
    os.utime(left, (past, past))
    remove_left_behind(settings)
    assert not left.exists()


def test_several_radiographs_are_refused_as_one_case(settings, radiograph):
    with pytest.raises(UploadError, match="one case has at most 1"):
        read_uploaded_case([io.BytesIO(radiograph.read_bytes())] * 2, settings, modality=Modality.RADIOGRAPH, side=128)
