"""AUROC of a network recipe on the real cohorts on which `benchmarks.recipes` tests `probe`; started by hand, takes minutes to an hour.

`python -m benchmarks.networks paper pneumoniamnist 5` trains with five seeds per epsilon, `python -m benchmarks.networks paper nih1000 1`
once per fold of the first repeat; a fourth argument, such as `0.3,1,none`, names other epsilons. Prints one line of JSON after each
training, then the means.
"""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from benchmarks.recipes import DELTA, N_FOLDS, NIH_FINDINGS, folds, nih, paired, pneumonia
from dpmed_core.settings import load_settings
from dpmed_core.training.loop import TrainingData, predict, train_model
from dpmed_core.training.recipes.networks import NETWORKS, NetworkRecipe
from dpmed_core.training.recipes.train_network import build_network, network_inputs, plan_network
from dpmed_core.training.session import UnrecordedSession
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit, RunSpec

EPSILONS = {"pneumoniamnist": "0.3,1,8,none", "nih1000": "1,8,none"}


@dataclass(frozen=True, eq=False)
class Images:
    """Images as a cohort stores them, their labels and units, and which of them are trained on."""

    images: NDArray[np.uint8]
    labels: NDArray[np.float32]
    units: NDArray[np.intp]
    train: NDArray[np.bool_]


def aurocs(recipe: NetworkRecipe, images: Images, epsilon: float | None, *, seed: int) -> list[float]:
    """Held-out AUROC of each finding after one training."""
    rows_of = [np.flatnonzero(images.train & (images.units == unit)) for unit in np.unique(images.units[images.train])]
    target = None if epsilon is None else PrivacyTarget(epsilon, DELTA)
    spec = RunSpec("0" * 64, 0, recipe.card.name, recipe.card.version, PrivacyUnit.PATIENT, target, seed)
    settings, _ = plan_network(recipe, spec, n_units=len(rows_of))
    rows = np.concatenate(rows_of)
    images_of = np.split(np.arange(len(rows)), np.cumsum([len(unit) for unit in rows_of])[:-1])
    data = TrainingData(network_inputs(recipe, images.images, rows), torch.from_numpy(images.labels[rows]), images_of)
    model = build_network(recipe, n_findings=images.labels.shape[1], seed=seed, encoders_dir=load_settings().encoders_dir)
    train_model(model, data, settings, session=UnrecordedSession())
    scores = predict(model, network_inputs(recipe, images.images, np.flatnonzero(~images.train)))
    return [float(roc_auc_score(images.labels[~images.train, k], scores[:, k])) for k in range(images.labels.shape[1])]


def on_pneumonia(recipe: NetworkRecipe, folder: Path, epsilons: tuple[float | None, ...], *, n_seeds: int) -> Iterator[dict[str, object]]:
    """Each training, then the mean of each epsilon."""
    images, labels, train = pneumonia(folder)
    images = Images(images, labels, np.arange(len(images)), train)
    found: dict[float | None, list[float]] = {epsilon: [] for epsilon in epsilons}
    for seed in range(n_seeds):
        for epsilon in epsilons:
            found[epsilon] += aurocs(recipe, images, epsilon, seed=seed)
            yield {"epsilon": epsilon, "seed": seed, "auroc": found[epsilon][-1]}
    for epsilon, values in found.items():
        yield {"epsilon": epsilon, "mean": float(np.mean(values)), "spread": float(np.std(values, ddof=1)) if n_seeds > 1 else None}


def on_nih(recipe: NetworkRecipe, folder: Path, epsilons: tuple[float | None, ...], *, n_repeats: int) -> Iterator[dict[str, object]]:
    """Each fold, then each finding's mean and, if the non-private reference is trained too, its paired difference from it."""
    images, labels, patients = nih(folder)
    found: dict[float | None, list[list[float]]] = {epsilon: [] for epsilon in epsilons}
    for fold, train in enumerate(folds(patients)):
        if fold == n_repeats * N_FOLDS:
            break
        for epsilon in found:
            found[epsilon].append(aurocs(recipe, Images(images, labels, patients, train), epsilon, seed=fold))
            yield {"epsilon": epsilon, "fold": fold} | dict(zip(NIH_FINDINGS, found[epsilon][-1], strict=True))
    for epsilon, values in found.items():
        for k, finding in enumerate(NIH_FINDINGS):
            mine = np.array(values)[:, k]
            against = paired(mine - np.array(found[None])[:, k]) if None in found else {}
            yield {"epsilon": epsilon, "finding": finding, "mean": float(mine.mean())} | against


def main(name: str, task: str, repeats: int, epsilons: str | None = None) -> None:
    """Print the AUROC of recipe `name` on `task`."""
    torch.set_num_threads(1)
    recipe, folder = NETWORKS[name], Path(os.environ["DPMED_REAL_COHORTS"])
    asked = tuple(None if one == "none" else float(one) for one in (epsilons or EPSILONS[task]).split(","))
    if task == "pneumoniamnist":
        rows = on_pneumonia(recipe, folder, asked, n_seeds=repeats)
    else:
        rows = on_nih(recipe, folder, asked, n_repeats=repeats)
    for row in rows:
        sys.stdout.write(json.dumps(row) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
