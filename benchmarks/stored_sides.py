"""What radiographs stored with 256 pixels change against 128: in the pixels that our networks read, and in AUROC by recipe `probe`.

With DPMED_REAL_COHORTS: `nih1000`, whose files have 64 pixels, so that both sides are enlarged and 256 cannot show more; and `ct_siim100`,
100 slices with files of 256 pixels, read as single grey images. Each by the folds of `benchmarks.recipes`, without privacy and at
epsilon 8, paired by fold, with the corrected resampled t interval. An added encoder that DPMED_BENCHMARK_ENCODER names reads the stored
side, joined with our features.
"""

import os
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.encoders import ENCODER, added_features, aurocs
from benchmarks.recipes import DELTA, NIH_FINDINGS, Task, features_of, folds, paired
from dpmed_core.imaging.image import read_image
from dpmed_core.imaging.radiographs_at_128 import radiographs_at_128
from dpmed_core.imaging.stored_format import FINE_SIZE, SIDES, STORED_SIZE
from dpmed_core.installation import Installation
from dpmed_core.training.encoders.added.store import AddedEncoder

EPSILONS = (8.0, None)
COHORTS = {"nih1000": NIH_FINDINGS, "ct_siim100": ("contrast",)}


def rows() -> list[dict[str, object]]:
    """One row a cohort on its pixels, and one a finding, epsilon and kind of features: AUROC at each side, and the paired difference."""
    named, cohorts = os.environ.get(ENCODER), os.environ.get("DPMED_REAL_COHORTS")
    if cohorts is None:
        return []
    encoder = Installation.open().encoders.load(named) if named else None
    return [row for name, findings in COHORTS.items() for row in on_cohort(Path(cohorts) / name, findings, encoder)]


def on_cohort(folder: Path, findings: tuple[str, ...], encoder: AddedEncoder | None) -> list[dict[str, object]]:
    """The rows of one cohort."""
    table = pd.read_csv(folder / "manifest.csv")
    radiographs = {side: np.stack([read_image(folder / name, side=side).pixels for name in table["image"]]) for side in SIDES}
    found = [{"case": f"{folder.name} pixels", **_differences(radiographs[STORED_SIZE], radiographs_at_128(radiographs[FINE_SIZE]))}]
    labels, patients = table[list(findings)].to_numpy(np.float32), pd.factorize(table["patient_id"])[0]
    own = {side: features_of(radiographs[side]) for side in SIDES}
    kinds = {"ours": (own, None)}
    if encoder is not None:
        joined = {side: np.concatenate([own[side], added_features(encoder, radiographs[side])], axis=1) for side in SIDES}
        kinds[f"joined with {encoder.name}"] = (joined, encoder.digest)
    for kind, (features, digest) in kinds.items():
        tasks = {side: [Task(folder.name, features[side], labels, patients, train) for train in folds(patients)] for side in SIDES}
        for epsilon in EPSILONS:
            by_side = {side: np.array([aurocs(task, epsilon, digest) for task in tasks[side]]) for side in SIDES}
            about = {"case": f"{folder.name}, {kind}", "epsilon": epsilon, "delta": None if epsilon is None else DELTA, "unit": "patient"}
            columns = [(name, {side: of[:, k] for side, of in by_side.items()}) for k, name in enumerate(findings)]
            if len(findings) > 1:
                columns.append(("mean", {side: of.mean(axis=1) for side, of in by_side.items()}))
            for name, of in columns:
                means = {f"auroc_{side}": round(float(of[side].mean()), 4) for side in SIDES}
                found.append({**about, "finding": name, **means, **paired(of[FINE_SIZE] - of[STORED_SIZE])})
    return found


def _differences(stored: NDArray[np.uint8], reduced: NDArray[np.uint8]) -> dict[str, object]:
    """Between radiographs stored with 128 pixels and radiographs of 256 pixels in means over 2 x 2, in grey levels of 255."""
    apart = np.abs(stored.astype(np.int16) - reduced)
    return {"largest_difference": int(apart.max()), "mean_difference": round(float(apart.mean()), 3)}
