"""Trainings of recipe `probe` on public proxies, by number of training units, prevalence, difficulty and epsilon; for `expected_loss`.

A cell is one set of findings on one proxy at one number of training units and one epsilon. Its loss is the mean over random splits of what
private heads lose against the non-private reference of the same split. Findings are made rarer by leaving out images, and harder by wrong
labels. Nothing here is a patient's: `benchmarks.proxies` says what each proxy is.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import rankdata

from benchmarks.proxies import SIDE, Proxy, adult, child, ward
from benchmarks.recipes import DELTA, features_of
from dpmed_core.training.dpsgd.secure_random import SecureRandom
from dpmed_core.training.encoders.components import leading_components
from dpmed_core.training.recipes.catalogue import PROBE
from dpmed_core.training.recipes.linear_head import head_data, train_heads
from dpmed_core.training.recipes.train_probe import plan_probe
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit, RunSpec

Floats = NDArray[np.float64]


def coarse(n_images: int) -> Proxy:
    """Adults with the detail of 24 pixels a side and another tone curve."""
    return _altered("coarse", n_images, lambda picture, rng: _resized(picture, 24) ** rng.uniform(0.6, 1.6))


def grainy(n_images: int) -> Proxy:
    """Adults with much noise and a vignette, as from a weak exposure."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE * 2 - 1

    def grain(picture: Floats, rng: np.random.Generator) -> Floats:
        return picture * (1 - rng.uniform(0.1, 0.5) * (x * x + y * y) / 2) + rng.uniform(0.08, 0.2) * rng.standard_normal((SIDE, SIDE))

    return _altered("grainy", n_images, grain)


def cropped(n_images: int) -> Proxy:
    """Adults of whom a quarter of the picture is missing, at random borders."""

    def crop(picture: Floats, rng: np.random.Generator) -> Floats:
        size = int(rng.integers(SIDE // 2 + 16, SIDE - 2))
        top, left = rng.integers(0, SIDE - size + 1, 2)
        return _resized(picture[top : top + size, left : left + size], SIDE)

    return _altered("cropped", n_images, crop)


def _altered(name: str, n_images: int, alter: Callable[[Floats, np.random.Generator], Floats]) -> Proxy:
    """Adults, each radiograph altered."""
    drawn = adult(n_images)
    pictures = [alter(radiograph / 255, np.random.default_rng([905, i])) for i, radiograph in enumerate(drawn.radiographs)]
    return replace(drawn, name=name, radiographs=np.rint(255 * np.clip(np.stack(pictures), 0, 1)).astype(np.uint8))


def _resized(picture: Floats, resolution: int) -> Floats:
    """The picture `[SIDE, SIDE]` with the detail of `resolution` pixels a side."""
    coarse_picture = Image.fromarray(picture.astype(np.float32)).resize((resolution, resolution), Image.Resampling.LANCZOS)
    return np.clip(np.asarray(coarse_picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS), dtype=float), 0, 1)


ALTERED = ("coarse", "grainy", "cropped")
"""Proxies that are adults' radiographs altered, whose patients have sex and age."""
FITTED_ON: dict[str, Callable[[], Proxy]] = {
    "ward": partial(ward, 6000),
    "child": partial(child, 5000),
    "coarse": partial(coarse, 2500),
    "grainy": partial(grainy, 2500),
    "cropped": partial(cropped, 2500),
}
"""Radiographs of five kinds. `adult` itself stays out: it is drawn like the demo cohort, on which the law is tested. `digits` and `shapes`
are unlike any chest: there the public features hold more, or less, of what is asked than in a radiograph."""
N_SPLITS, N_SEEDS = 4, 4
FEWEST_TEST_CASES = 15
"""Positive, and negative, test images that a split needs."""
MOST_TEST_UNITS = 3000
FEWEST_UNITS, MOST_UNITS = 40, 4000
EPSILONS = (0.2, 16.0)
PREVALENCES = (0.04, 0.6)
WRONG_LABELS = (0.0, 0.0, 0.0, 0.1, 0.25, 0.4)
"""Shares of the rarer class whose labels are wrong, and as many of the other."""


@dataclass(frozen=True, eq=False)
class Task:
    """Features `[n, n_features]`, labels `[n, n_findings]`, and the unit of each image, in the order of their units."""

    name: str
    features: NDArray[np.float32] = field(repr=False)
    labels: NDArray[np.float64] = field(repr=False)
    units: NDArray[np.intp] = field(repr=False)

    @classmethod
    def of(cls, proxy: Proxy) -> "Task":
        """The proxy's public features."""
        order = np.argsort(proxy.patients, kind="stable")
        features = features_of(proxy.radiographs)
        return cls(proxy.name, features[order], proxy.labels[order].astype(float), proxy.patients[order])

    def keep(self, rows: NDArray[np.intp]) -> "Task":
        """Only these rows, in rising order."""
        return Task(self.name, self.features[rows], self.labels[rows], self.units[rows])


def drawn_cells(tasks: Sequence[Task], *, n_designs: int, seed: int) -> Iterator[dict[str, object]]:
    """The cells of `n_designs` random designs, the tasks in turn; three epsilons a design."""
    for number in range(n_designs):
        rng = np.random.default_rng([seed, number])
        task = _drawn(tasks[number % len(tasks)], rng)
        most = min(0.75 * len(np.unique(task.units)), MOST_UNITS)
        if most > FEWEST_UNITS:
            n_units = int(np.exp(rng.uniform(np.log(FEWEST_UNITS), np.log(most))))
            epsilons = np.exp(np.sort(rng.uniform(*np.log(EPSILONS), 3)))
            for cell in measured_cells(task, n_units, [float(epsilon) for epsilon in epsilons], rng):
                yield {**cell, "design": number}


def _drawn(task: Task, rng: np.random.Generator) -> Task:
    """Some findings of a task, rarer or harder than they are."""
    n_findings = min(int(rng.choice([1, 1, 2, 4, 8])), task.labels.shape[1])
    labels = task.labels[:, rng.permutation(task.labels.shape[1])[:n_findings]]
    task = Task(task.name, task.features, labels, task.units)
    if n_findings == 1 and rng.random() < 0.7:
        task = _thinned(task, float(np.exp(rng.uniform(*np.log(PREVALENCES)))), rng)
    # As many positives become negatives as negatives positives, so that a rare finding stays rare.
    odds = task.labels.mean(axis=0) / (1 - task.labels.mean(axis=0))
    wrong = rng.random(task.labels.shape) < rng.choice(WRONG_LABELS) * np.minimum(1, np.where(task.labels == 1, 1 / odds, odds))
    return Task(task.name, task.features, np.where(wrong, 1 - task.labels, task.labels), task.units)


def _thinned(task: Task, prevalence: float, rng: np.random.Generator) -> Task:
    """The task with images left out, so that its one finding has this prevalence."""
    positive, negative = np.flatnonzero(task.labels[:, 0] == 1), np.flatnonzero(task.labels[:, 0] == 0)
    if len(positive) > prevalence * len(task.labels):
        positive = rng.permutation(positive)[: int(prevalence / (1 - prevalence) * len(negative))]
    else:
        negative = rng.permutation(negative)[: int((1 - prevalence) / prevalence * len(positive))]
    return task.keep(np.sort(np.concatenate([positive, negative])))


def measured_cells(
    task: Task,
    n_units: int,
    epsilons: Sequence[float],
    rng: np.random.Generator,
    *,
    n_splits: int = N_SPLITS,
    n_seeds: int = N_SEEDS,
    delta: float = DELTA,
) -> list[dict[str, object]]:
    """One row a finding and epsilon; empty where hardly any split leaves enough test images of both classes.

    Each row has the design (n_units, n_findings, images_per_unit, prevalence, epsilon, delta), the mean AUROCs `auroc_reference` and
    `auroc`, the mean `loss` with `loss_error` over the splits, `training_variance` (between trainings beyond what single test images make
    of it), and the correlations of the errors of two trainings and of a training and its reference.
    """
    drawn = (_split(task, n_units, rng) for _ in range(3 * n_splits))
    splits = list(islice((split for split in drawn if _has_both_classes(task.labels[split[1]])), n_splits))
    if len(splits) < n_splits:
        return []
    references = [_trained(task, split, None, n_seeds=1, delta=delta) for split in splits]
    rows: list[dict[str, object]] = []
    for epsilon in epsilons:
        private = [_trained(task, split, epsilon, n_seeds=n_seeds, delta=delta) for split in splits]
        for k in range(task.labels.shape[1]):
            judged = [
                _judged(task.labels[test, k], reference[0][:, k], [scores[:, k] for scores in own])
                for (_, test), reference, own in zip(splits, references, private, strict=True)
            ]
            means = {name: float(np.mean([one[name] for one in judged])) for name in judged[0]}
            losses = [one["auroc_reference"] - one["auroc"] for one in judged]
            rows.append({
                "task": task.name, "finding": k, "n_units": n_units, "n_findings": task.labels.shape[1],
                "images_per_unit": float(np.mean([len(np.concatenate(rows_of)) / n_units for rows_of, _ in splits])),
                "images_per_unit_held_out": float(np.mean([len(test) / len(np.unique(task.units[test])) for _, test in splits])),
                "prevalence": float(np.mean([task.labels[np.concatenate(rows_of), k].mean() for rows_of, _ in splits])),
                "prevalence_held_out": float(np.mean([task.labels[test, k].mean() for _, test in splits])),
                "epsilon": epsilon, "delta": delta, **means,
                "loss": float(np.mean(losses)), "loss_error": float(np.std(losses, ddof=1) / np.sqrt(n_splits)),
            })  # fmt: skip
    return rows


def _split(task: Task, n_units: int, rng: np.random.Generator) -> tuple[list[NDArray[np.intp]], NDArray[np.intp]]:
    """The rows of each of `n_units` training units, and the rows of test units."""
    units, starts = np.unique(task.units, return_index=True)
    rows_of = np.split(np.arange(len(task.units)), starts[1:])
    order = rng.permutation(len(units))
    test = [rows_of[i] for i in order[n_units:][:MOST_TEST_UNITS]]
    return [rows_of[i] for i in order[:n_units]], np.sort(np.concatenate(test))


def _has_both_classes(labels: Floats) -> bool:
    """Whether test images with `labels` `[n_test, n_findings]` have enough of both classes of each finding."""
    counts = np.stack([(labels == 1).sum(axis=0), (labels == 0).sum(axis=0)])
    return bool(counts.min() >= FEWEST_TEST_CASES)


def _trained(
    task: Task, split: tuple[list[NDArray[np.intp]], NDArray[np.intp]], epsilon: float | None, *, n_seeds: int, delta: float
) -> list[Floats]:
    """The scores `[n_test, n_findings]` of each training."""
    rows_of, test = split
    target = None if epsilon is None else PrivacyTarget(epsilon, delta)
    spec = RunSpec("0" * 64, 0, PROBE.name, PROBE.version, PrivacyUnit.PATIENT, target, 0)
    plan = plan_probe(spec, n_units=len(rows_of), n_findings=task.labels.shape[1])
    train = np.concatenate(rows_of)
    read = leading_components(task.features[np.concatenate([train, test])], dict(plan.components))
    placed = np.split(np.arange(len(train)), np.cumsum([len(rows) for rows in rows_of])[:-1])
    heads = train_heads(head_data(read, task.labels[train], placed), plan.settings, [plan.noise_multiplier] * n_seeds, SecureRandom())
    return [head.probabilities(read[len(train) :]) for head in heads]


def _judged(labels: Floats, reference: Floats, private: Sequence[Floats]) -> dict[str, float]:
    """AUROCs of a split, the variance between trainings, and correlations of errors by DeLong's covariance."""
    aurocs, covariance = delong(labels, np.stack([reference, *private]))
    errors = np.sqrt(np.diag(covariance))
    correlation = covariance / np.maximum(np.outer(errors, errors), 1e-12)
    own = correlation[1:, 1:][~np.eye(len(private), dtype=bool)]
    between = _beyond_images(aurocs[1:], covariance[1:, 1:])
    return {
        "auroc_reference": float(aurocs[0]),
        "auroc": float(aurocs[1:].mean()),
        "training_variance": between,
        "correlation_trainings": float(own.mean()),
        "correlation_reference": float(correlation[0, 1:].mean()),
    }


def group_variances(task: Task, groups: NDArray[np.bool_], n_units: int, epsilon: float, rng: np.random.Generator) -> tuple[float, float]:
    """Variance between trainings of AUROC, and of its difference between two groups, summed over findings and splits.

    Both beyond what single test images make of it.

    Args:
        task: all findings.
        groups: which images are of one group `[n]`; the others are of the other.
        n_units: training units.
        epsilon: of the trainings.
        rng: of the splits.
    """
    found = np.zeros(2)
    for _ in range(3 * N_SPLITS):
        rows_of, test = _split(task, n_units, rng)
        scores = _trained(task, (rows_of, test), epsilon, n_seeds=3 * N_SEEDS, delta=DELTA)
        for k in range(task.labels.shape[1]):
            labels, stacked = task.labels[test, k], np.stack([one[:, k] for one in scores])
            all_aurocs, of_all = delong(labels, stacked)
            parts = [delong(labels[mine], stacked[:, mine]) for mine in (groups[test], ~groups[test])]
            found += [
                _beyond_images(all_aurocs, of_all),
                _beyond_images(parts[0][0] - parts[1][0], parts[0][1] + parts[1][1]),
            ]
    return float(found[0]), float(found[1])


def _beyond_images(values: Floats, covariance: Floats) -> float:
    """The variance between the values of trainings, minus that which they have from being scored on a sample of images."""
    n = len(values)
    own, shared = float(np.trace(covariance)) / n, float(covariance[~np.eye(n, dtype=bool)].mean())
    return float(values.var(ddof=1)) - (own - shared)


def delong(labels: Floats, scores: Floats) -> tuple[Floats, Floats]:
    """AUROCs `[n]` of the rows of `scores` `[n, n_cases]` and their covariance. Source: DeLong et al. 1988, Biometrics 44."""
    positive, negative = scores[:, labels == 1], scores[:, labels == 0]
    m, n = positive.shape[1], negative.shape[1]
    ranks = rankdata(np.concatenate([positive, negative], axis=1), axis=1)
    own_positive, own_negative = rankdata(positive, axis=1), rankdata(negative, axis=1)
    above = (ranks[:, :m] - own_positive) / n
    below = 1 - (ranks[:, m:] - own_negative) / m
    return above.mean(axis=1), np.cov(above) / m + np.cov(below) / n
