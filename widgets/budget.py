"""The choice of a privacy budget, and the guarantee of the chosen one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd
import streamlit as st

from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from dpmed_core.foreign_text import plain
from dpmed_core.phrases import counted, delta_text
from dpmed_core.privacy.meaning.most_images import most_images, own_epsilon_sentence
from dpmed_core.privacy.provenance import encoder_sentences
from dpmed_core.training.accounting.together import together_sentence
from dpmed_core.training.spec import PrivacyUnit
from widgets.address.session import gesture
from widgets.budget_control.axis import budget_axis
from widgets.cached import MOST_KEPT
from widgets.choices import choice, choose_delta
from widgets.lookup import installation
from widgets.training_offer import TrainingOffer

DEFAULT_EPSILON = 1.0
UNIT_PHRASES = {PrivacyUnit.PATIENT: "a patient with all images", PrivacyUnit.IMAGE: "one image"}


def choose_epsilon(
    trained: Sequence[float], *, deltas: Mapping[float, float] | None = None, unit: str | None = None, offer: TrainingOffer | None = None
) -> float | None:
    """The chosen one of the trained privacy budgets; None where there is none, or where the address names one that is not trained.

    Args:
        trained: budgets.
        deltas: of the trained budgets, which then stand beside the chosen one.
        unit: what they protect.
        offer: what else the axis offers; None for trained budgets alone.
    """
    if not trained:
        st.info("No private model with this recipe and unit is finished yet: train one on the page *Train*.")
        return None
    options = [f"{epsilon:g}" for epsilon in sorted(trained)]
    default = f"{first_epsilon(trained):g}"
    widget = partial(
        budget_axis,
        guarantees={f"{epsilon:g}": delta_in_words(epsilon, delta, unit) for epsilon, delta in (deltas or {}).items()},
        offered=offer.offered if offer else (),
        on_ask=offer.ask if offer else None,
    )
    picked = choice("epsilon", "Privacy budget ε", options, default=default, widget=widget)
    if picked is None:
        st.caption(f"Trained budgets: {', '.join(options)}. You can train others on the page *Privacy and utility*.")
        if st.button("Show a trained budget"):
            gesture("epsilon", default)
            st.rerun()
    if offer:
        offer.show_asked(options)
    return float(picked) if picked else None


def delta_in_words(epsilon: float, delta: float, unit: str | None) -> str:
    """What stands beside ε: its δ, and what both protect as one."""
    return f"δ = {delta_text(delta) if epsilon else 0}{f' for each {unit}' if unit else ''}"


def trained_budgets(runs: pd.DataFrame) -> list[float]:
    """The budgets among `runs`, a table with the column epsilon, smallest first; models without privacy have none."""
    return sorted(float(epsilon) for epsilon in runs["epsilon"].dropna().unique())


def first_epsilon(trained: Sequence[float]) -> float:
    """The trained budget that a page begins with."""
    return min(trained, key=lambda epsilon: abs(epsilon - DEFAULT_EPSILON))


def deltas_of(runs: pd.DataFrame) -> dict[float, float]:
    """The delta of each budget among `runs`, a table with the columns epsilon and delta; tables hold runs of one delta only."""
    return {float(epsilon): float(delta) for epsilon, delta in zip(runs["epsilon"], runs["delta"], strict=True) if pd.notna(epsilon)}


def show_guarantee(run_ids: Sequence[str], *, also: str = "") -> None:
    """Whom the guarantee of private runs of one budget is for, in one line; itself, and what all of them spend together, a click away.

    Args:
        run_ids: the runs.
        also: what else must be known to read numbers of these runs.
    """
    if (said := guarantee_in_full(run_ids)) is None:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(plain(said.sentence), width="content")
        with st.popover("In full", icon=":material/info:"):
            for sentence in (*said.beside, *([also] if also else [])):
                st.caption(plain(sentence))
    # Not folded: it says that the line above protects patients less than it seems to.
    if said.worth:
        st.caption(plain(said.worth))


@dataclass(frozen=True)
class GuaranteeSaid:
    """A guarantee in sentences.

    Attributes:
        sentence: whom it is for.
        beside: what it is, whom it leaves out, what several models spend together, and what an encoder knows.
        worth: what it is worth to a patient with several images, where it protects single ones; empty elsewhere.
    """

    sentence: str
    beside: tuple[str, ...]
    worth: str


def guarantee_in_full(run_ids: Sequence[str]) -> GuaranteeSaid | None:
    """The guarantee of private runs of one budget; None where there is none."""
    here = installation()
    guarantees = [guarantee for run_id in run_ids if (guarantee := here.runs.result(run_id).guarantee) is not None]
    if not guarantees:
        return None
    encoders, unit = encoder_sentences([here.runs.status(run_id) for run_id in run_ids], here.encoders), guarantees[0].unit
    images = _most_images(here.runs.status(run_ids[0]).spec.cohort_fingerprint)
    return GuaranteeSaid(
        # Numbers over several models rest on more than the guarantee of one, so that it is said here of which it is.
        sentence=f"The guarantee is for training {unit.value}s, and for each model alone.",
        beside=(
            f"{guarantees[0].sentence()}. Unit of privacy: {UNIT_PHRASES[unit]}.",
            "It does not hold for patients of validation and test.",
            together_sentence(guarantees, cache_dir=here.settings.calibrations_dir),
            *(f"{sentence} ε does not cover what that encoder knows." for sentence in encoders),
        ),
        worth=own_epsilon_sentence(guarantees[0], images, cache_dir=here.settings.calibrations_dir) or "",
    )


@st.cache_data(max_entries=MOST_KEPT, show_spinner=False)
def _most_images(fingerprint: str) -> int:
    """`most_images` of the cohort with this fingerprint; 1 where it is not known which images are one patient's."""
    cohort = installation().cohorts.with_fingerprint(fingerprint)
    return most_images(cohort) if cohort.patients_known else 1


def show_left_out(tables: EvaluationTables) -> None:
    """Which runs are left out: with an older version of their recipe, with damaged files, or at another delta than the chosen one."""
    if tables.deltas:
        choose_delta(tables.deltas)
    if tables.superseded:
        left_out = counted(
            len(tables.superseded), "run with an older version of its recipe is", "runs with older versions of their recipes are"
        )
        st.caption(f"{left_out} left out, because runs with different versions are not averaged. Train missing budgets again.")
    for message in tables.left_out.values():
        st.error(plain(message))
