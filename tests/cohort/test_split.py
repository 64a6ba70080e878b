"""The keyed assignment of patients to parts."""

from collections import Counter

import pytest

from dpmed_core.cohort.schema import Part
from dpmed_core.cohort.split import SHARES, part_of_patient
from tests.conftest import KEY

PATIENTS = [f"{i:016x}" for i in range(20_000)]


def test_parts_have_their_shares():
    counts = Counter(part_of_patient(patient, seed=0, key=KEY) for patient in PATIENTS)
    for part, share in SHARES:
        assert counts[part] / len(PATIENTS) == pytest.approx(share, abs=7 * (share * (1 - share) / len(PATIENTS)) ** 0.5)


def test_a_part_depends_on_the_seed_and_the_key_alone():
    parts = [part_of_patient(patient, seed=0, key=KEY) for patient in PATIENTS[:500]]
    assert parts == [part_of_patient(patient, seed=0, key=KEY) for patient in PATIENTS[:500]]
    assert parts != [part_of_patient(patient, seed=1, key=KEY) for patient in PATIENTS[:500]]
    assert parts != [part_of_patient(patient, seed=0, key=KEY[::-1]) for patient in PATIENTS[:500]]
    assert set(parts) == set(Part)
