"""The choices that define a view: shared ones in the sidebar, all of them in the address, so that a copied address shows the same view."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import streamlit as st

from dpmed_core.cohort.display_names import IMAGE_WORDS, finding_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import CohortError
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.evaluation.scores.scored_runs import starts_with_runs, trained_kinds
from dpmed_core.foreign_text import LONGEST_SENTENCE, plain
from dpmed_core.imaging.modality import Modality
from dpmed_core.training.recipes.catalogue import RECIPES
from dpmed_core.training.spec import PrivacyUnit, base_recipe
from dpmed_core.training.starts.choosing import starts_offered
from dpmed_core.training.starts.start_card import OF_HEADS, SCRATCH
from widgets.address.choice import choice as choice
from widgets.address.session import forget, shown, stated
from widgets.lookup import installation
from widgets.recipes import recipe_options, recipe_title

UNIT_TITLES = {PrivacyUnit.PATIENT: "Patient (all {} together)", PrivacyUnit.IMAGE: "Image (each {} alone)"}

START = "start"
"""Name of the choice of a public start in addresses."""

DELTA = "delta"
"""Name of the choice of delta in addresses."""


@dataclass(frozen=True)
class Choices:
    """The sidebar's choices; None where the address names something that does not exist, or there is nothing to choose.

    The recipe may be one with an added encoder (`RunSpec.variant`).
    """

    cohort: str | None
    finding: str | None
    recipe: str | None
    unit: PrivacyUnit | None
    start: str | None = None


def shared_choices() -> Choices:
    """The sidebar's choices, kept in the address and across pages."""
    with st.sidebar:
        names = installation().cohorts.names()
        name = choice("cohort", "Cohort", names, default=first_readable(names))
        cohort, name = _loaded(name)
        findings = findings_of(cohort) if cohort else ()
        finding = choice("finding", "Finding", findings, title=finding_title)
        first = _FirstChoices(cohort)
        recipe = choice("recipe", "Recipe", recipe_options(cohort), title=recipe_title, default=first.recipe)
        start = _choose_start(cohort, recipe, first)
        words = _unit_words(cohort.modality if cohort else Modality.RADIOGRAPH)
        unit = choice(
            "unit",
            "Unit of privacy",
            [u.value for u in _units_of(cohort)],
            title=lambda name: UNIT_TITLES[PrivacyUnit(name)].format(words[PrivacyUnit(name)]),
            default=first.unit(recipe, start),
        )
        st.caption("Research use only. Not a medical device.")
    chosen = Choices(name, finding, recipe, PrivacyUnit(unit) if unit else None, start)
    st.session_state["choices"] = chosen
    return chosen


@dataclass(frozen=True)
class _FirstChoices:
    """What the sidebar chooses of a cohort where nobody has chosen: the first option of which models are finished, or else the first."""

    cohort: Cohort | None

    @cached_property
    def kinds(self) -> list[tuple[str, str | None, str]]:
        """Recipe, start and unit of the finished models."""
        return trained_kinds(installation().runs, self.cohort) if self.cohort else []

    @property
    def recipe(self) -> str:
        trained, options = {recipe for recipe, _, _ in self.kinds}, recipe_options(self.cohort)
        return next((option for option in options if option in trained), options[0])

    def start(self, recipe: str | None) -> str | None:
        """None from scratch, which comes first."""
        starts = {start for of, start, _ in self.kinds if of == recipe}
        return None if None in starts else min((start for start in starts if start is not None), default=None)

    def unit(self, recipe: str | None, start: str | None) -> str:
        trained, options = {unit for of, at, unit in self.kinds if (of, at) == (recipe, start)}, _units_of(self.cohort)
        return next((option.value for option in options if option.value in trained), options[0].value)


def _choose_start(cohort: Cohort | None, recipe: str | None, first: _FirstChoices) -> str | None:
    """The public start that models begin at; None from scratch. Offered where there is one to choose, or the address names one."""
    here = installation()
    trained = starts_with_runs(here.runs, cohort, recipe=recipe) if cohort else []
    offered = starts_offered(here.starts, cohort, base_recipe(recipe)) if cohort and recipe else here.starts.names()
    names, said = [*offered, *sorted(set(trained) - set(offered))], start_in_address(recipe)
    if recipe is None or not RECIPES[base_recipe(recipe)].takes_start or not (names or stated(said)):
        return None
    title = {SCRATCH: "From scratch"}
    chosen = choice(
        said,
        "Models begin",
        [SCRATCH, *names],
        title=lambda name: title.get(name, f"At public start {name}"),
        default=first.start(recipe) or SCRATCH,
    )
    return None if chosen == SCRATCH else chosen


def start_in_address(recipe: str | None) -> str:
    """The name in the address of the start of a recipe's models: a start is for one recipe, and another recipe leaves it as it is."""
    base = base_recipe(recipe or OF_HEADS)
    return START if base == OF_HEADS else f"{START}-{base}"


def first_readable(names: Sequence[str]) -> str | None:
    """The first cohort that can be read: one that cannot is shown when somebody chooses it, not to everybody who opens a page."""
    for name in names:
        with suppress(CohortError):
            return installation().cohorts.load(name).name
    return None


def _loaded(name: str | None) -> tuple[Cohort | None, str | None]:
    """The chosen cohort and its name; neither where it cannot be read, which is then said."""
    try:
        return (installation().cohorts.load(name), name) if name else (None, None)
    except CohortError as error:
        st.error(plain(str(error), LONGEST_SENTENCE), icon=":material/error:")
        return None, None


def first_choices(cohort: Cohort) -> Choices:
    """What the sidebar chooses of `cohort` where nobody has chosen."""
    return _choices_in(cohort, {})


def choices_in(cohort: Cohort, said: Mapping[str, str]) -> Choices | None:
    """What the sidebar chooses of `cohort` in a session that begins with an address which says `said`; None where not all of it exists."""
    if said.get("unit") not in (None, *PrivacyUnit):
        return None
    chosen = _choices_in(cohort, said)
    starts = (None, *starts_with_runs(installation().runs, cohort, recipe=chosen.recipe))
    exists = chosen.finding in findings_of(cohort) and chosen.recipe in recipe_options(cohort) and chosen.unit in _units_of(cohort)
    return chosen if exists and chosen.start in starts else None


def _choices_in(cohort: Cohort, said: Mapping[str, str]) -> Choices:
    first = _FirstChoices(cohort)
    finding = said.get("finding") or next(iter(findings_of(cohort)), None)
    recipe = said.get("recipe") or first.recipe
    start = said.get(start_in_address(recipe)) or first.start(recipe)
    start = None if start == SCRATCH else start
    return Choices(cohort.name, finding, recipe, PrivacyUnit(said.get("unit") or first.unit(recipe, start)), start)


def _units_of(cohort: Cohort | None) -> list[PrivacyUnit]:
    return list(PrivacyUnit) if cohort is None or cohort.patients_known else [PrivacyUnit.IMAGE]


def findings_of(cohort: Cohort) -> tuple[str, ...]:
    """The findings and their mean, which comes first; with one finding it comes last, because it is then the same."""
    return (*cohort.findings, MACRO) if len(cohort.findings) == 1 else (MACRO, *cohort.findings) if cohort.findings else ()


def _unit_words(modality: Modality) -> dict[PrivacyUnit, str]:
    return {PrivacyUnit.PATIENT: IMAGE_WORDS[modality].several, PrivacyUnit.IMAGE: IMAGE_WORDS[modality].one}


def current_choices() -> Choices:
    """The choices that `pages/frame.py` has read in this script run."""
    return st.session_state["choices"]  # type: ignore[no-any-return]


def choose_delta(deltas: Sequence[float]) -> None:
    """Let the reader choose among the deltas that budgets were trained at; an epsilon at another delta is another guarantee."""
    choice(DELTA, "δ, where a budget was trained at several", [f"{delta:g}" for delta in deltas])


def chosen_delta() -> float | None:
    """The delta that was chosen, in the address or before; None where none was."""
    return delta_said(stated(DELTA))


def delta_said(wanted: str | None) -> float | None:
    """The delta that an address says; None where it says none that can be read."""
    try:
        return float(wanted) if wanted else None
    except ValueError:
        return None


def follow_cohort(name: str) -> None:
    """Choose cohort `name` in the sidebar, with its own findings, from the next run of the page on."""
    for of_another in ("finding", "recipe", "unit", *map(start_in_address, RECIPES)):
        forget(of_another)
    shown("cohort", name)
