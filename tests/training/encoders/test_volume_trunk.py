"""What recipe `finetune3d` takes from the public encoder as it is: case by case, in the order of its statistics, computed once."""

import numpy as np
import pytest
import torch

from dpmed_core.imaging.modality import Modality
from dpmed_core.settings import PRODUCT_DATA_DIR
from dpmed_core.training.encoders.card import COMPONENTS
from dpmed_core.training.encoders.components import unit_norm
from dpmed_core.training.encoders.network_input import windowed
from dpmed_core.training.encoders.radiograph_encoder import load_encoder
from dpmed_core.training.encoders.volume_trunk import cached_trunk_outputs, trunk_of, trunk_outputs
from dpmed_core.training.networks.models import refuse_mixing_layers
from dpmed_core.training.recipes.networks import NETWORKS, positions_read
from dpmed_core.training.recipes.train_network import build_network
from dpmed_core.training.session import Cancelled

ENCODERS = PRODUCT_DATA_DIR / "encoders"
pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.fixture(scope="module")
def encoder():
    return load_encoder(ENCODERS, Modality.CT)


@pytest.fixture
def tail():
    return build_network(NETWORKS["finetune3d"], n_findings=2, seed=0, encoders_dir=ENCODERS)


@torch.no_grad()
def test_before_training_trunk_and_tail_give_the_encoders_own_features(encoder, tail, make_volumes):
    volumes = make_volumes(2)[0].images[:2]
    read = trunk_of(encoder)(windowed(volumes))
    assert read.shape[1:] == (1, *positions_read(tail, ()))
    narrow, wide, _ = np.split(encoder.features(volumes), np.cumsum(list(COMPONENTS.values()))[:-1], axis=1)
    expected = np.concatenate([unit_norm(narrow), unit_norm(wide)], axis=1) * 0.5**0.5
    assert np.allclose(tail.features(read).numpy(), expected, atol=1e-5)
    assert np.abs(expected[0] - expected[1]).max() > 1e-2


def test_what_is_read_of_a_case_depends_on_that_case_alone(encoder, make_volumes, tmp_path):
    cohort, trunk = make_volumes(2)[0], trunk_of(encoder)
    refuse_mixing_layers(trunk)
    kept = cached_trunk_outputs(trunk, cohort, features_dir=tmp_path, encoders_dir=ENCODERS)
    for row in (0, len(cohort.images) - 1):
        assert np.array_equal(trunk_outputs(trunk, windowed(cohort.images[row : row + 1]))[0, 0].numpy(), kept[row])
    assert not np.array_equal(kept[0], kept[1])


def test_what_the_trunk_gives_is_computed_once(encoder, make_volumes, tmp_path):
    cohort, trunk = make_volumes(1)[0], trunk_of(encoder)
    folders = {"features_dir": tmp_path, "encoders_dir": ENCODERS}
    first = np.array(cached_trunk_outputs(trunk, cohort, **folders))
    trunk.forward = lambda volumes: pytest.fail("it was computed again")
    assert np.array_equal(cached_trunk_outputs(trunk, cohort, **folders), first)
    assert not any(parameter.requires_grad for parameter in trunk.parameters())


def test_a_reader_may_stop_between_two_volumes_and_nothing_half_done_is_kept(encoder, make_volumes, tmp_path):
    cohort, trunk, asked = make_volumes(3)[0], trunk_of(encoder), []

    def heed():
        asked.append(len(asked))
        if len(asked) == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        cached_trunk_outputs(trunk, cohort, features_dir=tmp_path, encoders_dir=ENCODERS, heed=heed)
    assert len(asked) == 2 and not list(tmp_path.glob("*.npy"))
