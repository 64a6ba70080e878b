"""Streamlit parts that several pages share: the choices that make a view, and what pages look up."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.cases import finished_runs, scored_cases
from dpmed_core.evaluation.utility import MACRO, utility_means, utility_table
from dpmed_core.first_start import progress
from dpmed_core.installation import Installation
from dpmed_core.naming import finding_title
from dpmed_core.runs.live import planned_guarantees
from dpmed_core.runs.plan import n_train_units
from dpmed_core.runs.spending import Explored, explored_total, with_unplanned
from dpmed_core.runs.status import OPEN_STATES, RunStatus
from dpmed_core.training.catalogue import PROBE, RECIPES
from dpmed_core.training.spec import PrivacyUnit, RunSpec, default_delta

BUSY_SECONDS, IDLE_SECONDS = 1.5, 10.0
UNIT_TITLES = {PrivacyUnit.PATIENT: "Patient (all films together)", PrivacyUnit.IMAGE: "Image (each film alone)"}


@dataclass(frozen=True)
class Choices:
    """What the sidebar holds; None where a link named something that does not exist, or nothing is there to choose."""

    cohort: str | None
    finding: str | None
    recipe: str | None
    unit: PrivacyUnit | None


@st.cache_resource
def installation() -> Installation:
    """The installation that this server works on."""
    return Installation.open()


def is_dark() -> bool:
    """Whether the reader's theme is dark."""
    return st.context.theme.type == "dark"


def shared_choices() -> Choices:
    """The sidebar's choices, kept in the address and over changes of page."""
    with st.sidebar:
        name = choice("cohort", "Cohort", installation().cohorts.names())
        cohort = installation().cohorts.load(name) if name else None
        findings = (MACRO, *cohort.findings) if cohort and cohort.findings else ()
        finding = choice("finding", "Finding", findings, title=finding_title)
        recipe = choice("recipe", "Recipe", list(RECIPES), title=lambda name: RECIPES[name].title)
        units = list(PrivacyUnit) if cohort is None or cohort.patients_known else [PrivacyUnit.IMAGE]
        unit = choice("unit", "Unit of privacy", [u.value for u in units], title=lambda name: UNIT_TITLES[PrivacyUnit(name)])
        st.caption("Research use only. Not a medical device.")
    chosen = Choices(name, finding, recipe, PrivacyUnit(unit) if unit else None)
    st.session_state["choices"] = chosen
    return chosen


def current_choices() -> Choices:
    """The choices that the frame made in this run."""
    return st.session_state["choices"]  # type: ignore[no-any-return]


def choice(
    name: str,
    label: str,
    options: Sequence[str],
    *,
    title: Callable[[str], str] = str,
    default: str | None = None,
    widget: Callable[..., str | None] = st.selectbox,
) -> str | None:
    """A choice that stands in the address, its default too; a value that does not exist is named, not replaced.

    Args:
        name: its name in the address.
        label: what the reader sees.
        options: what can be chosen.
        title: an option in words.
        default: chosen where the address says nothing; None for the first option.
        widget: `st.selectbox` or `st.select_slider`.
    """
    key, asked = f"choice-{name}", st.query_params.get(name)
    kept = st.session_state.get(f"kept-{name}")
    wanted = asked if asked is not None and asked != st.session_state.get(f"address-{name}") else kept
    wanted = wanted or asked or default or (options[0] if options else None)
    if wanted is not None and wanted not in options:
        st.error(f"{label} “{wanted}” does not exist here" + (": choose another." if options else "."), icon=":material/link_off:")
        _remember(name, wanted)
        wanted = None
    if not options:
        return None
    if wanted is None and widget is st.select_slider:
        return None
    _set_where_needed(name, key, wanted, options)
    chosen = widget(label, options, key=key, format_func=title, on_change=_changed, args=(name, key))
    if chosen is not None:
        _remember(name, chosen)
    return chosen


def _set_where_needed(name: str, key: str, wanted: str | None, options: Sequence[str]) -> None:
    """Tell the browser a value only where it shows another: one told by a refresh under way would undo a move made meanwhile."""
    if st.session_state.get(key) != wanted or st.session_state.get(f"options-{name}") != tuple(options):
        st.session_state[key] = wanted
    st.session_state[f"options-{name}"] = tuple(options)


def _changed(name: str, key: str) -> None:
    _remember(name, st.session_state[key])


def _remember(name: str, value: str) -> None:
    st.session_state[f"kept-{name}"] = st.session_state[f"address-{name}"] = value
    if st.query_params.get(name) != value:
        st.query_params[name] = value


def chosen_cohort() -> Cohort | None:
    """The chosen cohort; where there is none, the page says what to do next."""
    name = current_choices().cohort
    if name is None:
        no_cohort()
        return None
    cohort = installation().cohorts.load(name)
    if cohort.synthetic:
        st.info(
            "**Synthetic cohort.** These films were drawn by a computer and show no patient. They flatter recipe *probe*, whose encoder "
            "learnt from films of the same kind.",
            icon=":material/science:",
        )
    return cohort


def no_cohort() -> None:
    """What to see and do while there is no cohort."""
    if installation().cohorts.names():
        st.info("Choose a cohort in the sidebar.")
        return
    _first_start()


@st.fragment(run_every=BUSY_SECONDS)
def _first_start() -> None:
    reached = progress(installation().settings)
    if installation().cohorts.names():
        st.rerun()
    if reached is not None and reached.stage != "done":
        st.subheader("The demo cohort is being made")
        st.progress(
            reached.done / max(reached.total, 1),
            f"{reached.done} of {reached.total} synthetic films drawn" if reached.total else "Starting",
        )
        st.caption("Its models then train by themselves; this page goes on without a click.")
        return
    st.subheader("No cohort yet")
    st.markdown("Import your own films from a table, one row an image:")
    st.code("python -m dpmed_core cohort add chest --manifest chest.csv --findings cardiomegaly,effusion", language="bash")
    st.markdown("or draw a synthetic cohort to look around:")
    st.code("python -m dpmed_core cohort add-demo radiograph", language="bash")


def runs_of(cohort: Cohort) -> list[RunStatus]:
    """The runs on the data of `cohort`, in the order asked."""
    return [s for s in installation().runs.statuses() if s.spec.cohort_fingerprint == cohort.fingerprint]


def refresh_seconds(cohort: Cohort) -> float:
    """How often a live part looks again."""
    return BUSY_SECONDS if any(s.state in OPEN_STATES for s in runs_of(cohort)) else IDLE_SECONDS


def utility_of(cohort: Cohort) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Utility rows, their means over replicates, and runs whose files are damaged."""
    finished = tuple((s.run_id, s.progress.updated_at) for s in finished_runs(installation().runs, cohort))
    return _utility(cohort.fingerprint, finished, _cohort=cohort)


@st.cache_data(max_entries=8, show_spinner=False)
def _utility(fingerprint: str, finished: tuple[tuple[str, float], ...], _cohort: Cohort) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    del fingerprint, finished  # they name what is cached
    scored = scored_cases(installation().runs, _cohort)
    utility = utility_table(scored)
    return utility, utility_means(utility), scored.attrs["damaged"]


def explored_of(cohort: Cohort, planned: tuple[RunSpec, ...]) -> Explored:
    """What was explored on the patients of `cohort`, and would be with the private runs of `planned`, at the default delta."""
    state = tuple((s.run_id, s.state, s.progress.attempt, s.progress.planned is not None) for s in runs_of(cohort))
    return _explored(cohort.fingerprint, state, planned, _cohort=cohort)


@st.cache_data(max_entries=64, show_spinner=False)
def _explored(fingerprint: str, state: tuple[tuple[str, str, int, bool], ...], planned: tuple[RunSpec, ...], _cohort: Cohort) -> Explored:
    del fingerprint, state  # they name what is cached
    here = installation()
    delta = default_delta(n_train_units(_cohort, key=here.key, unit=PrivacyUnit.PATIENT))
    known = planned_guarantees(here, _cohort, planned)
    unknown = [spec for spec in planned if spec.recipe != PROBE.name]
    return with_unplanned(explored_total(here.runs, _cohort, delta=delta, planned=known), unknown)
