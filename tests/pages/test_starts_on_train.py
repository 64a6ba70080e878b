"""A public start on the page Train: what it is, which findings begin there, and its fall within groups before anything is spent."""

import numpy as np
import pytest

from dpmed_core import public_starts
from dpmed_core.cohort.schema import Part, Split
from dpmed_core.imaging.modality import Modality
from dpmed_core.training.encoders.card import COMPONENTS, read_card
from dpmed_core.training.networks.models import initial_weights
from dpmed_core.training.recipes.networks import NETWORKS
from dpmed_core.training.recipes.train_network import tensors_of
from dpmed_core.training.starts.public_head import PublicHead
from dpmed_core.training.starts.public_network import PublicNetwork
from dpmed_core.training.starts.seen import Seen
from dpmed_core.training.starts.start_card import StartCard
from tests.small_runs import make_cohort


@pytest.fixture
def start(empty, cohort, monkeypatch):
    """A start for the cohort's first finding whose feature is `knows` of an image: its sex, or its label."""
    n_features = sum(COMPONENTS.values())
    weights = np.zeros((n_features, 1))
    weights[0] = 40
    head = PublicHead(weights, np.zeros(n_features), np.zeros(1), np.zeros(1), np.full(1, 10.0))
    encoder = read_card(empty.settings.encoders_dir, Modality.RADIOGRAPH).digest
    about = {"source": "a <b>public</b> set", "licence": "CC0", "synthetic": False, "findings": cohort.findings[:1], "auroc": (0.8,)}
    counts = {"n_positive": (9,), "n_patients": 30, "n_images": 40, "patients_known": True}
    empty.starts.add(StartCard("elsewhere", Modality.RADIOGRAPH, **about, **counts, encoder=encoder), head, Seen(frozenset(), frozenset()))

    def knows(what):
        features = np.random.default_rng(1).normal(0, 0.3, (len(cohort.cases), n_features)).astype(np.float32)
        features[:, 0] += 8 * what
        monkeypatch.setattr(public_starts, "public_features", lambda cohort, **_: features)
        monkeypatch.setattr("widgets.starts.features_are_there", lambda *_, **__: True)
        # The small cohort has ten validation patients, too few to judge anything.
        everybody = Split(np.full(len(cohort.cases), Part.VALIDATION.value), 0)
        monkeypatch.setattr(public_starts, "assign_parts", lambda *_, **__: everybody)

    return knows


def table_of(app):
    return next(table.value for table in app.dataframe if "Fall from all patients" in table.value)


def test_the_fall_within_each_group_stands_beside_its_auroc_and_is_warned_of(cohort, start, open_page):
    old = (cohort.cases["age"] >= 70).to_numpy(float)
    start(0.3 * old)
    app = open_page("train", start="elsewhere", recipe="probe")
    assert not app.exception and not app.error
    table = table_of(app).set_index("Patients")
    assert table.loc["All patients", "Fall from all patients"] == ""
    whole = float(table.loc["All patients", "AUROC of the start alone"].split()[0])
    women = table.loc["Female"]
    assert float(women["Fall from all patients"].split()[0]) == pytest.approx(
        whole - float(women["AUROC of the start alone"].split()[0]), abs=0.0011
    )
    assert any("that the start may tell the groups apart" in caption.value for caption in app.caption)
    assert any("years: the start's AUROC" in warning.value and "less than over all patients" in warning.value for warning in app.warning)
    assert "<b>" not in "".join(caption.value for caption in app.caption).replace("\\<b\\>", "")


def test_a_start_that_knows_nothing_here_is_warned_of_before_training(cohort, start, open_page):
    start(np.zeros(len(cohort.cases)) - 0.3 * cohort.labels[:, 0])
    app = open_page("train", start="elsewhere", recipe="probe")
    assert any("below 0.6" in warning.value and "the start alone has an AUROC" in warning.value for warning in app.warning)
    begins = next(box for box in app.selectbox if box.label.startswith("Models begin"))
    assert "At public start elsewhere" in begins.options


def opened(open_page, empty, **address):
    """The page with the panel open."""
    app = open_page("train", recipe="probe", **address)
    panel = next(one for one in app.expander if one.label == "Make a public start")
    assert panel is not None
    app.session_state["new-start-open"] = True
    return app.run()


def test_a_start_is_made_on_the_page_with_the_statement_that_its_data_are_public(empty, cohort, monkeypatch, open_page):
    features = np.random.default_rng(1).normal(size=(len(cohort.cases), sum(COMPONENTS.values()))).astype(np.float32)
    monkeypatch.setattr(public_starts, "public_features", lambda cohort, **_: features)
    monkeypatch.setattr("widgets.new_start.features_are_cached", lambda cohort: True)
    app = opened(open_page, empty)
    assert not app.exception
    next(box for box in app.selectbox if box.label == "Public cohort").set_value("demo-radiograph")
    for label, text in (("Name of the start", "drawn"), ("Source of the images", "phantoms <b>of</b> DPMed"), ("Licence", "CC0")):
        next(field for field in app.text_input if field.label == label).set_value(text)
    app.run()
    assert next(button for button in app.button if button.label == "Make start").disabled, "not before the statement"
    next(box for box in app.checkbox if box.label.startswith("Everybody may see")).check().run()
    next(button for button in app.button if button.label == "Make start").click().run()
    assert not app.exception and not app.error
    card = empty.starts.card("drawn")
    assert card.n_images == len(cohort.cases) and card.source == "phantoms <b>of</b> DPMed" and card.public is True
    assert any("Start drawn is made" in done.value for done in app.success)
    next(button for button in app.button if button.label == "Make start").click().run()
    assert "There is a start 'drawn' already" in app.error[0].value.replace("\\", "")


def test_the_start_of_the_phantoms_is_offered_on_radiographs_with_its_findings(cohort, open_page):
    app = open_page("train", recipe="probe")
    begins = next(box for box in app.selectbox if box.label == "Models begin")
    assert begins.options == ["From scratch", "At public start phantoms"] and begins.value == "scratch"
    app = open_page("train", recipe="probe", start="phantoms")
    assert not app.exception and not app.error
    assert any("procedural chest radiographs" in caption.value for caption in app.caption)
    assert any(button.label == "Compute features" for button in app.button), "none are computed yet"


def test_the_phantoms_are_recommended_for_effusion_of_real_patients_and_chosen_by_a_person(empty, open_page):
    make_cohort(empty, "ward", finding="effusion")
    app = open_page("train", recipe="probe")
    assert not app.exception and not app.error
    assert next(box for box in app.selectbox if box.label == "Models begin").value == "scratch"
    said = next(caption.value for caption in app.caption if "Effusion can begin at public start phantoms" in caption.value)
    assert "ε = 1, δ = 1e-05 for each patient (analytic-gaussian accountant)" in said.replace("\\", "") and "95 % interval" in said
    app = open_page("train", recipe="probe", start="phantoms")
    assert next(box for box in app.selectbox if box.label == "Effusion").value == "effusion"
    assert not any("can begin at public start phantoms" in caption.value for caption in app.caption)


@pytest.fixture
def network(empty, cohort):
    """A start for networks of recipe `paper`, which knows of the cohort's first finding."""
    weights = tensors_of(initial_weights(0, NETWORKS["paper"].build, n_out=1))
    about = {"source": "a public set", "licence": "CC0", "synthetic": False, "findings": cohort.findings[:1], "auroc": (0.8,)}
    counts = {"n_positive": (9,), "n_patients": 30, "n_images": 40, "patients_known": True}
    card = StartCard("seen-elsewhere", Modality.RADIOGRAPH, **about, **counts, encoder="paper 2", recipe="paper")
    empty.starts.add(card, PublicNetwork(weights, np.ones(1, bool)), Seen(frozenset(), frozenset()))


def test_a_network_is_offered_to_its_recipe_alone_and_judged_before_anything_is_spent(cohort, network, open_page, monkeypatch):
    everybody = Split(np.full(len(cohort.cases), Part.VALIDATION.value), 0)
    monkeypatch.setattr(public_starts, "assign_parts", lambda *_, **__: everybody)
    app = open_page("train", recipe="probe")
    begins = next(box for box in app.selectbox if box.label == "Models begin")
    assert "At public start seen-elsewhere" not in begins.options
    app = open_page("train", recipe="paper", start="phantoms")
    begins = next(box for box in app.selectbox if box.label == "Models begin")
    assert not app.error and begins.value == "scratch", "the start of another recipe stays that recipe's"
    app = open_page("train", recipe="paper", **{"start-paper": "seen-elsewhere"})
    assert not app.exception and not app.error
    begins = next(box for box in app.selectbox if box.label == "Models begin")
    assert begins.options == ["From scratch", "At public start seen-elsewhere"]
    assert any("on a fifth of the patients" in caption.value for caption in app.caption)
    shown = table_of(app)
    assert shown["Finding"].nunique() == 1 and shown.set_index("Patients").loc["All patients", "Images"] == len(cohort.cases)
