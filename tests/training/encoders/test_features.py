"""Public features: only of public data, cached whole, computed once."""

import json
import shutil

import numpy as np
import pytest

from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import CohortError, SettingsError
from dpmed_core.imaging.modality import Modality
from dpmed_core.phantoms.abdomen.population import draw_scans
from dpmed_core.settings import PRODUCT_DATA_DIR
from dpmed_core.training.encoders.card import COMPONENTS, NAMES, card_file, read_card, weights_file
from dpmed_core.training.encoders.features import are_cached, cached_features, compute_features, public_features
from dpmed_core.training.encoders.radiograph_encoder import load_encoder
from tests.damage import ANY
from tests.image_files import render_volumes

SHIPPED = PRODUCT_DATA_DIR / "encoders"


@pytest.fixture
def encoders(tmp_path):
    folder = tmp_path / "encoders"
    shutil.copytree(SHIPPED, folder)
    return folder


@pytest.fixture(params=list(Modality))
def images(request, make_cohort):
    """A small cohort of each modality."""
    cohort, _ = make_cohort(n_patients=6)
    if request.param is Modality.RADIOGRAPH:
        return cohort
    volumes = render_volumes(draw_scans(5, seed=0), seed=0)
    return Cohort("tiny", Modality.CT, True, cohort.findings, (), cohort.cases.head(5), volumes, "e" * 64)


def change_card(encoders, **facts):
    card = card_file(encoders, Modality.RADIOGRAPH)
    card.write_text(json.dumps({**json.loads(card.read_text()), **facts}))


@pytest.mark.usefixtures("one_torch_thread")
def test_features_are_computed_once_and_depend_on_their_own_image_alone(images, tmp_path):
    folders = {"features_dir": tmp_path / "features", "encoders_dir": SHIPPED}
    assert not are_cached(images.modality, **folders)
    features = public_features(images, **folders)
    assert features.shape == (len(images.cases), sum(COMPONENTS.values())) and np.isfinite(features).all()
    assert are_cached(images.modality, **folders)
    for batch in (images.images[3:4], images.images[3:], images.images[[3, 0, 2]]):
        assert np.array_equal(compute_features(batch, images.modality, SHIPPED)[0], features[3])
    (cached,) = folders["features_dir"].glob("*.npy")
    written_at = cached.stat().st_mtime_ns
    public_features(images, **folders)
    assert cached.stat().st_mtime_ns == written_at


@pytest.mark.usefixtures("one_torch_thread")
@pytest.mark.parametrize("how", ["emptied", "truncated", "deleted", "a folder", "a bit"])
def test_damaged_features_are_computed_anew(make_cohort, tmp_path, how):
    cohort, _ = make_cohort(n_patients=2)
    folders = {"features_dir": tmp_path / "features", "encoders_dir": SHIPPED}
    whole = np.array(public_features(cohort, **folders))
    (cached,) = folders["features_dir"].glob("*.npy")
    if how == "a bit":
        content = bytearray(cached.read_bytes())
        content[-1] ^= 1
        cached.write_bytes(bytes(content))
    else:
        ANY[how](cached, cached)
    assert not are_cached(cohort.modality, **folders)
    with pytest.raises(CohortError, match="removed or damaged"):
        cached_features(cohort.modality, **folders)
    assert np.array_equal(public_features(cohort, **folders), whole)


def test_each_modality_has_its_own_encoder():
    versions = {read_card(SHIPPED, modality).version for modality in Modality}
    assert len(versions) == len(NAMES) == len(Modality)


def test_an_encoder_that_is_not_known_to_be_public_is_refused(encoders):
    change_card(encoders, public=False)
    with pytest.raises(SettingsError, match="does not say which public data"):
        read_card(encoders, Modality.RADIOGRAPH)
    change_card(encoders, public=True, data="")
    with pytest.raises(SettingsError, match="does not say which public data"):
        load_encoder(encoders, Modality.RADIOGRAPH)


def test_weights_other_than_those_of_the_card_are_refused(encoders):
    change_card(encoders, weights_sha256="0" * 64)
    with pytest.raises(SettingsError, match="damaged or not the one"):
        load_encoder(encoders, Modality.RADIOGRAPH)


@pytest.mark.parametrize("modality", list(Modality))
def test_the_error_for_a_missing_encoder_says_how_to_make_it(encoders, modality):
    weights_file(encoders, modality).unlink()
    with pytest.raises(SettingsError, match="make encoder"):
        read_card(encoders, modality)
