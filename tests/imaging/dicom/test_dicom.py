"""One DICOM image: windows, polarity, ages, warnings, and what is refused."""

import threading
import warnings

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset

from dpmed_core.cohort.validation.repairs import kind_of_warning
from dpmed_core.errors import ImageError
from dpmed_core.imaging.dicom.header import ALLOWED_ATTRIBUTES, _silencer, read_header, silenced_warnings
from dpmed_core.imaging.dicom.patient import (
    BURNED_IN,
    LATERAL,
    OTHER_BODY_PART,
    OTHER_MODALITY,
    POLARITY_DOUBTFUL,
    POLARITY_INVERTED,
)
from dpmed_core.imaging.dicom.read import read_dicom
from dpmed_core.imaging.modality import Sex
from dpmed_core.imaging.polarity import CERTAIN, polarity_score
from dpmed_core.phantoms.chest.population import draw_population
from dpmed_core.phantoms.chest.radiograph import render_radiograph

IMAGE = "1.2.276.0.7230010.3.1.4.8323329.6904.1517875201.850819.dcm"
RAMP = np.arange(0, 4096, dtype=np.uint16).reshape(64, 64)


@pytest.fixture
def read(tmp_path, write_dicom_file):
    return lambda stored, **attributes: read_dicom(write_dicom_file(tmp_path / "radiograph.dcm", stored, **attributes))


def test_a_linear_window_is_that_of_the_standard(read):
    """PS3.3 C.11.2.1.2.1: y = (x - (c - 0.5)) / (w - 1) + 0.5, calculated by hand at four values."""
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


def test_the_window_applies_to_rescaled_values(read):
    """With slope 2 and intercept -1000, a window with level 1000 is centred on the stored value 1000."""
    shown = read(RAMP, BitsStored=12, HighBit=11, RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=1000, WindowWidth=401).pixels.ravel()
    assert shown[895] == 0 and shown[1105] == 1
    assert shown[1000] == pytest.approx((1000 - 999.5) / 400 + 0.5, abs=1e-6)


def test_signed_pixels_are_read_as_signed(read):
    signed = np.linspace(-1000, 1000, 4096).astype(np.int16).reshape(64, 64)
    shown = read(signed, WindowCenter=0, WindowWidth=2001).pixels
    assert shown[0, 0] < 0.01 < 0.99 < shown[-1, -1]
    assert np.all(np.diff(shown.ravel()) >= 0)


def test_the_first_of_several_windows_is_used(read):
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


@pytest.mark.parametrize(
    ("born", "taken", "years"),
    [
        ("19450508", "20200507", 74),
        ("19450508", "20200508", 75),
        ("1945.05.08", "2020.05.08", 75),
        ("19450508", "", None),
        ("", "20200508", None),
        ("20210101", "20200508", None),
        ("18000101", "20200508", None),
        ("19451399", "20200508", None),
    ],
)
def test_a_missing_age_is_computed_from_birth_and_study(read, born, taken, years):
    assert read(RAMP, PatientBirthDate=born, StudyDate=taken).age == years


def test_a_given_age_is_used_before_the_dates(read):
    assert read(RAMP, PatientAge="061Y", PatientBirthDate="19450508", StudyDate="20200508").age == 61
    assert read(RAMP, PatientBirthDate="19450508", AcquisitionDate="20200601").age == 75


def test_the_view_is_read(read):
    assert read(RAMP, ViewPosition="pa").view == "PA" and read(RAMP).view == ""


@pytest.mark.parametrize(
    ("attributes", "warnings"),
    [
        ({"Modality": "DX", "BodyPartExamined": "CHEST", "BurnedInAnnotation": "NO"}, ()),
        ({"Modality": "CR", "BodyPartExamined": "Thorax PA"}, ()),
        ({}, ()),
        ({"Modality": "CT"}, (OTHER_MODALITY,)),
        ({"Modality": "DX", "BodyPartExamined": "KNEE"}, (OTHER_BODY_PART,)),
        ({"Modality": "DX", "BurnedInAnnotation": "YES"}, (BURNED_IN,)),
        ({"Modality": "DX", "ViewPosition": "LL"}, (LATERAL,)),
    ],
)
def test_another_modality_or_body_part_and_burned_in_text_give_warnings(read, attributes, warnings):
    assert read(RAMP, **attributes).warnings == warnings


def test_an_icon_is_not_taken_for_the_image(read, tmp_path, write_dicom_file):
    icon = Dataset()
    icon.Rows = icon.Columns = 2
    icon.SamplesPerPixel, icon.PhotometricInterpretation, icon.BitsAllocated = 1, "MONOCHROME2", 8
    icon.PixelData = bytes([0, 255, 0, 255])
    assert read(RAMP, IconImageSequence=[icon]).pixels.shape == RAMP.shape
    path = write_dicom_file(tmp_path / "icon.dcm", RAMP, IconImageSequence=[icon])
    dataset = pydicom.dcmread(path)
    del dataset.PixelData
    dataset.save_as(path)
    with pytest.raises(ImageError, match="holds no image"):
        read_dicom(path)


def test_warnings_are_silent_while_any_thread_reads():
    """Two threads overlap: warnings return only when the last of them has finished."""
    with silenced_warnings():
        other = threading.Thread(target=_silencer.enter)
        other.start()
        other.join()
    warnings.warn("silent: the other thread is still inside", UserWarning, stacklevel=1)
    _silencer.leave()
    with pytest.raises(UserWarning, match="heard"):
        warnings.warn("heard", UserWarning, stacklevel=1)


def test_identifying_attributes_are_reported_without_their_values(read):
    radiograph = read(RAMP, PatientName="Doe^Jane", PatientID="4711", AccessionNumber="", InstitutionName="St. Elsewhere")
    assert radiograph.identifying == ("InstitutionName", "PatientID", "PatientName", "SOPInstanceUID")
    assert not any(text in repr(radiograph) for text in ("Jane", "4711", "Elsewhere"))


def test_values_that_are_not_used_are_never_read(tmp_path, write_dicom_file):
    path = write_dicom_file(tmp_path / "radiograph.dcm", RAMP, PatientName="Doe^Jane", PatientID="4711", PatientAge="061Y")
    with silenced_warnings():
        header = read_header(path)
    kept = {element.keyword for element in header.attributes}
    assert kept <= {*ALLOWED_ATTRIBUTES, "SpecificCharacterSet"} and "PatientAge" in kept


@pytest.mark.parametrize(("text", "sex"), [("F", Sex.FEMALE), ("M", Sex.MALE), ("O", Sex.OTHER), ("", Sex.UNKNOWN)])
def test_sex_is_read(read, text, sex):
    assert read(RAMP, PatientSex=text).sex is sex


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"NumberOfFrames": 2, "Rows": 32}, "holds 2 frames"),
        ({"PhotometricInterpretation": "RGB"}, "colour"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "palette"),
        ({"Rows": 20_000, "Columns": 20_000}, "more than"),
        ({"Rows": 65}, "contradicts its header"),
    ],
)
def test_a_file_that_is_not_a_single_grey_image_is_refused_with_its_reason(read, attributes, reason):
    with pytest.raises(ImageError, match=reason):
        read(RAMP, **attributes)


def test_a_constant_image_is_refused(read):
    with pytest.raises(ImageError, match="same value everywhere"):
        read(np.full((8, 8), 7, dtype=np.uint16))


def test_a_web_page_named_dcm_is_refused(tmp_path):
    (tmp_path / "radiograph.dcm").write_text("<html><body>Please log in</body></html>")
    with pytest.raises(ImageError, match="is not a DICOM file"):
        read_dicom(tmp_path / "radiograph.dcm")


@pytest.mark.parametrize("share", [0.05, 0.2, 0.9])
def test_a_file_that_is_cut_short_is_refused_wherever_it_ends(tmp_path, write_dicom_file, share):
    path = write_dicom_file(tmp_path / "radiograph.dcm", RAMP)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(ImageError):
        read_dicom(path)


@pytest.mark.filterwarnings("ignore:Invalid value for VR AS")
def test_nothing_out_of_a_header_is_logged(read, caplog, capfd):
    read(RAMP, PatientAge="born 1 May", PatientName="Doe^Jane")
    assert not caplog.records
    assert "May" not in "".join(capfd.readouterr())


@pytest.mark.real
def test_real_chest_images_are_upright_with_dark_lungs_whatever_their_header_says(real_cohorts):
    """A radiograph, and the same pixels declared as MONOCHROME1: the lungs are dark in both."""
    folder = real_cohorts / "dicom_samples" / "torchxrayvision"
    radiograph, altered = (read_dicom(folder / name) for name in (IMAGE, "Fake_MONOHR1.dcm"))
    for shown in (radiograph, altered):
        assert (shown.age, shown.sex, shown.view) == (62, Sex.MALE, "PA")
        right, left, mediastinum = (shown.pixels[350:550, start : start + 120].mean() for start in (270, 640, 470))
        assert max(right, left) < mediastinum - 0.2
        assert shown.pixels[:150, 400:600].mean() < shown.pixels[-200:, 400:600].mean() - 0.1  # the neck above, the abdomen below
    assert altered.warnings == (POLARITY_INVERTED,) and radiograph.warnings == ()
    assert np.allclose(radiograph.pixels, altered.pixels, atol=0.02)


def test_a_chest_displayed_as_a_negative_is_inverted_and_padding_stays_black(read):
    radiograph = (render_radiograph(draw_population(60, seed=4, variant="demo").iloc[0], 0, size=64, seed=4, variant="demo") * 4000).astype(
        np.uint16
    )
    radiograph[:, :3] = 65535
    known = {"BodyPartExamined": "CHEST", "ViewPosition": "PA", "PixelPaddingValue": 65535}
    right, wrong = read(radiograph, **known), read(radiograph, PhotometricInterpretation="MONOCHROME1", **known)
    assert np.allclose(right.pixels, wrong.pixels, atol=1e-6) and not wrong.pixels[:, :3].any()
    assert right.warnings == () and wrong.warnings == (POLARITY_INVERTED,)
    for other in ({"ViewPosition": "LL"}, {"BodyPartExamined": "KNEE"}, {"BodyPartExamined": ""}):
        assert POLARITY_INVERTED not in read(radiograph, PhotometricInterpretation="MONOCHROME1", **{**known, **other}).warnings


@pytest.mark.parametrize(
    ("score", "warnings", "inverted"),
    [(-CERTAIN - 0.1, (POLARITY_INVERTED,), True), (-CERTAIN + 0.1, (POLARITY_DOUBTFUL,), False), (0.1, (), False)],
)
def test_a_doubtful_image_is_left_as_it_is_and_named(read, monkeypatch, score, warnings, inverted):
    monkeypatch.setattr("dpmed_core.imaging.polarity.polarity_score", lambda image: score)
    judged, other = read(RAMP, BodyPartExamined="CHEST"), read(RAMP, BodyPartExamined="KNEE")
    assert judged.warnings == warnings and kind_of_warning(POLARITY_DOUBTFUL) == "negative_doubtful"
    assert np.allclose(judged.pixels, 1 - other.pixels if inverted else other.pixels)


@pytest.mark.real
def test_hardly_any_real_image_counts_as_a_negative_and_nearly_every_inverted_copy_does(real_cohorts):
    children = np.load(real_cohorts / "pneumoniamnist" / "pneumoniamnist.npz", allow_pickle=False)["test_images"]
    adults = [np.asarray(Image.open(path)) for path in sorted((real_cohorts / "nih1000" / "images").iterdir())]
    radiographs = [np.asarray(radiograph, dtype=np.float32) / 255 for radiograph in (*children, *adults)]
    # One score for both: that of the inverted copy is the same with the other sign (tests/imaging/test_polarity.py).
    scores = np.array([polarity_score(radiograph) for radiograph in radiographs])
    assert np.mean(scores < -CERTAIN) < 0.001
    assert np.mean(-scores < -CERTAIN) > 0.995
    inverted = [polarity_score(1 - radiograph) for radiograph in radiographs[::16]]
    np.testing.assert_allclose(inverted, -scores[::16], atol=1e-3)


def test_a_ct_slice_of_a_chest_is_never_taken_for_a_negative_radiograph(read):
    """In a lung window the body is bright and the lungs dark, in others the reverse; neither is a matter of polarity."""
    negative = (4095 * (1 - render_radiograph(draw_population(1, seed=3).iloc[0], 0, size=128, seed=3, variant="demo"))).astype(np.uint16)
    header = {"BodyPartExamined": "CHEST", "BitsStored": 12, "HighBit": 11}
    assert POLARITY_INVERTED in read(negative, Modality="DX", **header).warnings
    assert POLARITY_INVERTED not in read(negative, Modality="CT", **header).warnings
