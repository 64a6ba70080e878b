"""Which case is looked at: filters with their counts, the order, the list itself, and steps through it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd
import streamlit as st

from dpmed_core.cohort.case_links import CaseLinks
from dpmed_core.cohort.display_names import attribute_title, finding_title, subgroup_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.cases.worklist import EVERY, FACETS, SORTINGS, Facet, Sorting, facet_counts, ordered, selected, stepped
from dpmed_core.evaluation.statistics.auroc_panel import MACRO
from widgets.attributes import attribute_options
from widgets.cached import links_of
from widgets.cases.labels import AGREEMENT_TITLES, ANSWER_TITLES, TRUTH_TITLES
from widgets.cases.shown_case import Light, ShownCase
from widgets.choices import choice, forget

LIST_ROWS = 100
"""Rows of the worklist that are sent at once, around the case that is looked at."""
LIST_HEIGHT = 185
EVERYBODY = "everybody"
TITLES: dict[Facet, tuple[str, dict[str, str]]] = {
    "truth": ("Truth", TRUTH_TITLES),
    "answer": ("Answer with privacy", ANSWER_TITLES),
    "agreement": ("With and without privacy", AGREEMENT_TITLES),
}


@dataclass(frozen=True, eq=False)
class Listed:
    """The cases that the filters leave, in the order to read them.

    Attributes:
        table: `evaluation.cases.worklist.WORKLIST_COLUMNS`, one row a case.
        links: what names each in the address.
        findings: of every case that may be looked at, whatever the filters, by its link: the finding that the list asks about.
    """

    table: pd.DataFrame = field(repr=False)
    links: list[str] = field(repr=False)
    findings: Mapping[str, str] = field(repr=False)


def choose_group(cohort: Cohort) -> str | None:
    """The attribute by which cases can be filtered; None for everybody."""
    options = [EVERYBODY, *attribute_options(cohort)]
    by = choice("by", "Patients by", options, title=lambda name: "Everybody" if name == EVERYBODY else attribute_title(name))
    if by != st.session_state.setdefault("grouped-by", by):
        forget("subgroup")  # of another attribute
        st.session_state["grouped-by"] = by
    return None if by in (None, EVERYBODY) else by


def choose_order() -> Sorting | None:
    """What comes first; None where the address names an order that does not exist."""
    return choice("sort", "First comes", list(SORTINGS), title=lambda name: SORTINGS[name])  # type: ignore[index,return-value]


def choose_cases(table: pd.DataFrame, links: CaseLinks, attribute: str | None, sorting: Sorting | None) -> Listed | None:
    """The cases that the reader's filters leave; None where the address names a filter or an order that does not exist.

    Args:
        table: the whole worklist.
        links: of the cohort's cases.
        attribute: of the column `subgroup`.
        sorting: what comes first.
    """
    kept = {facet: str(st.query_params.get(facet) or st.session_state.get(f"kept-{facet}") or EVERY) for facet in FACETS}
    facets: list[Facet] = [facet for facet in FACETS if facet != "subgroup" or attribute is not None]
    counts = facet_counts(table, {facet: kept[facet] for facet in facets})
    chosen: dict[Facet, str | None] = {}
    for column, facet in zip(st.columns(len(facets)), facets, strict=True):
        with column:
            chosen[facet] = _choose(facet, counts[facet], attribute)
    if sorting is None or None in chosen.values():
        return None
    left = ordered(selected(table, {facet: str(value) for facet, value in chosen.items()}), sorting)
    of_case = links.of_case
    findings = {of_case[case_id]: finding for case_id, finding in zip(table["case_id"], table["finding"], strict=True)}
    return Listed(left, [of_case[case_id] for case_id in left["case_id"]], findings)


def _choose(facet: Facet, counts: dict[str, int], attribute: str | None) -> str | None:
    """A filter; its options say how many cases each would leave."""
    if facet == "subgroup" and attribute is not None:
        label, titles = attribute_title(attribute), {name: subgroup_title(attribute, name) for name in counts}
    else:
        label, titles = TITLES[facet]
    options = [value for value in counts if counts[value] or value in (EVERY, st.query_params.get(facet))]
    return choice(facet, label, options, title=lambda value: f"{'All' if value == EVERY else titles[value]} ({counts[value]:,})")


def current_case(listed: Listed) -> str | None:
    """The link of the case that is looked at: the one the address names, else the first; None where there is none.

    A case that the filters leave out stays in view when a link names it, and gives way when the reader changes a filter.
    """
    asked = st.query_params.get("case") or st.session_state.get("kept-case")
    filters = tuple(str(st.query_params.get(name)) for name in (*FACETS, "by", "sort", "finding", "cohort", "part"))
    changed = st.session_state.get("case-filters") not in (None, filters)
    st.session_state["case-filters"] = filters
    if asked is not None and asked not in listed.findings and not changed:
        st.error("The case that the link names is not among those that can be looked at here.", icon=":material/link_off:")
        return None
    if asked is not None and (asked in listed.links or (asked in listed.findings and not changed)):
        return show_case(asked)
    return show_case(listed.links[0]) if listed.links else None


def show_case(link: str) -> str:
    """`link`, from now on the case that is looked at."""
    st.session_state["kept-case"] = link
    if st.query_params.get("case") != link:
        st.query_params["case"] = link
    return link


def step_case(listed: Listed, by: int) -> None:
    """Go `by` places on in the list."""
    if listed.links:
        show_case(stepped(listed.links, str(st.session_state.get("kept-case")), by))


def show_list(listed: Listed, current: str | None, cohort: Cohort) -> None:
    """The list around the case that is looked at; a click on a row shows that case."""
    place = listed.links.index(current) if current in listed.links else 0
    first = place - place % LIST_ROWS
    part = listed.table.iloc[first : first + LIST_ROWS]
    key = f"worklist-{first}"

    def picked() -> None:
        rows = st.session_state[key]["selection"]["rows"]
        if rows:
            show_case(listed.links[first + rows[0]])

    st.dataframe(
        _in_words(part, listed.links[first : first + LIST_ROWS], cohort, first, place if current in listed.links else None),
        hide_index=True,
        height=LIST_HEIGHT,
        column_config={name: st.column_config.NumberColumn(format="%.3f") for name in ("Private score", "Without", "Change", "Spread")},
        key=key,
        on_select=picked,
        selection_mode="single-row",
    )


def _in_words(part: pd.DataFrame, links: list[str], cohort: Cohort, first: int, place: int | None) -> pd.DataFrame:
    rows = links_of(cohort).rows
    who = cohort.cases.iloc[[rows[link] for link in links]][["age", "sex"]]
    one_finding = part["finding"].nunique() == 1
    table = pd.DataFrame(
        {
            "": ["▸" if first + row == place else "" for row in range(len(part))],
            "No.": range(first + 1, first + 1 + len(part)),
            "Finding": part["finding"].map(lambda name: "Any" if name == MACRO else finding_title(name)).to_numpy(),
            "Truth": part["truth"].map(TRUTH_TITLES).to_numpy(),
            "With privacy": part["answer"].map(ANSWER_TITLES).to_numpy(),
            "Without privacy": part["answer_without"].map(ANSWER_TITLES).to_numpy(),
            "Private score": part["score"].to_numpy(),
            "Without": part["score_without"].to_numpy(),
            "Change": part["change"].to_numpy(),
            "Spread": part["spread"].to_numpy(),
            "Age": who["age"].to_numpy(),
            "Sex": who["sex"].str.capitalize().to_numpy(),
        }
    )
    return table.drop(columns="Finding") if one_finding else table


def case_of(light: Light, listed: Listed, link: str) -> ShownCase:
    """The case that `link` names; where no finding was chosen or picked, it is asked about the cohort's first."""
    finding = listed.findings[link]
    return ShownCase(light, links_of(light.cohort).rows[link], link, light.cohort.findings[0] if finding == MACRO else finding)


def position(listed: Listed, current: str) -> str:
    """Where the case stands in the list, in words."""
    if current not in listed.links:
        return "This case is not among those that the filters leave."
    return f"Case {listed.links.index(current) + 1:,} of {len(listed.links):,}"


def neighbours(listed: Listed, current: str) -> Sequence[str]:
    """The links of the cases before and after `current`."""
    around = [stepped(listed.links, current, by) for by in (1, -1)] if listed.links else []
    return [link for link in around if link != current]
