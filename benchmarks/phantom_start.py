"""Recipe `probe` from the phantom network's outputs against from scratch: on proxies, and on `nih1000` if DPMED_REAL_COHORTS is set.

`python -m benchmarks phantom-start` compares, for the findings that are recommended and for all that the network knows;
`python -m benchmarks.phantom_start` prints what the settings were fixed by, on `clinic` (`benchmarks.clinics`), which phantoms flatter
little; `adult` and `ward` are drawn by them. A task whose findings the start does not know is trained as it always was, so that it has no
row (`child`, `digits`, `shapes`, `pneumoniamnist`). Both arms add the same noise. On the real cohort: five folds by patient, repeated four
times, differences paired by fold, with the corrected resampled t interval (Nadeau & Bengio 2003).
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from os import environ
from pathlib import Path
from typing import cast

import click
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from benchmarks.clinics import CLINIC_FINDINGS, clinic
from benchmarks.proxies import PROXIES, Proxy
from benchmarks.recipes import DELTA, NIH_FINDINGS, features_of, folds, nih, paired
from dpmed_core.imaging.image import read_image
from dpmed_core.phantoms.chest.population import FINDINGS
from dpmed_core.settings import load_settings
from dpmed_core.training.dpsgd.secure_random import SecureRandom
from dpmed_core.training.encoders.components import leading_components
from dpmed_core.training.encoders.phantom_outputs import compute_outputs
from dpmed_core.training.recipes import start_scale
from dpmed_core.training.recipes.catalogue import PROBE
from dpmed_core.training.recipes.head import sigmoid
from dpmed_core.training.recipes.linear_head import head_data, train_heads
from dpmed_core.training.recipes.train_probe import plan_probe
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit, RunSpec
from dpmed_core.training.starts.choosing import suggested
from dpmed_core.training.starts.phantom_start import TOLD_ELSEWHERE, PhantomStart, phantom_card, phantom_start

NOISE_SEED, STEP_DIMENSIONS = 11, 3
EPSILONS: tuple[float | None, ...] = (0.3, 1.0, 2.0, 8.0, None)
N_SEEDS, N_HALVINGS = 40, 4
ON_PROXIES: dict[str, tuple[Callable[[], Proxy], Sequence[str]]] = {
    "clinic": (clinic, tuple(CLINIC_FINDINGS)),
    "adult": (PROXIES["adult"], FINDINGS),
    "ward": (PROXIES["ward"], FINDINGS[:5]),
}
WEIGHTS, PACES = (1.0, 2.0, 4.0, 8.0), (0.3, 0.6)
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Task:
    """Radiographs with what is read of them.

    Attributes:
        name: of the cohort.
        findings: the names of the labels.
        features: with the outputs behind them, `[n, n_features + n_outputs]`.
        labels: `[n, n_findings]`.
        patients: of each radiograph.
        parts: which radiographs are trained on, in each split.
    """

    name: str
    findings: Sequence[str]
    features: NDArray[np.float32]
    labels: NDArray[np.float32]
    patients: NDArray[np.intp]
    parts: Sequence[NDArray[np.bool_]]

    @classmethod
    def of(cls, name: str, findings: Sequence[str], radiographs: NDArray[np.uint8], *rest: object) -> "Task":
        """The radiographs with their features and outputs."""
        outputs = compute_outputs(radiographs, load_settings().encoders_dir)
        return cls(name, findings, np.concatenate([features_of(radiographs), outputs], axis=1), *rest)  # type: ignore[arg-type]

    def start(self, *, is_recommended: bool = False) -> PhantomStart:
        """The start for the findings of one name; `is_recommended` for those alone that are recommended."""
        folder = load_settings().encoders_dir
        card = phantom_card(folder)
        known = suggested(self.findings, card)
        begun = {own: public for own, public in known.items() if public in TOLD_ELSEWHERE or not is_recommended}
        return phantom_start(folder).of(self.findings, tuple(begun.items()), card.findings)


class SameNoise:
    """Noise that is the same, entry by entry, for heads with and without a row of own features; known, and of no use elsewhere."""

    def __init__(self, *, has_own_row: bool) -> None:
        self._random, self._further = np.random.default_rng(NOISE_SEED), 0 if has_own_row else 1

    def normal(self, shape: tuple[int, ...]) -> Floats:
        """Standard normal variates; of a step's sums `[n_rows, n_findings, n_runs]` the first rows of as many as the longer ones have."""
        rows = shape[0] + (self._further if len(shape) == STEP_DIMENSIONS else 0)
        return np.asarray(self._random.standard_normal((rows, *shape[1:]))[: shape[0]])


def on_proxy(name: str) -> Task:
    """A proxy, in random splits."""
    draw, findings = ON_PROXIES[name]
    proxy = draw()
    parts = [proxy.train_rows(fold=fold) for fold in range(N_HALVINGS)]
    return Task.of(name, findings, proxy.radiographs, proxy.labels, proxy.patients, parts)


def on_nih(folder: Path, *, all_findings: bool) -> Task:
    """`nih1000` with the two findings of `benchmarks.recipes`, or with all of its findings."""
    radiographs, labels, patients = nih(folder)
    findings: Sequence[str] = NIH_FINDINGS
    if all_findings:
        table = pd.read_csv(folder / "nih1000" / "manifest.csv")
        findings = [str(name) for name in table.columns[table.columns.get_loc("abnormal") + 1 : table.columns.get_loc("view")]]
        radiographs, labels = (
            np.stack([read_image(folder / "nih1000" / one).pixels for one in table["image"]]),
            table[findings].to_numpy(np.float32),
        )
    return Task.of("nih1000" + (", all findings" if all_findings else ""), findings, radiographs, labels, patients, list(folds(patients)))


def aurocs(task: Task, epsilon: float | None, start: PhantomStart | None, *, n_seeds: int = N_SEEDS) -> Floats:
    """Held-out AUROC `[n_splits, n_seeds, n_findings]`, NaN where the held-out radiographs have one class alone."""
    return np.stack([_of_split(task, train, epsilon, start, n_seeds) for train in task.parts])


def _of_split(task: Task, train: NDArray[np.bool_], epsilon: float | None, start: PhantomStart | None, n_seeds: int) -> Floats:
    units = [np.flatnonzero(train & (task.patients == patient)) for patient in np.unique(task.patients[train])]
    spec = RunSpec("0" * 64, 0, PROBE.name, PROBE.version, PrivacyUnit.PATIENT, PrivacyTarget(epsilon, DELTA) if epsilon else None, 0)
    plan = plan_probe(spec, n_units=len(units), n_findings=len(task.findings))
    read, own = leading_components(task.features, dict(plan.components)), None if start is None else start.own_features(task.features)
    noise, weights = [plan.noise_multiplier] * (n_seeds if epsilon else 1), None if start is None else start.start_weights
    random = cast(SecureRandom, SameNoise(has_own_row=own is not None))
    heads = train_heads(head_data(read, task.labels, units, own=own), plan.settings, noise, random, start_weights=weights)
    scores = [head.probabilities(read[~train], None if own is None else own[~train]) for head in heads]
    return np.array([_auroc(task.labels[~train], score) for score in scores])


def alone(task: Task, start: PhantomStart) -> Floats:
    """AUROC of the start alone, `[n_splits, n_findings]`."""
    own = start.own_features(task.features)
    return np.array([_auroc(task.labels[~train], sigmoid(own[~train])) for train in task.parts])


def _auroc(labels: NDArray[np.float32], scores: Floats) -> list[float]:
    both = (labels.min(axis=0) == 0) & (labels.max(axis=0) == 1)
    return [float(roc_auc_score(labels[:, k], scores[:, k])) if both[k] else np.nan for k in range(labels.shape[1])]


def rows() -> list[dict[str, object]]:
    """The rows of all tasks."""
    tasks = [on_proxy(name) for name in ON_PROXIES]
    if named := environ.get("DPMED_REAL_COHORTS"):
        tasks += [on_nih(Path(named), all_findings=all_findings) for all_findings in (False, True)]
    return [row for task in tasks for is_recommended in (True, False) for row in compared(task, is_recommended=is_recommended)]


def compared(task: Task, *, is_recommended: bool) -> Iterator[dict[str, object]]:
    """One row an epsilon and finding that begins at the start, and one each for the mean of the others and for that which loses most."""
    start = task.start(is_recommended=is_recommended)
    begun, at_zero = start.begins, np.nanmean(alone(task, start), axis=0)
    for epsilon in EPSILONS:
        scratch, from_start = (np.nanmean(aurocs(task, epsilon, one), axis=1) for one in (None, start))
        about = {"begins": "recommended" if is_recommended else "all that are known"}
        for k in np.flatnonzero(begun):
            yield about | _row(task, epsilon, task.findings[k], scratch[:, k], from_start[:, k]) | {"start_alone": float(at_zero[k])}
        others = np.flatnonzero(~begun)
        if len(others):
            means = [np.nanmean(values[:, others], axis=1) for values in (scratch, from_start)]
            yield about | _row(task, epsilon, f"mean of {len(others)} others", *means)
            most = others[int(np.argmin(np.nanmean(from_start - scratch, axis=0)[others]))]
            yield about | _row(task, epsilon, f"{task.findings[most]}, which loses most", scratch[:, most], from_start[:, most])


def _row(task: Task, epsilon: float | None, finding: str, scratch: Floats, from_start: Floats) -> dict[str, object]:
    known = ~np.isnan(scratch) & ~np.isnan(from_start)
    about = {"task": task.name, "finding": finding, "epsilon": epsilon, "n_splits": int(known.sum())}
    means = {"scratch": float(scratch[known].mean()), "start": float(from_start[known].mean())}
    differences = (from_start - scratch)[known]
    if len(task.parts) == N_HALVINGS:
        error = float(differences.std(ddof=1) / np.sqrt(len(differences)))
        return about | means | {"difference": float(differences.mean()), "standard_error_over_splits": error}
    return about | means | paired(differences)


def settings() -> Iterator[dict[str, object]]:
    """What the settings were fixed by: on `clinic`, the right start, a foreign one (another finding's outputs) and an inverted one."""
    task, shipped = on_proxy("clinic"), start_scale.PACE
    own, around = task.start(), np.roll(np.arange(len(task.findings)), 2)
    foreign = replace(own, members=own.members[:, around], middle=own.middle[around], spread=own.spread[around])
    tried = {"right": (own, 1), "foreign": (foreign, 1), "inverted": (own, -1)}
    yield {"start": "scratch"} | {str(epsilon): float(np.nanmean(aurocs(task, epsilon, None))) for epsilon in EPSILONS}
    try:
        for weight, start_scale.PACE, (name, (start, sign)) in product(WEIGHTS, PACES, tried.items()):
            changed = _Changed(start.members, start.middle, start.spread, weight, sign)
            found = {str(epsilon): float(np.nanmean(aurocs(task, epsilon, changed))) for epsilon in EPSILONS}
            yield {"start": name, "weight": weight, "pace": start_scale.PACE} | found
    finally:
        start_scale.PACE = shipped


@dataclass(frozen=True, eq=False)
class _Changed(PhantomStart):
    """The start with another weight, upside down where the sign is -1."""

    weight: float = 0.0
    sign: int = 1

    @property
    def start_weights(self) -> Floats:
        return np.where(self.spread > 0, self.weight, 0.0)

    def own_features(self, features: NDArray[np.float32]) -> Floats:
        return self.sign * super().own_features(features)


def main() -> None:
    """Print the rows of `settings` as JSON lines."""
    for row in settings():
        click.echo(json.dumps(row))


if __name__ == "__main__":
    main()
