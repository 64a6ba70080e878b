"""Letters in the corners of phantom radiographs are detected; side markers, noise and collimator edges are not taken for letters."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from dpmed_core.imaging.burned_in import has_text_in_corner
from dpmed_core.imaging.image import TEXT_IN_CORNER, read_image
from dpmed_core.phantoms.chest.population import draw_population
from dpmed_core.phantoms.chest.radiograph import render_radiograph

SIDE = 800
CORNERS = {"top left": (12, 12), "top right": (540, 12), "bottom left": (12, 730), "bottom right": (540, 730)}


@pytest.fixture(scope="module")
def radiographs():
    """Eight phantom radiographs of 800 pixels with some noise."""
    population, rng = draw_population(60, seed=5, variant="demo"), np.random.default_rng(5)
    drawn = [render_radiograph(population.iloc[i], i, size=200, seed=5, variant="demo") for i in range(8)]
    large = [np.asarray(Image.fromarray(radiograph).resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for radiograph in drawn]
    return [np.clip(radiograph + rng.normal(0, 0.02, radiograph.shape), 0, 1).astype(np.float32) for radiograph in large]


def written(radiograph, text, position, *, size=20, shade=1.0):
    picture = Image.fromarray(radiograph)
    ImageDraw.Draw(picture).text(position, text, fill=shade, font=ImageFont.load_default(size))
    return np.asarray(picture)


@pytest.mark.parametrize("corner", CORNERS)
@pytest.mark.parametrize(("text", "size"), [("DOE JANE 1945", 14), ("MRN 4711", 24), ("12.03.2019 08:15", 30)])
def test_letters_in_any_corner_are_detected(radiographs, corner, text, size):
    assert all(has_text_in_corner(written(radiograph, text, CORNERS[corner], size=size)) for radiograph in radiographs)


def test_dark_letters_are_detected(radiographs):
    assert all(has_text_in_corner(written(radiograph, "DOE JANE 1945", CORNERS["bottom right"], shade=0.0)) for radiograph in radiographs)


def test_images_without_letters_give_no_warning(radiographs):
    assert not any(map(has_text_in_corner, radiographs))


@pytest.mark.parametrize("marker", ["R", "L", "AP"])
def test_a_side_marker_does_not_count_as_text(radiographs, marker):
    assert not any(has_text_in_corner(written(radiograph, marker, (40, 30), size=60)) for radiograph in radiographs)


def test_collimator_edges_and_noise_do_not_count_as_text(radiographs):
    for radiograph in radiographs:
        collimated = radiograph.copy()
        collimated[:60], collimated[:, :90], collimated[:, -70:] = 0, 0, 0
        assert not has_text_in_corner(collimated)
    assert not has_text_in_corner(np.random.default_rng(0).normal(0.5, 0.1, (SIDE, SIDE)).clip(0, 1).astype(np.float32))


def test_an_imported_image_with_letters_gives_a_warning(radiographs, tmp_path):
    for name, radiograph, warnings in (
        ("plain", radiographs[0], ()),
        ("text", written(radiographs[0], "DOE JANE", (12, 12)), (TEXT_IN_CORNER,)),
    ):
        Image.fromarray((radiograph * 255).astype(np.uint8)).save(tmp_path / f"{name}.png")
        assert read_image(tmp_path / f"{name}.png").warnings == warnings


@pytest.mark.real
def test_few_real_slices_give_a_warning(real_cohorts):
    """CT noise in the air around the body may look like letters: at most one slice in twenty."""
    warnings = [read_image(path).warnings for path in sorted((real_cohorts / "ct_siim100" / "dicom").iterdir())]
    assert sum(TEXT_IN_CORNER in of_image for of_image in warnings) <= len(warnings) // 20
