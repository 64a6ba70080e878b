"""What can be learnt and judged at all: findings that never vary, that are too rare, or too rare in a subgroup; unknown values."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dpmed_core.cohort.display_names import attribute_title, finding_title, subgroup_title
from dpmed_core.cohort.groups import COMORBIDITY_SUBGROUPS, UNKNOWN, subgroups
from dpmed_core.cohort.report import Check, Severity
from dpmed_core.cohort.schema import Part
from dpmed_core.cohort.validation.inputs import Material
from dpmed_core.imaging.modality import Sex
from dpmed_core.phrases import counted

FEWEST_POSITIVES = 10
"""Fewer positive images than this say little about a model."""
FEWEST_IN_SUBGROUP = 5
"""A subgroup's AUROC needs as many test images with and without the finding; the tables call fewer "not estimable"."""


def label_checks(material: Material) -> Iterator[Check]:
    """Findings that cannot be learnt or judged, and a cohort in which none can."""
    values = material.cases[list(material.findings)].to_numpy(dtype=float)
    constant = [name for column, name in enumerate(material.findings) if not _varies(values[:, column])]
    if material.findings and len(constant) == len(material.findings):
        yield material.check(
            "nothing_to_learn",
            Severity.BLOCKING,
            "No finding is present in some images and absent in others, so there is nothing to learn: check the columns of the findings.",
            np.arange(len(values)),
        )
    for column, name in enumerate(material.findings):
        yield from _finding(material, name, values[:, column])
    yield from _empty_parts(material)


def unknown_checks(material: Material) -> Iterator[Check]:
    """Images without an age, without a sex, or without any label; and patients whose rows name two sexes."""
    cases = material.cases
    age, sex = cases["age"].isna().to_numpy(), (cases["sex"] == Sex.UNKNOWN).to_numpy()
    unlabelled = cases[list(material.findings)].isna().all(axis=1).to_numpy() & bool(material.findings)
    for name, found, sentence in (
        ("unknown_age", age, "no age; left out of comparisons by age."),
        ("unknown_sex", sex, "no sex; left out of comparisons by sex."),
        ("unlabelled_images", unlabelled, "no label for any finding; nothing is learnt there."),
    ):
        if found.any():
            yield material.check(name, Severity.WARNING, f"{counted(int(found.sum()), 'image has', 'images have')} {sentence}", found)
    yield from _two_sexes(material)


def subgroup_checks(material: Material) -> Iterator[Check]:
    """For each finding, the subgroups in whose test images it is too rare, or too common, to be evaluated."""
    test = material.in_part(Part.TEST)
    memberships = {name: subgroups(material.cases, name) for name in ("sex", "age", *material.comorbidities)}
    for finding in material.findings:
        labels = material.cases[finding].to_numpy(dtype=float)
        too_few, cases = [], np.zeros(len(labels), bool)
        for attribute, membership in memberships.items():
            for subgroup in membership.cat.categories:
                inside = (membership == subgroup).to_numpy() & test
                fewest = min(int((labels[inside] == 1).sum()), int((labels[inside] == 0).sum()))
                if subgroup != UNKNOWN and inside.any() and fewest < FEWEST_IN_SUBGROUP:
                    too_few.append(_in_words(attribute, str(subgroup)))
                    cases |= inside
        if too_few:
            yield material.check(
                "rare_in_subgroup",
                Severity.NOTE,
                f"{finding_title(finding)} cannot be evaluated in {counted(len(too_few), 'subgroup', 'subgroups')}, with fewer than "
                f"{FEWEST_IN_SUBGROUP} test images with or without it: {', '.join(too_few)}.",
                cases,
                count=len(too_few),
            )


def _finding(material: Material, name: str, values: NDArray[np.float64]) -> Iterator[Check]:
    present = values == 1
    positives = int(present.sum())
    if not _varies(values):
        which = "present" if positives else "absent" if (values == 0).any() else "unknown"
        sentence = f"{finding_title(name)} is {which} in every image: no model can learn it."
        yield material.check("constant_finding", Severity.WARNING, sentence, ~np.isnan(values), count=1)
    elif positives < FEWEST_POSITIVES:
        sentence = f"{finding_title(name)} is present in {counted(positives, 'image', 'images')} only: too few to judge a model by."
        yield material.check("rare_finding", Severity.WARNING, sentence, present)


def _empty_parts(material: Material) -> Iterator[Check]:
    if material.cases["split"].isna().any():
        return
    for part, purpose in ((Part.TRAIN, "train on"), (Part.TEST, "judge a model by")):
        if not material.in_part(part).any():
            sentence = f"The split leaves no {part.value} images, so there is nothing to {purpose}: correct it, or leave it out."
            yield Check(f"no_{part.value}_images", Severity.BLOCKING, 0, sentence)


def _two_sexes(material: Material) -> Iterator[Check]:
    known = material.cases[material.cases["sex"] != Sex.UNKNOWN]
    torn = known.groupby("patient_id")["sex"].nunique()
    patients = set(torn.index[torn > 1])
    if patients:
        cases = material.cases["patient_id"].isin(patients).to_numpy()
        places = material.cases["patient_id"].to_numpy()
        yield material.check(
            "patients_with_two_sexes",
            Severity.WARNING,
            f"{counted(len(patients), 'patient has', 'patients have')} images of different sex: two people may share an identifier.",
            cases,
            count=len(patients),
            groups=[np.flatnonzero(places == patient) for patient in sorted(patients)],
        )


def _in_words(attribute: str, subgroup: str) -> str:
    return f"{subgroup} {attribute_title(attribute)}" if subgroup in COMORBIDITY_SUBGROUPS else subgroup_title(attribute, subgroup)


def _varies(values: NDArray[np.float64]) -> bool:
    return bool((values == 1).any() and (values == 0).any())
