"""Overview: what privacy costs, which finding and which group loses most, in every state that a cohort can be in."""

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dpmed_core.cohort.report import Check, ImportReport, Severity
from dpmed_core.evaluation.scores.load_scores import read_scores
from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from dpmed_core.evaluation.tables.largest_loss import at_budget
from dpmed_core.imaging.modality import Modality
from dpmed_core.reporting.wording.first_glance import Tile
from dpmed_core.runs.plan import plan_runs
from dpmed_core.runs.status import Progress, RunState
from dpmed_core.training.spec import PrivacyUnit
from tests.pages.following import axis, figures, mounted, said_at
from widgets.overview.figures import map_table
from widgets.overview.tiles import tiles_at

from .test_pages import texts

FOREIGN = "<img src=x onerror=alert(1)> & *mass*"


def store(empty, name="ward", *, findings=("cardiomegaly", "effusion"), comorbidities=("copd",), known=True, checks=(), **changed):
    """A cohort of 400 patients with two images each, so small that nothing must be drawn."""
    rng = np.random.default_rng(0)
    patient = np.repeat(np.arange(400), 2)
    cases = pd.DataFrame(
        {
            "case_id": [f"{i:016x}" for i in range(len(patient))],
            "patient_id": [f"{p:016x}" for p in patient],
            "age": rng.integers(35, 79, 400)[patient].astype(float) if known else np.nan,
            "sex": rng.choice(["female", "male"], 400)[patient] if known else "unknown",
            "split": None,
            **{finding: (rng.random(len(patient)) < 0.4).astype(float) for finding in findings},
            **{name: rng.choice([0.0, 1.0], 400)[patient] for name in comorbidities},
        }
    ).assign(**changed)
    images = rng.integers(0, 256, (len(cases), 2, 2), dtype=np.uint8)
    report = ImportReport(len(cases), len(cases), 400, 0, 0, checks=checks)
    facts = {"modality": Modality.RADIOGRAPH, "synthetic": False, "findings": findings, "comorbidities": comorbidities}
    return empty.cohorts.write(name, **facts, cases=cases, images=images, report=report)


@pytest.fixture
def cohort(empty, request):
    """What `store` makes, changed as a test says (`made`)."""
    return store(empty, **getattr(request, "param", {}))


def made(**changes):
    return pytest.mark.parametrize("cohort", [changes], indirect=True)


def train(empty, cohort, finish, *, epsilons=(1.0, 8.0), n_seeds=2, unit=PrivacyUnit.PATIENT, delta=None, only=lambda spec: True):
    """Runs at each budget and their references, those of `only` finished; private scores are blurred otherwise than the others."""
    specs = plan_runs(cohort, key=empty.key, recipe="probe", epsilons=list(epsilons), n_seeds=n_seeds, delta=delta, unit=unit)
    empty.ledger.ask(cohort, specs)
    for number, spec in enumerate(filter(only, specs)):
        finish(spec, luck=number)
    return specs


@pytest.fixture
def trained(empty, cohort, finish):
    return train(empty, cohort, finish)


def tiles(app) -> list[dict[str, str]]:
    """Title, value and everything said of each tile, where the axis stands."""
    at = (axis(app) or {}).get("chosen")
    parts = [part for of_element in said_at(app, at) for part in of_element if part["role"] == "tile"]
    return [{**part, "said": " ".join(part[name] for name in ("title", "value", "beside", "mark", "detail"))} for part in parts]


def links(app) -> dict[str, str]:
    """Label and address of each link, without the mark that tells links from moves."""
    return {link.proto.label: f"{link.proto.page}?{link.proto.query_string.partition('&entry=')[0]}" for link in app.get("page_link")}


def charts(app) -> list:
    return figures(app)


def opened(open_page, **address):
    app = open_page("overview", **address)
    assert not app.exception
    return app


def test_three_tiles_answer_at_the_chosen_budget_with_the_numbers_of_the_tables(empty, cohort, trained, open_page):
    app = opened(open_page, epsilon="8")
    plan = empty.ledger.plan_record(cohort).plan
    tables = EvaluationTables(lambda: read_scores(empty.runs, cohort), plan.attributes, margin=plan.margin)
    costs = at_budget(tables.auroc.costs, recipe="probe", unit="patient", epsilon=8.0)
    of_all = costs[costs["attribute"] == "all"].set_index("finding")["difference"]
    cost, finding, group = tiles(app)
    assert cost["title"] == "Cost, mean of 2 findings" and cost["value"].replace("−", "-") == f"{of_all['macro']:z.3f}"
    worst = of_all.drop("macro").idxmin()
    assert finding["value"] == worst.capitalize() and f"{of_all[worst]:z.3f}".replace("-", "−") in finding["said"]
    assert "Largest of 2" in finding["said"]
    groups = costs[(costs["attribute"] != "all") & (costs["finding"] == "macro")].dropna(subset="difference")
    lost = groups.loc[groups["difference"].idxmin()]
    assert f"{lost['difference']:z.3f}".replace("-", "−") in group["said"] and f"largest of {len(groups)}." in group["said"]
    assert re.search(r"not enough evidence|extra loss", group["said"])


def test_each_tile_leads_to_its_page_with_the_same_choices(trained, open_page):
    found = links(opened(open_page, epsilon="8"))
    about = "cohort=ward&finding=macro&recipe=probe&unit=patient&epsilon=8"
    assert found["Budgets"] == f"privacy_utility?{about}"
    assert re.fullmatch(
        r"privacy_utility\?cohort=ward&finding=(cardiomegaly|effusion)&recipe=probe&unit=patient&epsilon=8", found["Finding"]
    )
    assert re.fullmatch(rf"fairness\?{about}&attribute=(sex|age|copd)", found["Groups"])
    assert found["What the guarantee means"] == f"privacy?{about}"


def test_tiles_and_figures_are_sent_for_every_budget_and_at_each_are_those_of_its_own_page(trained, open_page):
    at_one, at_eight = opened(open_page, epsilon="1"), opened(open_page, epsilon="8")
    assert said_at(at_one, "8") == said_at(at_eight, "8") != said_at(at_one, "1")
    assert tiles(at_one) != tiles(at_eight) and charts(at_one)[1] != charts(at_eight)[1]
    kept = [[data for data in mounted(app) if data["kind"] == "follower"] for app in (at_one, at_eight)]
    assert kept[0] == kept[1], "a gesture sends nothing of it again"


def test_a_budget_without_a_reference_says_so_in_its_tile():
    found = tiles_at({1.0: pd.DataFrame(), 8.0: pd.DataFrame({"difference": [0.1]})}, lambda epsilon: Tile("Cost", f"{epsilon:g}"))
    assert found[8.0] == Tile("Cost", "8") and found[1.0].value == "–" and "no model without privacy" in found[1.0].lines[0]


def test_a_chosen_finding_is_what_the_tiles_are_about_and_the_figures_stay_of_all(trained, open_page):
    app = opened(open_page, finding="effusion", epsilon="1")
    cost, finding, _ = tiles(app)
    assert cost["title"] == "Cost, effusion" and "Largest of 2" in finding["said"]
    cells = charts(app)[1]["layout"]["yaxis"]["ticktext"]
    assert cells == ["Mean over findings", "Cardiomegaly", "Effusion"]


def test_both_figures_have_an_alternative_text_a_table_and_are_said_to_be_protected_whom(trained, open_page):
    app = opened(open_page, epsilon="1")
    curve, mapped = charts(app)
    assert "Curve of AUROC against privacy budget. Mean over findings: at ε = 1 " in curve["alternative"]
    assert "Heat map of AUROC with privacy minus without" in mapped["alternative"] and "All patients" in mapped["alternative"]
    assert not curve["layout"]["title"].get("text"), "title and facts stand on the page"
    said = texts(app)
    assert "Protected: each training patient, with all images together (ε = 1 at δ = 1e-05, analytic-gaussian accountant)" in said
    assert "Research use only" in said
    app.session_state["glance-open"] = app.session_state["rest-on-open"] = True
    app.run()
    assert not app.exception
    lost = next(frame.value for frame in app.dataframe if "Difference" in frame.value)
    assert set(lost["Finding"]) == {"Mean over findings", "Cardiomegaly", "Effusion"} and "Without COPD" in set(lost["Group"])
    assert "for training patients, and for each model alone" in texts(app)
    assert "It does not hold for patients of validation and test" in texts(app)
    assert "Margin: 0.02 of AUROC" in texts(app)


def test_the_largest_loss_by_pandas_from_the_downloaded_table_is_the_tiles(empty, cohort, trained, open_page):
    app = opened(open_page, epsilon="1")
    app.session_state["glance-open"] = True
    app.run()
    lost = next(frame.value for frame in app.dataframe if "Difference" in frame.value)
    of_all = lost[(lost["Group"] == "All patients") & (lost["Finding"] != "Mean over findings")]
    assert tiles(app)[1]["value"] == of_all.loc[of_all["Difference"].idxmin(), "Finding"]


def test_before_anything_is_trained_the_page_says_what_to_do(cohort, open_page):
    app = opened(open_page)
    assert not charts(app) and not tiles(app)
    assert "No model is finished yet" in texts(app) and "Plan the first models" in texts(app)
    assert links(app)["Plan and watch models"] == "train?cohort=ward"
    assert re.search(r"\d+ test patients of 400", texts(app))


def test_while_models_are_trained_it_says_so_and_fills_in(empty, cohort, finish, open_page):
    specs = train(empty, cohort, finish, only=lambda spec: spec.privacy is None or spec.privacy.epsilon == 1.0)
    training = next(spec for spec in specs if spec.privacy and spec.privacy.epsilon == 8.0)
    empty.runs.set_progress(empty.runs.run_id(training), replace(Progress(RunState.TRAINING), step=1, total_steps=40, attempt=1))
    app = opened(open_page)
    assert len(tiles(app)) == 3 and "2 models are still to come" in texts(app)
    for spec in specs:
        finish(spec)
    app.run()
    assert "still to come" not in texts(app) and "changed the answer" in texts(app)


def test_without_a_reference_nothing_is_said_to_be_the_cost(empty, cohort, finish, open_page):
    train(empty, cohort, finish, only=lambda spec: spec.privacy is not None)
    app = opened(open_page, epsilon="1")
    assert not tiles(app) and len(charts(app)) == 1
    said = texts(app)
    assert "nothing is known of what privacy costs" in said and "At ε = 1, AUROC for the average finding is" in said
    assert "No private model has a non-private reference" in said


def test_without_a_private_model_no_budget_is_shown(empty, cohort, finish, open_page):
    train(empty, cohort, finish, only=lambda spec: spec.privacy is None)
    app = opened(open_page)
    assert not tiles(app) and not charts(app) and "No private model with this recipe and unit is finished yet" in texts(app)


def test_one_training_run_each_is_never_enough_evidence(empty, cohort, finish, open_page):
    train(empty, cohort, finish, n_seeds=1)
    app = opened(open_page)
    cost, finding, group = tiles(app)
    assert "One training run: chance in training is not counted." in cost["said"]
    assert all("not enough evidence" in tile["said"] for tile in (cost, finding, group))
    assert "Train each model twice or more" in texts(app)
    assert "<b>" not in json.dumps(charts(app)[1], ensure_ascii=False)


@made(findings=("effusion",))
def test_one_finding_is_its_own_mean(empty, cohort, finish, open_page):
    train(empty, cohort, finish)
    app = opened(open_page)
    cost, finding, _ = tiles(app)
    assert cost["title"] == "Cost, effusion" and finding["title"] == "The finding" and "The only finding." in finding["said"]
    assert charts(app)[1]["layout"]["yaxis"]["ticktext"] == ["Effusion"]


@made(cardiomegaly=0.0, effusion=0.0)
def test_findings_that_cannot_be_estimated_have_no_numbers_and_no_axes(empty, cohort, finish, open_page):
    train(empty, cohort, finish)
    app = opened(open_page)
    cost, finding, group = tiles(app)
    assert cost["value"] == finding["value"] == group["value"] == "–"
    assert "No finding can be judged in these test patients." in finding["said"] and not charts(app)


@made(cardiomegaly=0.0)
def test_a_finding_that_cannot_be_estimated_is_hatched_beside_the_others(empty, cohort, finish, open_page):
    train(empty, cohort, finish)
    app = opened(open_page)
    assert "The only finding that these patients can judge." in tiles(app)[1]["said"]
    assert '"?"' in json.dumps(charts(app)[1], ensure_ascii=False)


@made(known=False, comorbidities=())
def test_patients_of_whom_nothing_is_known_are_no_groups(empty, cohort, finish, open_page):
    train(empty, cohort, finish)
    app = opened(open_page)
    assert "Nothing is known of these patients to group them by." in tiles(app)[2]["said"]
    assert charts(app)[1]["layout"]["xaxis"]["ticktext"] == ["All patients"]


def test_with_the_image_as_unit_it_says_who_is_not_protected(empty, cohort, finish, open_page):
    train(empty, cohort, finish, unit=PrivacyUnit.IMAGE)
    app = opened(open_page, unit="image")
    assert len(tiles(app)) == 3
    assert "Protected: each training image; not a patient who has several" in texts(app)


def test_of_several_deltas_one_is_shown_with_its_own(empty, cohort, finish, open_page):
    train(empty, cohort, finish, epsilons=(1.0,))
    train(empty, cohort, finish, epsilons=(1.0,), delta=1e-6)
    app = opened(open_page, delta="1e-05")
    assert any("δ" in box.label for box in app.selectbox)
    assert "(ε = 1 at δ = 1e-05, analytic-gaussian accountant)" in texts(app)
    assert "delta=1e-05" in links(app)["Groups"]


def test_a_damaged_run_is_named_and_the_others_are_shown(empty, cohort, trained, open_page):
    path = empty.runs.root / empty.runs.run_id(trained[0]) / "scores.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    app = opened(open_page)
    assert path.parent.name in texts(app) and len(tiles(app)) == 3


def test_a_budget_that_is_not_trained_is_named_and_nothing_is_shown_instead(trained, open_page):
    app = opened(open_page, epsilon="3")
    assert "does not exist here" in texts(app) and not tiles(app) and not charts(app)


@made(checks=(Check("no_test_images", Severity.BLOCKING, 0, "The split leaves no test images."),))
def test_a_cohort_that_cannot_be_trained_on_says_why_and_leads_nowhere(cohort, open_page):
    assert cohort.blocking
    app = opened(open_page)
    assert "The split leaves no test images" in app.error[0].value and "Plan and watch models" not in links(app)


def test_what_others_wrote_is_text_in_the_table():
    row = {"attribute": FOREIGN, "subgroup": FOREIGN, "finding": FOREIGN, "difference": -0.1, "covers": "patients"}
    table = map_table(pd.DataFrame([row | {"difference_low": -0.2, "difference_high": 0.0}]))
    assert "<img" not in table and "&lt;img src=x onerror=alert(1)&gt; &amp; *mass*" in table


def test_a_table_of_more_columns_than_a_phone_shows_says_how_many_there_are():
    row = {"attribute": "sex", "subgroup": "female", "covers": "patients"}
    row |= {"difference": -0.1, "difference_low": -0.2, "difference_high": 0.0}
    two, three = (map_table(pd.DataFrame([row | {"finding": name} for name in names])) for names in ("ab", "abc"))
    assert "scroll sideways" not in two and "3 columns: scroll sideways where you do not see all." in three


def test_headings_go_down_one_level_at_a_time(trained, open_page):
    app = opened(open_page)
    assert [title.value for title in app.title] == ["What privacy costs, and whom"]
    assert {"AUROC by budget", "Who loses what", "Spent on these patients so far"} <= {heading.value for heading in app.header}
    assert not app.subheader and not any(re.match(r"#{3,} ", text.value) for text in app.markdown)
