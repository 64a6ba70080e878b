"""Asking a stored run's model again: about held-out cases, which gives the stored scores, or about a case from outside."""

import numpy as np
from numpy.typing import NDArray

from dpmed_core.errors import RunError
from dpmed_core.training.fitted import FittedModel, StoredModel
from dpmed_core.training.recipes.catalogue import PROBE, recipe_card
from dpmed_core.training.recipes.networks import NETWORKS
from dpmed_core.training.recipes.train_network import rebuild_network
from dpmed_core.training.recipes.train_probe import rebuild_probe


def rebuild(stored: StoredModel) -> FittedModel:
    """The model of a finished run.

    Raises:
        RunError: it was trained by a version of its recipe, or on a version of its encoder, whose models this version cannot rebuild.
    """
    card = recipe_card(stored.spec.recipe)
    if not card.rebuilt_from[stored.modality] <= stored.spec.recipe_version <= card.version:
        raise RunError(
            f"The run was trained by version {stored.spec.recipe_version} of recipe {card.name}, this is version {card.version}: "
            "train it anew."
        )
    return rebuild_probe(stored) if card.name == PROBE.name else rebuild_network(NETWORKS[card.name], stored)


def score_images(stored: StoredModel, images: NDArray[np.generic]) -> NDArray[np.float64]:
    """Probabilities `[n, n_findings]` that a finished run's model gives to `images`, `[n, ...]` as its cohort stores them.

    The held-out cases in the cohort's order get the stored scores again: from networks bit for bit, on the same kind of machine; from
    recipe `probe` to rounding, since its features depend in their last bits on how many images are computed together, as do the scores
    of a case by itself.

    Raises:
        RunError: see `rebuild`.
    """
    return rebuild(stored).score(images)
