"""Images that are the same pixel by pixel: of one patient, of several, in several parts, and with contradictory labels."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dpmed_core.cohort.report import Check, Severity
from dpmed_core.cohort.schema import Part
from dpmed_core.cohort.validation.inputs import Material
from dpmed_core.phrases import counted

BLOCKING_TEST_SHARE = 0.05
"""With more of the test images than this in training too, test results say little of new patients."""
PAIRS_OF_PARTS = ((Part.TEST, Part.TRAIN), (Part.VALIDATION, Part.TRAIN), (Part.TEST, Part.VALIDATION))

Groups = list[NDArray[np.intp]]


def identical_groups(digests: NDArray[np.uint8]) -> Groups:
    """The cases of each picture that occurs more than once, given digests `[n, 32]`."""
    if not len(digests):
        return []
    _, number, counts = np.unique(digests.view(f"V{digests.shape[1]}").ravel(), return_inverse=True, return_counts=True)
    repeated = np.flatnonzero(counts[number] > 1)
    order = repeated[np.argsort(number[repeated], kind="stable")]
    return np.split(order, np.flatnonzero(np.diff(number[order])) + 1) if len(order) else []


def identical_checks(material: Material) -> Iterator[Check]:
    """Identical images within and across patients and parts, and those whose labels contradict each other."""
    groups = identical_groups(material.digests)
    if not groups:
        return
    yield from _by_patient(material, groups)
    for part in Part:
        yield from _within_part(material, groups, part)
    for one, other in PAIRS_OF_PARTS:
        yield from _across_parts(material, groups, one, other)
    yield from _conflicting(material, groups)


def _by_patient(material: Material, groups: Groups) -> Iterator[Check]:
    patients = material.cases["patient_id"].to_numpy()
    within = [group for all_ in groups for group in _split(all_, patients[all_]) if len(group) > 1]
    across = [group for group in groups if len(set(patients[group])) > 1]
    if within:
        repeats = sum(len(group) - 1 for group in within)
        yield material.check(
            "identical_images_of_one_patient",
            Severity.WARNING,
            f"{counted(repeats, 'image repeats', 'images repeat')} another image of the same patient pixel by pixel.",
            np.concatenate(within),
            count=repeats,
            groups=within,
        )
    if across:
        yield material.check(
            "identical_images_across_patients",
            Severity.WARNING,
            f"{sum(map(len, across))} images stand pixel by pixel under several patients: "
            "a patient may have two identifiers, who then counts as two.",
            np.concatenate(across),
            groups=across,
            outside_guarantee=True,
        )


def _within_part(material: Material, groups: Groups, part: Part) -> Iterator[Check]:
    inside = material.in_part(part)
    found = [group[inside[group]] for group in groups if inside[group].sum() > 1]
    if found:
        repeats = sum(len(group) - 1 for group in found)
        one = f"{_named(part)} image"
        yield material.check(
            f"identical_images_in_{part.value}",
            Severity.WARNING,
            f"{counted(repeats, f'{one} repeats', f'{one}s repeat')} another {one} pixel by pixel.",
            np.concatenate(found),
            count=repeats,
            groups=found,
            outside_guarantee=True,
        )


def _across_parts(material: Material, groups: Groups, one: Part, other: Part) -> Iterator[Check]:
    in_one, in_other = material.in_part(one), material.in_part(other)
    found = [group[in_one[group] | in_other[group]] for group in groups if in_one[group].any() and in_other[group].any()]
    if not found:
        return
    count = int(sum(in_one[group].sum() for group in found))
    share = count / int(in_one.sum())
    blocks = one is Part.TEST and other is Part.TRAIN and share > BLOCKING_TEST_SHARE
    advice = f"; more than {BLOCKING_TEST_SHARE:.0%} of the test images: remove the copies, or give them one patient" if blocks else ""
    yield material.check(
        f"identical_images_in_{one.value}_and_{other.value}",
        Severity.BLOCKING if blocks else Severity.WARNING,
        f"{counted(count, f'{one.value} image also stands', f'{one.value} images also stand')} "
        f"in the {_named(other)} part, pixel by pixel{advice}.",
        np.concatenate(found),
        count=count,
        groups=found,
        outside_guarantee=True,
    )


def _conflicting(material: Material, groups: Groups) -> Iterator[Check]:
    labels = material.cases[list(material.findings)].to_numpy(dtype=float)
    found = [group for group in groups if ((labels[group] == 1).any(axis=0) & (labels[group] == 0).any(axis=0)).any()]
    if found:
        yield material.check(
            "conflicting_labels",
            Severity.WARNING,
            f"{sum(map(len, found))} images in {counted(len(found), 'set', 'sets')} of identical images carry labels that contradict "
            "each other: at least one label of each set is wrong.",
            np.concatenate(found),
            groups=found,
            outside_guarantee=True,
        )


def _named(part: Part) -> str:
    return "training" if part is Part.TRAIN else part.value


def _split(group: NDArray[np.intp], keys: NDArray[np.object_]) -> Groups:
    return [group[keys == key] for key in dict.fromkeys(keys)]
