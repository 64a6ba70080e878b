"""What a figure says of itself."""

import numpy as np
import pandas as pd
import pytest

from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.analysis_plan import AnalysisPlan, PlanRecord, WrittenPlan
from dpmed_core.imaging.modality import Modality
from dpmed_core.reporting.catalogue import CATALOGUE, draw, look_of
from dpmed_core.reporting.choice import Choice
from dpmed_core.reporting.export import exported
from dpmed_core.reporting.provenance import NOT_COVERED, Provenance
from tests.scored import evaluation_tables

PROVENANCE = Provenance("ε = 1 at δ = 1e-05 from 1 private training", "abc123")


@pytest.fixture
def cohort():
    cases = pd.DataFrame({"case_id": [], "patient_id": []})
    return Cohort("images", Modality.RADIOGRAPH, False, ("mass", "nodule"), ("copd",), cases, np.zeros((0, 4, 4), np.uint8), "f" * 16)


def tables_of(make_scored, runs):
    return evaluation_tables(make_scored(runs, validation=True), ["sex"])


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_figure_that_shows_models_without_privacy_says_that_no_guarantee_covers_it(make_scored, cohort, name):
    figure = draw(name, tables_of(make_scored, {"reference": np.nan, "private": 1.0}), Choice(), cohort)
    assert figure.layout.title.subtitle.text.endswith(NOT_COVERED)
    assert 0 < figure.layout.title.y < 1 and figure.layout.margin.t + figure.layout.margin.b < figure.layout.height


def test_a_figure_of_private_models_alone_does_not_say_so(make_scored, cohort):
    figure = draw("privacy-utility", tables_of(make_scored, {"private": 1.0}), Choice(), cohort)
    assert NOT_COVERED not in figure.layout.title.subtitle.text


def test_an_export_carries_what_was_spent_and_the_ledgers_seal(make_scored, cohort):
    tables = tables_of(make_scored, {"reference": np.nan, "private": 1.0})
    alone, exported_alone = (draw("privacy-utility", tables, Choice(), cohort, provenance=p) for p in (None, PROVENANCE))
    facts = exported_alone.layout.title.subtitle.text.replace("<br>", " ")
    assert "Spent on these patients so far: ε = 1 at δ = 1e-05" in facts and "Ledger seal abc123." in facts
    # The picture is higher by these lines, and the room of the plot itself is as before.
    room = [f.layout.height - f.layout.margin.t - f.layout.margin.b for f in (alone, exported_alone)]
    assert room[0] == room[1] and exported_alone.layout.height > alone.layout.height
    table = pd.read_csv(pd.io.common.BytesIO(exported("privacy-utility", tables, cohort, Choice(), ".csv", provenance=PROVENANCE)))
    assert set(table["ledger_seal"]) == {"abc123"}


@pytest.mark.parametrize("name", list(CATALOGUE))
def test_every_figure_and_table_with_an_unplanned_budget_is_called_exploratory(make_scored, cohort, name):
    """Figures over all budgets draw the unplanned one too, and a table has its rows."""
    planned = AnalysisPlan.of(
        ["sex"], ["mass", "nodule"], 0.02, recipe="probe", unit="patient", epsilons=[1.0], n_seeds=1, reference="sampled alike"
    )
    plans = PlanRecord((WrittenPlan(planned, 0.0, after_results=False),), planned)
    provenance = Provenance("nothing", "", plans)
    for runs, expected in (({"r": np.nan, "a": 1.0}, False), ({"r": np.nan, "a": 1.0, "b": 3.0}, True)):
        tables = evaluation_tables(make_scored(runs, n_patients=200), ["sex"])
        at = Choice(finding="mass", recipe="probe", unit="patient", epsilon=3.0 if expected else 1.0, attribute="sex")
        said = draw(name, tables, at, cohort, provenance=provenance).layout.title.subtitle.text.replace("<br>", " ")
        assert ("does not name ε = 3" in said) is expected
        table = CATALOGUE[name].table(tables, at, cohort)
        labels = provenance.of_table(table, look_of(name, tables, at))
        unplanned = labels["epsilon"] == 3.0
        assert labels.loc[unplanned, "analysis_plan"].str.contains("does not name ε = 3").all() and unplanned.any() == expected
        assert (labels.loc[~unplanned, "analysis_plan"] == "as planned").all()


def test_a_further_training_run_of_the_reference_is_called_exploratory_too(make_scored, cohort):
    planned = AnalysisPlan.of(["sex"], ["mass", "nodule"], 0.02, recipe="probe", unit="patient", epsilons=[1.0], n_seeds=1)
    plans = PlanRecord((WrittenPlan(planned, 0.0, after_results=False),), planned)
    tables = evaluation_tables(make_scored({"r": np.nan, "s": np.nan, "a": 1.0}, n_patients=200), ["sex"])
    figure = draw("cost", tables, Choice(finding="mass"), cohort, provenance=Provenance("nothing", "", plans))
    assert "2 training runs for each model where 1 was planned" in figure.layout.title.subtitle.text.replace("<br>", " ")
