"""Training by the recipe that the run's specification names."""

from dataclasses import replace
from pathlib import Path

from dpmed_core.cohort.schema import Cohort, Split
from dpmed_core.errors import SpecError
from dpmed_core.training.recipes.catalogue import PROBE, recipe_card, refuse_encoder, require_modality, require_start
from dpmed_core.training.recipes.networks import NETWORKS
from dpmed_core.training.recipes.train_network import train_network
from dpmed_core.training.recipes.train_probe import train_probe
from dpmed_core.training.result import TrainedModel
from dpmed_core.training.session import TrainingSession
from dpmed_core.training.spec import RunSpec
from dpmed_core.training.starts.start_store import StartStore

RDP_NOTE = (
    "The PRV accountant could not count this training in time, so the RDP accountant (Rényi differential privacy) did: "
    "the guarantee holds, with more noise than needed."
)


def train(
    spec: RunSpec,
    cohort: Cohort,
    split: Split,
    *,
    session: TrainingSession,
    features_dir: Path,
    encoders_dir: Path,
    calibrations_dir: Path | None,
    starts: StartStore | None = None,
    added_dir: Path | None = None,
) -> TrainedModel:
    """The model that `spec` asks for, trained on the training part of `cohort`.

    Args:
        spec: the run's specification.
        cohort: its data.
        split: says which patients are trained on.
        session: checkpoints, progress, cancelling.
        features_dir: cache of the cohort's public features.
        encoders_dir: folder of the public encoders.
        calibrations_dir: cache of calibrated noise multipliers; None for no cache.
        starts: the public starts; needed for a run that begins at one.
        added_dir: folder of the added encoders; None for that of the public ones.

    Raises:
        EncoderError: the added encoder that the run names is missing, or was changed.
        SpecError: the recipe is unknown, of another version, or for another modality, or takes no public start; the start is gone or
            damaged; or the privacy target cannot be met.
        Cancelled: the session was asked to stop.
    """
    # The version is part of the run's name: a model must not be stored under a version that did not train it.
    card = recipe_card(spec.recipe)
    if spec.recipe_version != card.version:
        raise SpecError(f"Recipe {card.name} is at version {card.version}, the run asks for {spec.recipe_version}: request the run again.")
    require_modality(card, cohort.modality)
    require_start(card, spec.start, spec.privacy)
    refuse_encoder(spec.recipe, spec.encoder, cohort.modality)
    if spec.recipe == PROBE.name:
        folders = {"features_dir": features_dir, "encoders_dir": encoders_dir}
        return train_probe(spec, cohort, split, session=session, starts=starts, added_dir=added_dir, **folders)
    recipe = NETWORKS[spec.recipe]
    model = train_network(
        recipe,
        spec,
        cohort,
        split,
        session=session,
        encoders_dir=encoders_dir,
        calibrations_dir=calibrations_dir,
        features_dir=features_dir,
        starts=starts,
    )
    return with_accountant_note(model)


def with_accountant_note(model: TrainedModel) -> TrainedModel:
    """`model`, with a note in its result if its noise was calibrated by RDP, the looser accountant."""
    guarantee = model.result.guarantee
    if guarantee is None or guarantee.accountant != "rdp":
        return model
    return replace(model, result=replace(model.result, notes=(*model.result.notes, RDP_NOTE)))
