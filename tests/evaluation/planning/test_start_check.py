"""A start on validation patients: AUROC and fall within subgroups, against scikit-learn and a bootstrap over patients."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from dpmed_core.cohort.schema import Part
from dpmed_core.evaluation.planning.start_check import rows_to_check, start_check, warnings_of

BEGINS = np.array([True, False])
"""Knows of the first finding alone."""


@pytest.fixture
def by_view(make_cohort):
    """(cohort, own features): images of view AP have the finding more often, and the start tells the view alone or the finding too."""

    def make(*, knows):
        cohort, rng = make_cohort(2000), np.random.default_rng(3)
        ap = rng.random(len(cohort.cases)) < 0.4
        label = (rng.random(len(ap)) < np.where(ap, 0.6, 0.15)).astype(float)
        cases = cohort.cases.assign(view_ap=ap.astype(float), common=label)
        own = np.zeros((len(ap), 2))
        own[:, 0] = np.tanh(0.5 * rng.standard_normal(len(ap)) + ap + knows * label)
        return replace(cohort, cases=cases, comorbidities=("view_ap",)), own

    return make


def checked(cohort, own, split_of):
    rows = rows_to_check(split_of(cohort))
    return start_check(own[rows], BEGINS, cohort, rows, ("view_ap",))


def test_falls_are_those_of_the_same_images(by_view, split_of):
    cohort, own = by_view(knows=0.0)
    table = checked(cohort, own, split_of)
    assert table["finding"].unique().tolist() == ["common"], "of the other finding the start knows nothing"
    rows = np.flatnonzero(cohort.cases["split"] == Part.VALIDATION.value)
    label, score, ap = cohort.labels[rows, 0], own[rows, 0], cohort.cases["view_ap"].to_numpy()[rows] == 1
    whole = roc_auc_score(label, score)
    shown = table.set_index(["attribute", "subgroup"])
    assert shown.loc[("all", "all"), "auroc"] == pytest.approx(whole) and np.isnan(shown.loc[("all", "all"), "fall"])
    for subgroup, inside in (("with", ap), ("without", ~ap)):
        row = shown.loc[("view_ap", subgroup)]
        assert row["fall"] == pytest.approx(whole - roc_auc_score(label[inside], score[inside]))
        assert row["fall_low"] > 0, "all that it knows is the view"


def test_the_interval_of_a_fall_is_as_long_as_a_bootstrap_over_patients_makes_it(by_view, split_of):
    cohort, own = by_view(knows=0.5)
    row = checked(cohort, own, split_of).set_index(["attribute", "subgroup"]).loc[("view_ap", "with")]
    rows = np.flatnonzero(cohort.cases["split"] == Part.VALIDATION.value)
    data = pd.DataFrame({"y": cohort.labels[rows, 0], "s": own[rows, 0], "ap": cohort.cases["view_ap"].to_numpy()[rows]})
    images = list(pd.Series(np.arange(len(rows))).groupby(cohort.cases["patient_id"].to_numpy()[rows]).apply(np.array))
    rng, falls = np.random.default_rng(0), []
    for _ in range(400):
        drawn = data.iloc[np.concatenate([images[i] for i in rng.integers(0, len(images), len(images))])]
        inside = drawn[drawn["ap"] == 1]
        falls.append(roc_auc_score(drawn["y"], drawn["s"]) - roc_auc_score(inside["y"], inside["s"]))
    assert (row["fall_high"] - row["fall_low"]) / (2 * 1.96 * np.std(falls)) == pytest.approx(1, abs=0.12)


def test_a_fall_within_a_view_is_warned_of_and_one_that_may_be_chance_is_not(by_view, split_of):
    warned = warnings_of(checked(*by_view(knows=0.0), split_of))
    assert len(warned) == 2 and all("part of what it knows may be that attribute" in one and "below 0.6" in one for one in warned)
    assert warned[0].startswith("common, Without view AP") or warned[0].startswith("common, With view AP")
    cohort, own = by_view(knows=3.0)
    own[:, 0] = np.where(cohort.labels[:, 0] == 1, 0.5, -0.5) + 0.3 * np.random.default_rng(1).standard_normal(len(own))
    assert warnings_of(checked(cohort, own, split_of)) == []


def test_a_low_auroc_within_a_group_is_warned_of_though_the_fall_may_be_chance(by_view, split_of):
    table = checked(*by_view(knows=3.0), split_of)
    table.loc[table["subgroup"] == "with", ["auroc", "fall", "fall_low", "fall_high"]] = [0.55, 0.1, -0.1, 0.3]
    (warned,) = [one for one in warnings_of(table) if "With view" in one]
    assert "0.550" in warned and "below 0.6" in warned and warned.endswith("the fall may be chance.")
    table.loc[table["subgroup"] == "with", "fall"] = -0.1
    assert not [one for one in warnings_of(table) if "With view" in one], "no fall, so that the warning of all patients says it"


def test_of_a_network_it_is_not_said_that_training_gives_its_start_up(by_view, split_of):
    cohort, own = by_view(knows=1.0)
    table = checked(cohort, -own, split_of)
    assert "can give it up" in warnings_of(table)[0]
    of_network = warnings_of(table, of_network=True)[0]
    assert "A network does not give up its start" in of_network and "can give it up" not in of_network


def test_patients_who_are_trained_on_are_never_looked_at(by_view, split_of):
    cohort, own = by_view(knows=1.0)
    rows = rows_to_check(split_of(cohort), tuple(Part))
    every = start_check(own[rows], BEGINS, cohort, rows)
    held_out = cohort.cases["split"].isin([Part.VALIDATION.value, Part.TEST.value])
    assert every["n_cases"].tolist() == [int(held_out.sum())]
