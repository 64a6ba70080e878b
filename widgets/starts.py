"""A public start on a page: what it is, which findings begin there, and how it does here before anything is spent."""

from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from dpmed_core.cohort.display_names import finding_title, subgroup_title
from dpmed_core.cohort.groups import ATTRIBUTES
from dpmed_core.cohort.schema import Cohort, Part
from dpmed_core.errors import DpmedError, SettingsError
from dpmed_core.evaluation.planning.start_check import patients_in_words, warnings_of
from dpmed_core.evaluation.scores.grouping import EVERYBODY
from dpmed_core.foreign_text import LONGEST_SENTENCE, plain
from dpmed_core.phrases import counted
from dpmed_core.public_starts import (
    check_start,
    features_are_there,
    features_for,
    last_asked,
    network_scores,
    parts_to_check,
    start_for,
)
from dpmed_core.training.spec import RunSpec, StartChoice, base_recipe
from dpmed_core.training.starts.choosing import how_judged, offered, recommended
from dpmed_core.training.starts.phantom_start import NAME as PHANTOMS
from dpmed_core.training.starts.start_card import OF_HEADS
from widgets.cached import FEW_KEPT
from widgets.choices import current_choices
from widgets.lookup import installation

NOWHERE = ""
"""In place of a finding of the start: the cohort's finding begins from scratch."""
UNSEEN = "Test patients are not looked at before the start alone (ε = 0) was evaluated."
SEEN = "Test patients stand here too, since the start alone (ε = 0) was evaluated on them."
GAIN_AT_PHANTOMS = (
    "No patient's image went into it, so that it costs no privacy. In the one cohort where that was measured, nih1000 with 264 patients, "
    "effusion gained 0.05 AUROC (95 % interval -0.03 to 0.13: there may be no gain) at ε = 1, δ = 1e-05 for each patient "
    "(analytic-gaussian accountant)."
)
"""`docs/RESULTS.md`, "What is recommended"."""


def start_of_page(cohort: Cohort) -> StartChoice | None:
    """The start that is chosen in the sidebar, with findings as they were last trained, or else those of one name.

    Raises:
        SpecError: it does not fit the cohort.
    """
    if (name := current_choices().start) is None:
        return None
    return last_asked(installation(), cohort, name) or _checked(cohort, name, ())


def choose_start_findings(cohort: Cohort) -> StartChoice | None:
    """The start that is chosen in the sidebar, after the reader has said which of its findings stand for the cohort's.

    Raises:
        SpecError: it does not fit the cohort, or no finding begins there.
    """
    if (name := current_choices().start) is None:
        _recommend(cohort)
        return None
    card = installation().starts.card(name)
    whose = counted(card.n_patients, "patient", "patients") if card.patients_known else "patients not known"
    use = "Measured on" if name == PHANTOMS else "Trained and judged on"
    with st.expander(f"Public start {plain(name)}: which finding begins where", expanded=True):
        st.caption(
            plain(
                f"{'Synthetic: ' if card.synthetic else ''}{counted(card.n_images, 'image', 'images')} ({whose}); source: {card.source}; "
                f"licence: {card.licence}. {use} these without privacy, since they are public.",
                most=2 * LONGEST_SENTENCE,
            )
        )
        suggestion, columns = offered(cohort, card), st.columns(3)
        known = dict(zip(card.findings, card.auroc, strict=True))
        given = {}
        for place, finding in enumerate(cohort.findings):
            options = [NOWHERE, *card.findings]
            first = options.index(suggestion[finding]) if finding in suggestion else 0
            given[finding] = columns[place % 3].selectbox(
                plain(finding_title(finding)),
                options,
                index=first,
                key=f"start-{cohort.name}-{name}-{finding}",
                format_func=lambda public: f"{public} (AUROC {known[public]:.2f} there)" if public else "From scratch",
            )
        there = plain(how_judged(card))
        st.caption(
            "Findings of one name are suggested, at phantoms effusion alone where the cohort has it; a name may mean something else in "
            f"another hospital. AUROC there: {there}."
        )
    return _checked(cohort, name, tuple(given.items()))


def _recommend(cohort: Cohort) -> None:
    """Say where findings are known to gain at the phantoms, and how much; a person chooses it."""
    if current_choices().recipe != OF_HEADS:
        return
    with suppress(SettingsError):  # without the encoder nothing can be trained, which is said where somebody tries
        if gains := recommended(cohort, installation().starts.card(PHANTOMS)):
            named = ", ".join(map(finding_title, gains))
            st.caption(plain(f"{named} can begin at public start phantoms (Models begin, in the sidebar). {GAIN_AT_PHANTOMS}"))


def show_start_check(cohort: Cohort, specs: Sequence[RunSpec]) -> None:
    """How the start of `specs` does on held-out patients, before anything is spent."""
    start = next((spec.start for spec in specs if spec.start), None)
    if start is None:
        return
    parts = parts_to_check(installation(), cohort, start)
    whose = patients_in_words(parts)
    st.markdown(f"**The start alone on the {plain(whose)}**")
    if not features_are_there(installation(), cohort, start):
        st.caption("Needs the features of all images, which are computed once and take minutes for thousands of images.")
        if not st.button("Compute features", icon=":material/function:"):
            return
        with st.spinner("Computing features"):
            features_for(installation(), cohort, start)
    of_network = _network_scores(cohort.fingerprint, start.name, start.digest, parts, _cohort=cohort)
    table = _check(cohort.fingerprint, start, parts, _cohort=cohort, _of_network=of_network)
    for warning in warnings_of(table, parts, of_network=of_network is not None):
        st.warning(plain(warning), icon=":material/warning:")
    st.dataframe(_in_words(table[(table["attribute"] == EVERYBODY) | table["auroc"].notna()]), hide_index=True)
    st.caption(
        "AUROC and fall with 95 % intervals, each by itself: of forty falls one or two lie beyond chance by chance alone. These patients "
        f"are outside the guarantee. {SEEN if Part.TEST in parts else UNSEEN} A fall within a group, such as images of one view or "
        "scanner, shows that the start may tell the groups apart rather than the finding."
    )


@st.cache_data(max_entries=FEW_KEPT, show_spinner=False)
def _check(
    fingerprint: str, start: StartChoice, parts: tuple[Part, ...], _cohort: Cohort, _of_network: NDArray[np.float64] | None
) -> pd.DataFrame:
    del fingerprint
    return check_start(installation(), _cohort, start, (*ATTRIBUTES, *_cohort.comorbidities), parts=parts, of_network=_of_network)


@st.cache_data(max_entries=FEW_KEPT, show_spinner="Scoring held-out images by the start alone")
def _network_scores(fingerprint: str, name: str, digest: str, parts: tuple[Part, ...], _cohort: Cohort) -> NDArray[np.float64] | None:
    """Kept apart from the findings that are chosen: a network reads every image, and takes minutes for thousands of them."""
    del fingerprint, digest
    return network_scores(installation(), _cohort, name, parts)


def _checked(cohort: Cohort, name: str, given: tuple[tuple[str, str], ...]) -> StartChoice:
    """The start with these findings, from `start_for`.

    Raises:
        SpecError: see `start_for`.
    """
    recipe = base_recipe(current_choices().recipe or "")
    found = _start_for(cohort.fingerprint, name, installation().starts.card(name).digest, given, recipe, _cohort=cohort)
    if isinstance(found, DpmedError):
        raise found
    return found


@st.cache_resource(max_entries=FEW_KEPT, show_spinner=False)
def _start_for(
    fingerprint: str, name: str, digest: str, given: tuple[tuple[str, str], ...], recipe: str, _cohort: Cohort
) -> StartChoice | DpmedError:
    """`start_for` reads every image to compare them, so that what it finds is kept, a refusal as well."""
    del fingerprint, digest
    try:
        return start_for(installation(), _cohort, name, dict(given), recipe=recipe or None)
    except DpmedError as error:
        return error


def _in_words(table: pd.DataFrame) -> pd.DataFrame:
    """`start_check` for a reader."""
    unknown = [f"not estimable: {reason}" for reason in table["reason"]]
    return pd.DataFrame(
        {
            "Finding": table["finding"].map(finding_title),
            "Patients": [subgroup_title(of, group) for of, group in zip(table["attribute"], table["subgroup"], strict=True)],
            "AUROC of the start alone": _with_interval(table, "auroc", unknown),
            "Fall from all patients": _with_interval(table, "fall", [""] * len(table)),
            "Images": table["n_cases"],
            "Positive labels": table["n_positive"],
        }
    )


def _with_interval(table: pd.DataFrame, name: str, otherwise: Sequence[str]) -> list[str]:
    """The column `name` with its interval, and what stands `otherwise` where it has none."""
    of_row = zip(table[name], table[f"{name}_low"], table[f"{name}_high"], otherwise, strict=True)
    return [other if pd.isna(value) else f"{value:.3f} ({low:.3f} to {high:.3f})" for value, low, high, other in of_row]
