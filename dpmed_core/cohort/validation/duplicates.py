"""Identical images, pixel by pixel: of one patient, of several patients, in several parts, and with contradictory labels."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dpmed_core.cohort.report import Check, Severity
from dpmed_core.cohort.schema import Part
from dpmed_core.cohort.validation.inputs import ValidationInputs
from dpmed_core.phrases import counted

BLOCKING_TEST_SHARE = 0.05
"""If a larger share of the test images was trained on too, test results say little about new patients."""
PAIRS_OF_PARTS = ((Part.TEST, Part.TRAIN), (Part.VALIDATION, Part.TRAIN), (Part.TEST, Part.VALIDATION))

Groups = list[NDArray[np.intp]]


def identical_groups(digests: NDArray[np.uint8]) -> Groups:
    """The cases of each image that occurs more than once, given the digests of all images `[n, 32]`."""
    if not len(digests):
        return []
    # A view of each digest as one opaque value makes `unique` compare whole rows; equal ones get the same number.
    _, number, counts = np.unique(digests.view(f"V{digests.shape[1]}").ravel(), return_inverse=True, return_counts=True)
    repeated = np.flatnonzero(counts[number] > 1)
    order = repeated[np.argsort(number[repeated], kind="stable")]
    return np.split(order, np.flatnonzero(np.diff(number[order])) + 1) if len(order) else []


def identical_checks(inputs: ValidationInputs) -> Iterator[Check]:
    """Identical images within and across patients and parts, and identical images with contradictory labels."""
    groups = identical_groups(inputs.digests)
    if not groups:
        return
    yield from _by_patient(inputs, groups)
    for part in Part:
        yield from _within_part(inputs, groups, part)
    for one, other in PAIRS_OF_PARTS:
        yield from _across_parts(inputs, groups, one, other)
    yield from _conflicting(inputs, groups)


def _by_patient(inputs: ValidationInputs, groups: Groups) -> Iterator[Check]:
    """Identical images of one patient, and of several patients."""
    patients = inputs.cases["patient_id"].to_numpy()
    within = [group for all_ in groups for group in _split(all_, patients[all_]) if len(group) > 1]
    across = [group for group in groups if len(set(patients[group])) > 1]
    if within:
        repeats = sum(len(group) - 1 for group in within)
        yield inputs.check(
            "identical_images_of_one_patient",
            Severity.WARNING,
            f"{counted(repeats, 'image is', 'images are')} identical, pixel by pixel, to another image of the same patient.",
            np.concatenate(within),
            count=repeats,
            groups=within,
        )
    if across:
        yield inputs.check(
            "identical_images_across_patients",
            Severity.WARNING,
            f"{sum(map(len, across)):,} images are identical, pixel by pixel, to an image of another patient: "
            "check whether one patient has two identifiers and is counted as two.",
            np.concatenate(across),
            groups=across,
            outside_guarantee=True,
        )


def _within_part(inputs: ValidationInputs, groups: Groups, part: Part) -> Iterator[Check]:
    """Identical images within `part`."""
    inside = inputs.in_part(part)
    found = [group[inside[group]] for group in groups if inside[group].sum() > 1]
    if found:
        repeats = sum(len(group) - 1 for group in found)
        one = f"{_named(part)} image"
        yield inputs.check(
            f"identical_images_in_{part.value}",
            Severity.WARNING,
            f"{counted(repeats, f'{one} is', f'{one}s are')} identical, pixel by pixel, to another {one}.",
            np.concatenate(found),
            count=repeats,
            groups=found,
            outside_guarantee=True,
        )


def _across_parts(inputs: ValidationInputs, groups: Groups, one: Part, other: Part) -> Iterator[Check]:
    """Images of part `one` that are identical to an image of part `other`; blocking if too many test images were trained on."""
    in_one, in_other = inputs.in_part(one), inputs.in_part(other)
    # Of each group, only the images of the two parts, if both parts have one.
    found = [group[in_one[group] | in_other[group]] for group in groups if in_one[group].any() and in_other[group].any()]
    if not found:
        return
    count = int(sum(in_one[group].sum() for group in found))
    share = count / int(in_one.sum())
    blocks = one is Part.TEST and other is Part.TRAIN and share > BLOCKING_TEST_SHARE
    advice = f", which is more than {BLOCKING_TEST_SHARE:.0%} of them: remove the copies, or give them the same patient" if blocks else ""
    yield inputs.check(
        f"identical_images_in_{one.value}_and_{other.value}",
        Severity.BLOCKING if blocks else Severity.WARNING,
        f"{counted(count, f'{_named(one)} image is', f'{_named(one)} images are')} identical, pixel by pixel, to an image of the "
        f"{_named(other)} part{advice}.",
        np.concatenate(found),
        count=count,
        groups=found,
        outside_guarantee=True,
    )


def _conflicting(inputs: ValidationInputs, groups: Groups) -> Iterator[Check]:
    """Identical images of which at least one has a finding and at least one does not."""
    labels = inputs.cases[list(inputs.findings)].to_numpy(dtype=float)
    found = [group for group in groups if ((labels[group] == 1).any(axis=0) & (labels[group] == 0).any(axis=0)).any()]
    if found:
        yield inputs.check(
            "conflicting_labels",
            Severity.WARNING,
            f"{sum(map(len, found)):,} images in {counted(len(found), 'set', 'sets')} of identical images have contradictory labels: "
            "at least one label of each set is wrong.",
            np.concatenate(found),
            groups=found,
            outside_guarantee=True,
        )


def _named(part: Part) -> str:
    return "training" if part is Part.TRAIN else part.value


def _split(group: NDArray[np.intp], keys: NDArray[np.object_]) -> Groups:
    """`group` divided by equal `keys`."""
    return [group[keys == key] for key in dict.fromkeys(keys)]
