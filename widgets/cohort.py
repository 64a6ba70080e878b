"""The chosen cohort, and what a page shows where there is none."""

import streamlit as st

from dpmed_core.cohort.display_names import IMAGE_WORDS
from dpmed_core.cohort.schema import Cohort
from dpmed_core.demo import progress
from dpmed_core.foreign_text import plain
from dpmed_core.training.recipes.catalogue import RECIPES, recipes_for
from dpmed_core.training.spec import base_recipe
from widgets.choices import Choices, current_choices
from widgets.copied_text import show_copied_text
from widgets.lookup import BUSY_SECONDS, guarded, installation


def chosen_cohort(*, says_synthetic: bool = True) -> Cohort | None:
    """The chosen cohort; where there is none, the page then says what to do next.

    Args:
        says_synthetic: whether to say here that a synthetic one shows no patient; a page that does not says it itself (`show_synthetic`).
    """
    name = current_choices().cohort
    if name is None:
        no_cohort()
        return None
    cohort = installation().cohorts.load(name)
    if says_synthetic:
        show_synthetic(cohort)
    return cohort


def has_choices(selected: Choices, *, finding: bool = True) -> bool:
    """Whether everything is chosen that a page of results needs; where something is not, the page says what to choose.

    Args:
        selected: the sidebar's choices.
        finding: whether it needs a finding.
    """
    needed = {"finding": selected.finding or not finding, "recipe": selected.recipe, "unit of privacy": selected.unit}
    missing = [name for name, chosen in needed.items() if not chosen]
    if missing:
        st.info(plain(f"Nothing can be shown yet: choose a {' and a '.join(missing)} in the sidebar."))
    return not missing


def show_synthetic(cohort: Cohort) -> None:
    """Say of a synthetic cohort that it is one, and whether it favours the chosen recipe; why, a click away."""
    if cohort.synthetic:
        images = IMAGE_WORDS[cohort.modality].several
        recipe = base_recipe(current_choices().recipe or "")
        favours = recipe in RECIPES and RECIPES[recipe].uses_encoder
        st.caption(
            f":material/science: Synthetic cohort{', which favours this recipe' if favours else ''}",
            help=f"Computer-generated {images} of no patient. They favour {_recipes_on_encoder(cohort)}, "
            "whose public encoder was trained on their kind.",
            width="content",
        )


def _recipes_on_encoder(cohort: Cohort) -> str:
    """The recipes for the cohort's images that use the public encoder: "recipes *probe* and *finetune*"."""
    names = [f"*{name}*" for name in recipes_for(cohort.modality) if RECIPES[name].uses_encoder]
    return f"{'recipe' if len(names) == 1 else 'recipes'} {' and '.join(names)}"


def no_cohort() -> None:
    """What a page shows while there is no cohort."""
    if installation().cohorts.names():
        st.info("Choose a cohort in the sidebar.")
        return
    _first_start()


@st.fragment(run_every=BUSY_SECONDS)
@guarded
def _first_start() -> None:
    """The progress of the demo cohort that is being made, or how to get a cohort; refreshes itself."""
    reached = progress(installation().settings)
    if installation().cohorts.names():
        st.rerun()
    if reached is not None and reached.stage != "done":
        st.header("The demo cohort is being made")
        st.progress(
            reached.done / max(reached.total, 1),
            f"{reached.done} of {reached.total} synthetic images made" if reached.total else "Starting",
        )
        st.caption("Its models are then trained automatically; this page refreshes itself.")
        return
    st.header("No cohort yet")
    st.markdown("Import your own radiographs or CT scans from a table with one row per image:")
    add = "python -m dpmed_core cohort add chest --manifest chest.csv --findings cardiomegaly,effusion"
    show_copied_text(add, label="Command that imports")
    st.markdown("or make a synthetic cohort to try DPMed:")
    show_copied_text("python -m dpmed_core cohort add-demo radiograph", label="Command that makes a synthetic cohort")
