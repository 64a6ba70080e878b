"""The rows of a plan: what can be judged, and by which held-out patients."""

from dataclasses import replace

import numpy as np
import pytest

from dpmed_core.cohort.schema import Part
from dpmed_core.errors import SpecError
from dpmed_core.evaluation.planning import cohort_plan
from dpmed_core.evaluation.planning.cohort_plan import PLAN_COLUMNS, PlanRequest, plan_rows
from dpmed_core.evaluation.planning.comparison import ONE_TRAINING
from dpmed_core.evaluation.planning.held_out import not_judgeable
from dpmed_core.evaluation.planning.plan_sentences import plan_sentence, splits_sentence
from dpmed_core.imaging.modality import Modality
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit

TARGETS = (PrivacyTarget(1.0, 1e-5), PrivacyTarget(8.0, 1e-5))
N_UNITS = 700


@pytest.fixture
def request_of():
    return PlanRequest("probe", PrivacyUnit.PATIENT, TARGETS, 3, ("sex",))


@pytest.fixture
def planned(make_cohort, split_of, request_of):
    def rows(cohort=None, **changed):
        cohort = cohort or make_cohort()
        return plan_rows(cohort, split_of(cohort), replace(request_of, **changed), n_units=N_UNITS)

    return rows


def test_there_is_a_row_for_each_finding_group_and_budget(planned):
    rows = planned()
    assert tuple(rows.columns) == PLAN_COLUMNS
    places = [(f, a, s, e) for f in ("common", "rare") for a, s in (("all", "all"), ("sex", "female"), ("sex", "male")) for e in (1.0, 8.0)]
    assert list(rows[["finding", "attribute", "subgroup", "epsilon"]].itertuples(index=False, name=None)) == places


def test_counts_are_those_of_the_test_and_validation_patients(planned, make_cohort):
    cohort = make_cohort()
    test = cohort.cases[cohort.cases["split"] == Part.TEST.value]
    rows = planned(cohort).set_index(["finding", "subgroup", "epsilon"])
    women = test[test["sex"] == "female"]
    assert rows.loc[("common", "female", 1.0), "n_positive"] == int(women["common"].sum())
    assert rows.loc[("common", "female", 1.0), "n_negative"] == int((women["common"] == 0).sum())
    assert rows.loc[("common", "all", 1.0), "n_patients"] == test["patient_id"].nunique()
    validation = cohort.cases[cohort.cases["split"] == Part.VALIDATION.value]
    assert rows.loc[("common", "all", 1.0), "n_positive_validation"] == int(validation["common"].sum())


def test_labels_of_training_patients_change_nothing(planned, make_cohort):
    cohort = make_cohort()
    changed = cohort.cases.copy()
    training = changed["split"] == Part.TRAIN.value
    changed.loc[training, ["common", "rare"]] = 1 - changed.loc[training, ["common", "rare"]]
    changed.loc[training, "sex"] = "female"
    assert planned(cohort).equals(planned(replace(cohort, cases=changed)))
    held_out = cohort.cases.copy()
    held_out.loc[~training, "common"] = 1 - held_out.loc[~training, "common"]
    assert not planned(cohort).equals(planned(replace(cohort, cases=held_out)))


def test_a_finding_with_too_few_positives_cannot_be_judged_and_has_no_numbers(planned, make_cohort, split_of):
    rows = planned()
    rare = rows[rows["finding"] == "rare"]
    assert not rare["judgeable"].any() and (rare["reason"] != "").all()
    assert rare[["detectable_loss", "detectable_extra_loss", "expected_loss", "expected_low", "expected_high"]].isna().all().all()
    cohort = make_cohort()
    assert not_judgeable(cohort, split_of(cohort)).startswith("1 of 2 findings cannot be judged in the 200 test patients of this cohort")
    assert not_judgeable(replace(cohort, findings=("common",)), split_of(cohort)) == ""


def test_too_few_positives_for_a_threshold_are_remarked(planned, make_cohort):
    cohort = make_cohort()
    cases = cohort.cases.copy()
    cases.loc[cases["split"] == Part.VALIDATION.value, "common"] = 0.0
    rows = planned(replace(cohort, cases=cases))
    everybody = rows[(rows["finding"] == "common") & (rows["attribute"] == "all")]
    assert everybody["judgeable"].all() and everybody["remark"].str.contains("fewer than 5 positives among the validation patients").all()


def test_more_patients_and_more_trainings_find_smaller_losses(planned, make_cohort):
    def found(rows):
        return rows.loc[(rows["finding"] == "common") & (rows["attribute"] == "all"), "detectable_loss"].to_numpy()

    few = found(planned(n_trainings=20))
    assert (found(planned(make_cohort(8000), n_trainings=20)) < few).all()
    assert (few < found(planned())).all()


def test_the_level_is_shared_out_over_findings_groups_and_budgets(planned):
    rows = planned()
    assert set(rows.loc[rows["attribute"] == "all", "comparisons"]) == {2}  # one finding that can be judged, two budgets
    assert set(rows.loc[rows["attribute"] == "sex", "comparisons"]) == {4}
    assert set(planned(targets=TARGETS[:1])["comparisons"]) == {1, 2}


def test_one_training_finds_nothing(planned):
    rows = planned(n_trainings=1)
    judged = rows[rows["judgeable"]]
    assert judged["detectable_loss"].isna().all() and (judged["reason"] == ONE_TRAINING).all()
    assert judged["patients_needed"].isna().all() and judged.loc[judged["attribute"] == "all", "expected_loss"].notna().all()


def test_expected_losses_lie_in_their_interval_and_shrink_with_epsilon(planned):
    rows = planned()
    everybody = rows[rows["judgeable"] & (rows["attribute"] == "all")].sort_values("epsilon")
    low, loss, high = (everybody[name] for name in ("expected_low", "expected_loss", "expected_high"))
    assert (low < loss).all() and (loss < high).all()
    assert everybody["expected_loss"].is_monotonic_decreasing
    # What few test patients show scatters around what is true.
    assert (low < everybody["true_low"]).all() and (everybody["true_high"] < high).all()
    groups = rows[rows["judgeable"] & (rows["attribute"] == "sex")]
    assert groups["expected_loss"].isna().all() and (groups["expected_reason"] == cohort_plan.OF_WHOLE_COHORTS).all()


def test_with_many_test_patients_and_trainings_the_loss_that_is_seen_is_the_true_one(planned, make_cohort):
    def excess(rows):
        everybody = rows[(rows["finding"] == "common") & (rows["attribute"] == "all")]
        return (everybody["expected_high"] - everybody["true_high"]).to_numpy()

    assert (excess(planned(make_cohort(20_000), n_trainings=90)) < 0.2 * excess(planned())).all()


@pytest.mark.parametrize(
    ("recipe", "modality", "reason"),
    [("paper", Modality.RADIOGRAPH, cohort_plan.OTHER_RECIPE), ("probe", Modality.CT, cohort_plan.OTHER_MODALITY)],
)
def test_the_law_is_not_used_where_it_was_not_measured(planned, make_cohort, recipe, modality, reason):
    rows = planned(make_cohort(modality=modality), recipe=recipe)
    judged = rows[rows["judgeable"]]
    assert judged["expected_loss"].isna().all() and (judged["expected_reason"] == reason).all()
    assert judged["detectable_loss"].notna().any()


def test_the_law_is_not_used_for_findings_that_begin_at_a_start(planned):
    def of_everybody(begun):
        rows = planned(at_start=frozenset({begun}))
        return rows[rows["judgeable"] & (rows["attribute"] == "all") & (rows["finding"] == "common")]

    assert (of_everybody("common")["expected_reason"] == cohort_plan.OTHER_START).all()
    assert of_everybody("rare")["expected_loss"].notna().all(), "another finding's start changes nothing"


def test_a_users_own_auroc_without_privacy_counts(planned):
    rows = planned(reference=0.9)
    judged = rows[rows["judgeable"]]
    assert np.allclose(judged["expected_auroc"], 0.9)
    for impossible in (0.5, 1.0, -3):
        with pytest.raises(SpecError):
            planned(reference=impossible)


def test_needed_patients_and_trainings_are_enough_and_no_more(planned, make_cohort):
    rows = planned(margin=0.02, targets=TARGETS[1:])
    row = rows[(rows["finding"] == "common") & (rows["attribute"] == "all")].iloc[0]
    m = int(row["trainings_needed"])

    def detectable(n):
        again = planned(margin=0.02, targets=TARGETS[1:], n_trainings=n)
        return again[(again["finding"] == "common") & (again["attribute"] == "all")].iloc[0]["detectable_loss"]

    assert detectable(m) <= 0.0201 and detectable(m - 1) > 0.0199
    # A cohort of so many patients, drawn alike, finds about the margin.
    bigger = planned(make_cohort(int(row["patients_needed"])), targets=TARGETS[1:])
    found = bigger[(bigger["finding"] == "common") & (bigger["attribute"] == "all")].iloc[0]["detectable_loss"]
    assert found == pytest.approx(0.02, rel=0.1)


def test_the_sentence_counts_findings_and_names_the_range_of_losses(planned):
    rows = planned(by=())
    shown = rows["detectable_loss"].dropna()
    sentence = plan_sentence(rows, ("common", "rare"))
    assert sentence.startswith("1 of 2 findings can be judged in 200 test patients. With 3 trainings")
    assert f"{shown.min():.3f}" in sentence and f"{shown.max():.3f}" in sentence
    assert "No loss of AUROC would be found" in plan_sentence(planned(n_trainings=1), ("common", "rare"))


def test_repeated_splits_are_priced_unless_the_source_names_the_parts(planned, make_cohort, split_of, request_of):
    assert planned()["splits"].isna().all() and splits_sentence(planned()) == ""
    cohort = make_cohort(150)
    unsplit = replace(cohort, cases=cohort.cases.assign(split=None))
    rows = plan_rows(unsplit, split_of(cohort), replace(request_of, by=(), n_trainings=2), n_units=N_UNITS)
    row = rows[(rows["finding"] == "common") & (rows["epsilon"] == 1.0)].iloc[0]
    assert row["splits"] == 10 and row["epsilon_over_splits"] == pytest.approx(3.6186, abs=1e-4) and row["splits_worth"] is True
    at_one = splits_sentence(rows[rows["epsilon"] == 1.0])
    assert "ε = 3.62 at δ = 1e-05 for a patient in every training part, analytic-gaussian accountant" in at_one
    assert at_one.startswith("One random split is too little for 1 finding: 10 splits") and "sweep --splits 10" in at_one


def test_a_cohort_without_test_patients_can_judge_nothing(planned, make_cohort):
    cohort = make_cohort()
    rows = planned(replace(cohort, cases=cohort.cases.assign(split=Part.TRAIN.value)), by=())
    assert not rows["judgeable"].any() and set(rows["reason"]) == {"no case with a known label"}
