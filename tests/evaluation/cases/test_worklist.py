"""The worklist against rows counted by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dpmed_core.evaluation.cases.case_scores import NEGATIVE, NO_ANSWER, POSITIVE, SPLIT, CaseScores
from dpmed_core.evaluation.cases.worklist import (
    ABSENT,
    AGREE,
    CHANGED,
    DIFFER,
    EVERY,
    HARMED,
    HARMED_AT_ONE,
    PRESENT,
    SAME,
    SORTINGS,
    UNKNOWN,
    facet_counts,
    ordered,
    selected,
    stepped,
    unscored_worklist,
    worklist,
)
from dpmed_core.evaluation.scores.panel import Panel

NAN = np.nan


def run(run_id, epsilon, seed):
    private = not np.isnan(epsilon)
    facts = {"run_id": run_id, "recipe": "probe", "epsilon": epsilon, "epsilon_spent": epsilon, "delta": 1e-5 if private else NAN}
    return {**facts, "unit": "patient", "accountant": "analytic-gaussian" if private else None, "seed": seed}


@pytest.fixture
def scores():
    """Four cases, two findings, two private training runs at 1, two references; every threshold is 0.5."""
    effusion = [[0.9, 0.38, 0.55, 0.1], [0.7, 0.62, 0.85, 0.2], [0.9, 0.9, 0.1, 0.1], [0.8, 0.7, 0.3, 0.1]]
    mass = [[0.1, 0.1, 0.1, 0.9], [0.1, 0.1, 0.1, 0.9], [0.2, 0.1, 0.1, 0.1], [0.2, 0.1, 0.1, 0.1]]
    panel = Panel(
        runs=pd.DataFrame([run("p0", 1.0, 0), run("p1", 1.0, 1), run("t0", NAN, 0), run("t1", NAN, 1)]),
        findings=("effusion", "mass"),
        cases=pd.DataFrame(
            {"case_id": list("abcd"), "patient_id": list("wxyz"), "age": [30.0, NAN, 65, 75], "sex": ["female", "male"] * 2}
        ),
        patients=np.arange(4),
        n_patients=4,
        labels=np.array([[1, 1, 0, NAN], [0, 0, 0, 1]]),
        scores=np.stack([np.array(effusion), np.array(mass)], axis=1),
    )
    return CaseScores(panel, np.full((4, 2), 0.5))


def test_every_case_has_truth_answers_and_change(scores):
    table = worklist(scores, finding="effusion", epsilon=1.0, attribute="sex")
    assert table["case_id"].tolist() == list("abcd")
    assert table["truth"].tolist() == [PRESENT, PRESENT, ABSENT, UNKNOWN]
    assert table["answer"].tolist() == [POSITIVE, SPLIT, POSITIVE, NEGATIVE]
    assert table["answer_without"].tolist() == [POSITIVE, POSITIVE, NEGATIVE, NEGATIVE]
    assert table["agreement"].tolist() == [AGREE, UNKNOWN, DIFFER, AGREE]
    np.testing.assert_allclose(table["score"], [0.8, 0.5, 0.7, 0.15])
    np.testing.assert_allclose(table["change"], [-0.05, -0.3, 0.5, 0.05])
    np.testing.assert_allclose(table["spread"], np.array([0.2, 0.24, 0.3, 0.1]) / np.sqrt(2))
    np.testing.assert_allclose(table["distance"], [0.3, 0.0, 0.2, -0.35], atol=1e-12)
    assert table["subgroup"].tolist() == ["female", "male", "female", "male"]


def test_over_all_findings_a_case_shows_the_finding_that_changed_most(scores):
    table = worklist(scores, finding="macro", epsilon=1.0)
    assert table["finding"].tolist() == [
        "mass" if abs(m) > abs(e) else "effusion" for e, m in zip([-0.05, -0.3, 0.5, 0.05], [-0.1, 0, 0, 0.8], strict=True)
    ]
    assert table["truth"].tolist() == [ABSENT, PRESENT, ABSENT, PRESENT]


@pytest.mark.parametrize(
    ("sorting", "first"),
    [("harm", "cbad"), ("change", "cbad"), ("uncertainty", "cbad"), ("score", "acbd"), ("border", "bcad"), ("none", "abcd")],
)
def test_the_order_follows_the_sorting(scores, sorting, first):
    assert sorting in SORTINGS
    table = ordered(worklist(scores, finding="effusion", epsilon=1.0), sorting)
    assert "".join(table["case_id"]) == first


HARM = {
    # label, private and non-private score; thresholds .5 but for the private model's own of .3
    "wrong with privacy, at both thresholds": (1, 0.1, 0.9, HARMED),
    "wrong with privacy, at one for all alone": (1, 0.4, 0.9, HARMED_AT_ONE),
    "wrong with privacy, at its own alone": (0, 0.4, 0.1, HARMED_AT_ONE),
    "right with privacy alone": (1, 0.9, 0.1, CHANGED),
    "changed where the label is not known": (NAN, 0.9, 0.1, CHANGED),
    "wrong with both": (1, 0.1, 0.2, SAME),
    "right with both": (0, 0.1, 0.2, SAME),
}


def test_harmful_changes_come_first_at_own_thresholds_and_at_one_for_all(scores):
    label, private, without, expected = (np.array(column, dtype=float) for column in zip(*HARM.values(), strict=True))
    n = len(HARM)
    panel = replace(
        scores.panel,
        runs=pd.DataFrame([run("p0", 1.0, 0), run("t0", NAN, 0)]),
        findings=("effusion",),
        cases=pd.DataFrame({"case_id": [str(i) for i in range(n)], "patient_id": range(n), "age": NAN, "sex": "female"}),
        patients=np.arange(n),
        n_patients=n,
        labels=label[None],
        scores=np.stack([private, without])[:, None],
    )
    made = CaseScores(panel, np.array([[0.3], [0.5]]))
    table = worklist(made, finding="effusion", epsilon=1.0)
    assert dict(zip(HARM, table["harm"], strict=True)) == dict(zip(HARM, expected, strict=True))
    assert ordered(table.iloc[::-1], "harm")["harm"].is_monotonic_increasing
    assert (worklist(made, finding="effusion", epsilon=None)["harm"] == SAME).all(), "without a private model nothing can have changed"


def test_filters_together_leave_what_each_leaves(scores):
    table = worklist(scores, finding="effusion", epsilon=1.0, attribute="sex")
    assert selected(table, {"truth": PRESENT, "answer": EVERY})["case_id"].tolist() == ["a", "b"]
    assert selected(table, {"truth": PRESENT, "subgroup": "male"})["case_id"].tolist() == ["b"]
    assert selected(table, {"agreement": DIFFER})["case_id"].tolist() == ["c"]
    assert selected(table, {}).equals(table)


def test_a_count_says_how_many_cases_a_choice_would_leave(scores):
    table = worklist(scores, finding="effusion", epsilon=1.0, attribute="sex")
    filters = {"truth": PRESENT, "subgroup": "female"}
    counts = facet_counts(table, filters)
    for facet, of_values in counts.items():
        for value, n in of_values.items():
            assert n == len(selected(table, {**filters, facet: value})), (facet, value)
    assert counts["subgroup"][EVERY] == 2 and counts["truth"][EVERY] == 2


def test_without_references_or_without_private_runs_nothing_is_compared(scores):
    alone = worklist(scores, finding="effusion", epsilon=None)
    assert set(alone["answer"]) == {NO_ANSWER} and alone["change"].isna().all() and alone["score_without"].notna().all()
    assert set(alone["agreement"]) == {UNKNOWN}
    assert worklist(scores, finding="macro", epsilon=None)["finding"].tolist() == ["effusion"] * 4


def test_cases_without_scores_still_have_their_truth():
    cases = pd.DataFrame({"case_id": list("abc"), "sex": "female", "effusion": [1.0, 0, NAN], "mass": [NAN, 0, 0]})
    one = unscored_worklist(cases, ["effusion", "mass"], finding="effusion")
    assert one["truth"].tolist() == [PRESENT, ABSENT, UNKNOWN] and one["score"].isna().all()
    both = unscored_worklist(cases, ["effusion", "mass"], finding="macro", attribute="sex")
    assert both["truth"].tolist() == [PRESENT, ABSENT, UNKNOWN]
    assert set(both["answer"]) == {NO_ANSWER}


def test_steps_stop_at_the_ends():
    assert [stepped("abc", "b", by) for by in (-5, -1, 1, 5)] == ["a", "a", "c", "c"]
    assert stepped("abc", "z", 1) == "a"
