"""How exposed patients are, measured on real radiographs; and whether the measurement keeps its word. `python -m benchmarks exposure`.

`nih1000` (real) is read from the folder that DPMED_REAL_COHORTS names. Rows of kind

    table     one budget and unit: the attack on 264 patients by their earlier images, with processor seconds
    repeats   the table of unit patient again and again: repeats in which any patient's limits lie above the proven bound, which is never so
    planted   a patient whose labels are all flipped: found where the unit is the image, held by the bound where it is the patient
    verdict   simulated patients: how often groups that are equal are called unequal, and how often a true difference is found

About 20 minutes on one core.
"""

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from benchmarks.recipes import DELTA, features_of
from dpmed_core.imaging.image import read_image
from dpmed_core.privacy.exposure.exposure_rows import LEVEL, Arm, exposure_rows
from dpmed_core.privacy.exposure.group_exposure import UNEQUAL, group_exposures
from dpmed_core.privacy.exposure.patient_auc import flagged, patient_auc
from dpmed_core.privacy.exposure.patient_groups import IMAGES, Members
from dpmed_core.privacy.exposure.shadow_trainings import draw_halves, shadow_likelihoods
from dpmed_core.privacy.exposure.training_images import TrainingImages
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit

FINDINGS = ("cardiomegaly", "effusion", "infiltration", "atelectasis")
BUDGETS = (0.1, 0.3, 0.5, 1.0, 2.0, 3.0, 4.0, 8.0, 16.0)
N_TRAININGS, N_REPEATS = 200, 20
N_COHORTS, N_PATIENTS, SPREAD, MEAN_AUC, DIFFERENCE = 200, 264, 0.12, 0.65, 0.1
"""Simulated cohorts, and their patients: standard deviation and mean of the true AUC over patients, and the difference to be found."""


def rows() -> list[dict[str, object]]:
    """All rows; those of real radiographs where their folder is named."""
    named = os.environ.get("DPMED_REAL_COHORTS")
    return [*(_on_nih(Path(named)) if named else ()), *verdicts(), *verdicts(n_budgets=1)]


def _on_nih(folder: Path) -> Iterator[dict[str, object]]:
    everything, is_earlier = nih(folder)
    images = part_of(everything, is_earlier)
    yield from table(images)
    yield repeats(images)
    yield from planted(everything)


def nih(folder: Path) -> tuple[TrainingImages, NDArray[np.bool_]]:
    """All images of `nih1000`, and which are in the earlier half of their patient's, by order of follow-up."""
    manifest = pd.read_csv(folder / "nih1000" / "manifest.csv").sort_values(["patient_id", "follow_up"], kind="stable")
    radiographs = np.stack([read_image(folder / "nih1000" / name).pixels for name in manifest["image"]])
    patients = np.asarray(pd.factorize(manifest["patient_id"])[0])
    by_patient = manifest.groupby("patient_id")["image"]
    earlier = by_patient.cumcount().to_numpy() < (by_patient.transform("size").to_numpy() + 1) // 2
    return TrainingImages(features_of(radiographs), manifest[list(FINDINGS)].to_numpy(np.float32), patients), earlier


def part_of(images: TrainingImages, kept: NDArray[np.bool_]) -> TrainingImages:
    """The images that are `kept`; each patient keeps one or more."""
    return TrainingImages(images.features[kept], images.labels[kept], images.patients[kept])


def table(images: TrainingImages) -> Iterator[dict[str, object]]:
    """Both units at all budgets with their references, and last the processor seconds of all."""
    arms = [Arm(unit, target) for unit in PrivacyUnit for target in (None, *(PrivacyTarget(e, DELTA) for e in BUDGETS))]
    began = time.process_time()
    found, _ = exposure_rows(images, arms, {}, n_trainings=N_TRAININGS, rng=np.random.default_rng(1))
    seconds = time.process_time() - began
    for row in found:
        fields = row.to_fields()
        fields.pop("groups")
        yield {"kind": "table", **fields}
    yield {"kind": "table", "unit": "all", "cpu_seconds": seconds}


def repeats(images: TrainingImages) -> dict[str, object]:
    """Of `N_REPEATS` tables of unit patient: those with limits above the bound, and the largest share flagged where there is nothing."""
    arms = [Arm(PrivacyUnit.PATIENT, PrivacyTarget(epsilon, DELTA)) for epsilon in BUDGETS]
    above, by_chance = 0, []
    for number in range(N_REPEATS):
        found, _ = exposure_rows(images, arms, {}, n_trainings=N_TRAININGS, rng=np.random.default_rng([2, number]))
        above += any(row.n_above_bound for row in found)
        by_chance += [row.null_flagged / row.n_patients for row in found]
    return {"kind": "repeats", "n": N_REPEATS, "above_bound": above, "largest_share_flagged_by_chance": max(by_chance)}


def planted(images: TrainingImages) -> Iterator[dict[str, object]]:
    """The patient with most images (66), all of whose labels are flipped, at epsilon 1."""
    exposed = int(np.bincount(images.patients).argmax())
    labels = np.where((images.patients == exposed)[:, None], 1 - images.labels, images.labels)
    flipped = TrainingImages(images.features, labels, images.patients)
    for unit in (PrivacyUnit.IMAGE, PrivacyUnit.PATIENT):
        arm = Arm(unit, PrivacyTarget(1.0, DELTA))
        halves = draw_halves(N_TRAININGS, flipped.n_patients, np.random.default_rng(3))
        attack = patient_auc(shadow_likelihoods(flipped, halves, unit=unit, target=arm.target), halves)
        low, _ = attack.limits(level=LEVEL, n_comparisons=flipped.n_patients)
        yield {
            "kind": "planted",
            "unit": unit.value,
            "epsilon": 1.0,
            "auc": float(attack.value[exposed]),
            "low": float(low[exposed]),
            "bound": arm.bound,
            "above_bound": bool(low[exposed] > (arm.bound or 1)),
            "flagged": bool(flagged(attack.p_values())[exposed]),
        }


def verdicts(n_cohorts: int = N_COHORTS, *, n_budgets: int = 10) -> Iterator[dict[str, object]]:
    """How often any group of equal ones is called unequal, over all groups and budgets; and how often a true difference is found."""
    for which in (None, ("sex", "female"), ("finding", "with"), ("rare finding", "with"), ("age", "80+")):
        wrong, found = 0, 0
        for number in range(n_cohorts):
            rng = np.random.default_rng([4, number])
            members = simulated_members(rng)
            values = simulated_attacks(rng, None if which is None else members[which], n_budgets)
            called = [{(g.attribute, g.group) for g in of_arm if g.verdict == UNEQUAL} for of_arm in group_exposures(values, members)]
            wrong += any(called)
            found += which in called[0]
        name = "all equal" if which is None else f"{which[0]}, {which[1]}, by {DIFFERENCE}"
        yield {"kind": "verdict", "truth": name, "n": n_cohorts, "budgets": n_budgets} | (
            {"unequal": wrong / n_cohorts} if which is None else {"found": found / n_cohorts}
        )


def simulated_members(rng: np.random.Generator) -> Members:
    """Who is in which group: two sexes, five ages, two findings (three in ten and one in ten patients), four numbers of images."""
    draws: dict[str, Sequence[tuple[str, float]]] = {
        "sex": (("female", 0.5), ("male", 0.5)),
        "age": (("under 30", 0.15), ("30-59", 0.4), ("60-69", 0.2), ("70-79", 0.15), ("80+", 0.1)),
        "finding": (("without", 0.7), ("with", 0.3)),
        "rare finding": (("without", 0.9), ("with", 0.1)),
        IMAGES: (("1 image", 0.5), ("2 to 4 images", 0.3), ("5 to 9 images", 0.12), ("10 or more images", 0.08)),
    }
    found: Members = {}
    for attribute, groups in draws.items():
        drawn = rng.choice(len(groups), N_PATIENTS, p=[share for _, share in groups])
        found |= {(attribute, name): drawn == number for number, (name, _) in enumerate(groups)}
    return found


def simulated_attacks(rng: np.random.Generator, more_exposed: NDArray[np.bool_] | None, n_arms: int) -> list[NDArray[np.float64]]:
    """The AUC of each patient at each budget, from `N_TRAININGS` trainings; true AUCs are the same at all budgets."""
    alike = np.clip(rng.normal(MEAN_AUC, SPREAD, N_PATIENTS), 0.5, 0.999)
    true = alike + (0 if more_exposed is None else DIFFERENCE * more_exposed)  # added last: cut off before, it would be smaller
    shift, halves = np.sqrt(2) * ndtri(np.clip(true, 0.5, 0.999)), draw_halves(N_TRAININGS, N_PATIENTS, rng)
    return [patient_auc(halves * shift + rng.standard_normal(halves.shape), halves).value for _ in range(n_arms)]
