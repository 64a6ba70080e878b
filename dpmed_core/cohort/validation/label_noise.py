"""Candidates for wrong labels: images whose label disagrees with the labels of similar images of other patients.

For each finding, the probability that it is present is estimated from the labels of the `NEIGHBOURS` most similar images of other
patients. Similarity is the correlation of thumbnails, which are computed from pixels alone, without training. Following
confident learning, an image is a candidate if the estimate for the opposite label reaches the mean estimate of the
images that have that label, and the estimate for its own label is below the mean of its own class. If the
estimates do not separate present from absent (AUROC below `LOWEST_AUROC`), no candidate is named: they would be arbitrary.

The list is meant for the owner of the data. It is computed from private labels and is not covered by any guarantee.

Source: Northcutt, Jiang & Chuang 2021, Confident Learning, J Artif Intell Res 70, doi 10.1613/jair.1.12125.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from dpmed_core.cohort.display_names import finding_title
from dpmed_core.cohort.report import Check, Severity
from dpmed_core.cohort.validation.inputs import ValidationInputs
from dpmed_core.cohort.validation.near_duplicates import normalised
from dpmed_core.phrases import counted

NEIGHBOURS = 15
REFERENCES = 5_000
"""Similar images are searched among at most so many, taken evenly from the cohort: the time grows linearly with the cohort."""
BLOCK = 128
LOWEST_AUROC = 0.8
FEWEST_OF_A_CLASS = 20
SMOOTHING = 1.0
"""Weight of the finding's prevalence in an estimate, in numbers of similar images."""


def noise_checks(inputs: ValidationInputs) -> Iterator[Check]:
    """Candidates for wrong labels, one check per finding; and the findings for which similar images do not predict the label."""
    labels = inputs.cases[list(inputs.findings)].to_numpy(dtype=np.float32)
    judged = [c for c in range(labels.shape[1]) if min((labels[:, c] == 1).sum(), (labels[:, c] == 0).sum()) >= FEWEST_OF_A_CLASS]
    if not judged:
        return
    estimates = neighbour_estimates(inputs, labels[:, judged])
    not_judged = []
    for index, column in enumerate(judged):
        name, estimate, label = inputs.findings[column], estimates[:, index], labels[:, column]
        if separation(estimate, label) < LOWEST_AUROC:
            not_judged.append(finding_title(name))
            continue
        found = candidates(estimate, label)
        if found.any():
            yield inputs.check(
                "label_noise_candidates",
                Severity.NOTE,
                f"{counted(int(found.sum()), 'label', 'labels')} of {finding_title(name)} may be wrong, since similar images of other "
                "patients have the opposite label: check these images.",
                found,
                outside_guarantee=True,
            )
    if not_judged:
        yield Check(
            "label_noise_not_judged",
            Severity.NOTE,
            len(not_judged),
            f"Wrong labels of {', '.join(not_judged)} cannot be detected: the labels of similar images do not predict them "
            f"(AUROC below {LOWEST_AUROC:g}).",
        )


def neighbour_estimates(inputs: ValidationInputs, labels: NDArray[np.float32]) -> NDArray[np.float32]:
    """For each case, the smoothed share of its most similar images in which a finding is present, `[n, n_columns]`.

    With k similar images of known label, m of them positive, and prevalence p the estimate is (m + s p) / (k + s), s = `SMOOTHING`:
    it is p if no similar image has a known label.

    Args:
        inputs: the cohort.
        labels: of the findings to estimate `[n, n_columns]`, NaN = unknown.
    """
    thumbnails = inputs.measured.thumbnails
    _, patients = np.unique(inputs.cases["patient_id"].to_numpy(), return_inverse=True)
    # -(-a // b) is a / b rounded up.
    references = np.arange(0, len(thumbnails), -(-len(thumbnails) // REFERENCES))
    alike = normalised(thumbnails[references])
    base = np.nanmean(labels, axis=0)
    known, present = ~np.isnan(labels[references]), labels[references] == 1
    estimates = np.empty(labels.shape, np.float32)
    k = min(NEIGHBOURS, len(references) - 1)
    for start in range(0, len(thumbnails), BLOCK):
        block = slice(start, min(start + BLOCK, len(thumbnails)))
        likeness = normalised(thumbnails[block]) @ alike.T
        likeness[patients[block, None] == patients[references][None, :]] = -np.inf  # images of the same patient are no evidence
        # A case without enough images of other patients has -inf among its nearest, which do not count below.
        near = np.argpartition(-likeness, k, axis=1)[:, :k]
        usable = np.isfinite(np.take_along_axis(likeness, near, axis=1))[..., None]
        n_known = (known[near] & usable).sum(axis=1)
        estimates[block] = ((present[near] & usable).sum(axis=1) + SMOOTHING * base) / (n_known + SMOOTHING)
    return estimates


def candidates(estimate: NDArray[np.float32], label: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which labels (1, 0, NaN) disagree with `estimate`, by confident learning.

    The thresholds are the mean estimates within each class, the average self-confidence of Northcutt et al.
    """
    present, absent = label == 1, label == 0
    typical_present, typical_absent = estimate[present].mean(), 1 - estimate[absent].mean()
    looks_present = (estimate >= typical_present) & (1 - estimate < typical_absent)
    looks_absent = (1 - estimate >= typical_absent) & (estimate < typical_present)
    return np.asarray((absent & looks_present) | (present & looks_absent))


def separation(estimate: NDArray[np.float32], label: NDArray[np.float32]) -> float:
    """The AUROC of `estimate` for `label` (1, 0, NaN), from ranks. Source: Mann & Whitney 1947, doi 10.1214/aoms/1177730491.

    >>> separation(np.array([0.1, 0.4, 0.35, 0.8], dtype=np.float32), np.array([0, 0, 1, 1], dtype=np.float32))
    0.75
    """
    known = ~np.isnan(label)
    ranks, positive = rankdata(estimate[known]), label[known] == 1
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))
