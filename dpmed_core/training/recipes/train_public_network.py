"""Training the network of a public start: as its recipe trains without privacy, on four fifths of a public cohort's patients."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import SpecError
from dpmed_core.training.loop import predict, train_model
from dpmed_core.training.networks.models import initial_weights
from dpmed_core.training.recipes.networks import NETWORKS
from dpmed_core.training.recipes.public_images import OnPublicImages, PublicImages
from dpmed_core.training.recipes.train_network import begin_at, build_network, network_inputs, plan_network, tensors_of, training_data
from dpmed_core.training.session import UnrecordedSession
from dpmed_core.training.spec import PrivacyUnit, RunSpec
from dpmed_core.training.starts.public_network import PublicNetwork

SEED = 0
"""Of the initial weights."""
Progress = Callable[[int, int], None]


def train_public_network(
    cohort: Cohort, recipe_name: str, *, encoders_dir: Path, progress: Progress = lambda done, total: None
) -> tuple[PublicNetwork, Mapping[str, OnPublicImages]]:
    """(the network, how it does on the patients that it was not trained on, by finding).

    It is judged on a fifth of the patients instead of by cross-validation, which would take five times as long. A finding that not both
    parts can show, with images that have it and others that have not, is left out.

    Args:
        cohort: public images with labels.
        recipe_name: of a recipe whose networks begin at public ones.
        encoders_dir: folder of the public encoders.
        progress: told how many steps are done; what it raises stops the training.

    Raises:
        SpecError: the cohort has too few patients, or no finding that can be learnt.
    """
    recipe, images = NETWORKS[recipe_name], PublicImages.of(cohort)
    held_out = next(images.folds())
    learnable = images.has_both(held_out) & images.has_both(~held_out)
    if not learnable.any():
        raise SpecError(
            f"No finding of cohort {cohort.name!r} is both present and absent among the patients that are trained on, and among the fifth "
            "by whom the network is judged: import more of them."
        )
    images = images.where(learnable)
    units = images.rows_by_unit(~held_out)
    spec = RunSpec(cohort.fingerprint, None, recipe.card.name, recipe.card.version, PrivacyUnit.PATIENT, None, SEED)
    settings, _ = plan_network(recipe, spec, n_units=len(units))
    model = build_network(recipe, n_findings=len(images.findings), seed=SEED, encoders_dir=encoders_dir)
    data = training_data(partial(network_inputs, recipe, cohort.images), cohort, images.labels, units)
    cohort.check_images(np.flatnonzero(held_out))
    train_model(model, data, settings, session=UnrecordedSession(progress))
    judged = predict(model, network_inputs(recipe, cohort.images, np.flatnonzero(held_out)), images_at_once=recipe.scored_at_once)
    return PublicNetwork.from_tensors(tensors_of(model)), images.judged(judged, held_out)


def scores_of_start(start: PublicNetwork, recipe_name: str, cohort: Cohort, rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """What a start alone gives cases of a cohort, `[n_rows, n_findings]`: probabilities on public images."""
    if not len(rows):
        return np.empty((0, len(start.begins)))
    recipe = NETWORKS[recipe_name]
    model = initial_weights(SEED, recipe.build, n_out=len(start.begins))
    begin_at(model, start)
    cohort.check_images(rows)
    return predict(model, network_inputs(recipe, cohort.images, rows), images_at_once=recipe.scored_at_once)
