"""What recipe `finetune3d` was set by: its network trained on synthetic scans of no demo, by what is trained, for how long, how fast.

    python -m benchmarks.volume_starts TASK [--epsilon E] [--seeds N] [--setting NAME ...]

Tasks: `encoder`, other scans of the phantoms that the public encoder was trained on; `advanced`, scans of advanced disease, drawn with
another seed than that demo's; `mass` and `cavity` of `volume_proxies`, bodies without a pancreas. Seven patients in ten are trained on; the
AUROC is that of the others. A setting differs from the recipe in what its name says.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import gettempdir

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from benchmarks.volume_proxies import VOLUME_PROXIES
from dpmed_core.phantoms.abdomen.population import PDAC, draw_scans
from dpmed_core.phantoms.abdomen.volume import render_volume
from dpmed_core.settings import load_settings
from dpmed_core.training.dpsgd.secure_random import SecureRandom
from dpmed_core.training.dpsgd.stepper import make_stepper
from dpmed_core.training.encoders.network_input import windowed
from dpmed_core.training.encoders.volume_tail import VolumeTail
from dpmed_core.training.encoders.volume_trunk import trunk_outputs
from dpmed_core.training.loop import TrainingData, predict, take_step
from dpmed_core.training.recipes.encoder_start import public_trunk
from dpmed_core.training.recipes.networks import NETWORKS, NetworkRecipe
from dpmed_core.training.recipes.train_network import build_network, plan_network
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit, RunSpec

RECIPE = NETWORKS["finetune3d"]
DELTA, TRAIN_SHARE = 1e-5, 0.7
PHANTOMS = {"encoder": (400, 9101), "advanced": (400, 9102)}
"""Scans, and the seed with which they are drawn."""
N_PROXY = 300
TUMOUR, START_WEIGHT = 0, 4.0
"""The encoder's first component, along which a ridge regression on synthetic scans predicts a tumour, and a weight to begin with."""


@dataclass(frozen=True, eq=False)
class Task:
    """Cases as the trained part reads them `[n, n_read]`, labels `[n]`, and the patient of each."""

    read: NDArray[np.float32]
    labels: NDArray[np.float32]
    patients: NDArray[np.intp]


@dataclass(frozen=True)
class Setting:
    """How the recipe is changed.

    Attributes:
        recipe: with other passes or another rate.
        adapt: changes the network before training.
        averaged: weight of the past in the moving average of weights (De et al. 2022, arXiv 2204.13650); 0 for none.
    """

    recipe: NetworkRecipe
    adapt: Callable[[VolumeTail], None] = lambda model: None
    averaged: float = 0.0


def head_alone(model: VolumeTail) -> None:
    """Freeze the normalisation."""
    model.kinds.requires_grad_(False)


def last_convolutions(model: VolumeTail) -> None:
    """Train the last convolution of each network as well."""
    for tail in model.kinds:
        tail.get_submodule("inner.1.0").requires_grad_(True)


@torch.no_grad()
def tumour_start(model: VolumeTail) -> None:
    """Begin with what says that there is a tumour."""
    model.head.weight[:, TUMOUR] = START_WEIGHT


SETTINGS: Mapping[str, Setting] = {
    "recipe": Setting(RECIPE),
    **{f"{passes} passes": Setting(replace(RECIPE, epochs=passes)) for passes in (5, 10, 40)},
    **{f"rate {rate:g}": Setting(replace(RECIPE, learning_rate=rate)) for rate in (5e-4, 2e-3, 5e-3, 1e-2, 3e-2)},
    **{f"bound {bound:g}": Setting(replace(RECIPE, max_grad_norm=bound)) for bound in (0.5,)},
    "head alone": Setting(RECIPE, head_alone),
    "last convolutions": Setting(RECIPE, last_convolutions),
    "tumour start": Setting(RECIPE, tumour_start),
    "averaged": Setting(RECIPE, averaged=0.9),
}


def task_called(name: str, folder: Path) -> Task:
    """The task, drawn and read once; kept in `folder`."""
    kept = folder / f"volume-starts-{name}.npz"
    if not kept.exists():
        trunk = public_trunk(load_settings().encoders_dir)
        volumes, labels, patients = _drawn(name)
        read = np.stack([trunk_outputs(trunk, windowed(volumes(i)[None]))[0, 0].numpy() for i in range(len(labels))])
        np.savez(kept, read=read, labels=labels, patients=patients)
    stored = np.load(kept)
    return Task(stored["read"], stored["labels"], stored["patients"])


def _drawn(name: str) -> tuple[Callable[[int], NDArray[np.int16]], NDArray[np.float32], NDArray[np.intp]]:
    """A function that gives a volume by its number, labels, patients."""
    if name not in PHANTOMS:
        proxy = VOLUME_PROXIES[name](N_PROXY)
        return proxy.volumes.__getitem__, proxy.labels[:, 0], proxy.patients
    n, seed = PHANTOMS[name]
    scans = draw_scans(n, seed=seed, variant=name)
    labels, patients = scans[PDAC].to_numpy(dtype=np.float32), scans["patient"].to_numpy(dtype=np.intp)
    return lambda i: render_volume(scans.iloc[i], i, seed=seed, variant=name), labels, patients


def trained(task: Task, setting: Setting, epsilon: float | None, *, seed: int) -> dict[str, object]:
    """One training and its AUROC on the patients that it did not see."""
    ids = np.unique(task.patients)
    train = np.isin(task.patients, ids[np.random.default_rng(seed).random(len(ids)) < TRAIN_SHARE])
    rows_of = [np.flatnonzero(task.patients == patient) for patient in np.unique(task.patients[train])]
    target = None if epsilon is None else PrivacyTarget(epsilon, DELTA)
    card = setting.recipe.card
    spec = RunSpec("0" * 64, 0, card.name, card.version, PrivacyUnit.PATIENT, target, seed)
    settings, _ = plan_network(setting.recipe, spec, n_units=len(rows_of), calibrations_dir=load_settings().calibrations_dir)
    data = TrainingData(torch.from_numpy(task.read)[:, None], torch.from_numpy(task.labels)[:, None], rows_of)
    model = build_network(setting.recipe, n_findings=1, seed=seed, encoders_dir=load_settings().encoders_dir)
    assert isinstance(model, VolumeTail)
    setting.adapt(model)
    began = time.process_time()
    weights = _steps(model, data, settings, setting.averaged)
    seconds = time.process_time() - began
    if setting.averaged:
        model.load_state_dict(weights, strict=False)
    scores = predict(model, data.images[~train])[:, 0]
    return {"units": len(rows_of), "steps": settings.steps, "seconds": seconds, "auroc": roc_auc_score(task.labels[~train], scores)}


def _steps(model: nn.Module, data: TrainingData, settings, averaged: float) -> dict[str, Tensor]:
    """Train `model`, as `loop.train_model` does; the moving average of what is trained, whose first steps weigh less."""
    tuned = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    optimizer = torch.optim.NAdam(tuned.values(), lr=settings.learning_rate)
    options = {"noise_multiplier": settings.noise_multiplier, "max_grad_norm": settings.max_grad_norm}
    stepper = make_stepper(model, optimizer, expected_units=settings.expected_units, **options)
    random, average = SecureRandom(), {name: parameter.detach().clone() for name, parameter in tuned.items()}
    for step in range(settings.steps):
        take_step(stepper, data, settings, random)
        for name, parameter in tuned.items():
            average[name].lerp_(parameter.detach(), 1 - min(averaged, (1 + step) / (10 + step)))
    return average


def main() -> None:
    """Print one row per setting, with the mean over seeds."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("task", choices=[*PHANTOMS, *VOLUME_PROXIES])
    parser.add_argument("--epsilon", type=float)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--setting", choices=SETTINGS, nargs="+", default=["recipe"])
    parser.add_argument("--kept", type=Path, default=Path(gettempdir()))
    given = parser.parse_args()
    torch.set_num_threads(1)
    task = task_called(given.task, given.kept)
    for name in given.setting:
        rows = [trained(task, SETTINGS[name], given.epsilon, seed=seed) for seed in range(given.seeds)]
        aurocs = [float(str(row["auroc"])) for row in rows]
        row = {"task": given.task, "setting": name, "epsilon": given.epsilon} | rows[0] | {"auroc": float(np.mean(aurocs)), "each": aurocs}
        sys.stdout.write(json.dumps(row) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
