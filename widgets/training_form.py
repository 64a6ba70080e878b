"""The form that describes runs to be trained, and the runs that it describes before anybody changes it."""

import streamlit as st

from dpmed_core.cohort.schema import Cohort
from dpmed_core.foreign_text import plain
from dpmed_core.phrases import delta_text
from dpmed_core.runs.plan import MOST_SPLITS, n_train_units, parse_delta, parse_epsilons, plan_runs
from dpmed_core.training.recipes.catalogue import RECIPES
from dpmed_core.training.spec import PrivacyUnit, RunSpec, StartChoice, base_recipe, default_delta
from widgets.cached import MOST_KEPT
from widgets.choices import Choices, current_choices
from widgets.lookup import installation
from widgets.recipes import encoder_digest, recipe_title, show_encoder
from widgets.starts import choose_start_findings

BUDGETS, N_SEEDS = "0.3, 1, 8", 3


def choose_runs(cohort: Cohort) -> list[RunSpec]:
    """The runs that the form describes.

    Raises:
        SpecError: a value cannot be read, or the runs cannot be trained.
    """
    choices = current_choices()
    if choices.recipe is None or choices.unit is None:
        return []
    st.caption(f"Recipe {plain(recipe_title(choices.recipe))}", help=plain(RECIPES[base_recipe(choices.recipe)].summary))
    show_encoder(cohort, choices.recipe)
    left, middle, right, last = st.columns([2, 1, 1, 1])
    epsilons = left.text_input(
        "Privacy budgets ε, comma-separated", BUDGETS, help="A smaller ε protects more. Each budget is trained separately."
    )
    seeds = middle.number_input(
        "Training runs per budget", 1, 20, N_SEEDS, help="Private training is random: several runs show how much results vary."
    )
    delta = right.text_input(
        "δ",
        _first_delta(cohort, choices.unit),
        help="Roughly the probability that the bound ε fails. Choose it far below 1 / number of patients.",
    )
    splits = last.number_input(
        "Random splits",
        1,
        MOST_SPLITS,
        1,
        help="For small cohorts, whose one test part is too little: the patients are split anew so many times, and models are trained on "
        "each split. Each is a spend of its own.",
        disabled=cohort.has_own_split,
    )
    start = choose_start_findings(cohort)
    return _runs(cohort, choices, epsilons=epsilons, n_seeds=int(seeds), delta=delta, n_splits=int(splits), start=start)


def first_runs(cohort: Cohort, choices: Choices) -> list[RunSpec]:
    """The runs that the form describes before anybody changes it, from scratch.

    Raises:
        SpecError: the runs cannot be trained.
    """
    delta = _first_delta(cohort, choices.unit or PrivacyUnit.PATIENT)
    return _runs(cohort, choices, epsilons=BUDGETS, n_seeds=N_SEEDS, delta=delta, n_splits=1, start=None)


def _first_delta(cohort: Cohort, unit: PrivacyUnit) -> str:
    return _default_delta(cohort.fingerprint, unit, cohort)


@st.cache_data(max_entries=MOST_KEPT, show_spinner=False)
def _default_delta(fingerprint: str, unit: PrivacyUnit, _cohort: Cohort) -> str:
    del fingerprint  # key of the cache
    return delta_text(default_delta(n_train_units(_cohort, key=installation().key, unit=unit)))


def _runs(
    cohort: Cohort, choices: Choices, *, epsilons: str, n_seeds: int, delta: str, n_splits: int, start: StartChoice | None
) -> list[RunSpec]:
    """The runs of the sidebar's recipe and unit, with budgets and delta as they are typed."""
    recipe = str(choices.recipe)
    return plan_runs(
        cohort,
        key=installation().key,
        recipe=base_recipe(recipe),
        encoder=encoder_digest(recipe),
        epsilons=parse_epsilons(epsilons),
        n_seeds=n_seeds,
        delta=parse_delta(delta),
        unit=choices.unit or PrivacyUnit.PATIENT,
        n_splits=n_splits,
        start=start,
    )
