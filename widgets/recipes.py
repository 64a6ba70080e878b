"""Recipes as a reader chooses them: by themselves, and with an added encoder; what to know of that encoder."""

import streamlit as st

from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import EncoderError
from dpmed_core.foreign_text import plain
from dpmed_core.imaging.modality import Modality
from dpmed_core.inference.requests import AddedFeatures
from dpmed_core.phrases import duration_in_words
from dpmed_core.training.encoders.added.store import AddedEncoder
from dpmed_core.training.encoders.architectures.catalogue import architecture_called
from dpmed_core.training.encoders.joined_features import joined_are_cached
from dpmed_core.training.recipes.catalogue import PROBE, RECIPES, recipes_for
from dpmed_core.training.spec import base_recipe, variant_name
from widgets.lookup import installation, runs_of
from widgets.waiting import ask, is_waiting, show_failure, wait

KEY = "added-features"
LIMIT_SECONDS = 24 * 3600.0
"""The time after which features are no longer waited for: those of a large cohort take hours."""


def recipe_options(cohort: Cohort | None) -> list[str]:
    """What can be trained, or was: recipes, and recipe probe with each added encoder."""
    if cohort is None:
        return list(RECIPES)
    of_encoders = [variant_name(PROBE.name, encoder=encoder.digest) for encoder in encoders_for(cohort)]
    of_runs = [run.spec.variant for run in runs_of(cohort)]
    return list(
        dict.fromkeys([*recipes_for(cohort.modality), *of_encoders, *sorted(run for run in of_runs if base_recipe(run) in RECIPES)])
    )


def encoders_for(cohort: Cohort) -> list[AddedEncoder]:
    """The added encoders that models of the cohort can read."""
    return installation().encoders.readable() if cohort.modality is Modality.RADIOGRAPH else []


def recipe_title(variant: str) -> str:
    """A recipe in words, as text."""
    title, encoder = RECIPES[base_recipe(variant)].title, encoder_of(variant)
    if encoder is not None:
        return f"{title.split(' (')[0]} with encoder {encoder.name}"  # short: the sidebar is narrow, and the name comes last
    return title if variant in RECIPES else f"{title} ({variant.split('+', 1)[1]})"


def encoder_of(variant: str | None) -> AddedEncoder | None:
    """The added encoder of a recipe's variant; None where it has none, or it is not there."""
    for encoder in installation().encoders.readable():
        if variant == variant_name(PROBE.name, encoder=encoder.digest):
            return encoder
    return None


def encoder_digest(variant: str) -> str | None:
    """The digest of the added encoder of a recipe's variant that is to be trained; None where it has none.

    Raises:
        EncoderError: the variant's encoder is not there.
    """
    if (encoder := encoder_of(variant)) is None and variant not in RECIPES:
        raise EncoderError("The encoder of this recipe is not there: choose another recipe, or add it again with `encoder add`.")
    return encoder.digest if encoder else None


def show_encoder(cohort: Cohort, variant: str) -> None:
    """What is known of the chosen encoder, what speaks against it on this cohort, and its features, where they are still to be computed."""
    if (encoder := encoder_of(variant)) is None:
        return
    card = encoder.card
    st.markdown(
        f"**Encoder {plain(encoder.name)}** ({architecture_called(card.architecture).title}): {plain(card.title)}. Trained on "
        f"{plain(card.data)}. Licence: {plain(card.licence)}. Its features are joined to the public encoder's; ε covers what is trained on "
        "them, and nothing that the encoder knows."
    )
    _offer_features(cohort, encoder)


def _offer_features(cohort: Cohort, encoder: AddedEncoder) -> None:
    """A button that has the encoder's features of the cohort computed in the background, with progress, where they are not there."""
    folders = {"features_dir": installation().cohorts.features_dir(cohort.name), "encoders_dir": installation().settings.encoders_dir}
    show_failure(KEY)
    if joined_are_cached(cohort.modality, encoder.digest, **folders):
        st.caption("The features of all images of this cohort are computed.")
        return
    if is_waiting(KEY):
        wait(KEY, what="Computing features of all images", take=lambda _: None)
        return
    seconds = architecture_called(encoder.card.architecture).seconds_per_image * len(cohort.cases)
    st.caption(f"The features of this cohort's images are computed once, in about {duration_in_words(seconds)}; training does it too.")
    if st.button("Compute features now", icon=":material/image_search:"):
        ask(AddedFeatures(cohort.name, encoder.digest), key=KEY, limit_seconds=LIMIT_SECONDS)
        st.rerun()
