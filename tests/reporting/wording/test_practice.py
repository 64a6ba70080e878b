"""Sentences on missed cases, false alarms and predictive values."""

import numpy as np
import pytest

from dpmed_core.evaluation.metrics.catalogue import METRICS
from dpmed_core.reporting.wording.practice import practice_sentence, predictive_sentence
from dpmed_core.reporting.wording.utility import utility_sentence
from tests.scored import evaluation_tables

ABOUT = {"recipe": "probe", "unit": "patient", "finding": "mass", "epsilon": 1.0}


@pytest.fixture
def tables(make_scored):
    return evaluation_tables(make_scored({"r0": np.nan, "p0": 1.0}, n_patients=300, validation=True))


def test_the_sentence_has_the_tables_numbers(tables):
    said = practice_sentence(tables.practice, tables.practice_differences, **ABOUT)
    own = tables.practice.query("finding == 'mass' and thresholds == 'own'")
    private, reference = own[own["epsilon"] == 1.0].iloc[0], own[own["epsilon"].isna()].iloc[0]
    assert said.startswith(f"Of 100 images with mass, models miss {private['missed_per_100']:.0f} (95 % interval")
    assert f"and {reference['missed_per_100']:.0f} (" in said and "At one threshold for all" in said
    more = tables.practice_differences.query("finding == 'mass' and thresholds == 'own'").iloc[0]
    word = "more" if more["missed_per_100_more"] >= 0 else "fewer"
    assert f"{abs(more['missed_per_100_more']):.1f} {word} (" in said


def test_where_each_patient_has_one_image_patients_are_counted(make_scored):
    scored = make_scored({"r0": np.nan, "p0": 1.0}, n_patients=400, validation=True).drop_duplicates(["run_id", "finding", "patient_id"])
    tables = evaluation_tables(scored)
    assert practice_sentence(tables.practice, tables.practice_differences, **ABOUT).startswith("Of 100 patients with")


def test_without_a_reference_or_a_threshold_it_says_only_what_is_known(make_scored):
    alone = evaluation_tables(make_scored({"p0": 1.0}, n_patients=300, validation=True))
    said = practice_sentence(alone.practice, alone.practice_differences, **ABOUT)
    assert said.startswith("Of 100 images") and "without," not in said and "one threshold" not in said
    none = evaluation_tables(make_scored({"p0": 1.0}, n_patients=300))
    said = practice_sentence(none.practice, none.practice_differences, **ABOUT)
    assert said.startswith("Missed and false alarms cannot be counted: fewer than 5")
    assert "cannot be said" in predictive_sentence(none.predictive_values(0.1), **ABOUT)


def test_predictive_values_name_their_prevalence_and_both_arms(tables):
    said = predictive_sentence(tables.predictive_values(0.05), **ABOUT)
    row = tables.predictive_values(0.05).query("finding == 'mass' and epsilon == 1.0").iloc[0]
    assert said.startswith(f"If 5 % of the patients have it, a positive answer is right in {100 * row['ppv_at_prevalence']:.0f} % (95 %")
    assert "with privacy and in" in said and "without; a negative answer" in said


def test_a_difference_of_shares_stays_within_a_hundred_whatever_the_degrees_of_freedom(make_scored):
    """Two trainings whose thresholds lie far apart leave one degree of freedom and a quantile of 12.7."""
    scored = make_scored({"r0": np.nan, "r1": np.nan, "p0": 1.0, "p1": 1.0}, n_patients=300, validation=True)
    test = scored["split"] == "test"
    scored.loc[(scored["run_id"] == "p0") & test, "score"] -= 5
    rows = evaluation_tables(scored).practice_differences
    ends = rows[[f"{name}_more{end}" for name in ("missed_per_100", "false_alarms_per_100") for end in ("_low", "_high")]]
    assert ends.abs().max().max() == 100 and (rows["missed_per_100_more_low"] <= rows["missed_per_100_more"]).all()


def test_a_metric_without_an_interval_has_none_in_the_sentence(make_scored):
    scored = make_scored({"r0": np.nan, "p0": 1.0}, n_patients=200)
    scored = scored.assign(score=1 / (1 + np.exp(-scored["score"])))
    said = utility_sentence(evaluation_tables(scored).of(METRICS["ece"]).overall, metric=METRICS["ece"], **ABOUT)
    assert "nan" not in said and "(no interval; one training run" in said
