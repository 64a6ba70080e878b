"""Rebuilding a finished run's model from what the run store keeps."""

from dpmed_core.errors import RunError
from dpmed_core.training.fitted import FittedModel, StoredModel
from dpmed_core.training.recipes.catalogue import PROBE, recipe_card
from dpmed_core.training.recipes.networks import NETWORKS
from dpmed_core.training.recipes.train_network import rebuild_network
from dpmed_core.training.recipes.train_probe import rebuild_probe


def rebuild(stored: StoredModel) -> FittedModel:
    """The model of a finished run.

    For the cohort's held-out cases, in its order, networks give the stored scores bit for bit on the same type of machine. Recipe `probe`
    gives them to rounding, as does a network for a case by itself: matrix products round differently for another number of cases.

    Raises:
        RunError: it was trained by a version of its recipe, or on a version of its encoder, whose models this version cannot rebuild.
    """
    # A version trains or encodes differently from another; only those that differ in training alone can still be rebuilt.
    card = recipe_card(stored.spec.recipe)
    if not card.oldest_rebuildable[stored.modality] <= stored.spec.recipe_version <= card.version:
        raise RunError(
            f"The run was trained by version {stored.spec.recipe_version} of recipe {card.name}, and this is version {card.version}: "
            "train it again."
        )
    return rebuild_probe(stored) if card.name == PROBE.name else rebuild_network(NETWORKS[card.name], stored)
