"""The selected case: filters with their counts, the order, the list itself, and steps through it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd
import streamlit as st

from dpmed_core.cohort.case_links import CaseLinks
from dpmed_core.cohort.display_names import attribute_phrase, attribute_title, subgroup_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.cases.worklist import EVERY, FACETS, SORTINGS, Facet, Sorting, facet_counts, ordered, selected, stepped
from dpmed_core.evaluation.scores.findings import MACRO
from widgets.address.session import forget, gesture, n_said, shown, stated
from widgets.attributes import attribute_options
from widgets.cached import FEW_KEPT, links_of
from widgets.cases.labels import AGREEMENT_TITLES, ANSWER_TITLES, TRUTH_TITLES
from widgets.cases.scores import WorklistKey, worklist_key, worklist_of
from widgets.cases.shown_case import ModelContext, SelectedCase
from widgets.choices import choice

ALL_PATIENTS = "everybody"
"""In the address: patients are not grouped."""
TITLES: dict[Facet, tuple[str, dict[str, str]]] = {
    "truth": ("Label", TRUTH_TITLES),
    "answer": ("Private answer", ANSWER_TITLES),
    "agreement": ("With and without privacy", AGREEMENT_TITLES),
}


@dataclass(frozen=True, eq=False)
class CaseList:
    """The cases that the filters leave, in the chosen order.

    Attributes:
        table: one row per case, with `evaluation.cases.worklist.WORKLIST_COLUMNS`.
        links: the name of each case in the address.
        findings: by link, the finding that the list shows of a case; of every case that may be shown, whatever the filters.
        filters: those that leave something out, in words.
    """

    table: pd.DataFrame = field(repr=False)
    links: list[str] = field(repr=False)
    findings: Mapping[str, str] = field(repr=False)
    filters: tuple[str, ...] = ()


def choose_group(cohort: Cohort) -> str | None:
    """The attribute by which cases can be filtered; None for all patients."""
    options = [ALL_PATIENTS, *attribute_options(cohort)]
    by = choice("by", "Filter patients by", options, title=lambda name: "No grouping" if name == ALL_PATIENTS else attribute_title(name))
    now = (by, n_said())
    before = st.session_state.setdefault("grouped-by", now)
    if before[0] != by and before[1] == now[1]:
        forget("subgroup")  # its value is a subgroup of the attribute before; an address that was opened names both
    st.session_state["grouped-by"] = now
    return None if by in (None, ALL_PATIENTS) else by


def choose_order() -> Sorting | None:
    """The order of the list; None where the address names an order that does not exist."""
    return choice("sort", "Sort by", list(SORTINGS), title=lambda name: SORTINGS[name])  # type: ignore[index,return-value]


def choose_cases(context: ModelContext, attribute: str | None, sorting: Sorting | None) -> CaseList | None:
    """The cases that the filters leave; None where the address names a filter or an order that does not exist.

    Args:
        context: the models, and the cases that they may be shown of.
        attribute: of the column `subgroup`.
        sorting: the order of the list.
    """
    table = worklist_of(context, attribute=attribute)
    kept = {facet: stated(facet) or EVERY for facet in FACETS}
    facets: list[Facet] = [facet for facet in FACETS if facet != "subgroup" or attribute is not None]
    counts = facet_counts(table, {facet: kept[facet] for facet in facets})
    chosen = {facet: _choose(facet, counts[facet], attribute) for facet in facets}
    if sorting is None or None in chosen.values():
        return None
    return _case_list(context, attribute, sorting, {facet: str(value) for facet, value in chosen.items()})


def first_list(context: ModelContext) -> CaseList:
    """The list where nobody has chosen a group, a filter or an order."""
    return _case_list(context, None, next(iter(SORTINGS)), {facet: EVERY for facet in FACETS if facet != "subgroup"})


def _case_list(context: ModelContext, attribute: str | None, sorting: Sorting, filters: dict[Facet, str]) -> CaseList:
    """The cases of `worklist_of` that `filters`, of every facet that is offered, leave."""
    table, key, links = worklist_of(context, attribute=attribute), worklist_key(context), links_of(context.cohort)
    left, names = _listed(key, attribute, tuple(filters.items()), sorting, _table=table, _links=links)
    said = tuple(_in_short(facet, value, attribute) for facet, value in filters.items() if value != EVERY)
    return CaseList(left, names, _findings(key, _table=table, _links=links), said)


@st.cache_resource(max_entries=FEW_KEPT, show_spinner=False)
def _listed(
    key: WorklistKey,
    attribute: str | None,
    filters: tuple[tuple[Facet, str], ...],
    sorting: Sorting,
    _table: pd.DataFrame,
    _links: CaseLinks,
) -> tuple[pd.DataFrame, list[str]]:
    """The rows of a worklist that filters leave, in order, and the links of their cases."""
    del key, attribute  # of the cache
    left = ordered(selected(_table, dict(filters)), sorting)
    return left, [_links.of_case[case_id] for case_id in left["case_id"].tolist()]


@st.cache_resource(max_entries=FEW_KEPT, show_spinner=False)
def _findings(key: WorklistKey, _table: pd.DataFrame, _links: CaseLinks) -> dict[str, str]:
    """`CaseList.findings` of a whole worklist."""
    del key
    return {_links.of_case[case]: finding for case, finding in zip(_table["case_id"].tolist(), _table["finding"].tolist(), strict=True)}


def filters_in_words(case_list: CaseList, sorting: Sorting | None) -> str:
    """How many cases the filters leave, which filters, and the order: what stands beside the folded controls."""
    n_left, n_all = len(case_list.links), len(case_list.findings)
    left = f"All {n_all:,} cases" if n_left == n_all else f"{n_left:,} of {n_all:,} cases"
    order = SORTINGS[sorting] if sorting else ""
    return "; ".join(part for part in (left, *case_list.filters, order[:1].lower() + order[1:]) if part)


def _in_short(facet: Facet, value: str, attribute: str | None) -> str:
    """A filter that leaves something out, such as "label: present"."""
    if facet == "subgroup" and attribute is not None:
        return f"{attribute_phrase(attribute)}: {subgroup_title(attribute, value)}"
    label, titles = TITLES[facet]
    return f"{label[:1].lower()}{label[1:]}: {titles[value].lower()}"


def _choose(facet: Facet, counts: dict[str, int], attribute: str | None) -> str | None:
    """The chosen value of a filter; each option shows how many cases it would leave."""
    if facet == "subgroup" and attribute is not None:
        label, titles = attribute_title(attribute), {name: subgroup_title(attribute, name) for name in counts}
    else:
        label, titles = TITLES[facet]
    # Values that leave no case are not offered, except one that the address names: it must be shown as chosen.
    options = [value for value in counts if counts[value] or value in (EVERY, stated(facet))]
    return choice(facet, label, options, title=lambda value: f"{'All' if value == EVERY else titles[value]} ({counts[value]:,})")


def current_case(case_list: CaseList) -> str | None:
    """The link of the selected case: the one in the address, else the first of the list; None where there is none.

    A case that the filters leave out stays selected when an opened link names it, and no longer when the reader changes a filter.
    """
    asked = stated("case")
    # A changed filter is recognised by its values: Streamlit does not say which widget caused a rerun.
    filters, said = tuple(stated(name) for name in (*FACETS, "by", "sort", "finding", "cohort", "part")), n_said()
    before = st.session_state.get("case-filters", (filters, said))
    changed = before[0] != filters and before[1] == said
    st.session_state["case-filters"] = (filters, said)
    if asked is not None and asked not in case_list.findings and not changed:
        st.error("The case named in this link cannot be shown here.", icon=":material/link_off:")
        return None
    if asked is not None and (asked in case_list.links or (asked in case_list.findings and not changed)):
        selected_link = asked
    elif case_list.links:
        selected_link = case_list.links[0]
    else:
        return None
    shown("case", selected_link)
    return selected_link


def step_case(case_list: CaseList, by: int) -> None:
    """Select the case `by` positions further in the list."""
    if case_list.links:
        gesture("case", stepped(case_list.links, str(stated("case")), by))


def case_of(context: ModelContext, case_list: CaseList, link: str) -> SelectedCase:
    """The case that `link` names; where the list has no finding for it, with the cohort's first finding."""
    finding = case_list.findings[link]
    return SelectedCase(context, links_of(context.cohort).rows[link], link, context.cohort.findings[0] if finding == MACRO else finding)


def position(case_list: CaseList, current: str) -> str:
    """The position of the case in the list, in words."""
    if current not in case_list.links:
        return "The filters leave this case out."
    return f"Case {case_list.links.index(current) + 1:,} of {len(case_list.links):,}"


def adjacent_cases(case_list: CaseList, current: str) -> Sequence[str]:
    """The links of the cases before and after `current` in the list."""
    around = [stepped(case_list.links, current, by) for by in (1, -1)] if case_list.links else []
    return [link for link in around if link != current]
