"""Pixel encodings: every encoding of one ramp gives the same image, and impossible ones are refused."""

import signal
import struct
import tracemalloc
import zlib

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from dpmed_core.errors import ImageError
from dpmed_core.imaging import subprocess_client
from dpmed_core.imaging.dicom import decoding as dicom_decoding
from dpmed_core.imaging.dicom import header as dicom_header
from dpmed_core.imaging.dicom.decoding import DECODER, FrameRequest, decode_frame
from dpmed_core.imaging.dicom.read import read_dicom

RAMP = np.arange(0, 4096, dtype=np.uint16).reshape(64, 64)
TWELVE = {"BitsStored": 12, "HighBit": 11}
WINDOW = {"WindowCenter": 2048, "WindowWidth": 4096}


@pytest.fixture
def radiograph(tmp_path, write_dicom_file):
    """A function that writes a radiograph with `stored` values and returns its path."""
    return lambda stored=RAMP, **attributes: write_dicom_file(tmp_path / "radiograph.dcm", stored, **attributes)


@pytest.fixture
def read(radiograph):
    return lambda stored=RAMP, **attributes: read_dicom(radiograph(stored, **attributes)).pixels


@pytest.fixture
def rewritten(radiograph):
    """A function that writes the radiograph after `change` was applied to its data set."""

    def rewrite(change, stored=RAMP, **attributes):
        path = radiograph(stored, **{**TWELVE, **WINDOW, **attributes} if stored is RAMP else attributes)
        dataset = pydicom.dcmread(path)
        change(dataset)
        dataset.save_as(path, enforce_file_format=True)
        return path

    return rewrite


def table(first, entries, bits=8, *, words=True):
    """An item of a LUT sequence."""
    item = Dataset()
    item.LUTDescriptor = [len(entries), first, bits]
    item.LUTData = np.asarray(entries, dtype="<u2" if words else np.uint8).tobytes()
    return [item]


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_native_transfer_syntaxes_give_the_same_image(read, radiograph, tmp_path, syntax):
    plain = read(**TWELVE, **WINDOW)
    dataset = pydicom.dcmread(radiograph(**TWELVE, **WINDOW))
    if syntax is ExplicitVRBigEndian:
        dataset.PixelData = RAMP.astype(">u2").tobytes()
    dataset.file_meta.TransferSyntaxUID = syntax
    little, implicit = syntax is not ExplicitVRBigEndian, syntax is ImplicitVRLittleEndian
    pydicom.dcmwrite(tmp_path / "other.dcm", dataset, little_endian=little, implicit_vr=implicit, force_encoding=True)
    assert np.array_equal(read_dicom(tmp_path / "other.dcm").pixels, plain)


@pytest.mark.parametrize("implicit", [True, False])
def test_a_file_without_preamble_and_meta_is_read(read, radiograph, tmp_path, implicit):
    plain = read(**TWELVE, **WINDOW)
    dataset = pydicom.dcmread(radiograph(**TWELVE, **WINDOW))
    stream = pydicom.filebase.DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, implicit
    pydicom.filewriter.write_dataset(stream, Dataset({e.tag: e for e in dataset}))
    (tmp_path / "headless").write_bytes(stream.getvalue())
    assert np.array_equal(read_dicom(tmp_path / "headless").pixels, plain)


JPEG_XL = "1.2.840.10008.1.2.4.110"
CODED = {
    JPEGLSLossless: imagecodecs.jpegls_encode,
    JPEG2000Lossless: lambda values: imagecodecs.jpeg2k_encode(values, level=0, codecformat="j2k", reversible=True),
    JPEGLosslessSV1: lambda values: imagecodecs.jpeg8_encode(values, lossless=True, bitspersample=16, predictor=1),
    HTJ2KLossless: imagecodecs.htj2k_encode,
    JPEG_XL: lambda values: imagecodecs.jpegxl_encode(values, lossless=True),
}


@pytest.mark.parametrize("syntax", CODED, ids=lambda syntax: UID(syntax).name)
@pytest.mark.parametrize("signed", [False, True])
def test_lossless_compression_changes_nothing(read, rewritten, syntax, signed):
    stored = (RAMP * 16).astype(np.uint16)
    stored = (stored.astype(np.int32) - 32768).astype(np.int16) if signed else stored
    plain = read(stored)

    def compress(dataset):
        dataset.PixelData = encapsulate([CODED[syntax](stored.view(np.uint16))])
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = HTJ2KLossless if syntax == JPEG_XL else UID(syntax)

    path = rewritten(compress, stored)
    if syntax == JPEG_XL:  # pydicom does not write a syntax that it does not know
        path.write_bytes(path.read_bytes().replace(HTJ2KLossless.encode(), JPEG_XL.encode()))
    assert np.array_equal(read_dicom(path).pixels, plain)


def test_run_lengths_and_lossy_jpeg_are_read(read, rewritten):
    def run_length(dataset):
        dataset.compress(RLELossless)

    assert np.array_equal(read_dicom(rewritten(run_length)).pixels, read(**TWELVE, **WINDOW))
    eight = (RAMP // 16).astype(np.uint8)

    def baseline(dataset):
        dataset.PixelData = encapsulate([imagecodecs.jpeg8_encode(eight, level=95)])
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit

    window = {"WindowCenter": 128, "WindowWidth": 256}
    assert np.allclose(read_dicom(rewritten(baseline, eight, **window)).pixels, read(eight, **window), atol=4 / 255)


def test_an_exact_linear_window_is_that_of_the_standard(read):
    """PS3.3 C.11.2.1.3.2: y = (x - c) / w + 0.5."""
    shown = read(**TWELVE, WindowCenter=2000, WindowWidth=100, VOILUTFunction="LINEAR_EXACT").ravel()
    assert shown[[1950, 1975, 2000, 2050]] == pytest.approx([0, 0.25, 0.5, 1])


@pytest.mark.parametrize("words", [True, False])
def test_a_voi_table_is_used_before_a_window(read, words):
    """The table starts at 1000; lower values get its first entry, higher ones its last. Source: PS3.3 C.11.2.1.1."""
    entries = [0, 10, 40, 90, 160, 255]
    shown = read(**TWELVE, **WINDOW, VOILUTSequence=table(1000, entries, words=words)).ravel()
    assert shown[[0, 1000, 1001, 1002, 1004, 1005, 4000]] * 255 == pytest.approx([0, 0, 10, 40, 160, 255, 255])


def test_a_modality_table_is_applied_before_the_window(read):
    """The table maps 0..4095 to 4095..0, so the displayed ramp is reversed."""
    sequence = table(0, list(range(4095, -1, -1)), bits=16)
    reversed_ = read(**TWELVE, **WINDOW, ModalityLUTSequence=sequence)
    assert np.allclose(reversed_.ravel(), read(**TWELVE, **WINDOW).ravel()[::-1], atol=1e-6)


@pytest.mark.parametrize("sequence", [[], table(0, [1, 2]), "short"])
def test_a_table_that_is_empty_or_too_short_is_ignored(read, sequence):
    if sequence == "short":
        sequence = table(0, [1, 2, 3])
        sequence[0].LUTDescriptor = [4000, 0, 8]
    if sequence and len(sequence[0].LUTData) == 4:
        sequence = []
    assert np.array_equal(read(**TWELVE, **WINDOW, VOILUTSequence=sequence), read(**TWELVE, **WINDOW))


@pytest.mark.parametrize("window", [{"WindowCenter": 90_000, "WindowWidth": 10}, {"WindowCenter": 5, "WindowWidth": 0}])
def test_a_window_that_shows_nothing_is_replaced_by_the_range_of_values(read, window):
    assert np.array_equal(read(**TWELVE, **window), read(**TWELVE))
    assert read(**TWELVE).min() == 0 and read(**TWELVE).max() == 1


def test_a_range_of_padding_is_black_and_left_out_of_the_range_of_values(read):
    stored = RAMP.copy()
    stored[:8] = np.arange(60_000, 60_512).reshape(8, 64)
    shown = read(stored, PixelPaddingValue=60_511, PixelPaddingRangeLimit=60_000)
    assert not shown[:8].any() and np.allclose(shown[8:], read(RAMP[8:]), atol=1e-6)
    inverted = read(stored, PixelPaddingValue=60_511, PixelPaddingRangeLimit=60_000, PhotometricInterpretation="MONOCHROME1")
    assert not inverted[:8].any() and np.allclose(inverted[8:], 1 - shown[8:], atol=1e-6)


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32])
def test_every_width_with_and_without_sign_is_read(read, kind):
    info = np.iinfo(kind)
    stored = np.linspace(info.min, info.max, 4096).astype(kind).reshape(64, 64)
    assert np.allclose(read(stored).ravel(), np.clip(np.linspace(-0.005 / 0.99, 1.005 / 0.99, 4096), 0, 1), atol=0.02)


def test_an_overlay_in_the_unused_bits_is_left_out(read, rewritten):
    stored = RAMP | np.where(np.eye(64, dtype=bool), 0x8000, 0).astype(np.uint16)

    def add_overlay(dataset):
        dataset.add_new(0x60000102, "US", 15)

    path = rewritten(add_overlay, stored, **TWELVE, **WINDOW)
    assert np.array_equal(read_dicom(path).pixels, read(**TWELVE, **WINDOW))


@pytest.mark.parametrize(("keyword", "kind"), [("FloatPixelData", np.float32), ("DoubleFloatPixelData", np.float64)])
def test_floating_point_pixels_are_read(rewritten, keyword, kind):
    values = np.linspace(-3, 5, 4096).reshape(64, 64)

    def as_floats(dataset):
        del dataset.PixelData
        dataset.BitsAllocated = np.dtype(kind).itemsize * 8
        del dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation
        setattr(dataset, keyword, values.astype(kind).tobytes())
        dataset.WindowCenter, dataset.WindowWidth, dataset.VOILUTFunction = 1, 8, "LINEAR_EXACT"

    assert np.allclose(read_dicom(rewritten(as_floats)).pixels, (values + 3) / 8, atol=1e-6)


def test_colour_becomes_luminance(rewritten):
    rgb = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)

    def colour(dataset):
        dataset.PhotometricInterpretation, dataset.SamplesPerPixel, dataset.PlanarConfiguration = "RGB", 3, 0
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
        dataset.PixelData = rgb.tobytes()

    assert np.allclose(read_dicom(rewritten(colour)).pixels * 255, rgb @ [0.299, 0.587, 0.114], atol=1e-3)


def test_run_length_coded_luminance_and_chrominance_become_rgb(rewritten):
    rgb = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    ybr = pydicom.pixels.convert_color_space(rgb, "RGB", "YBR_FULL")

    def colour(dataset):
        dataset.PhotometricInterpretation, dataset.SamplesPerPixel, dataset.PlanarConfiguration = "YBR_FULL", 3, 0
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
        dataset.PixelData = ybr.tobytes()
        dataset.compress(RLELossless)

    assert np.allclose(read_dicom(rewritten(colour)).pixels * 255, rgb @ [0.299, 0.587, 0.114], atol=2)


def test_files_older_than_the_photometric_interpretation_are_read(read, rewritten):
    def old(dataset):
        del dataset.PhotometricInterpretation, dataset.SamplesPerPixel, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation

    assert np.array_equal(read_dicom(rewritten(old)).pixels, read(**TWELVE, **WINDOW))


def test_compressed_pixels_under_a_native_transfer_syntax_are_refused(rewritten):
    def compress(dataset):
        dataset.compress(RLELossless)

    path = rewritten(compress)
    path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.5\0", b"1.2.840.10008.1.2.1\0"))
    with pytest.raises(ImageError, match="does not say how its pixels are compressed"):
        read_dicom(path)


@pytest.mark.parametrize("predictor", range(1, 8))
def test_lossless_jpeg_is_read_with_every_predictor(read, rewritten, predictor):
    stored = (RAMP * 16).astype(np.uint16)

    def compress(dataset):
        dataset.PixelData = encapsulate([imagecodecs.jpeg8_encode(stored, lossless=True, bitspersample=16, predictor=predictor)])
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = JPEGLossless

    assert np.array_equal(read_dicom(rewritten(compress, stored)).pixels, read(stored))


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"NumberOfFrames": 2_000_000_000}, "frames"),
        ({"Rows": 65_535, "Columns": 65_535}, "more than 50,000,000 pixels"),
        ({"Rows": 7000, "Columns": 7000}, "cut short or contradicts"),
        ({"Rows": 4000, "Columns": 4000, "BitsAllocated": 32}, "more than 6,250,000 pixels"),
        ({"Rows": 0}, "declares no pixels"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "HSV"}, "cut short|colour model"),
        ({"BitsAllocated": 12}, "stores 12 bits"),
        ({"BitsAllocated": 64}, "stores 64 bits"),
        ({"BitsStored": 99}, "in a way that cannot be read"),
    ],
)
def test_impossible_sizes_are_refused_before_memory_is_allocated(radiograph, attributes, reason):
    path = radiograph(**{**TWELVE, **attributes})
    tracemalloc.start()
    with pytest.raises(ImageError, match=reason):
        read_dicom(path)
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


def test_a_deflated_file_that_decompresses_to_more_than_the_limit_is_refused(radiograph, tmp_path, monkeypatch):
    monkeypatch.setattr(dicom_header, "MAX_FILE_BYTES", 4 << 20)
    start = radiograph().read_bytes()[:132]
    syntax = DeflatedExplicitVRLittleEndian.encode() + b"\0" * (len(DeflatedExplicitVRLittleEndian) % 2)
    meta = b"\x02\0\x10\0UI" + struct.pack("<H", len(syntax)) + syntax
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(5)) + packer.flush()
    (tmp_path / "bomb.dcm").write_bytes(start + meta + bomb)
    with pytest.raises(ImageError, match="decompresses to more than 4 MiB"):
        read_dicom(tmp_path / "bomb.dcm")


def test_thousands_of_nested_sequences_are_refused(radiograph):
    path = radiograph()
    data = path.read_bytes()
    nested = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 20_000
    path.write_bytes(data[:132] + nested + data[132:])
    with pytest.raises(ImageError):
        read_dicom(path)


def ramp_request():
    return FrameRequest(syntax=JPEGLSLossless, rows=64, columns=64, samples=1, bits_allocated=16, rgb=False)


def test_a_decoder_that_was_killed_is_replaced(rewritten):
    """The subprocess is killed while it waits; the next frame is decoded by another one."""
    frame = imagecodecs.jpegls_encode(RAMP)
    request = ramp_request()
    assert np.array_equal(decode_frame(frame, request), RAMP)
    process = subprocess_client._of_this_thread.processes[DECODER]._process
    process.kill()
    process.wait()
    assert np.array_equal(decode_frame(frame, request), RAMP)


def test_a_decoder_that_hangs_is_killed(monkeypatch):
    frame = imagecodecs.jpegls_encode(RAMP)
    request = ramp_request()
    decode_frame(frame, request)
    monkeypatch.setattr(dicom_decoding, "DECODING_SECONDS", 0.2)
    process = subprocess_client._of_this_thread.processes[DECODER]._process
    process.send_signal(signal.SIGSTOP)
    with pytest.raises(TimeoutError):
        decode_frame(frame, request)
    assert process.poll() is not None
    monkeypatch.undo()
    assert np.array_equal(decode_frame(frame, request), RAMP)


def test_a_frame_that_declares_another_size_is_not_decoded(rewritten):
    def compress(dataset):
        dataset.PixelData = encapsulate([imagecodecs.jpeg2k_encode(RAMP[:32], level=0, codecformat="j2k")])
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless

    with pytest.raises(ImageError, match="contradicts its header"):
        read_dicom(rewritten(compress))


def test_an_unknown_transfer_syntax_is_named_as_such(rewritten):
    def compress(dataset):
        dataset.PixelData = encapsulate([b"anything"])
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.4.95")

    with pytest.raises(ImageError, match="cannot be decoded here: export it uncompressed"):
        read_dicom(rewritten(compress))
