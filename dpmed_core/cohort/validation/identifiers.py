"""Identifiers that differ only in writing, and may be one patient's."""

from collections.abc import Iterator

import numpy as np

from dpmed_core.cohort.persons import patients_of_one_person
from dpmed_core.cohort.report import Check, Severity
from dpmed_core.cohort.validation.inputs import ValidationInputs
from dpmed_core.phrases import counted

ROWS_NAMED = 5


def identifier_checks(inputs: ValidationInputs) -> Iterator[Check]:
    """Patients whose identifiers are the same once capital letters, spaces, separators and leading zeros are set aside."""
    if not inputs.persons:
        return
    patient_of_case = inputs.cases["patient_id"].to_numpy(dtype=object)
    found = patients_of_one_person(patient_of_case, inputs.persons)
    if not found:
        return
    group_of = {patient: number for number, patients in enumerate(found) for patient in patients}
    number = np.array([group_of.get(patient, -1) for patient in patient_of_case])
    grouped = np.argsort(number, kind="stable")
    cases = grouped[number[grouped] >= 0]
    rows = inputs.rows_of(cases)
    named = ", ".join(map(str, rows[:ROWS_NAMED])) + (", ..." if len(rows) > ROWS_NAMED else "")
    yield inputs.check(
        "identifiers_differ_in_writing",
        Severity.WARNING,
        f"{counted(len(found), 'group of patient identifiers differs', 'groups of patient identifiers differ')} only in writing (capital "
        f"letters, spaces, separators, leading zeros): {sum(map(len, found)):,} patients, {len(rows):,} images (rows {named}). They are "
        "kept apart. If they are the same patients, write them the same way and import again: as it is, one patient may stand in training "
        "and in test.",
        cases,
        count=len(found),
        groups=np.split(cases, np.flatnonzero(np.diff(number[cases])) + 1),
    )
