"""Whether answers on a patient's later images shift with that patient's presence in training: Welch's test for each image and finding.

For an image and a finding, the probabilities that models with and without the patient give are two samples of independent trainings. Their
means are compared by Welch's test; of an image the finding with the smallest p-value counts, times the number of findings (Bonferroni);
and images are judged at a false-discovery rate of 5 % (`patient_auc.flagged`).

Sources: Welch 1947, Biometrika 34; Satterthwaite 1946, Biometrics Bulletin 2; Benjamini & Hochberg 1995, JRSS B 57.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from dpmed_core.privacy.exposure.patient_auc import flagged

Floats = NDArray[np.float64]
Inside = NDArray[np.bool_]


@dataclass(eq=False)
class ScoreSums:
    """Sums of scores over trainings, with and without each image's patient; nothing else is kept of a shadow model.

    Attributes:
        shape: `(n_images, n_findings)`.
        n: trainings without and with, `[2, n_images]`.
        totals: sums of the scores' distances from those of the first training, `[2, n_images, n_findings]`.
        squares: sums of their squares.
    """

    shape: tuple[int, int]
    n: Floats = field(init=False, repr=False)
    totals: Floats = field(init=False, repr=False)
    squares: Floats = field(init=False, repr=False)
    _first: Floats | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        self.n = np.zeros((2, self.shape[0]))
        self.totals, self.squares = np.zeros((2, 2, *self.shape))

    def add(self, scores: Floats, inside: Inside) -> None:
        """Add one training.

        Args:
            scores: `[n_images, n_findings]`.
            inside: whether each image's patient was in, `[n_images]`.
        """
        if self._first is None:
            self._first = scores.copy()
        away = scores - self._first  # sums of squares of these lose no digits, and where scores never change there is no variance
        for side, of_side in enumerate((~inside, inside)):
            self.n[side] += of_side
            self.totals[side] += away * of_side[:, None]
            self.squares[side] += np.square(away) * of_side[:, None]

    def differences(self) -> tuple[Floats, Floats]:
        """(mean score with the patient minus without, its two-sided p-value), `[n_images, n_findings]` each.

        Where a patient was in, or out, in fewer than two trainings there is no difference to judge: 0, with a p-value of 1.

        Four scores with (.3, .4, .5, .8) and three without (.1, .2, .4), judged by `scipy.stats.ttest_ind(..., equal_var=False)`:

        >>> sums = ScoreSums((1, 1))
        >>> for score, inside in ((0.3, 1), (0.4, 1), (0.5, 1), (0.8, 1), (0.1, 0), (0.2, 0), (0.4, 0)):
        ...     sums.add(np.array([[score]]), np.array([bool(inside)]))
        >>> difference, p_value = sums.differences()
        >>> round(float(difference[0, 0]), 4), round(float(p_value[0, 0]), 4)
        (0.2667, 0.114)
        """
        n = self.n[:, :, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            means = self.totals / n
            parts = np.maximum(self.squares - n * np.square(means), 0) / (n - 1) / n
            value, variance = means[1] - means[0], parts.sum(axis=0)
            freedom = np.square(variance) / (np.square(parts) / (n - 1)).sum(axis=0)
            p_values = np.where(variance > 0, 2 * stdtr(freedom, -np.abs(value) / np.sqrt(variance)), np.where(value == 0, 1.0, 0.0))
        judged = np.broadcast_to((n >= 2).all(axis=0), self.shape)
        return np.where(judged, value, 0.0), np.where(judged, p_values, 1.0)


@dataclass(frozen=True)
class Shifts:
    """How many images' answers shift.

    Attributes:
        n_shifted: images, at a false-discovery rate of 5 %.
        largest: the largest difference of mean probabilities in size, of any image and finding, whether judged as shifted or not.
    """

    n_shifted: int
    largest: float


def shifts(sums: ScoreSums) -> Shifts:
    """The images whose answers shift with their patient's presence in training."""
    difference, p_values = sums.differences()
    return Shifts(int(flagged(image_p_values(p_values)).sum()), float(np.abs(difference).max()))


def image_p_values(p_values: Floats) -> Floats:
    """One p-value for each image: the smallest over its findings times their number, at most 1.

    >>> image_p_values(np.array([[0.01, 0.6], [0.7, 0.9]])).tolist()
    [0.02, 1.0]
    """
    return np.asarray(np.minimum(1.0, p_values.shape[1] * p_values.min(axis=1)))
