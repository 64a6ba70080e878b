"""What a report holds only where somebody asks for it: measured protection in aggregates, and the cases that comments are on."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from dpmed_core.cli import dpmed
from dpmed_core.cohort.display_names import finding_title
from dpmed_core.cohort.schema import Part
from dpmed_core.cohort.split import DEFAULT_SPLIT_SEED, assign_parts
from dpmed_core.decision_report.beside import Asked, is_measured
from dpmed_core.decision_report.gathered import of_cohort, of_review
from dpmed_core.decision_report.page import report_html
from dpmed_core.errors import CohortError, ReviewError, SettingsError
from dpmed_core.privacy.exposure.aggregates import aggregates
from dpmed_core.privacy.exposure.exposure_rows import ExposureRow
from dpmed_core.privacy.exposure.group_exposure import GroupExposure
from dpmed_core.privacy.exposure.measurement import Measurement, write_measurement
from dpmed_core.review.acts import comment
from dpmed_core.review.frozen import CANDIDATE, REFERENCE, run_ids
from dpmed_core.review.records import About, Kind, Role
from dpmed_core.training.recipes.catalogue import PROBE
from tests.decision_report.test_report import Read, as_number, without_plotly
from tests.finished_runs import finish_run
from tests.review.conftest import WHO

__all__ = ["without_plotly"]
GROUPS = (
    GroupExposure("sex", "female", 50, 0.6123, 0.6, 0.63, 0.1, 0.05, 0.2, 0.0512, 0.0211, 0.0789, "unequal", False),
    GroupExposure("sex", "male", 40, 0.561, 0.55, 0.57, 0.05, 0.01, 0.1, -0.0512, -0.0789, -0.0211, "unequal", False),
    GroupExposure("age", "0-29"),
)


def row(epsilon, *, unit="patient", median=0.6234, certain=0.0, flagged=3):
    facts = {"epsilon": epsilon, "delta": None if epsilon is None else 1e-5, "unit": unit, "bound": None if epsilon is None else 0.88011}
    odds = {"median_auc": median, "worst_auc": 0.98765, "worst_low": 0.9, "worst_high": 1.0, "share_nearly_certain": certain}
    null = {"n_above_bound": 0, "null_median_auc": 0.5012, "null_flagged": 0}
    return ExposureRow(n_patients=90, n_trainings=200, flagged=flagged, groups=GROUPS, **facts, **odds, **null)


@pytest.fixture
def measured(here, cohort):
    """A made-up measurement of two budgets, without privacy, and of another unit."""
    rows = (row(None, median=0.877, certain=41 / 90, flagged=88), row(1.0), row(8.0, flagged=40), row(8.0, unit="image", median=0.7777))
    found = Measurement(PROBE.name, PROBE.version, DEFAULT_SPLIT_SEED, 200, rows, np.full((4, 90), 0.5))
    write_measurement(here.cohorts.protection_dir(cohort.name), found, fingerprint=cohort.fingerprint)
    return found


@pytest.fixture
def commented(here, cohort, review):
    """The case_ids of two test cases, of which one is commented twice."""
    rows = np.flatnonzero(assign_parts(cohort, seed=DEFAULT_SPLIT_SEED, key=here.key).parts == Part.TEST.value)[:2]
    ids = [str(case_id) for case_id in cohort.cases["case_id"].iloc[rows]]
    for case_id in (ids[1], ids[0], ids[1]):
        now = here.reviews.review(review.review_id)
        comment(here.reviews, now, WHO[Role.IT], About(Kind.CASE, case_id), "rare anatomy", seen=now.version, cohort=cohort)
    return [ids[1], ids[0]]


def groups_shown(page):
    return Read(page).rows("exposed-groups")["Group"]


def page_of(here, review, asked):
    return report_html(of_review(here, review.review_id, asked))


def test_measured_protection_is_the_aggregates_to_the_printed_digit_and_no_single_patient(here, review, measured):
    page = page_of(here, review, Asked(protection=True))
    table = aggregates(measured)
    everybody = table[(table["attribute"] == "all") & (table["unit"] == "patient")].reset_index(drop=True)
    shown = Read(page).rows("protection")
    assert list(shown["Privacy"]) == ["without privacy", "ε = 1", "ε = 8"] and list(shown["δ"]) == ["", "1e-05", "1e-05"]
    for name, column in {"Median AUC": "median_auc", "By chance": "median_auc_by_chance"}.items():
        assert [as_number(cell) for cell in shown[name]] == pytest.approx(list(everybody[column]), abs=0.0005)
    assert list(shown["Patients at 0.9 or more"]) == ["41", "0", "0"]
    assert list(shown["Better than chance"]) == ["withheld", "withheld", "40"], "88 of 90 leaves two, and 3 are fewer than five"
    assert list(shown["Bound of one unit"]) == ["none", "0.881", "0.881"], "a bound is never printed below itself"
    assert list(groups_shown(page)) == ["Female", "Male", "0–29 years"] and set(shown["Patients"]) == {"90"}
    groups = Read(page).rows("exposed-groups")
    wanted = table[(table["attribute"] != "all") & (table["unit"] == "patient") & (table["epsilon"] == 8.0)].reset_index(drop=True)
    assert len(groups) == len(wanted) == 3
    for (_, cells), (_, one) in zip(groups.iterrows(), wanted.iterrows(), strict=True):
        assert cells["Verdict"] == one["verdict"]
        if pd.isna(one["mean_auc"]):
            assert (cells["Patients"], cells["Mean AUC"], cells["Difference"], cells["Limits"]) == ("withheld", "withheld", "withheld", "")
            continue
        assert as_number(cells["Mean AUC"]) == pytest.approx(one["mean_auc"], abs=0.0005)
        assert as_number(cells["Difference"]) == pytest.approx(one["difference"], abs=0.0005)
        ends = [as_number(end) for end in cells["Limits"].split(" to ")]
        assert ends == pytest.approx([one["difference_low"], one["difference_high"]], abs=0.0005)
    words = " ".join(Read(page).words)
    assert "0.988" not in words and "0.778" not in words, "neither the most exposed patient nor another unit"
    assert "Unit of privacy: patient; analytic-gaussian accountant, zero-out neighbours" in words and "200 shadow" in words


def test_without_being_asked_nothing_of_it_is_in_a_report(here, review, measured, commented):
    read = Read(page_of(here, review, Asked()))
    assert not {"protection", "exposed-groups", "cases"} & set(read.tables) and "case 1" not in " ".join(read.words)
    assert is_measured(here, review.frozen)


def test_protection_of_real_patients_needs_the_setting_and_what_was_not_measured_is_refused(here, cohort, review, monkeypatch):
    with pytest.raises(ReviewError, match="was not measured"):
        of_review(here, review.review_id, Asked(protection=True))
    with pytest.raises(ReviewError, match="was not measured"):
        of_cohort(here, cohort.name, asked=Asked(protection=True))
    real = replace(cohort, synthetic=False)
    monkeypatch.setattr(type(here.cohorts), "with_fingerprint", lambda self, fingerprint: real)
    with pytest.raises(SettingsError, match="DPMED_SHOW_EXPOSURE"):
        of_review(here, review.review_id, Asked(protection=True))
    assert not is_measured(here, review.frozen)


def test_protection_of_another_recipe_is_not_shown_beside_the_candidates(here, review, measured):
    other = {**review.frozen, "candidate": {**review.frozen["candidate"], "recipe_version": PROBE.version - 1}}
    assert is_measured(here, review.frozen) and not is_measured(here, other)


def test_commented_cases_have_numbers_labels_and_the_runs_own_scores_and_no_name(here, cohort, review, commented):
    page = page_of(here, review, Asked(cases=True))
    shown, words = Read(page).rows("cases"), " ".join(Read(page).words)
    assert list(dict.fromkeys(shown["Case"])) == ["Case 1", "Case 2"] and len(shown) == 2 * len(cohort.findings)
    scores = {
        which: pd.concat([here.runs.scores(run_id) for run_id in run_ids(review.frozen, which)]).astype({"case_id": str, "finding": str})
        for which in (CANDIDATE, REFERENCE)
    }
    for number, case_id in enumerate(commented, start=1):
        for finding in cohort.findings:
            (cells,) = shown[(shown["Case"] == f"Case {number}") & (shown["Finding"] == finding_title(finding))].to_dict("records")
            for which, name in ((CANDIDATE, "With privacy"), (REFERENCE, "Without")):
                own = scores[which]
                own = own[(own["case_id"] == case_id) & (own["finding"] == finding)]
                assert len(own) == 2 and as_number(cells[name]) == pytest.approx(own["score"].mean(), abs=0.0005)
            label = own["label"].iloc[0]
            assert cells["Label"] == ("not known" if np.isnan(label) else "present" if label else "absent")
    assert words.count("on case 1") == 2 and words.count("on case 2") == 1
    names = [*cohort.cases["patient_id"].astype(str), *cohort.cases["case_id"].astype(str)]
    assert not [one for one in names if one in page] and "rare anatomy" not in page and "img" not in Read(page).tags


def test_cases_of_other_models_or_of_data_that_are_gone_are_not_shown(here, cohort, review, commented):
    first = run_ids(review.frozen, CANDIDATE)[0]
    finish_run(here, cohort, here.runs.status(first).spec, luck=77)
    with pytest.raises(ReviewError, match="trained again since"):
        of_review(here, review.review_id, Asked(cases=True))
    here.cohorts.remove(cohort.name)
    for asked in (Asked(cases=True), Asked(protection=True)):
        with pytest.raises(CohortError, match="not there any more"):
            of_review(here, review.review_id, asked)


def test_the_command_asks_for_them(here, cohort, review, measured, commented, tmp_path, monkeypatch):
    monkeypatch.setattr("dpmed_core.commands.report.Installation.open", lambda: here)
    out = tmp_path / "report.html"
    words = ["report", "--review", review.review_id, "--with-protection", "--with-cases", "--out", str(out)]
    assert CliRunner().invoke(dpmed, words).exit_code == 0
    assert {"protection", "exposed-groups", "cases"} <= set(Read(out.read_text()).tables)
    assert CliRunner().invoke(dpmed, ["report", "--cohort", cohort.name, "--with-cases", "--out", str(out)]).exit_code == 2
    assert CliRunner().invoke(dpmed, ["report", "--cohort", cohort.name, "--with-protection", "--out", str(out)]).exit_code == 0
    assert "protection" in Read(out.read_text()).tables
