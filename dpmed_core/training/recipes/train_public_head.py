"""Training the head of a public start: as recipe `probe` without privacy, on every labelled image of a public cohort."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import SpecError
from dpmed_core.training.dpsgd.secure_random import SecureRandom
from dpmed_core.training.encoders.card import COMPONENTS
from dpmed_core.training.encoders.components import leading_components
from dpmed_core.training.recipes.head import Head
from dpmed_core.training.recipes.linear_head import head_data, train_heads
from dpmed_core.training.recipes.probe_settings import reference_settings
from dpmed_core.training.starts.public_head import PublicHead

N_FOLDS = 5
FEWEST_UNITS = 10
"""Patients, or images where patients are not known, from which on a head can be trained and judged by cross-validation."""
FOLD_SEED = 20_230_206


@dataclass(frozen=True, eq=False)
class OnPublicImages:
    """How a public head does on the images that it comes from, by finding.

    Attributes:
        auroc: of images that the head of their fold was not trained on.
        n_positive: images with the finding.
        n_known: images whose label is known.
    """

    auroc: float
    n_positive: int
    n_known: int


def train_public_head(cohort: Cohort, features: NDArray[np.float32]) -> tuple[PublicHead, tuple[str, ...], Mapping[str, OnPublicImages]]:
    """(the head, its findings, how it does on public images by cross-validation over patients).

    A finding that no public image has, or that every one has, is left out.

    Args:
        cohort: public images with labels.
        features: public features of its images, `[n_cases, sum of COMPONENTS]`.

    Raises:
        SpecError: it has too few patients, or no finding that some images have and others have not.
    """
    _, unit_of_case = np.unique(cohort.cases["patient_id"].to_numpy().astype(str), return_inverse=True)
    n_units = int(unit_of_case.max()) + 1
    if n_units < FEWEST_UNITS:
        raise SpecError(f"Cohort {cohort.name!r} has {n_units} patients, and a public start needs {FEWEST_UNITS}: import more of them.")
    counted = {name: _counts(labels) for name, labels in zip(cohort.findings, cohort.labels.T, strict=True)}
    findings = tuple(name for name, (positive, known) in counted.items() if 0 < positive < known)
    if not findings:
        raise SpecError(f"Cohort {cohort.name!r} has no finding that some images have and others have not: nothing can be learnt from it.")
    labels = np.asarray(cohort.cases[list(findings)], dtype=np.float32)
    read = leading_components(features, COMPONENTS)
    head = _trained(read, labels, unit_of_case, np.arange(n_units))
    logits, outside = head.logits(read), np.empty(labels.shape)
    for fold in _folds(n_units):
        rows = np.isin(unit_of_case, fold)
        outside[rows] = _trained(read, labels, unit_of_case, np.setdiff1d(np.arange(n_units), fold)).logits(read[rows])
    middle = logits.mean(0)
    public = PublicHead(head.weights, head.centre, middle - head.offset, middle, outside.std(0))
    told = {name: OnPublicImages(_auroc(labels[:, k], outside[:, k]), *counted[name]) for k, name in enumerate(findings)}
    return public, findings, told


def _trained(read: NDArray[np.float32], labels: NDArray[np.float32], unit_of_case: NDArray[np.intp], units: NDArray[np.intp]) -> Head:
    """The head trained on the images of `units`."""
    rows = [np.flatnonzero(unit_of_case == unit) for unit in units]
    return train_heads(head_data(read, labels, rows), reference_settings(len(units)), [0.0], SecureRandom())[0]


def _folds(n_units: int) -> Iterator[NDArray[np.intp]]:
    """The units of each fold; drawn from a fixed seed, so that the same cohort gives the same start."""
    fold_of = np.random.default_rng([FOLD_SEED, n_units]).permutation(n_units) % N_FOLDS
    for fold in range(N_FOLDS):
        yield np.flatnonzero(fold_of == fold)


def _counts(labels: NDArray[np.float32]) -> tuple[int, int]:
    """(images with the finding, images whose label is known)."""
    return int(np.nansum(labels)), int((~np.isnan(labels)).sum())


def _auroc(labels: NDArray[np.float32], logits: NDArray[np.float64]) -> float:
    known = ~np.isnan(labels)
    return float(roc_auc_score(labels[known], logits[known]))
