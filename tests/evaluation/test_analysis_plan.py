"""What a look departs from, and what is said of it."""

import pytest

from dpmed_core.errors import SpecError
from dpmed_core.evaluation.analysis_plan import AnalysisPlan, Look, PlanRecord, WrittenPlan

PLANNED = AnalysisPlan.of(["sex", "age"], ["mass", "nodule"], 0.02, recipe="probe", unit="patient", epsilons=[8, 1], n_seeds=3)
WHOLE = Look("probe", "patient", (1.0, 8.0), 3, "sex", "mass", 0.02, "sampled alike", "youden", "auroc")
RECORD = PlanRecord((WrittenPlan(PLANNED, 0.0, after_results=False, seal="0123456789"),), PLANNED)


def test_a_plan_is_the_same_whatever_the_order_and_is_read_back_from_its_fields():
    assert AnalysisPlan.of(["age", "sex", "age"], ["nodule", "mass"], 0.02) == AnalysisPlan.of(["sex", "age"], ["mass", "nodule"], 0.02)
    assert AnalysisPlan.from_fields(PLANNED.fields()) == PLANNED and PLANNED.epsilons == (1.0, 8.0)
    earlier = AnalysisPlan.from_fields({"attributes": ["sex"], "findings": ["mass"], "margin": 0.02})
    assert earlier.recipe is None and earlier.departures(Look(recipe="paper", epsilons=(3.0,), n_seeds=9, attribute="sex")) == []


@pytest.mark.parametrize(
    ("change", "phrase"),
    [
        ({"recipe": "paper"}, "the recipe paper"),
        ({"unit": "image"}, "the image as unit of privacy"),
        ({"epsilons": (1.0, 2.0)}, "ε = 2"),
        ({"n_seeds": 5}, "5 training runs for each model where 3 were planned"),
        ({"attribute": "copd"}, "groups by COPD"),
        ({"finding": "edema"}, "the finding edema"),
        ({"margin": 0.05}, "a margin of 0.05"),
        ({"reference": "conventional"}, "the reference “conventional”"),
        ({"operating_point": "sensitivity=0.9"}, "the operating point sensitivity=0.9"),
        ({"metric": "auprc"}, "the measure auprc"),
    ],
)
def test_each_departure_is_named(change, phrase):
    look = Look(**{**WHOLE.__dict__, **change})
    assert PLANNED.departures(look) == [phrase]
    assert RECORD.why_exploratory(look) == f"Exploratory: the analysis plan does not name {phrase}."


def test_what_was_planned_is_not_exploratory_and_what_a_look_leaves_open_departs_from_nothing():
    assert RECORD.why_exploratory(WHOLE) == "" and RECORD.why_exploratory(Look()) == ""
    assert RECORD.why_exploratory(Look(finding="macro")) == ""
    assert "before these verdicts were first shown" in RECORD.sentence() and "Seal 01234567" in RECORD.sentence()


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (PlanRecord((), PLANNED), "no analysis plan was written"),
        (PlanRecord(RECORD.written, PLANNED, whole=False), "ledger check"),
        (PlanRecord((WrittenPlan(PLANNED, 0.0, after_results=True),), PLANNED), "could already be seen"),
        (PlanRecord((*RECORD.written, WrittenPlan(PLANNED, 1.0, after_results=True, reason="typing error")), PLANNED), "typing error"),
    ],
)
def test_without_a_plan_before_results_everything_is_exploratory(record, words):
    assert record.is_exploratory and words in record.why_exploratory(WHOLE)
    assert words.lower() in record.sentence().lower() and "before these verdicts" not in record.sentence()


def test_a_margin_that_no_loss_can_have_is_refused():
    with pytest.raises(SpecError, match="margin"):
        AnalysisPlan.of(["sex"], ["mass"], 0.0)


def test_a_plan_that_names_no_budgets_is_not_said_to_name_them() -> None:
    plan = AnalysisPlan.of(["sex"], ["mass"], 0.02)
    said = [
        PlanRecord((WrittenPlan(p, 0.0, after_results=False),), plan).sentence()
        for p in (plan, AnalysisPlan.of(["sex"], ["mass"], 0.02, recipe="probe", unit="patient", epsilons=[1.0], n_seeds=2))
    ]
    assert ["budgets" in sentence for sentence in said] == [False, True]
