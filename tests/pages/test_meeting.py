"""Meeting: findings and groups with their verdicts, the tiles of Overview, spending and protection, on a page and for a room."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from dpmed_core.privacy.exposure.exposure_rows import ExposureRow
from dpmed_core.privacy.exposure.sentences import aggregate_sentence
from dpmed_core.runs.status import Progress, RunState
from dpmed_core.training.spec import PrivacyUnit
from tests.pages.following import axis, figures, mounted
from tests.pages.test_overview import charts, links, made, store, tiles, train
from widgets.meeting import view
from widgets.meeting.map import CLICKED
from widgets.protection.exposure import Exposed

from .test_pages import texts

FOREIGN = "<b>mass</b> *a*"


@pytest.fixture
def cohort(empty, request):
    return store(empty, **getattr(request, "param", {}))


@pytest.fixture
def trained(empty, cohort, finish):
    return train(empty, cohort, finish)


def opened(open_page, **address):
    app = open_page("meeting", **address)
    assert not app.exception
    return app


def keys(app):
    """The data of the presenter's keys; None where there is none."""
    sent = (element.proto for element in app.get("bidi_component") if element.proto.component_name == "dpmed-presenter")
    return next((json.loads(proto.json if proto.WhichOneof("data") == "json" else proto.mixed.json) for proto in sent), None)


def test_the_tiles_are_those_of_overview_and_the_map_is_of_all_findings(trained, open_page):
    for address in ({"epsilon": "1"}, {"epsilon": "8", "finding": "effusion"}):
        app = opened(open_page, **address)
        assert tiles(app) == tiles(open_page("overview", **address)) and len(tiles(app)) == 3
        (mapped,) = figures(app)
        assert mapped["layout"]["yaxis"]["ticktext"] == ["Mean over findings", "Cardiomegaly", "Effusion"]
        assert "Verdicts on groups: extra loss: " in mapped["alternative"] and "All patients" in mapped["alternative"]


def test_the_map_is_sent_for_every_budget_and_a_gesture_sends_none_of_it_again(trained, open_page):
    kept = [[data for data in mounted(opened(open_page, epsilon=at)) if data["kind"] == "follower"] for at in ("1", "8")]
    assert kept[0] == kept[1]
    (figure,) = [json.loads(data["figure"]) for data in kept[0] if "figure" in data]
    assert set(figure["frames"]) == {"1", "8"}


def test_spending_protection_and_who_is_protected_stand_under_the_map(empty, cohort, trained, open_page):
    said = texts(opened(open_page, epsilon="1"))
    assert "**Spent on these patients:** nothing spent yet" in said, "these runs were never trained"
    assert "Measured protection: exposure is off for cohorts of real patients" in said
    assert "Protected: each training patient, with all images together (ε = 1 at δ = 1e-05, analytic-gaussian accountant)" in said
    assert "Marks: whether a group loses more than the other patients (extra loss), by the analysis plan, for" in said
    assert empty.ledger.plan_record(cohort).sentence() in said.replace("\\", ""), "whether verdicts were planned is not folded away"
    assert "Every requested model is finished." in said and "Research use only." in said


def test_measured_protection_is_said_in_aggregates_at_each_budget(cohort, trained, open_page, monkeypatch):
    row = ExposureRow(1.0, 1e-5, "patient", 240, 200, 0.52, 0.71, 0.62, 0.79, 0.0, 12, 0.575, 1, 0.5, 3)
    asked = {("patient", 1.0, 1e-5): row}
    found = SimpleNamespace(row=lambda *about: asked.get(about))
    monkeypatch.setattr("widgets.meeting.standing.exposed", lambda cohort, choices: Exposed(found))
    for shown in ("page", "presenter"):
        said = texts(opened(open_page, epsilon="1", view=shown))
        assert f"Measured protection: {aggregate_sentence(row)}" in said
        assert (
            "the median of 240 training patients, an attack gets 52 right" in said
            and "better than chance on 12 of them (by chance 3)" in said
        )
        assert "71" not in aggregate_sentence(row), "the most exposed patient's number stays on the page Privacy"
    assert "Measured protection: not measured at this budget yet." in texts(opened(open_page, epsilon="8"))


def test_every_cell_leads_to_its_evidence_by_a_link(trained, open_page):
    app = opened(open_page, epsilon="8")
    app.session_state["evidence-open"] = True
    app.run()
    assert not app.exception
    about = "recipe=probe&unit=patient&epsilon=8"
    found = links(app)
    assert found["Effusion by sex"] == f"fairness?cohort=ward&finding=effusion&{about}&attribute=sex"
    assert found["Mean over findings by COPD"] == f"fairness?cohort=ward&finding=macro&{about}&attribute=copd"
    assert len([label for label in found if " by " in label]) == 3 * 3, "a link for each finding, and their mean, by each attribute"


def test_a_click_on_a_cell_opens_fairness_with_its_finding_attribute_and_budget(trained, open_page, monkeypatch):
    went = []
    monkeypatch.setattr("widgets.meeting.map.st.switch_page", lambda page, query_params: went.append((page, query_params)))
    app = open_page("meeting", epsilon="8")
    (figure,) = [json.loads(data["figure"]) for data in mounted(app) if "figure" in data]
    cells = figure["layout"]["meta"]["cells"]
    assert ["copd", "with", "effusion"] in cells.values() and ["all", "all", "macro"] in cells.values()
    app.session_state[CLICKED] = ("effusion", "copd")
    app.run()
    [(page, address)] = went
    assert page == "fairness.py" and CLICKED not in app.session_state
    assert (address["finding"], address["attribute"], address["epsilon"]) == ("effusion", "copd", "8")
    app.session_state[CLICKED] = ("macro", "all")
    app.run()
    assert "attribute" not in went[1][1], "all patients are no group"


def test_a_presenter_sees_no_controls_and_nothing_that_limits_a_claim_is_lost(trained, open_page):
    app = opened(open_page, epsilon="1", view="presenter")
    assert keys(app)["at"] == 0 and keys(app)["stops"] == 4, "the map, two findings, and what the numbers rest on"
    assert len(tiles(app)) == 3 and not app.button and not app.expander and not links(app)
    said = texts(app)
    assert "ε = 1 at δ = 1e-05 for each patient. Cohort ward: " in said and "Research use only." in said
    for sentence in ("Protected: ", "**Spent on these patients:**", "Measured protection: ", "Esc or ✕ ends", "Bold: its own interval"):
        assert sentence in said
    page = opened(open_page, epsilon="1")
    page.session_state["rest-on-open"] = True
    page.run()
    limits = texts(opened(open_page, epsilon="1", view="limits"))
    sentences = [sentence for caption in page.caption for sentence in caption.value.split(". ") if "test patients of" not in caption.value]
    assert len(sentences) > 10
    for sentence in sentences:
        assert sentence.removesuffix(".") in limits, sentence
    assert "No private model has been trained on these patients yet." in limits and "together ε = " in limits


def test_one_finding_is_shown_to_a_room_by_its_groups(trained, open_page):
    app = opened(open_page, epsilon="1", view="presenter", finding="effusion")
    assert keys(app)["at"] == 2
    (mapped,) = charts(app)
    assert mapped["layout"]["xaxis"]["ticktext"] == ["Effusion"] and "Female" in mapped["layout"]["yaxis"]["ticktext"]
    assert all(data.get("fills") == "window" for data in mounted(app) if "figure" in data)
    assert keys(opened(open_page, view="limits", finding="effusion"))["at"] == 3


@pytest.fixture
def press(monkeypatch):
    """Presses a key as a browser would report it, in a view and at a finding; what was chosen by it."""
    chosen = []
    state = {}
    monkeypatch.setattr(view, "gesture", lambda name, value: chosen.append((name, value)))
    monkeypatch.setattr(view, "shown", lambda name, value: chosen.append(("quietly", value)))
    monkeypatch.setattr(view, "st", SimpleNamespace(session_state=state))

    def make(reported, *, where="presenter"):
        monkeypatch.setattr(view, "reported", lambda key, name: reported)
        view._take_over(where, ["macro", "mass"], lambda wanted: chosen.append(("view", wanted)))
        return chosen, state

    return make


@pytest.mark.parametrize(
    ("reported", "where", "chosen"),
    [
        ({"at": 1, "number": 5}, "presenter", [("finding", "mass")]),
        ({"at": 2, "number": 5}, "presenter", [("view", "limits")]),
        ({"at": 1, "number": 5}, "limits", [("quietly", "mass"), ("view", "presenter")]),
        ({"ends": True, "number": 5}, "limits", [("view", "page")]),
    ],
)
def test_a_key_goes_to_a_finding_to_what_the_numbers_rest_on_or_ends(press, reported, where, chosen):
    assert press(reported, where=where) == (chosen, {view.SEEN: 5})


@pytest.mark.parametrize("reported", [None, "down", {"at": 9}, {"at": -1}, {"at": "1"}, {"ends": "yes"}])
def test_what_no_key_can_have_said_changes_nothing(press, reported):
    assert press(reported) == ([], {})


def test_the_button_begins_presenting_and_the_address_says_so(trained, open_page):
    app = opened(open_page, epsilon="1")
    assert keys(app) is None
    app.button(key="present").click().run()
    assert not app.exception and keys(app) is not None and app.query_params["view"] in ("presenter", ["presenter"])


def test_a_view_that_does_not_exist_is_named(trained, open_page):
    app = opened(open_page, view="cinema")
    assert "“cinema” does not exist here" in texts(app) and len(tiles(app)) == 3


def test_without_a_reference_nothing_is_said_to_be_the_cost(empty, cohort, finish, open_page):
    train(empty, cohort, finish, only=lambda spec: spec.privacy is not None)
    for shown in ("page", "presenter"):
        app = opened(open_page, epsilon="1", view=shown)
        assert not tiles(app) and not charts(app) and "nothing is known of what privacy costs" in texts(app)
        assert "Protected: each training patient" in texts(app)


def test_while_models_are_trained_it_says_so_and_fills_in(empty, cohort, finish, open_page):
    specs = train(empty, cohort, finish, only=lambda spec: spec.privacy is None or spec.privacy.epsilon == 1.0)
    training = next(spec for spec in specs if spec.privacy and spec.privacy.epsilon == 8.0)
    empty.runs.set_progress(empty.runs.run_id(training), replace(Progress(RunState.TRAINING), step=1, total_steps=40, attempt=1))
    for shown in ("page", "presenter", "limits"):
        assert "2 models are still to come" in texts(opened(open_page, epsilon="1", view=shown))
    app = opened(open_page, epsilon="1")
    for spec in specs:
        finish(spec)
    app.run()
    assert "still to come" not in texts(app) and {stop["budget"] for stop in axis(app)["stops"] if stop["trained"]} == {"1", "8"}


@pytest.mark.parametrize("shown", ["page", "presenter"])
def test_a_damaged_run_is_named_and_the_others_are_shown(empty, trained, open_page, shown):
    path = empty.runs.root / empty.runs.run_id(trained[0]) / "scores.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    app = opened(open_page, view=shown)
    assert path.parent.name in texts(app) and len(tiles(app)) == 3


def test_with_the_image_as_unit_it_says_who_is_not_protected(empty, cohort, finish, open_page):
    train(empty, cohort, finish, unit=PrivacyUnit.IMAGE)
    for shown in ("page", "presenter"):
        said = texts(opened(open_page, unit="image", epsilon="1", view=shown))
        assert "Protected: each training image; not a patient who has several" in said
    limits = texts(opened(open_page, unit="image", epsilon="1", view="limits"))
    assert "for each image" in limits and "2 images" in limits


@made(cardiomegaly=0.0, effusion=0.0)
def test_findings_that_cannot_be_estimated_have_no_map_and_no_table(empty, cohort, finish, open_page):
    train(empty, cohort, finish)
    app = opened(open_page, epsilon="1")
    assert all(tile["value"] == "–" for tile in tiles(app)) and not charts(app)


@made(findings=(FOREIGN, "effusion"))
def test_what_others_wrote_is_text_in_the_table_and_in_links(empty, cohort, finish, open_page):
    train(empty, cohort, finish)
    app = opened(open_page, epsilon="1")
    app.session_state["evidence-open"] = True
    app.run()
    (table,) = [element.proto.body for element in app.get("html") if "<table" in element.proto.body]
    assert "<b>" not in table and "&lt;b&gt;" in table.lower()
    assert any("\\<b\\>" in label or "\\*a\\*" in label for label in links(app))


def test_the_table_of_narrow_screens_has_the_marks_and_their_key(trained, open_page):
    app = opened(open_page, epsilon="1")
    (table,) = [element.proto.body for element in app.get("html") if "<table" in element.proto.body]
    assert 'role="img" aria-label="' in table and "✕ extra loss, ● no extra loss above 0.02, ○ extra loss: not enough evidence." in table
