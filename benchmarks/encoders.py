"""Added encoders: processor time of their features, and what these add to recipe `probe` on real radiographs.

Time: every architecture with made-up weights at 224 pixels, one thread, in processor seconds for 1,000 stored radiographs; no peer, since
the features are equal to timm's (`tests/training/encoders/test_architectures.py`).

With DPMED_REAL_COHORTS, and an added encoder that DPMED_BENCHMARK_ENCODER names: `nih1000` by the folds of `benchmarks.recipes`, the head
on joined features against the head on the public ones, paired by fold, with the corrected resampled t interval.
"""

import os
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from benchmarks.recipes import DELTA, NIH_FINDINGS, Task, features_of, folds, nih, paired
from dpmed_core.installation import Installation
from dpmed_core.training.dpsgd.secure_random import SecureRandom
from dpmed_core.training.encoders.added.card import Preprocessing
from dpmed_core.training.encoders.added.network import PooledFeatures, as_grey, load_added, stored_tensor
from dpmed_core.training.encoders.added.store import AddedEncoder
from dpmed_core.training.encoders.architectures.build import network_with, shapes_of
from dpmed_core.training.encoders.architectures.catalogue import ARCHITECTURES
from dpmed_core.training.encoders.components import leading_components
from dpmed_core.training.encoders.features import in_batches
from dpmed_core.training.recipes.catalogue import PROBE
from dpmed_core.training.recipes.linear_head import head_data, train_heads
from dpmed_core.training.recipes.train_probe import plan_probe
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit, RunSpec

BATCH, N_BATCHES = 8, 4
EPSILONS = (1.0, 8.0, None)
N_SEEDS = 10
SIDE = 224
ENCODER = "DPMED_BENCHMARK_ENCODER"
"""Names the added encoder to measure."""


def rows() -> list[dict[str, object]]:
    """One row an architecture, and one a finding and epsilon of the encoder that `ENCODER` names."""
    timed = [_time_of(name) for name in ARCHITECTURES]
    named, cohorts = os.environ.get(ENCODER), os.environ.get("DPMED_REAL_COHORTS")
    if named is None or cohorts is None:
        return timed
    return timed + on_nih(Installation.open().encoders.load(named), Path(cohorts))


def _time_of(architecture: str) -> dict[str, object]:
    """Processor seconds for 1,000 radiographs, the least of `N_BATCHES` batches."""
    drawn = torch.Generator().manual_seed(1)
    made_up = {name: torch.rand(shape, generator=drawn) / 10 for name, shape in shapes_of(architecture, channels=3, side=SIDE).items()}
    network = network_with(architecture, made_up, channels=3, side=SIDE)
    pooled = PooledFeatures(network, Preprocessing(SIDE, 1.0, "bicubic", (0.5,) * 3, (0.5,) * 3))
    radiographs = np.random.default_rng(1).integers(0, 255, (BATCH, 128, 128), dtype=np.uint8)
    torch.set_num_threads(1)
    seconds = []
    with torch.no_grad():
        for _ in range(N_BATCHES + 1):
            began = time.process_time()
            pooled.of_radiographs(as_grey(stored_tensor(radiographs)))
            seconds.append(time.process_time() - began)
    return {"case": architecture, "cpu_seconds_per_1000": round(min(seconds[1:]) / BATCH * 1000, 1)}


def on_nih(encoder: AddedEncoder, folder: Path) -> list[dict[str, object]]:
    """Each finding of `nih1000` by epsilon: AUROC on the public features, on joined ones, and the paired difference."""
    radiographs, labels, patients = nih(folder)
    own = features_of(radiographs)
    began = time.process_time()
    joined = np.concatenate([own, added_features(encoder, radiographs)], axis=1)
    seconds = time.process_time() - began
    tasks = [Task("nih1000", joined, labels, patients, train) for train in folds(patients)]
    found: list[dict[str, object]] = [{"case": f"nih1000 features by {encoder.name}", "cpu_seconds_per_1000": round(seconds, 1)}]
    for epsilon in EPSILONS:
        without, with_ = (np.array([aurocs(task, epsilon, digest) for task in tasks]) for digest in (None, encoder.digest))
        for k, finding in enumerate(NIH_FINDINGS):
            about = {"case": f"nih1000 {finding}", "epsilon": epsilon, "delta": None if epsilon is None else DELTA, "unit": "patient"}
            means = {"auroc": round(float(without[:, k].mean()), 4), "auroc_joined": round(float(with_[:, k].mean()), 4)}
            found.append({**about, **means, **paired(with_[:, k] - without[:, k])})
    return found


def added_features(encoder: AddedEncoder, radiographs: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The encoder's reduced features of stored radiographs."""
    return in_batches(load_added(encoder).features, radiographs, BATCH)


def aurocs(task: Task, epsilon: float | None, encoder: str | None) -> list[float]:
    """Held-out AUROC of each finding, the mean of `N_SEEDS` trainings, of the head with or without the encoder."""
    units = [np.flatnonzero(task.train & (task.units == unit)) for unit in np.unique(task.units[task.train])]
    target = None if epsilon is None else PrivacyTarget(epsilon, DELTA)
    spec = RunSpec("0" * 64, 0, PROBE.name, PROBE.version, PrivacyUnit.PATIENT, target, 0, encoder=encoder)
    plan = plan_probe(spec, n_units=len(units), n_findings=task.labels.shape[1])
    read = leading_components(task.features, dict(plan.components))
    noise = [plan.noise_multiplier] * (N_SEEDS if epsilon is not None else 1)
    heads = train_heads(head_data(read, task.labels, units), plan.settings, noise, SecureRandom())
    truth, scores = task.labels[~task.train], [head.probabilities(read[~task.train]) for head in heads]
    return [float(np.mean([roc_auc_score(truth[:, k], s[:, k]) for s in scores])) for k in range(truth.shape[1])]
