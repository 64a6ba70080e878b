"""Added encoders on pages: offered as a recipe of their own, described, kept apart in every table, named where their runs are shown."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from markdown_it import MarkdownIt

from dpmed_core.evaluation.scores.load_scores import read_scores
from dpmed_core.inference.requests import AddedFeatures, from_json, to_json
from dpmed_core.inference.status import Stage
from dpmed_core.inference.store import InferenceRequests
from dpmed_core.privacy.provenance import provenance_of
from dpmed_core.runs.plan import plan_runs
from dpmed_core.runs.status import RunState
from dpmed_core.training.encoders.joined_features import joined_are_cached
from dpmed_core.training.spec import PrivacyUnit
from tests.training.encoders import made_up_encoder

PAGES = ("overview", "train", "privacy_utility", "fairness", "meeting", "privacy", "cases", "status")
READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


@pytest.fixture
def encoder(empty, tmp_path):
    """An encoder whose card holds what a page must not act upon, trained on data that the manifest of any cohort may hold."""
    title = "![p](http://host/x.png) <b>bold</b> :smile: $x$"
    return made_up_encoder.add(
        empty.encoders.root,
        made_up_encoder.write_weights(tmp_path),
        name="mine",
        title=title,
        data=title,
        licence=title,
        data_sources=["padchest"],
    )


@pytest.fixture
def joined(empty, cohort, encoder):
    """A private run with the encoder and its reference, queued."""
    asked = {"recipe": "probe", "epsilons": [1.0], "n_seeds": 1, "delta": None, "unit": PrivacyUnit.PATIENT}
    specs = plan_runs(cohort, key=empty.key, **asked, encoder=encoder.digest)
    empty.ledger.ask(cohort, specs)
    return specs


def texts(app):
    return [str(element.value) for kind in ("title", "markdown", "caption", "info", "warning", "error") for element in getattr(app, kind)]


def test_the_page_train_offers_it_says_what_it_is_and_plans_runs_with_it(empty, cohort, encoder, open_page):
    app = open_page("train")
    assert "Probe with encoder mine" in next(box for box in app.selectbox if box.label == "Recipe").options
    app = open_page("train", recipe=f"probe+encoder-{encoder.digest[:12]}")
    assert not app.exception and not app.error
    said = "\n".join(texts(app))
    assert "**Encoder mine** (EfficientNet-Lite0 as TensorFlow computes it)" in said
    assert "is not known here" not in said  # the cohort is synthetic
    assert any(button.label == "Compute features now" for button in app.button)
    next(button for button in app.button if button.label.startswith("Train 12 models")).click().run()
    assert {run.spec.encoder for run in empty.runs.statuses()} == {encoder.digest}


@pytest.mark.parametrize("page", PAGES)
def test_text_of_a_card_is_shown_as_text(page, joined, finish, encoder, open_page):
    for spec in joined:
        finish(spec)
    app = open_page(page, recipe=joined[0].variant)
    assert not app.exception
    rendered = [READER.render(text) for text in texts(app)]
    assert not [text for text in rendered if re.search(r"<(img|a|b|script|svg)\b", text)]


def test_models_with_it_are_never_averaged_with_those_without(empty, cohort, asked, joined, finish):
    for luck, spec in enumerate([*asked, *joined]):
        finish(spec, luck=luck)
    (panel,) = read_scores(empty.runs, cohort).test
    assert sorted(panel.runs["recipe"]) == sorted(2 * ["probe", joined[0].variant])
    assert {run.spec.encoder for run in empty.runs.statuses()} == {None, joined[0].encoder}
    assert set(read_scores(empty.runs, cohort, recipe="probe").test[0].runs["recipe"]) == {"probe"}


def test_overview_and_exports_name_it(empty, cohort, joined, finish, encoder, open_page):
    sentence = f"Recipe {joined[0].variant} reads the added encoder mine, trained on {encoder.card.data}"
    assert not provenance_of(empty.ledger, cohort, empty.encoders).encoders
    for spec in joined:
        finish(spec)
    lines = provenance_of(empty.ledger, cohort, empty.encoders).lines()
    assert any(line.startswith(sentence) for line in lines)
    assert any("reads the added encoder mine" in text for text in texts(open_page("overview")))
    said = texts(open_page("privacy_utility", recipe=joined[0].variant))
    assert any("reads the added encoder mine" in text and text.endswith("ε does not cover what that encoder knows.") for text in said)
    (encoder.folder / "card.json").write_text("{}")
    (said,) = provenance_of(empty.ledger, cohort, empty.encoders).encoders
    assert "reads an added encoder that is no longer there, or was changed" in said


def test_a_recipe_whose_encoder_is_not_there_is_named(cohort, joined, encoder, open_page):
    (encoder.folder / "card.json").write_text("{}")
    app = open_page("train", recipe=joined[0].variant)
    assert not app.exception
    assert any("The encoder of this recipe is not there" in error.value for error in app.error)


def test_features_are_computed_for_a_request_with_progress_and_can_be_cancelled(empty, cohort, encoder, monkeypatch):
    from dpmed_core.engine.inference_task import answer

    requests, request = InferenceRequests(empty), AddedFeatures(cohort.name, encoder.digest)
    assert from_json(to_json(request)) == request
    folders = {"features_dir": empty.cohorts.features_dir(cohort.name), "encoders_dir": empty.settings.encoders_dir}
    seen = []
    plain = InferenceRequests.set_state

    def set_state(self, name, stage, **counts):
        plain(self, name, stage, **counts)
        seen.append((stage, counts.get("done"), counts.get("total")))
        if cancels and len(seen) == 3:
            self.cancel(name)

    monkeypatch.setattr(InferenceRequests, "set_state", set_state)
    cancels = True
    name = requests.ask(request)
    answer(empty.settings, name)
    assert requests.state(name).stage is Stage.CANCELLED
    assert not joined_are_cached(cohort.modality, encoder.digest, **folders)
    cancels = False
    seen.clear()
    name = requests.ask(request)
    answer(empty.settings, name)
    assert (Stage.WORKING, 8, len(cohort.cases)) in seen
    assert int(requests.fetch(name)["n_cases"]) == len(cohort.cases)
    assert joined_are_cached(cohort.modality, encoder.digest, **folders)


def test_facts_of_a_run_name_its_encoder_and_others_have_none(empty, asked, joined):
    facts = [json.loads(json.dumps(run.to_fields())) for run in empty.runs.statuses()]
    assert [fact["encoder"] for fact in facts] == [None, None, joined[0].encoder, joined[0].encoder]
    assert all(run.state is RunState.QUEUED for run in empty.runs.statuses())
    assert np.unique([fact["run_id"] for fact in facts]).size == 4
    assert replace(joined[0], encoder=None) == asked[0]
