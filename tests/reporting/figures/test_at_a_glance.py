"""The two figures of Overview: the mean with the worst findings, and who loses what."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dpmed_core.errors import ExportError
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.evaluation.metrics.brier import BRIER
from dpmed_core.reporting.catalogue import CATALOGUE, draw, why_exploratory
from dpmed_core.reporting.choice import Choice
from dpmed_core.reporting.drawn_rows import loss_map_parts, mean_and_worst_parts
from dpmed_core.reporting.figures import loss_map, mean_and_worst
from dpmed_core.reporting.figures.style import DARK, LIGHT, paper_column
from tests.scored import evaluation_tables

FINDINGS = ("mass", "nodule", "edema", "pleural_effusion_left")
RUNS = {"reference": np.nan, "reference-again": np.nan, "low": 0.3, "low-again": 0.3, "high": 8.0, "high-again": 8.0}
AT = Choice(finding="macro", recipe="probe", unit="patient", epsilon=0.3)
BY = ("sex", "age", "copd")


@pytest.fixture
def cohort(images_cohort):
    return replace(images_cohort, findings=FINDINGS)


@pytest.fixture
def scored(make_scored):
    """At ε = 0.3 nodule and edema lose most, at ε = 8 mass does; nobody of known co-morbidity has an edema."""
    table = make_scored(RUNS, n_patients=300, findings=FINDINGS, skill=1.5)
    noise = np.random.default_rng(3).normal(size=len(table))
    low = (table["epsilon"] == 0.3) & table["finding"].isin(["nodule", "edema"])
    high = (table["epsilon"] == 8.0) & (table["finding"] == "mass")
    label = table["label"].where((table["finding"] != "edema") | (table["sex"] != "male"), 0.0)
    return table.assign(score=table["score"].where(~(low | high), noise), label=label)


@pytest.fixture
def tables(scored):
    return evaluation_tables(scored, BY)


@pytest.mark.parametrize(("epsilon", "worst"), [(0.3, {"Nodule", "Edema"}), (8.0, {"Mass"})])
def test_the_findings_that_lose_most_at_the_chosen_budget_are_dotted(tables, cohort, epsilon, worst):
    figure = draw("mean-and-worst", tables, replace(AT, epsilon=epsilon), cohort)
    dotted = {trace.name for trace in figure.data if trace.line.dash == "dot"}
    assert worst <= dotted and len(dotted) == 2


def test_the_curve_is_the_mean_and_the_dashed_line_the_mean_without_privacy(tables, cohort):
    mean = tables.auroc.overall.query("finding == 'macro'").set_index("epsilon")["auroc"]
    by_name = {trace.name: trace for trace in draw("mean-and-worst", tables, AT, cohort).data if trace.name}
    assert list(by_name["mean over findings, 95 % interval"].y) == [mean[0.3], mean[8.0]]
    assert list(by_name["mean, without privacy"].y) == [mean[np.nan]] * 2
    last = by_name["Nodule"].y[-1]
    reference = tables.auroc.overall.query("finding == 'nodule' and epsilon.isna()")["auroc"].item()
    assert last == reference, "its value without privacy stands at the right edge"


def test_the_mean_and_its_only_finding_are_drawn_once(make_scored, images_cohort):
    alone = replace(images_cohort, findings=("mass",))
    figure = draw("mean-and-worst", evaluation_tables(make_scored(RUNS, findings=("mass",)), BY), AT, alone)
    assert not [trace for trace in figure.data if trace.line.dash == "dot"]
    mapped = draw("loss-map", evaluation_tables(make_scored(RUNS, findings=("mass",)), BY), AT, alone)
    assert list(mapped.layout.yaxis.ticktext) == ["Mass"], "the mean over one finding is that finding"


def test_every_cell_has_its_number_and_what_is_not_estimable_is_hatched(tables, cohort):
    rows = loss_map_parts(tables, AT, cohort)["costs"].rows.query("epsilon == 0.3")
    cells, hatched = draw("loss-map", tables, AT, cohort).data
    assert len(cells.z) == len(rows) == len(set(zip(cells.x, cells.y, strict=True)))
    for shown, value in zip(cells.text, rows["difference"], strict=True):
        number = re.sub("</?b>", "", shown).replace("−", "-")
        assert number == "?" if np.isnan(value) else float(number) == pytest.approx(value, abs=0.0051)
    missing = rows["difference"].isna().to_numpy()
    assert missing.any() and set(zip(hatched.x, np.add(hatched.base, 0.48), strict=True)) == {
        (x, y) for x, y, is_missing in zip(cells.x, cells.y, missing, strict=True) if is_missing
    }
    assert hatched.marker.pattern.shape == "/"


def test_bold_is_a_cell_whose_interval_lies_on_one_side_of_nothing(tables, cohort):
    rows = loss_map_parts(tables, AT, cohort)["costs"].rows.query("epsilon == 0.3")
    bold = [text.startswith("<b>") for text in draw("loss-map", tables, AT, cohort).data[0].text]
    beyond = (rows["difference_low"] > 0) | (rows["difference_high"] < 0)
    assert bold == list(beyond) and 0 < sum(bold) < len(bold)


def test_one_training_run_makes_nothing_bold(scored, cohort):
    one = evaluation_tables(scored[~scored["run_id"].str.endswith("again")], BY)
    assert not any("<b>" in text for text in draw("loss-map", one, AT, cohort).data[0].text)


def test_unknown_groups_are_left_out_and_a_chosen_attribute_leaves_the_others_out(tables, cohort):
    labels = " ".join(draw("loss-map", tables, AT, cohort).layout.xaxis.ticktext)
    assert "Female" in labels and "With COPD" in labels.replace("<br>", " ") and "nknown" not in labels
    of_sex = draw("loss-map", tables, replace(AT, attribute="sex"), cohort).layout.xaxis.ticktext
    assert [name.replace("<br>", " ") for name in of_sex] == ["All patients", "Female", "Male"]


def test_colours_have_one_scale_for_all_budgets_and_a_loss_is_blue_for_every_metric(tables, cohort):
    low, high = (draw("loss-map", tables, replace(AT, epsilon=epsilon), cohort).data[0] for epsilon in (0.3, 8.0))
    assert (low.zmin, low.zmax) == (high.zmin, high.zmax) and low.zmin == -low.zmax
    brier = draw("loss-map", tables, replace(AT, metric=BRIER.name), cohort).data[0]
    assert low.colorscale[0][1] == brier.colorscale[-1][1] == "#6DB3DE"


@pytest.mark.parametrize("colours", loss_map.COLOURS.values(), ids=["light", "dark"])
def test_numbers_are_readable_on_every_colour(colours):
    """Contrast of 4.5:1 (WCAG 2.2, 1.4.3) on both ends and in the middle."""
    text = LIGHT.text if colours == loss_map.COLOURS[False] else DARK.text

    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        return np.dot([0.2126, 0.7152, 0.0722], [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts])

    for colour in colours:
        darker, lighter = sorted((luminance(colour), luminance(text)))
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def test_in_a_narrow_column_the_more_stand_in_rows(tables, cohort):
    wide, narrow = (draw("loss-map", tables, AT, cohort, paper_column(column)) for column in ("double", "single"))
    assert wide.layout.yaxis.ticktext[0] == "Mean over findings" and narrow.layout.yaxis.ticktext[0] == "All patients"
    assert sorted(zip(wide.data[0].x, wide.data[0].y, strict=True)) == sorted(zip(narrow.data[0].y, narrow.data[0].x, strict=True))


@pytest.mark.parametrize("name", ["mean-and-worst", "loss-map"])
def test_alone_they_state_their_guarantee_and_bare_they_leave_it_to_the_page(tables, cohort, words, name):
    whole = words(draw(name, tables, AT, cohort))
    assert "version ffffff" in whole and "δ = 1e-05 for each patient (analytic-gaussian accountant)" in whole
    assert "Shows models without privacy: no privacy guarantee." in whole
    bare = draw(name, tables, AT, cohort, replace(LIGHT, is_bare=True))
    assert not bare.layout.title.text and "version" not in words(bare)
    assert bare.layout.height < draw(name, tables, AT, cohort).layout.height


def test_the_alternative_texts_say_every_number(tables, cohort):
    parts = {key: part.rows for key, part in mean_and_worst_parts(tables, AT, cohort).items()}
    said = mean_and_worst.alternative_text(parts["mean"], parts["worst"], AUROC)
    for value in [*parts["mean"]["auroc"], *parts["worst"]["auroc"]]:
        assert f"{value:.3f}" in said
    assert "without privacy" in said and "Nodule" in said and "at ε = 0.3" in said
    rows = loss_map_parts(tables, AT, cohort)["costs"].rows.query("epsilon == 0.3")
    mapped = loss_map.alternative_text(rows, AUROC)
    assert mapped.count("?") == rows["difference"].isna().sum() and "Pleural effusion, left: All patients" in mapped


def test_without_a_reference_there_is_a_curve_and_no_map(scored, cohort):
    private = evaluation_tables(scored[scored["epsilon"].notna()], BY)
    assert [trace.name for trace in draw("mean-and-worst", private, AT, cohort).data if trace.name] == ["mean over findings, 95 % interval"]
    with pytest.raises(ExportError, match="No private model has a non-private reference"):
        draw("loss-map", private, AT, cohort)


def test_the_map_is_exploratory_where_one_of_its_attributes_was_not_planned(tables):
    class Plans:
        def why_exploratory(self, look):
            return f"Exploratory: {look.attribute}" if look.attribute == "copd" else ""

    assert CATALOGUE["loss-map"].of_every_group
    assert why_exploratory("loss-map", tables, AT, Plans()) == "Exploratory: copd"
    assert why_exploratory("loss-map", tables, replace(AT, attribute="sex"), Plans()) == ""


def test_a_cell_never_shows_a_nothing_with_a_sign():
    assert loss_map.cell_text(pd.Series({"difference": -0.0001})) == "0.00"
