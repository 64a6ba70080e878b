"""Assigning patients to parts: each independently of the others, by a keyed hash."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.cohort.schema import Cohort, Part, Split
from dpmed_core.keyed_hash import keyed_digest

DEFAULT_SPLIT_SEED = 0
SHARES: tuple[tuple[Part, float], ...] = ((Part.TRAIN, 0.7), (Part.VALIDATION, 0.1), (Part.TEST, 0.2))


def assign_parts(cohort: Cohort, *, seed: int, key: bytes) -> Split:
    """The split of `cohort`: the source's own if it has one, else each patient's part by a keyed hash.

    A patient's part depends on the seed and that patient alone, never on other patients. Cohorts in which one
    training patient's record differs then have training sets in which exactly that record differs, as the neighbouring
    relation of the privacy guarantee requires. Stratifying would violate this, so the parts are not stratified.

    Args:
        cohort: the cohort to split.
        seed: labels the assignment; another seed gives an independent one.
        key: the installation's secret.
    """
    if cohort.has_own_split:
        return Split(parts=_frozen(cohort.cases["split"].to_numpy(dtype=np.str_)), seed=None)
    return Split(parts=_frozen(keyed_parts(cohort.cases["patient_id"], seed=seed, key=key)), seed=seed)


def keyed_parts(patients: pd.Series, *, seed: int, key: bytes) -> NDArray[np.str_]:
    """The part of each of `patients` `[n_cases]`, as `Part` values."""
    part_of = {patient: part_of_patient(patient, seed=seed, key=key).value for patient in patients.unique()}
    return patients.map(part_of).to_numpy(dtype=np.str_)


def part_of_patient(patient_id: str, *, seed: int, key: bytes) -> Part:
    """The part of a patient: a number uniform in [0, 1), from the keyed hash, compared with the cumulative `SHARES`."""
    # 64 bits of the digest as a fraction; the domain "split" and the seed make other hashes of the patient independent of it.
    position = int.from_bytes(keyed_digest(key, "split", str(seed), patient_id)[:8], "big") / 2**64
    reached = 0.0
    for part, share in SHARES:
        reached += share
        if position < reached:
            return part
    return SHARES[-1][0]  # the shares may add up to slightly less than 1 in floating point


def _frozen(parts: np.ndarray) -> np.ndarray:
    parts.setflags(write=False)
    return parts
