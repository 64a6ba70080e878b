"""Which patients a training run saw: sets of keyed hashes, kept for good, so that spending survives the removal of their cohort.

A patient is recognised over cohorts and versions of a cohort as a person, the keyed hash of the identifier in its comparable form
(`cohort.identifiers`). Cohorts of earlier versions know the hash of the identifier as it was written alone; where another cohort tells
which person that is, the two are the same patient.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, insert, select

from dpmed_core.cohort.schema import Cohort, Part
from dpmed_core.cohort.split import DEFAULT_SPLIT_SEED, assign_parts
from dpmed_core.cohort.store import CohortStore
from dpmed_core.keyed_hash import keyed_digest
from dpmed_core.privacy.ledger.chain import DIGEST_LENGTH, ledger_patients

EVERYBODY = ""
"""The set of runs of which no record tells the patients: they count for every patient."""


@dataclass(frozen=True)
class PatientSet:
    """The patients of a run, or of a cohort.

    Attributes:
        persons: sorted, without repetition.
        written_as: for patients whose identifiers were not written in the comparable form, the person and the hash of what was written.
    """

    persons: tuple[str, ...]
    written_as: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, patient_ids: Iterable[str], person_of: Mapping[str, str]) -> "PatientSet":
        """The set of `patient_ids`, each the person that `person_of` names, or else itself."""
        known = {str(patient): person_of.get(str(patient), str(patient)) for patient in patient_ids}
        other = sorted((person, patient) for patient, person in known.items() if person != patient)
        return cls(tuple(sorted(set(known.values()))), tuple(other))

    def to_json(self) -> str:
        """The set as JSON; equal sets give equal texts."""
        return json.dumps([list(self.persons), [list(pair) for pair in self.written_as]], separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "PatientSet":
        """The set that `to_json` wrote."""
        persons, pairs = json.loads(text)
        return cls(tuple(persons), tuple((person, patient) for person, patient in pairs))


@dataclass(frozen=True, eq=False)
class TrainingPatients:
    """The patients that a run is trained on.

    Attributes:
        patients: who they are.
        most_images: images of the one who has most.
    """

    patients: PatientSet
    most_images: int


def training_patients(cohorts: CohortStore, cohort: Cohort, *, split_seed: int | None) -> TrainingPatients:
    """The training patients of `cohort` under a split."""
    split = assign_parts(cohort, seed=DEFAULT_SPLIT_SEED if split_seed is None else split_seed, key=cohorts.key)
    trained = cohort.cases["patient_id"].to_numpy()[split.rows(Part.TRAIN)]
    ids, counts = np.unique(trained.astype(str), return_counts=True)
    return TrainingPatients(PatientSet.of(ids, cohorts.persons(cohort.name)), int(counts.max()) if len(counts) else 1)


def all_patients(cohorts: CohortStore, cohort: Cohort) -> PatientSet:
    """All patients of `cohort`, those for validation and test too: in another version of the cohort they may train."""
    return PatientSet.of(cohort.cases["patient_id"].astype(str).unique(), cohorts.persons(cohort.name))


def set_id_of(key: bytes, patients: PatientSet) -> str:
    """The keyed name of a set of patients; equal sets have equal names."""
    return keyed_digest(key, "ledger-patients", patients.to_json()).hex()[:DIGEST_LENGTH]


def store_set(connection: Connection, key: bytes, patients: PatientSet) -> str:
    """Store a set, unless it is there, and give its name."""
    set_id = set_id_of(key, patients)
    known = connection.execute(select(ledger_patients.c.set_id).where(ledger_patients.c.set_id == set_id)).first()
    if known is None:
        connection.execute(insert(ledger_patients).values(set_id=set_id, members=patients.to_json()))
    return set_id


def read_sets(connection: Connection) -> dict[str, PatientSet]:
    """All stored sets by name; one that was changed from outside until it cannot be read is left out, and counts for everybody."""
    found = {}
    for row in connection.execute(select(ledger_patients)):
        try:
            found[row.set_id] = PatientSet.from_json(row.members)
        except (ValueError, TypeError):
            continue
    return found


@dataclass(frozen=True, eq=False)
class Membership:
    """Which patients stand in which sets.

    Attributes:
        patients: as persons, sorted.
        of_set: for each set, whether each patient stands in it, `[n_patients]`.
    """

    patients: NDArray[np.str_]
    of_set: Mapping[str, NDArray[np.bool_]] = field(repr=False)

    @classmethod
    def among(cls, sets: Mapping[str, PatientSet], used: Iterable[str], *, only: PatientSet | None = None) -> "Membership":
        """The members of the sets whose names are in `used`; a name without a set stands for everybody.

        Args:
            sets: the sets by name.
            used: names of sets.
            only: leave out everybody else; None for all members.
        """
        aliases = {patient: person for one in sets.values() for person, patient in one.written_as}
        aliases |= {patient: person for person, patient in (only.written_as if only else ())}

        def resolved(one: PatientSet) -> NDArray[np.str_]:
            return np.unique(np.array([aliases.get(person, person) for person in one.persons], dtype=np.str_))

        members = {name: resolved(sets[name]) if name in sets else None for name in set(used)}
        if only is not None:
            patients = resolved(only)
        else:
            known = [one for one in members.values() if one is not None]
            patients = np.unique(np.concatenate(known)) if known else np.empty(0, dtype=np.str_)
        everyone = np.ones(len(patients), dtype=bool)
        return cls(patients, {n: everyone if one is None else np.isin(patients, one) for n, one in members.items()})
