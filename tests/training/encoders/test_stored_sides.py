"""Networks that were made for 128 pixels read finer radiographs as means over 2 x 2; an added encoder reads the side that is stored."""

import numpy as np
import pytest

from dpmed_core.imaging.modality import Modality
from dpmed_core.imaging.radiographs_at_128 import radiographs_at_128
from dpmed_core.settings import PRODUCT_DATA_DIR
from dpmed_core.training.encoders.features import compute_features
from dpmed_core.training.encoders.joined_features import compute_joined
from dpmed_core.training.encoders.phantom_outputs import compute_outputs
from dpmed_core.training.recipes.networks import NETWORKS
from dpmed_core.training.recipes.train_network import network_inputs
from tests.training.encoders import made_up_encoder

ENCODERS = PRODUCT_DATA_DIR / "encoders"


@pytest.fixture(scope="module")
def radiographs():
    """Radiographs of 256 pixels with as much detail as they can have."""
    return np.random.default_rng(6).integers(0, 256, (3, 256, 256), dtype=np.uint8)


@pytest.fixture(scope="module")
def added(tmp_path_factory):
    """An added encoder that looks at 224 pixels: more than 128, fewer than 256."""
    folder = tmp_path_factory.mktemp("added")
    size = {**made_up_encoder.card_fields()["preprocessing"], "input_size": 224, "crop": 1.0}
    return made_up_encoder.add(folder / "encoders", made_up_encoder.write_weights(folder), preprocessing=size)


def test_features_outputs_and_networks_are_those_of_the_means_over_2_x_2(radiographs):
    reduced = radiographs_at_128(radiographs)
    assert np.array_equal(
        compute_features(radiographs, Modality.RADIOGRAPH, ENCODERS), compute_features(reduced, Modality.RADIOGRAPH, ENCODERS)
    )
    assert np.array_equal(compute_outputs(radiographs, ENCODERS), compute_outputs(reduced, ENCODERS))
    for recipe in (recipe for recipe in NETWORKS.values() if Modality.RADIOGRAPH in recipe.card.modalities):
        assert network_inputs(recipe, radiographs, np.arange(3)).equal(network_inputs(recipe, reduced, np.arange(3)))


def test_an_added_encoder_sees_what_is_stored(radiographs, added):
    where = {"modality": Modality.RADIOGRAPH, "encoders_dir": ENCODERS, "added_dir": added.folder.parent}
    fine, coarse = (compute_joined(images, added.digest, **where) for images in (radiographs, radiographs_at_128(radiographs)))
    own = compute_features(radiographs, Modality.RADIOGRAPH, ENCODERS).shape[1]
    assert np.array_equal(fine[:, :own], coarse[:, :own])
    assert np.abs(fine[:, own:] - coarse[:, own:]).max() > 0.1
