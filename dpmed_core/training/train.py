"""Training by the recipe that the spec names."""

from dataclasses import replace
from pathlib import Path

from dpmed_core.cohort.schema import Cohort, Split
from dpmed_core.errors import SpecError
from dpmed_core.training.recipes.catalogue import PROBE, recipe_card, refuse_other_images
from dpmed_core.training.recipes.networks import NETWORKS
from dpmed_core.training.recipes.train_network import train_network
from dpmed_core.training.recipes.train_probe import train_probe
from dpmed_core.training.result import TrainedModel
from dpmed_core.training.session import TrainingSession
from dpmed_core.training.spec import RunSpec

RDP_NOTE = (
    "The PRV accountant could not count this training in time, so Renyi differential privacy did: the promise holds, "
    "with more noise than needed."
)


def train(spec: RunSpec, cohort: Cohort, split: Split, *, session: TrainingSession, features_dir: Path, encoders_dir: Path) -> TrainedModel:
    """Train `spec` on the training part of `cohort`.

    Args:
        spec: the question.
        cohort: its data.
        split: who is trained on.
        session: checkpoints, progress, cancelling.
        features_dir: where features of the cohort are cached.
        encoders_dir: where the public encoder lies.

    Raises:
        SpecError: the recipe is unknown, of another version, or for other images.
        Cancelled: the session was asked to stop.
    """
    card = recipe_card(spec.recipe)
    if spec.recipe_version != card.version:
        raise SpecError(f"Recipe {card.name} is at version {card.version}, the run asks for {spec.recipe_version}: ask for the run anew.")
    refuse_other_images(card, cohort.modality)
    if spec.recipe == PROBE.name:
        return train_probe(spec, cohort, split, session=session, features_dir=features_dir, encoders_dir=encoders_dir)
    return noted(train_network(NETWORKS[spec.recipe], spec, cohort, split, session=session, encoders_dir=encoders_dir))


def noted(model: TrainedModel) -> TrainedModel:
    """`model` with a note where its noise was calibrated by the looser accountant."""
    guarantee = model.result.guarantee
    if guarantee is None or guarantee.accountant != "rdp":
        return model
    return replace(model, result=replace(model.result, notes=(*model.result.notes, RDP_NOTE)))
