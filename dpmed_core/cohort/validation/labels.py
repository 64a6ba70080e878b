"""Findings that cannot be learnt or evaluated (constant, rare, or rare in a subgroup), and unknown values."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dpmed_core.cohort.display_names import attribute_title, finding_title, subgroup_title
from dpmed_core.cohort.groups import COMORBIDITY_SUBGROUPS, UNKNOWN, subgroups
from dpmed_core.cohort.report import Check, Severity
from dpmed_core.cohort.schema import Part
from dpmed_core.cohort.validation.inputs import ValidationInputs
from dpmed_core.imaging.modality import Sex
from dpmed_core.phrases import counted

FEWEST_POSITIVES = 10
"""With fewer positive images, results of a model are too uncertain."""
FEWEST_TEST_PATIENTS = 5
"""An AUROC needs so many test patients with and so many without the finding; below that, tables say "not estimable"."""
FEWEST_IN_SUBGROUP = 5
"""A subgroup's AUROC needs so many test images with and so many without the finding; below that, tables say "not estimable"."""


def label_checks(inputs: ValidationInputs) -> Iterator[Check]:
    """Findings that cannot be learnt or evaluated, and a cohort in which none can."""
    values = inputs.cases[list(inputs.findings)].to_numpy(dtype=float)
    constant = [name for column, name in enumerate(inputs.findings) if not _varies(values[:, column])]
    if inputs.findings and len(constant) == len(inputs.findings):
        yield inputs.check(
            "nothing_to_learn",
            Severity.BLOCKING,
            "No finding is present in some images and absent in others, so nothing can be learnt: check the columns of the findings.",
            np.arange(len(values)),
        )
    for column, name in enumerate(inputs.findings):
        yield from _finding(inputs, name, values[:, column])
        yield from _in_test_patients(inputs, name, values[:, column])
    yield from _empty_parts(inputs)


def unknown_checks(inputs: ValidationInputs) -> Iterator[Check]:
    """Images without an age, a sex or any label; and patients with rows of different sex."""
    cases = inputs.cases
    age, sex = cases["age"].isna().to_numpy(), (cases["sex"] == Sex.UNKNOWN).to_numpy()
    # A cohort without findings has no labels by choice: its images are not reported.
    unlabelled = cases[list(inputs.findings)].isna().all(axis=1).to_numpy() & bool(inputs.findings)
    for name, found, sentence in (
        ("unknown_age", age, "no age and will be left out of comparisons by age."),
        ("unknown_sex", sex, "no sex and will be left out of comparisons by sex."),
        ("unlabelled_images", unlabelled, "no label for any finding and will not be learnt from."),
    ):
        if found.any():
            yield inputs.check(name, Severity.WARNING, f"{counted(int(found.sum()), 'image has', 'images have')} {sentence}", found)
    yield from _two_sexes(inputs)


def subgroup_checks(inputs: ValidationInputs) -> Iterator[Check]:
    """For each finding, the subgroups whose test images include too few with or without it for an evaluation."""
    test = inputs.in_part(Part.TEST)
    memberships = {name: subgroups(inputs.cases, name) for name in ("sex", "age", *inputs.comorbidities)}
    for finding in inputs.findings:
        labels = inputs.cases[finding].to_numpy(dtype=float)
        too_few, cases = [], np.zeros(len(labels), bool)
        for attribute, membership in memberships.items():
            for subgroup in membership.cat.categories:
                inside = (membership == subgroup).to_numpy() & test
                fewest = min(int((labels[inside] == 1).sum()), int((labels[inside] == 0).sum()))
                if subgroup != UNKNOWN and inside.any() and fewest < FEWEST_IN_SUBGROUP:
                    too_few.append(_in_words(attribute, str(subgroup)))
                    cases |= inside
        if too_few:
            yield inputs.check(
                "rare_in_subgroup",
                Severity.NOTE,
                f"{finding_title(finding)} cannot be evaluated in {counted(len(too_few), 'subgroup', 'subgroups')} with fewer than "
                f"{FEWEST_IN_SUBGROUP} test images with it, or fewer than {FEWEST_IN_SUBGROUP} without it: {', '.join(too_few)}.",
                cases,
                count=len(too_few),
            )


def _finding(inputs: ValidationInputs, name: str, values: NDArray[np.float64]) -> Iterator[Check]:
    """A warning if finding `name` is the same in every image, or present in too few."""
    present = values == 1
    positives = int(present.sum())
    if not _varies(values):
        which = "present" if positives else "absent" if (values == 0).any() else "unknown"
        sentence = f"{finding_title(name)} is {which} in every image, so no model can learn it."
        yield inputs.check("constant_finding", Severity.WARNING, sentence, ~np.isnan(values), count=1)
    elif positives < FEWEST_POSITIVES:
        sentence = f"{finding_title(name)} is present in only {counted(positives, 'image', 'images')}, too few to evaluate a model."
        yield inputs.check("rare_finding", Severity.WARNING, sentence, present)


def _in_test_patients(inputs: ValidationInputs, name: str, values: NDArray[np.float64]) -> Iterator[Check]:
    """A warning if too few test patients have finding `name`, or too few have not, although it varies in the cohort."""
    test = inputs.in_part(Part.TEST)
    if not test.any() or not _varies(values):
        return
    patient_of_case = inputs.cases["patient_id"].to_numpy()
    with_it, without = (len(set(patient_of_case[test & (values == label)])) for label in (1, 0))
    if min(with_it, without) < FEWEST_TEST_PATIENTS:
        present = counted(with_it, "test patient", "test patients")
        sentence = (
            f"{finding_title(name)} cannot be evaluated, whatever is trained: it is present in {present} and absent in {without:,}; at "
            f"least {FEWEST_TEST_PATIENTS} of each are needed."
        )
        yield inputs.check("rare_in_test", Severity.WARNING, sentence, test, count=min(with_it, without))


def _empty_parts(inputs: ValidationInputs) -> Iterator[Check]:
    """The training and the test part of the source's own split, if they are empty."""
    if inputs.cases["split"].isna().any():
        return
    for part, purpose in ((Part.TRAIN, "trained"), (Part.TEST, "evaluated")):
        if not inputs.in_part(part).any():
            name = "training" if part is Part.TRAIN else part.value
            sentence = f"The split has no {name} images, so no model can be {purpose}: correct the column of the split, or leave it out."
            yield Check(f"no_{part.value}_images", Severity.BLOCKING, 0, sentence)


def _two_sexes(inputs: ValidationInputs) -> Iterator[Check]:
    """Patients with images of different sex."""
    known = inputs.cases[inputs.cases["sex"] != Sex.UNKNOWN]
    n_sexes = known.groupby("patient_id")["sex"].nunique()
    patients = set(n_sexes.index[n_sexes > 1])
    if patients:
        cases = inputs.cases["patient_id"].isin(patients).to_numpy()
        patient_of_case = inputs.cases["patient_id"].to_numpy()
        yield inputs.check(
            "patients_with_two_sexes",
            Severity.WARNING,
            f"{counted(len(patients), 'patient has', 'patients have')} images of different sex: check whether two share an identifier.",
            cases,
            count=len(patients),
            groups=[np.flatnonzero(patient_of_case == patient) for patient in sorted(patients)],
        )


def _in_words(attribute: str, subgroup: str) -> str:
    """A subgroup within a list: "without Heart failure", "60–69 years"."""
    return f"{subgroup} {attribute_title(attribute)}" if subgroup in COMORBIDITY_SUBGROUPS else subgroup_title(attribute, subgroup)


def _varies(values: NDArray[np.float64]) -> bool:
    return bool((values == 1).any() and (values == 0).any())
