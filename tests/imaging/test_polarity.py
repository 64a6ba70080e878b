"""The detector of negatives on whole, cropped, turned, framed and windowed radiographs."""

import hashlib
import json

import numpy as np
import pytest
import torch

from benchmarks.polarity import MEASURED_HALF, VIEWS, adults, shares, synthetic
from benchmarks.polarity_fit import Network, random_view
from dpmed_core.imaging.polarity import SIDE, WEIGHTS, is_negative, polarity_score, reduced, shipped_weights

MOST_FALSE, LEAST_FOUND = 0.01, 0.99


@pytest.fixture(scope="module")
def not_fitted_on(real_cohorts):
    """Every second real radiograph of the patients that the weights were not fitted on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DPMED_REAL_COHORTS", str(real_cohorts))
        return adults(MEASURED_HALF)[::2]


def test_the_negative_has_the_same_score_with_the_other_sign():
    image = np.random.default_rng(0).random((90, 70), dtype=np.float32)
    assert polarity_score(1 - image) == pytest.approx(-polarity_score(image), abs=1e-4)
    assert polarity_score(image) == pytest.approx(polarity_score(image[:, ::-1]), abs=1e-4), "left and right do not matter"


@pytest.mark.parametrize("shape", [(40, 40), (1, 1), (1, 300), (3000, 20)])
def test_a_constant_image_has_no_polarity(shape):
    assert polarity_score(np.full(shape, 0.3, np.float32)) == 0 and not is_negative(np.zeros(shape, np.float32))


def test_the_network_is_torchs():
    """The fit and the detector see the same images and compute the same score."""
    images = synthetic(3, 6)
    network = Network()
    network.load_state_dict({name: torch.tensor(value) for name, value in shipped_weights().items()})
    small = torch.tensor(np.stack([reduced(image) for image in images]))[:, None]
    with torch.no_grad():
        expected = (network(small) + network(small.flip(3))) / 2
    np.testing.assert_allclose([polarity_score(image) for image in images], expected.numpy(), rtol=1e-4, atol=1e-4)


def test_a_frame_of_one_grey_level_changes_nothing():
    image = synthetic(3, 1)[0]
    image[:, [0, -1]], image[[0, -1]] = np.linspace(0, 1, 128)[:, None], np.linspace(0, 1, 128)
    for grey in (0.0, 0.4, 1.0):
        framed = np.pad(image, ((9, 0), (14, 23)), constant_values=grey)
        assert polarity_score(framed) == pytest.approx(polarity_score(image), abs=1e-4)


def test_the_card_is_that_of_the_weights_and_says_what_they_were_fitted_on():
    card = json.loads(WEIGHTS.with_suffix(".json").read_text())
    assert card["weights_sha256"] == hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    assert card["public"] is True and card["data"] and card["licence"] and WEIGHTS.stat().st_size < 100_000


def test_what_the_fit_sees_are_images():
    torch.manual_seed(0)
    views = random_view(torch.tensor(np.stack(synthetic(3, 40)))[:, None])
    assert views.shape == (40, 1, SIDE, SIDE) and torch.isfinite(views).all()
    assert views.amin() > -0.2 and views.amax() < 1.2 and (views.flatten(1).std(1) > 0.01).all()


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize("view", VIEWS)
def test_of_real_radiographs_whole_or_not_one_in_a_hundred_at_most_is_taken_for_a_negative(not_fitted_on, view):
    """Every second one of the patients that the weights were not fitted on; all of them: `python -m benchmarks polarity`."""
    false, found = shares(not_fitted_on, view)
    assert false <= MOST_FALSE and found >= LEAST_FOUND


@pytest.mark.slow
def test_so_is_it_of_the_demos():
    images = synthetic(0, 40)
    for view in VIEWS:
        false, found = shares(images, view)
        assert false <= MOST_FALSE and found >= LEAST_FOUND, view
