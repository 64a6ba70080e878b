"""A figure of a finding whose name Plotly would read as a tag shows the name."""

import html
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from dpmed_core.errors import ExportError
from dpmed_core.foreign_text import BREAK
from dpmed_core.reporting.catalogue import CATALOGUE, draw
from dpmed_core.reporting.choice import Choice
from tests.scored import evaluation_tables

FINDING = "<a href='http://foreign.example/'>mass</a> & %{x}"
GROUP = "<b>copd</b>"
OWN_TAGS = re.compile(r"</?b>|<br>|<span style='font-size:0.85em'>|</span>|<extra></extra>")


@pytest.mark.parametrize("name", CATALOGUE)
@pytest.mark.parametrize("finding", [FINDING, "macro"])
def test_names_are_text_in_every_figure(name, finding, make_scored, images_cohort):
    scored = make_scored({"reference": np.nan, "private": 1.0}, n_patients=200, validation=True)
    known = scored["finding"].unique()[0]
    scored = scored.assign(finding=scored["finding"].replace({known: FINDING})).rename(columns={"copd": GROUP})
    cohort = replace(images_cohort, findings=(FINDING, *[f for f in scored["finding"].unique() if f != FINDING]))
    attribute = GROUP if GROUP in scored.columns else "sex"
    tables = evaluation_tables(scored, [attribute])
    try:
        drawn = draw(name, tables, Choice(finding=finding, epsilon=1.0, attribute=attribute), cohort)
    except ExportError:
        assert finding == "macro" or CATALOGUE[name].by_subgroup
        return
    text = json.dumps(drawn.to_dict(), default=str, ensure_ascii=False)
    assert "<" not in OWN_TAGS.sub("", text) and "amp; %{" not in text
    if finding == FINDING and name != "findings":
        assert html.escape(FINDING, quote=False).split(" ")[0] in text.replace(BREAK, "")
