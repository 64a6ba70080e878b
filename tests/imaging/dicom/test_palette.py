"""Palettes of either byte order, plain and segmented; padded run lengths; values that use few of their bits; colours."""

import struct
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.processing import apply_color_lut
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, RLELossless, generate_uid

from dpmed_core.imaging.dicom.codecs import decoded
from dpmed_core.imaging.dicom.display import COLOUR, LUMINANCE, WINDOW_SHOWS_NOTHING
from dpmed_core.imaging.dicom.palette import expand_segments
from dpmed_core.imaging.dicom.read import read_dicom

COLOURS = ("Red", "Green", "Blue")
STORED = (np.add.outer(np.arange(40), np.arange(50)) % 251).astype(np.uint8)
RAMP = (np.arange(256) ** 2 // 256 * 257).astype("<u2")


def dicom(path: Path, pixels: np.ndarray, *, syntax: str = ExplicitVRLittleEndian, data: bytes | None = None, **attributes: object) -> Path:
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = syntax
    header.SOPClassUID, header.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.1", generate_uid()
    header.Rows, header.Columns, header.SamplesPerPixel = *pixels.shape, 1
    header.PhotometricInterpretation, header.PixelRepresentation = "MONOCHROME2", 0
    header.BitsAllocated = header.BitsStored = pixels.dtype.itemsize * 8
    header.HighBit = header.BitsStored - 1
    for keyword, value in attributes.items():
        setattr(header, keyword, value)
    header.PixelData = data or (pixels.byteswap() if syntax == ExplicitVRBigEndian else pixels).tobytes()
    header.save_as(path, enforce_file_format=True)
    return path


def palette(*, big_endian: bool = False, segmented: bool = False) -> dict[str, object]:
    """A palette with another ramp for each colour, of words."""
    entries: dict[str, object] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for number, colour in enumerate(COLOURS):
        words = np.array([0, 1, 100, 1, 255, 65535 - 9000 * number], "<u2") if segmented else (RAMP // (number + 1)).astype("<u2")
        entries[f"{colour}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        name = f"{'Segmented' if segmented else ''}{colour}PaletteColorLookupTableData"
        entries[name] = (words.byteswap() if big_endian else words).tobytes()
    return entries


@pytest.mark.parametrize("segmented", [False, True])
def test_palettes_are_pydicoms_and_the_byte_order_of_the_file_changes_nothing(tmp_path: Path, segmented: bool) -> None:
    little = dicom(tmp_path / "l.dcm", STORED, **palette(segmented=segmented))
    big = dicom(tmp_path / "b.dcm", STORED, syntax=ExplicitVRBigEndian, **palette(segmented=segmented, big_endian=True))
    theirs = apply_color_lut(STORED, pydicom.dcmread(little)) / 65535
    ours = read_dicom(little)
    assert np.abs(ours.pixels - theirs[..., :3] @ LUMINANCE).max() < 1e-4
    np.testing.assert_array_equal(read_dicom(big).pixels, ours.pixels)


def test_a_lookup_table_of_a_big_endian_file_is_read_in_its_byte_order(tmp_path: Path) -> None:
    def voi(big_endian: bool) -> Sequence:
        item = Dataset()
        item.LUTDescriptor = [256, 0, 16]
        item.add_new(0x00283006, "OW", (RAMP.byteswap() if big_endian else RAMP).tobytes())
        return Sequence([item])

    little = dicom(tmp_path / "l.dcm", STORED, VOILUTSequence=voi(False))
    big = dicom(tmp_path / "b.dcm", STORED, syntax=ExplicitVRBigEndian, VOILUTSequence=voi(True))
    np.testing.assert_array_equal(read_dicom(big).pixels, read_dicom(little).pixels)


def test_segments_repeat_earlier_ones_by_their_offset_in_bytes() -> None:
    """The segments at offset 0 are listed and run up; repeating both gives them again. Source: PS3.3 C.7.9.2.3."""
    assert expand_segments([0, 1, 5, 1, 2, 9, 2, 2, 0, 0], 16) == [5, 7, 9, 5, 7, 9]
    with pytest.raises(ValueError):
        expand_segments([0, 9, 1], 16)


@pytest.mark.parametrize("padding", [b"\0", b"\x80", b"\x01", b"\xff", b"\x7f", b"\xff\0"])
@pytest.mark.parametrize("shape", [(40, 50), (31, 33), (7, 5)])
def test_padding_after_a_run_length_plane_is_passed_over(padding: bytes, shape: tuple[int, int]) -> None:
    values = np.random.default_rng(0).integers(0, 4096, shape).astype("<u2")
    planes = [values.view(np.uint8).reshape(*shape, 2)[..., byte] for byte in (1, 0)]
    packed = [b"".join(imagecodecs.packbits_encode(row.tobytes()) for row in plane) + padding for plane in planes]
    frame = struct.pack("<16L", 2, 64, 64 + len(packed[0]), *[0] * 13) + b"".join(packed)
    request = {"syntax": str(RLELossless), "rows": shape[0], "columns": shape[1], "samples": 1, "bits_allocated": 16, "rgb": False}
    head, data = decoded(request, frame)
    assert "error" not in head
    np.testing.assert_array_equal(np.frombuffer(data, dtype=head["dtype"]).reshape(head["shape"]), values)


def test_a_run_length_file_with_padding_is_read(tmp_path: Path) -> None:
    packed = b"".join(imagecodecs.packbits_encode(row.tobytes()) for row in STORED) + b"\x05"
    frame = struct.pack("<16L", 1, 64, *[0] * 14) + packed
    path = dicom(tmp_path / "a.dcm", STORED, syntax=RLELossless, data=encapsulate([frame]))
    plain = dicom(tmp_path / "b.dcm", STORED)
    np.testing.assert_array_equal(read_dicom(path).pixels, read_dicom(plain).pixels)


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("window", [{}, {"WindowCenter": 32768, "WindowWidth": 65536}])
def test_values_of_few_bits_in_words_are_not_displayed_black(tmp_path: Path, bits: int, window: dict[str, int]) -> None:
    stored = (STORED.astype(np.float64) / STORED.max() * (2**bits - 1)).astype(np.uint16)
    read = read_dicom(dicom(tmp_path / "a.dcm", stored, **window))
    assert read.pixels.max() == 1 and np.corrcoef(read.pixels.ravel(), stored.ravel())[0, 1] > 0.995
    assert (WINDOW_SHOWS_NOTHING in read.warnings) == bool(window)
    assert read.reading.values == f"0 to {2**bits - 1}" and read.reading.photometric == "MONOCHROME2"


def test_a_colour_image_gets_a_remark(tmp_path: Path) -> None:
    grey = dicom(tmp_path / "grey.dcm", STORED, **{**palette(), **{f"{c}PaletteColorLookupTableData": RAMP.tobytes() for c in COLOURS}})
    assert COLOUR in read_dicom(dicom(tmp_path / "a.dcm", STORED, **palette())).warnings
    assert COLOUR not in read_dicom(grey).warnings
