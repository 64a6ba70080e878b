"""Candidates for wrong labels: images whose label disagrees with that of look-alikes of other patients.

For each finding, the probability that it is present is estimated from the labels of the `NEIGHBOURS` nearest images of other
patients, nearness being the correlation of thumbnails, which are computed from pixels alone and trained on nothing. Following
confident learning, an image is a candidate where the estimate for the label it does not carry reaches the mean estimate of the
images that carry that label, and the estimate for its own label falls short of the mean of its own class. Where the
estimates do not tell the finding apart (AUROC below `LOWEST_AUROC`), no candidate is named: look-alikes would accuse at random.

The list is for the owner of the data to look at. It is computed from private labels and is not covered by any guarantee.

Source: Northcutt, Jiang & Chuang 2021, Confident Learning, J Artif Intell Res 70, doi 10.1613/jair.1.12125.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from dpmed_core.cohort.display_names import finding_title
from dpmed_core.cohort.report import Check, Severity
from dpmed_core.cohort.validation.inputs import Material
from dpmed_core.cohort.validation.near_duplicates import normalised
from dpmed_core.phrases import counted

NEIGHBOURS = 15
REFERENCES = 5_000
"""Look-alikes are sought among as many images at most, evenly over the cohort: the time grows with the cohort, not with its square."""
BLOCK = 128
LOWEST_AUROC = 0.8
FEWEST_OF_A_CLASS = 20
SMOOTHING = 1.0


def noise_checks(material: Material) -> Iterator[Check]:
    """Candidates for wrong labels, one check a finding; and the findings that look-alikes do not tell apart."""
    labels = material.cases[list(material.findings)].to_numpy(dtype=np.float32)
    judged = [c for c in range(labels.shape[1]) if min((labels[:, c] == 1).sum(), (labels[:, c] == 0).sum()) >= FEWEST_OF_A_CLASS]
    if not judged:
        return
    estimates = neighbour_estimates(material, labels[:, judged])
    not_judged = []
    for place, column in enumerate(judged):
        name, estimate, label = material.findings[column], estimates[:, place], labels[:, column]
        if separation(estimate, label) < LOWEST_AUROC:
            not_judged.append(finding_title(name))
            continue
        found = candidates(estimate, label)
        if found.any():
            yield material.check(
                "label_noise_candidates",
                Severity.NOTE,
                f"{counted(int(found.sum()), 'label', 'labels')} of {finding_title(name)} at odds with look-alikes of other patients: "
                "worth a second look, not proof.",
                found,
                outside_guarantee=True,
            )
    if not_judged:
        yield Check(
            "label_noise_not_judged",
            Severity.NOTE,
            len(not_judged),
            f"Look-alikes do not tell {', '.join(not_judged)} apart, so no label of these is called doubtful.",
        )


def neighbour_estimates(material: Material, labels: NDArray[np.float32]) -> NDArray[np.float32]:
    """For each case and column of `labels`, the smoothed share of its look-alikes in which the finding is present `[n, n_columns]`.

    Look-alikes whose label is unknown do not count; with none left the estimate is the share in the whole cohort.
    """
    thumbnails = material.measured.thumbnails
    _, patients = np.unique(material.cases["patient_id"].to_numpy(), return_inverse=True)
    references = np.arange(0, len(thumbnails), -(-len(thumbnails) // REFERENCES))
    alike = normalised(thumbnails[references])
    base = np.nanmean(labels, axis=0)
    known, present = ~np.isnan(labels[references]), labels[references] == 1
    estimates = np.empty(labels.shape, np.float32)
    k = min(NEIGHBOURS, len(references) - 1)
    for start in range(0, len(thumbnails), BLOCK):
        block = slice(start, min(start + BLOCK, len(thumbnails)))
        likeness = normalised(thumbnails[block]) @ alike.T
        likeness[patients[block, None] == patients[references][None, :]] = -np.inf
        near = np.argpartition(-likeness, k, axis=1)[:, :k]
        usable = np.isfinite(np.take_along_axis(likeness, near, axis=1))[..., None]
        n_known = (known[near] & usable).sum(axis=1)
        estimates[block] = ((present[near] & usable).sum(axis=1) + SMOOTHING * base) / (n_known + SMOOTHING)
    return estimates


def candidates(estimate: NDArray[np.float32], label: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which labels (1, 0, NaN) disagree with `estimate`, by confident learning."""
    present, absent = label == 1, label == 0
    typical_present, typical_absent = estimate[present].mean(), 1 - estimate[absent].mean()
    looks_present = (estimate >= typical_present) & (1 - estimate < typical_absent)
    looks_absent = (1 - estimate >= typical_absent) & (estimate < typical_present)
    return np.asarray((absent & looks_present) | (present & looks_absent))


def separation(estimate: NDArray[np.float32], label: NDArray[np.float32]) -> float:
    """The AUROC of `estimate` for `label`. Source: Mann & Whitney 1947."""
    known = ~np.isnan(label)
    ranks, positive = rankdata(estimate[known]), label[known] == 1
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))
