import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import DpmedError, ExportError
from dpmed_core.imaging.modality import Modality
from dpmed_core.reporting.catalogue import CATALOGUE, draw
from dpmed_core.reporting.choice import Choice
from dpmed_core.reporting.export import export_figure, exported
from dpmed_core.settings import PRODUCT_DATA_DIR
from tests.scored import evaluation_tables

RUNS = {"reference": np.nan, "low": 0.3, "high": 8.0}


@pytest.fixture
def cohort():
    cases = pd.DataFrame({"case_id": [], "patient_id": []})
    return Cohort("images", Modality.RADIOGRAPH, False, ("mass", "nodule"), ("copd",), cases, np.zeros((0, 4, 4), np.uint8), "f" * 16)


@pytest.fixture
def tables(make_scored):
    table = make_scored(RUNS)
    return evaluation_tables(table.assign(split=np.where(table["patient_id"].str[1:].astype(int) % 4 == 0, "validation", "test")), ["sex"])


def read(csv: bytes) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(csv))


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_figure_is_a_page_without_network_and_a_table(tables, cohort, name):
    page = exported(name, tables, cohort, Choice(), ".html").decode()
    assert "<script src=" not in page and "Plotly" in page and "images, version ffffff" in page
    table = read(exported(name, tables, cohort, Choice(), ".csv"))
    assert len(table) and {"recipe", "unit", "epsilon", "finding"} <= set(table.columns)
    assert set(table["epsilon"].dropna()) == {0.3, 8.0}


def test_a_table_keeps_every_row_that_the_choice_does_not_exclude(tables, cohort):
    whole = read(exported("privacy-utility", tables, cohort, Choice(), ".csv"))
    runs, means = (
        whole[whole["estimand"] == f"{what} of {of}"] for what, of in (("AUROC", "one training run"), ("mean AUROC", "the training runs"))
    )
    assert (
        len(runs) == len(tables.auroc.utility) == 3 * 3 and len(means) == len(tables.auroc.overall) and len(runs) + len(means) == len(whole)
    )
    chosen = read(exported("privacy-utility", tables, cohort, Choice(finding="mass"), ".csv"))
    assert set(chosen["finding"]) == {"mass"} and len(chosen) == 3 + 3


@pytest.mark.parametrize(
    ("name", "choice", "out", "message"),
    [
        ("pie", Choice(), "x.html", "choose one of .*privacy-utility.*fairness-forest"),
        ("roc", Choice(), "x.docx", r"\.docx cannot be written.*\.pdf"),
        ("roc", Choice(), "x", "No suffix cannot be written"),
        ("roc", Choice(finding="cough"), "x.html", "no finding 'cough'.*mass"),
        ("roc", Choice(metric="f1"), "x.html", "no metric 'f1'.*auprc"),
        ("roc", Choice(epsilon=7), "x.html", "ε = 7 is not trained.*0.3, 8"),
        ("fairness-forest", Choice(unit="image"), "x.html", "No private run of recipe probe with unit image"),
        ("privacy-utility", Choice(published=PRODUCT_DATA_DIR / "reference"), "x.html", "published results are of CT"),
    ],
)
def test_what_cannot_be_exported_is_refused_and_nothing_is_written(tables, cohort, tmp_path, name, choice, out, message):
    with pytest.raises(DpmedError, match=message):
        export_figure(name, tables, cohort, choice, out=tmp_path / out)
    assert list(tmp_path.iterdir()) == []


def test_an_export_before_any_training_is_refused(tables, cohort, make_scored):
    nothing = evaluation_tables(make_scored(RUNS).iloc[:0])
    for suffix in (".html", ".csv"):
        with pytest.raises(ExportError, match="finished yet"):
            exported("privacy-utility", nothing, cohort, Choice(), suffix)


def test_published_results_are_drawn_with_their_source_behind_a_ct_cohort(tables, cohort):
    ct = replace(cohort, modality=Modality.CT)
    both, alone = (draw("privacy-utility", tables, Choice(published=shown), ct) for shown in (PRODUCT_DATA_DIR / "reference", None))
    assert "10.1038/s43856-024-00462-6" in both.layout.title.subtitle.text.replace("<br>", " ")
    added = [trace for trace in both.data if trace.name not in {trace.name for trace in alone.data}]
    assert all("published" in trace.name for trace in added)
    assert (1.06, 0.9558) in {(x, y) for trace in added for x, y in zip(trace.x, trace.y, strict=True)}
    assert "10.1038" not in alone.layout.title.subtitle.text
