"""Public features: only of public data, cached whole, computed once."""

import json
import shutil

import numpy as np
import pytest

from dpmed_core.errors import SettingsError
from dpmed_core.settings import PRODUCT_DATA_DIR
from dpmed_core.training.encoder import load_encoder
from dpmed_core.training.encoder_card import CARD_FILE, COMPONENTS, WEIGHTS_FILE, read_card
from dpmed_core.training.features import are_cached, public_features

SHIPPED = PRODUCT_DATA_DIR / "encoders"


@pytest.fixture
def encoders(tmp_path):
    folder = tmp_path / "encoders"
    shutil.copytree(SHIPPED, folder)
    return folder


def change_card(encoders, **facts):
    card = json.loads((encoders / CARD_FILE).read_text())
    (encoders / CARD_FILE).write_text(json.dumps({**card, **facts}))


@pytest.mark.usefixtures("one_torch_thread")
def test_features_are_computed_once_and_depend_on_their_own_film_alone(make_cohort, tmp_path):
    cohort, _ = make_cohort(n_patients=6)
    folder = tmp_path / "features"
    assert not are_cached(features_dir=folder, encoders_dir=SHIPPED)
    features = public_features(cohort, features_dir=folder, encoders_dir=SHIPPED)
    assert features.shape == (len(cohort.cases), sum(COMPONENTS.values())) and np.isfinite(features).all()
    assert are_cached(features_dir=folder, encoders_dir=SHIPPED)
    alone = load_encoder(SHIPPED).features(cohort.images[3:4])
    assert np.allclose(alone, features[3:4], atol=1e-3)
    (cached,) = folder.glob("*.npy")
    written_at = cached.stat().st_mtime_ns
    public_features(cohort, features_dir=folder, encoders_dir=SHIPPED)
    assert cached.stat().st_mtime_ns == written_at


def test_an_encoder_that_is_not_known_to_be_public_is_refused(encoders):
    change_card(encoders, public=False)
    with pytest.raises(SettingsError, match="does not say which public data"):
        read_card(encoders)
    change_card(encoders, public=True, data="")
    with pytest.raises(SettingsError, match="does not say which public data"):
        load_encoder(encoders)


def test_weights_that_are_not_the_cards_are_refused(encoders):
    change_card(encoders, weights_sha256="0" * 64)
    with pytest.raises(SettingsError, match="damaged or not the one"):
        load_encoder(encoders)


def test_a_missing_encoder_is_named_with_the_way_to_make_it(encoders):
    (encoders / WEIGHTS_FILE).unlink()
    with pytest.raises(SettingsError, match="make encoder"):
        read_card(encoders)
