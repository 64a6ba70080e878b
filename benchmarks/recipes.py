"""AUROC of recipe `probe` by epsilon: on public proxy tasks, and on real cohorts if DPMED_REAL_COHORTS names their folder.

Settings were fixed on the proxies, and the real cohorts test them. `pneumoniamnist`: the file's own split, unit image. `nih1000`: unit
patient, repeated cross-validation by patient, paired differences from the non-private reference with the corrected resampled t interval
(Nadeau & Bengio 2003, "Inference for the generalization error"), and beside it logistic regressions tuned by an inner cross-validation.
"""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.proxies import PROXIES
from dpmed_core.evaluation.statistics.resampled import corrected_resampled
from dpmed_core.imaging.image import read_image, squared
from dpmed_core.imaging.modality import Modality
from dpmed_core.settings import load_settings
from dpmed_core.training.dpsgd.secure_random import SecureRandom
from dpmed_core.training.encoders.components import leading_components
from dpmed_core.training.encoders.radiograph_encoder import load_encoder
from dpmed_core.training.recipes.catalogue import PROBE
from dpmed_core.training.recipes.linear_head import head_data, train_heads
from dpmed_core.training.recipes.train_probe import plan_probe
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit, RunSpec

EPSILONS: tuple[float | None, ...] = (0.3, 1.0, 2.0, 8.0, None)
DELTA = 1e-5
N_SEEDS = 5
N_HALVINGS, PROXY_SEEDS = 4, 15
NIH_FINDINGS = ("cardiomegaly", "effusion")
N_FOLDS, N_REPEATS, NIH_SEEDS = 5, 4, 3
PENALTIES = np.logspace(-5, 1, 7)


@dataclass(frozen=True, eq=False)
class Task:
    """Features of radiographs, their labels and units, and which of them are trained on."""

    name: str
    features: NDArray[np.float32]
    labels: NDArray[np.float32]
    units: NDArray[np.intp]
    train: NDArray[np.bool_]


def rows() -> list[dict[str, object]]:
    """One row per task and epsilon (None: without privacy)."""
    found = [row for name in PROXIES for row in on_proxy(name)]
    named = os.environ.get("DPMED_REAL_COHORTS")
    return found + ([*on_pneumonia(Path(named)), *on_nih(Path(named))] if named else [])


def on_proxy(name: str) -> list[dict[str, object]]:
    """Mean over `N_HALVINGS` halvings of a proxy and `PROXY_SEEDS` trainings of each."""
    proxy = PROXIES[name]()
    features = features_of(proxy.radiographs)
    tasks = [Task(name, features, proxy.labels, proxy.patients, proxy.train_rows(fold=fold)) for fold in range(N_HALVINGS)]
    return [_row(name, epsilon, [a for task in tasks for a in aurocs(task, epsilon, n_seeds=PROXY_SEEDS)]) for epsilon in EPSILONS]


def on_pneumonia(folder: Path) -> list[dict[str, object]]:
    """Test AUROC for pneumonia on `pneumoniamnist`, its own split, unit image."""
    radiographs, labels, train = pneumonia(folder)
    task = Task("pneumoniamnist", features_of(radiographs), labels, np.arange(len(radiographs)), train)
    return [_row(task.name, epsilon, aurocs(task, epsilon, n_seeds=N_SEEDS)) for epsilon in EPSILONS]


def on_nih(folder: Path) -> list[dict[str, object]]:
    """Each finding of `nih1000`: `probe` with its paired differences, and tuned logistic regressions on the same features and on pixels."""
    radiographs, labels, patients = nih(folder)
    features = features_of(radiographs)
    tasks = [Task("nih1000", features, labels, patients, train) for train in folds(patients)]
    found: list[dict[str, object]] = []
    for k, finding in enumerate(NIH_FINDINGS):
        by_epsilon = {e: np.array([np.mean(aurocs(task, e, n_seeds=NIH_SEEDS, finding=k)) for task in tasks]) for e in EPSILONS}
        others = {
            "logistic regression, same features": np.array([_tuned(task, leading_all(task.features), k) for task in tasks]),
            "logistic regression, pixels": np.array(
                [_tuned(task, radiographs[:, ::4, ::4].reshape(len(radiographs), -1) / 255.0, k) for task in tasks]
            ),
        }
        reference = by_epsilon[None]
        for epsilon, values in by_epsilon.items():
            found.append(_row(f"nih1000 {finding}", epsilon, list(values)) | paired(values - reference))
        found += [_row(f"nih1000 {finding}: {name}", None, list(values)) | paired(values - reference) for name, values in others.items()]
    return found


def pneumonia(folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.bool_]]:
    """Radiographs, labels and which are trained on, of `pneumoniamnist`: its own training and test part."""
    with np.load(folder / "pneumoniamnist" / "pneumoniamnist.npz") as file:
        radiographs = np.concatenate([file["train_images"], file["test_images"]])
        labels = np.concatenate([file["train_labels"], file["test_labels"]]).reshape(-1, 1).astype(np.float32)
        n_train = len(file["train_images"])
    return (
        np.stack([squared(radiograph.astype(np.float32) / 255) for radiograph in radiographs]),
        labels,
        np.arange(len(radiographs)) < n_train,
    )


def nih(folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.intp]]:
    """Radiographs, labels of `NIH_FINDINGS` and patients of `nih1000`."""
    table = pd.read_csv(folder / "nih1000" / "manifest.csv")
    radiographs = np.stack([read_image(folder / "nih1000" / name).pixels for name in table["image"]])
    return radiographs, table[list(NIH_FINDINGS)].to_numpy(np.float32), pd.factorize(table["patient_id"])[0]


def aurocs(task: Task, epsilon: float | None, *, n_seeds: int, finding: int | None = None) -> list[float]:
    """Held-out AUROC of each training: of one finding, or the mean over all."""
    rows_of = [np.flatnonzero(task.train & (task.units == unit)) for unit in np.unique(task.units[task.train])]
    target = None if epsilon is None else PrivacyTarget(epsilon, DELTA)
    spec = RunSpec("0" * 64, 0, "probe", PROBE.version, PrivacyUnit.PATIENT, target, 0)
    plan = plan_probe(spec, n_units=len(rows_of), n_findings=task.labels.shape[1])
    read = leading_components(task.features, dict(plan.components))
    n_heads = n_seeds if epsilon is not None else 1
    heads = train_heads(head_data(read, task.labels, rows_of), plan.settings, [plan.noise_multiplier] * n_heads, SecureRandom())
    findings = range(task.labels.shape[1]) if finding is None else [finding]
    truth = task.labels[~task.train]
    scores = [head.probabilities(read[~task.train]) for head in heads]
    return [float(np.mean([roc_auc_score(truth[:, k], s[:, k]) for k in findings])) for s in scores]


def features_of(radiographs: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The public features of radiographs."""
    encoder = load_encoder(load_settings().encoders_dir, Modality.RADIOGRAPH)
    return np.concatenate([encoder.features(radiographs[start : start + 100]) for start in range(0, len(radiographs), 100)])


def leading_all(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """All components, as the head reads them."""
    return leading_components(features, {"narrow": 32, "wide": 64, "scattering": 256})


def folds(patients: NDArray[np.intp]) -> Iterator[NDArray[np.bool_]]:
    """Which rows are trained on, in each fold of each repeat; whole patients."""
    n = int(patients.max()) + 1
    for repeat in range(N_REPEATS):
        fold_of = np.random.default_rng([repeat, n]).permutation(n) % N_FOLDS
        for fold in range(N_FOLDS):
            yield fold_of[patients] != fold


def _tuned(task: Task, features: NDArray[np.floating], finding: int) -> float:
    """Held-out AUROC of a logistic regression whose penalty an inner cross-validation by patient chose."""
    reduce = [PCA(100, random_state=0)] if features.shape[1] > 400 else []
    model = make_pipeline(*reduce, StandardScaler(), LogisticRegression(max_iter=300))
    search = GridSearchCV(model, {"logisticregression__C": PENALTIES}, scoring="roc_auc", cv=GroupKFold(4))
    search.fit(features[task.train], task.labels[task.train, finding], groups=task.units[task.train])
    return float(roc_auc_score(task.labels[~task.train, finding], search.predict_proba(features[~task.train])[:, 1]))


def _row(task: str, epsilon: float | None, values: list[float]) -> dict[str, object]:
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    return {"task": task, "epsilon": epsilon, "auroc": float(np.mean(values)), "spread": spread, "n_trainings": len(values)}


def paired(differences: NDArray[np.float64]) -> dict[str, object]:
    """Mean difference from the non-private reference over folds, with its corrected 95 % interval (Nadeau & Bengio 2003)."""
    found = corrected_resampled(differences, test_to_train=1 / (N_FOLDS - 1))
    return {"difference": found.mean, "difference_low": found.low, "difference_high": found.high}
