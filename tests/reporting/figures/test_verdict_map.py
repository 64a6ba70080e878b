"""The map with verdicts: a mark is the verdict of the table, an extra loss has a frame, and of one finding all is said in words."""

import re
from dataclasses import replace
from urllib.parse import unquote

import numpy as np
import pytest

from dpmed_core.evaluation.tables.largest_loss import group_verdict
from dpmed_core.reporting.catalogue import CATALOGUE, draw, why_exploratory
from dpmed_core.reporting.choice import Choice
from dpmed_core.reporting.drawn_rows import verdict_map_parts
from dpmed_core.reporting.figures.equivalence import SYMBOLS
from dpmed_core.reporting.figures.style import DARK, LIGHT, paper_column
from dpmed_core.reporting.figures.verdict_map import GLYPHS, alternative_text, cells_of, marks_explained, marks_of
from tests.scored import evaluation_tables

FINDINGS = ("mass", "nodule", "edema")
RUNS = {"reference": np.nan, "reference-again": np.nan, "low": 0.3, "low-again": 0.3, "high": 8.0, "high-again": 8.0}
AT = Choice(finding="macro", recipe="probe", unit="patient", epsilon=0.3)
BY = ("sex", "age")
BARE = replace(LIGHT, is_bare=True)
WORDS = {"widened": "extra loss", "not widened": "no extra loss above 0.4", "not enough evidence": "extra loss: not enough evidence"}


@pytest.fixture
def cohort(images_cohort):
    return replace(images_cohort, findings=FINDINGS)


@pytest.fixture
def tables(make_scored):
    """At ε = 0.3 women lose all of nodule, and no man has an edema; the margin is so wide that most others are shown not to lose more."""
    table = make_scored(RUNS, n_patients=500, findings=FINDINGS, skill=2.5)
    noise = np.random.default_rng(3).normal(size=len(table))
    lost = (table["epsilon"] == 0.3) & (table["finding"] == "nodule") & (table["sex"] == "female")
    label = table["label"].where((table["finding"] != "edema") | (table["sex"] != "male"), 0.0)
    return evaluation_tables(table.assign(score=table["score"].where(~lost, noise), label=label), BY, margin=0.4)


@pytest.fixture
def cells(tables, cohort):
    return cells_of(*(part.rows.query("epsilon == 0.3") for part in verdict_map_parts(tables, AT, cohort).values()))


def traces(figure):
    """Cells, hatching and frames, and the marks by their words."""
    heat, hatched, frames, *marks = figure.data
    return heat, hatched, frames, {mark.name: mark for mark in marks}


def marked(mark, *, right):
    return {(round(x - right, 6), y) for x, y in zip(mark.x, mark.y, strict=True) if x is not None}


def test_every_mark_is_the_verdict_of_the_table_and_every_verdict_has_its_mark(tables, cohort, cells):
    heat, _, _, marks = traces(draw("verdict-map", tables, AT, cohort, BARE))
    at = tables.verdicts.query("epsilon == 0.3")
    by_place = {
        (cell.row["attribute"], cell.row["subgroup"], cell.row["finding"]): (x, y) for cell, x, y in zip(cells, heat.x, heat.y, strict=True)
    }
    assert set(marks) == set(WORDS.values())
    for verdict, words in WORDS.items():
        of_findings = {(row.attribute, row.subgroup, row.finding) for row in at[at["verdict"] == verdict].itertuples()}
        groups = {(attribute, subgroup) for attribute, subgroup, _ in by_place if attribute != "all"}
        of_mean = {(*group, "macro") for group in groups if group_verdict(at, *group, "macro").verdict == verdict}
        places = {by_place[place] for place in of_findings | of_mean if place in by_place}
        estimable = {(x, y) for x, y, z in zip(heat.x, heat.y, heat.z, strict=True) if not np.isnan(z)}
        assert marked(marks[words], right=0.38) == places & estimable
    assert marked(marks["extra loss"], right=0.38) and marked(marks["no extra loss above 0.4"], right=0.38)
    assert [mark.marker.symbol for mark in marks.values()] == list(SYMBOLS.values())


def test_an_extra_loss_has_a_frame_and_nothing_else_has(tables, cohort):
    _, _, frames, marks = traces(draw("verdict-map", tables, AT, cohort, BARE))
    corners = [(x, y) for x, y in zip(frames.x, frames.y, strict=True) if x is not None]
    framed = {(round(x), round(y)) for x, y in corners}
    assert framed == marked(marks["extra loss"], right=0.38) and len(corners) == 5 * len(framed)
    calm = traces(draw("verdict-map", tables, replace(AT, epsilon=8.0), cohort, BARE))
    assert list(calm[2].x) == [None] and list(calm[3]["extra loss"].x) == [None]


def test_what_is_not_estimable_is_hatched_and_has_no_mark_and_all_patients_have_no_verdict(tables, cohort, cells):
    heat, hatched, _, marks = traces(draw("verdict-map", tables, AT, cohort, BARE))
    missing = {(x, y) for x, y, z in zip(heat.x, heat.y, heat.z, strict=True) if np.isnan(z)}
    assert missing and {(x, round(y + 0.48)) for x, y in zip(hatched.x, hatched.base, strict=True)} == missing
    everybody = {(x, y) for cell, x, y in zip(cells, heat.x, heat.y, strict=True) if cell.row["attribute"] == "all"}
    assert len(everybody) == len(FINDINGS) + 1
    for mark in marks.values():
        assert not marked(mark, right=0.38) & (missing | everybody)


def test_the_key_is_the_same_at_every_budget_and_names_every_mark(tables, cohort):
    def key(figure):
        return [trace.name for trace in figure.data if trace.showlegend is not False and trace.name]

    low, high = (draw("verdict-map", tables, replace(AT, epsilon=epsilon), cohort) for epsilon in (0.3, 8.0))
    assert key(low) == key(high) == ["not estimable", *WORDS.values()]


def test_of_one_finding_groups_stand_in_rows_with_interval_and_verdict_in_words(tables, cohort):
    figure = draw("verdict-map", tables, replace(AT, finding="nodule"), cohort, BARE)
    assert list(figure.layout.xaxis.ticktext) == ["Nodule"] and list(figure.layout.yaxis.ticktext)[:3] == ["All patients", "Female", "Male"]
    row = tables.auroc.costs.query("epsilon == 0.3 and finding == 'nodule' and subgroup == 'female' and reference == 'sampled alike'").iloc[
        0
    ]
    number, low, high = (f"{row[name]:.3f}".replace("-", "−") for name in ("difference", "difference_low", "difference_high"))
    assert figure.data[0].text[1] == f"<b>{number}</b> ({low} to {high}), extra loss"
    assert re.fullmatch(r"(<b>)?[−\d.]+(</b>)? \([−\d.]+ to [−\d.]+\)", figure.data[0].text[0]), "all patients have no others"


def test_a_narrow_cell_has_its_mark_below_the_number_and_inside(tables, cohort):
    for column in ("double", "single"):
        heat, _, _, marks = traces(draw("verdict-map", tables, AT, cohort, paper_column(column)))
        below = [y % 1 for mark in marks.values() for x, y in zip(mark.x, mark.y, strict=True) if x is not None and x in heat.x]
        beside = [x % 1 for mark in marks.values() for x in mark.x if x is not None and x not in heat.x]
        assert all(share == pytest.approx(0.32) for share in below) and all(share == pytest.approx(0.38) for share in beside)
        assert below or beside


def test_the_alternative_text_says_the_verdicts_first_and_then_every_number(cells):
    said = alternative_text(cells)
    assert said.startswith("Verdicts on groups: extra loss: ") and "Nodule of Female" in said.split(";")[0]
    assert "no extra loss above 0.4: " in said and "extra loss: not enough evidence" in said
    assert said.count("?") == sum(np.isnan(cell.row["difference"]) for cell in cells)
    quiet = alternative_text([replace(cell, judged=None) for cell in cells])
    assert "extra loss: nowhere" in quiet


def test_marks_as_characters_are_those_of_the_picture(cells):
    marks = marks_of(cells)
    assert marks["sex", "female", "nodule"] == (GLYPHS["widened"], "extra loss")
    assert ("all", "all", "nodule") not in marks and ("sex", "male", "edema") not in marks
    assert marks["sex", "female", "macro"][1].startswith("extra loss in 1 of 3 findings")


def test_it_says_what_marks_mean_and_for_how_many_comparisons(tables, cohort, words):
    rows = verdict_map_parts(tables, AT, cohort)["verdicts"].rows
    n = int(rows["n_comparisons"].max())
    assert f"for {n} comparisons at once" in marks_explained(rows) and "at once" not in marks_explained(rows.iloc[:0])
    whole = words(draw("verdict-map", tables, AT, cohort, DARK))
    assert "Marks: whether a group loses more than the other patients" in whole and "Shows models without privacy" in whole


def test_a_page_finds_what_each_cell_is_about(tables, cohort, cells):
    figure = draw("verdict-map", tables, AT, cohort, BARE)
    found = figure.layout.meta["cells"]
    assert len(found) == len(cells)
    for cell, x, y in zip(cells, figure.data[0].x, figure.data[0].y, strict=True):
        assert list(map(unquote, found[f"{x},{y}"])) == [cell.row["attribute"], cell.row["subgroup"], cell.row["finding"]]


def test_with_one_attribute_drawn_verdicts_stay_those_of_the_whole_plan(tables, cohort):
    assert {name for name, entry in CATALOGUE.items() if entry.of_verdicts} == {"verdict", "verdict-map"}, "export takes the plan's tables"
    of_sex, whole = (CATALOGUE["verdict-map"].table(tables, replace(AT, attribute=by), cohort) for by in ("sex", None))
    assert set(of_sex["attribute"]) == {"all", "sex"} and set(whole["attribute"]) == {"all", "sex", "age"}
    assert set(of_sex["n_comparisons"].dropna()) == set(whole["n_comparisons"].dropna()) != set()


def test_it_is_exploratory_where_one_of_its_attributes_was_not_planned(tables):
    class Plans:
        def why_exploratory(self, look):
            return f"Exploratory: {look.attribute} at {look.margin}" if look.attribute == "age" else ""

    assert CATALOGUE["verdict-map"].of_every_group
    assert why_exploratory("verdict-map", tables, AT, Plans()) == "Exploratory: age at 0.4"
