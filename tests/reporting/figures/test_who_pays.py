"""Who pays, who gains: the figure draws its rows and nothing else, its names do not overlap, and its sentence says no more than they do."""

import numpy as np
import pandas as pd
import pytest

from dpmed_core.errors import ExportError
from dpmed_core.reporting.figures.style import DARK, LIGHT, paper_column
from dpmed_core.reporting.figures.who_pays import alternative_text, shortened, who_pays_figure
from dpmed_core.reporting.wording.who_pays import NOTHING, name_of, who_pays_sentences
from tests.figure_words import images_cohort, words

__all__ = ["images_cohort", "words"]

PLACES = (
    *(("all", "all"), ("sex", "female"), ("sex", "male"), ("age", "0-29"), ("age", "30-59"), ("age", "60-69"), ("age", "70-79")),
    *(("copd", "with"), ("copd", "without"), ("finding", "pleural_effusion_right"), ("finding", "pleural_effusion_left")),
)


def rows(**changes):
    rng = np.random.default_rng(0)
    lost, removed = rng.normal(0.05, 0.02, len(PLACES)), rng.normal(0.3, 0.02, len(PLACES))
    table = pd.DataFrame(PLACES, columns=["attribute", "group"]).assign(
        recipe="probe", unit="patient", epsilon=1.0, delta=1e-5, accountant="analytic-gaussian", margin=0.02, verdict="not enough evidence"
    )
    table = table.assign(n_patients=pd.array(rng.integers(12, 90, len(PLACES)), dtype="Int64"), reason="", auroc_lost=lost)
    table = table.assign(lost_low=lost - 0.04, lost_high=lost + 0.05, exposure_removed=removed)
    return table.assign(removed_low=removed - 0.03, removed_high=removed + 0.03, **changes)


@pytest.mark.parametrize("canvas", [LIGHT, DARK, paper_column("single")])
def test_every_row_is_a_point_with_both_intervals(images_cohort, canvas):
    table = rows()
    figure = who_pays_figure(table, images_cohort, epsilon=1.0, canvas=canvas)
    drawn = pd.DataFrame(
        [
            (x, y, x - xm, x + xp, y - ym, y + yp)
            for trace in figure.data
            for x, y, xm, xp, ym, yp in zip(
                trace.x, trace.y, trace.error_x.arrayminus, trace.error_x.array, trace.error_y.arrayminus, trace.error_y.array, strict=True
            )
        ]
    )
    columns = ["auroc_lost", "exposure_removed", "lost_low", "lost_high", "removed_low", "removed_high"]
    expected = table[columns].sort_values("auroc_lost").to_numpy()
    assert drawn.sort_values(0).to_numpy() == pytest.approx(expected)
    assert len({(trace.marker.color, trace.marker.symbol) for trace in figure.data}) == len(figure.data)  # never by colour alone
    assert len({trace.marker.symbol for trace in figure.data}) == len(figure.data)


def test_names_stand_one_under_the_other_right_of_all_points(images_cohort):
    table = rows(exposure_removed=0.3)
    figure = who_pays_figure(table, images_cohort, epsilon=1.0, canvas=LIGHT)
    low, high = figure.layout.yaxis.range
    plot = figure.layout.height - figure.layout.margin.t - figure.layout.margin.b
    heights = sorted(note.ay for note in figure.layout.annotations)
    pixels = np.diff(heights) / (high - low) * plot
    assert len(heights) == len(PLACES) and pixels.min() >= 0.9 * LIGHT.font_size * 1.2 and low <= heights[0] and heights[-1] <= high
    assert all(note.ax > table["lost_high"].max() for note in figure.layout.annotations)
    assert {note.text for note in figure.layout.annotations} == {name_of(row) for _, row in table.iterrows()}
    assert len({shortened(name, 16) for name in ("Pleural effusion, right", "Pleural effusion, left")}) == 2


def test_what_cannot_be_drawn_is_named(images_cohort, words):
    table = rows()
    table.loc[3, ["exposure_removed", "removed_low", "removed_high"]] = np.nan
    table.loc[1, ["auroc_lost", "lost_low", "lost_high"]] = np.nan
    said = words(who_pays_figure(table, images_cohort, epsilon=1.0))
    assert "Not drawn, since one of the two is not estimable or withheld: Female, 0–29 years." in said
    assert "ε = 1 at δ = 1e-05 for each patient (analytic-gaussian accountant)" in said and "limits of exposure for all groups" in said
    nothing = who_pays_figure(table.assign(auroc_lost=np.nan), images_cohort, epsilon=1.0)
    assert "No group has both" in words(nothing)
    with pytest.raises(ExportError, match="train one"):
        who_pays_figure(table.iloc[:0], images_cohort, epsilon=1.0)


def test_a_reader_who_does_not_see_it_is_told_every_value():
    table = rows()
    said = alternative_text(table)
    assert said.startswith("Scatter plot of AUROC lost against exposure removed, 11 groups and findings. ")
    assert all(f"{name_of(row)}: AUROC lost {row['auroc_lost']:.3f}" in said for _, row in table.iterrows())


def test_the_sentence_is_as_sure_as_its_numbers():
    table = rows().assign(n_patients=40)
    table.loc[4, ["auroc_lost", "lost_low", "lost_high", "verdict"]] = [0.2, 0.1, 0.3, "inferior"]
    first, second = who_pays_sentences(table)
    assert first.startswith(
        "At ε = 1 and δ = 1e-05 for each patient (analytic-gaussian accountant), the largest loss of AUROC, picked among 10 groups"
    )
    assert "so likely too large, is 0.200 for “30–59 years” (95 % interval 0.100 to 0.300): a larger loss than the margin of 0.02." in first
    assert "is shown to fall in every one of 10 groups" in second and "not enough evidence" not in second

    unsure = table.assign(removed_low=table["removed_low"].where(table.index != 2, -0.01))
    unsure.loc[4, ["lost_low", "verdict"]] = [-0.1, "not enough evidence"]
    first, second = who_pays_sentences(unsure)
    assert "there may be no loss): not enough evidence whether more or less than the margin" in first
    assert "is shown to fall in 9 of 10 groups" in second and second.endswith("For 1 there is not enough evidence.")

    rising = table.assign(removed_high=table["removed_high"].where(table.index != 2, -0.01))
    rising.loc[2, "removed_low"] = -0.05
    assert "is shown to rise in 1." in who_pays_sentences(rising)[1]
    assert who_pays_sentences(table.iloc[:0]) == [NOTHING]


def test_reasons_are_said_once_each():
    table = rows(reason=["", "few", "few", "", "", "", "", "", "", "", "other"])
    assert who_pays_sentences(table)[-1] == "Not enough data to tell for “female”, “male” (few); for “pleural effusion, left” (other)."
