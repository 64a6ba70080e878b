"""Letters in the corners of phantom films are seen; films, side markers, noise and collimator edges are not taken for letters."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from dpmed_core.cohort.burned_in import has_text_in_corner
from dpmed_core.cohort.image import TEXT_IN_CORNER, read_image
from dpmed_core.cohort.phantoms.film import render_film
from dpmed_core.cohort.phantoms.population import draw_population

SIDE = 800
CORNERS = {"top left": (12, 12), "top right": (540, 12), "bottom left": (12, 730), "bottom right": (540, 730)}


@pytest.fixture(scope="module")
def films():
    """Eight phantom films of 800 pixels with some noise."""
    population, rng = draw_population(60, seed=5, variant="demo"), np.random.default_rng(5)
    drawn = [render_film(population.iloc[i], i, size=200, seed=5, variant="demo") for i in range(8)]
    large = [np.asarray(Image.fromarray(film).resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for film in drawn]
    return [np.clip(film + rng.normal(0, 0.02, film.shape), 0, 1).astype(np.float32) for film in large]


def written(film, text, place, *, size=20, shade=1.0):
    picture = Image.fromarray(film)
    ImageDraw.Draw(picture).text(place, text, fill=shade, font=ImageFont.load_default(size))
    return np.asarray(picture)


@pytest.mark.parametrize("corner", CORNERS)
@pytest.mark.parametrize(("text", "size"), [("DOE JANE 1945", 14), ("MRN 4711", 24), ("12.03.2019 08:15", 30)])
def test_letters_in_any_corner_are_seen(films, corner, text, size):
    assert all(has_text_in_corner(written(film, text, CORNERS[corner], size=size)) for film in films)


def test_dark_letters_on_a_bright_ground_are_seen(films):
    assert all(has_text_in_corner(written(film, "DOE JANE 1945", CORNERS["bottom right"], shade=0.0)) for film in films)


def test_films_without_letters_are_not_remarked_on(films):
    assert not any(map(has_text_in_corner, films))


@pytest.mark.parametrize("marker", ["R", "L", "AP"])
def test_a_side_marker_is_no_text(films, marker):
    assert not any(has_text_in_corner(written(film, marker, (40, 30), size=60)) for film in films)


def test_collimator_edges_and_noise_are_no_text(films):
    for film in films:
        collimated = film.copy()
        collimated[:60], collimated[:, :90], collimated[:, -70:] = 0, 0, 0
        assert not has_text_in_corner(collimated)
    assert not has_text_in_corner(np.random.default_rng(0).normal(0.5, 0.1, (SIDE, SIDE)).clip(0, 1).astype(np.float32))


def test_an_imported_picture_with_letters_is_remarked_on(films, tmp_path):
    for name, film, remarks in (("plain", films[0], ()), ("text", written(films[0], "DOE JANE", (12, 12)), (TEXT_IN_CORNER,))):
        Image.fromarray((film * 255).astype(np.uint8)).save(tmp_path / f"{name}.png")
        assert read_image(tmp_path / f"{name}.png").remarks == remarks


@pytest.mark.real
def test_few_real_slices_are_taken_for_text(real_cohorts):
    """CT noise in the air around the body may look like strokes: at most one slice in twenty."""
    remarks = [read_image(path).remarks for path in sorted((real_cohorts / "ct_siim100" / "dicom").iterdir())]
    assert sum(TEXT_IN_CORNER in told for told in remarks) <= len(remarks) // 20
