import numpy as np
import pytest

from dpmed_core.cohort.dicom import read_dicom
from dpmed_core.cohort.schema import Sex
from dpmed_core.errors import ImageError

RAMP = np.arange(0, 4096, dtype=np.uint16).reshape(64, 64)


@pytest.fixture
def read(tmp_path, write_dicom_file):
    return lambda stored, **attributes: read_dicom(write_dicom_file(tmp_path / "film.dcm", stored, **attributes))


def test_a_linear_window_is_that_of_the_standard(read):
    """PS3.3 C.11.2.1.2.1: y = (x - (c - 0.5)) / (w - 1) + 0.5, here by hand at three values."""
    shown = read(RAMP, BitsStored=12, HighBit=11, WindowCenter=2048, WindowWidth=1001).pixels.ravel()
    assert shown[1547] == 0 and shown[2549] == 1
    assert shown[2047] == pytest.approx((2047 - 2047.5) / 1000 + 0.5, abs=1e-6)
    assert shown[1800] == pytest.approx((1800 - 2047.5) / 1000 + 0.5, abs=1e-6)


def test_monochrome1_is_the_negative_of_monochrome2(read):
    window = {"BitsStored": 12, "HighBit": 11, "WindowCenter": 2048, "WindowWidth": 4096}
    bright = read(RAMP, **window).pixels
    dark = read(RAMP, PhotometricInterpretation="MONOCHROME1", **window).pixels
    assert np.allclose(dark, 1 - bright, atol=1e-6)
    assert bright[0, 0] < bright[-1, -1]


def test_the_window_counts_rescaled_values(read):
    """Stored 0..4095, slope 2, intercept -1000: a window around 1000 stands around stored 1000."""
    shown = read(RAMP, BitsStored=12, HighBit=11, RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=1000, WindowWidth=401).pixels.ravel()
    assert shown[895] == 0 and shown[1105] == 1
    assert shown[1000] == pytest.approx((1000 - 999.5) / 400 + 0.5, abs=1e-6)


def test_signed_pixels_are_read_as_signed(read):
    signed = np.linspace(-1000, 1000, 4096).astype(np.int16).reshape(64, 64)
    shown = read(signed, WindowCenter=0, WindowWidth=2001).pixels
    assert shown[0, 0] < 0.01 < 0.99 < shown[-1, -1]
    assert np.all(np.diff(shown.ravel()) >= 0)


def test_the_first_of_several_windows_holds(read):
    one = read(RAMP, BitsStored=12, HighBit=11, WindowCenter=1000, WindowWidth=500).pixels
    several = read(RAMP, BitsStored=12, HighBit=11, WindowCenter=[1000, 3000], WindowWidth=[500, 100]).pixels
    assert np.array_equal(one, several)


def test_a_sigmoid_window_is_that_of_the_standard(read):
    attributes = {"BitsStored": 12, "HighBit": 11, "WindowCenter": 2048, "WindowWidth": 800, "VOILUTFunction": "SIGMOID"}
    shown = read(RAMP, **attributes).pixels.ravel()
    expected = 1 / (1 + np.exp(-4 * (np.array([1500, 2048, 2500]) - 2048) / 800))
    assert shown[[1500, 2048, 2500]] == pytest.approx(expected, abs=1e-3)


def test_without_a_window_the_tails_are_cut_and_padding_does_not_count(read):
    stored = RAMP.copy()
    stored[:16] = 65535
    plain = read(RAMP[16:]).pixels
    padded = read(stored, PixelPaddingValue=65535).pixels
    assert np.allclose(padded[16:], plain, atol=1e-6)
    assert not padded[:16].any()


@pytest.mark.parametrize(
    ("text", "years"),
    [("062Y", 62), ("62", 62), ("018M", 1.5), ("010W", 70 / 365.25), ("003D", 3 / 365.25), ("", None), ("abc", None)],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR AS")
def test_ages_are_read_in_every_unit(read, text, years):
    age = read(RAMP, PatientAge=text).age
    assert age is None if years is None else age == pytest.approx(years)


@pytest.mark.parametrize(("text", "sex"), [("F", Sex.FEMALE), ("M", Sex.MALE), ("O", Sex.OTHER), ("", Sex.UNKNOWN)])
def test_sex_is_read(read, text, sex):
    assert read(RAMP, PatientSex=text).sex is sex


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"NumberOfFrames": 2, "Rows": 32}, "holds 2 frames"),
        ({"PhotometricInterpretation": "RGB"}, "colour"),
        ({"Rows": 20_000, "Columns": 20_000}, "more than"),
        ({"Rows": 65}, "contradict its header"),
    ],
)
def test_what_is_no_single_grey_film_is_refused_with_its_reason(read, attributes, reason):
    with pytest.raises(ImageError, match=reason):
        read(RAMP, **attributes)


def test_an_empty_film_is_refused(read):
    with pytest.raises(ImageError, match="same value everywhere"):
        read(np.full((8, 8), 7, dtype=np.uint16))


def test_a_web_page_named_dcm_is_refused(tmp_path):
    (tmp_path / "film.dcm").write_text("<html><body>Please log in</body></html>")
    with pytest.raises(ImageError, match="is not a DICOM file"):
        read_dicom(tmp_path / "film.dcm")


@pytest.mark.parametrize("share", [0.05, 0.2, 0.9])
def test_a_file_that_breaks_off_is_refused_wherever_it_does(tmp_path, write_dicom_file, share):
    path = write_dicom_file(tmp_path / "film.dcm", RAMP)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(ImageError):
        read_dicom(path)


@pytest.mark.filterwarnings("ignore:Invalid value for VR AS")
def test_nothing_out_of_a_header_is_logged(read, caplog, capfd):
    read(RAMP, PatientAge="born 1 May", PatientName="Doe^Jane")
    assert not caplog.records
    assert "May" not in "".join(capfd.readouterr())
