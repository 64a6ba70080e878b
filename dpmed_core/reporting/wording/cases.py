"""What the models say of one case, as sentences that a clinician can quote, made from the numbers."""

import pandas as pd

from dpmed_core.cohort.display_names import finding_phrase
from dpmed_core.evaluation.cases.case_spread import Spread, spread_of
from dpmed_core.evaluation.cases.worklist import ABSENT, PRESENT, UNKNOWN

SMALL_NUMBERS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
WRONG = {PRESENT: "have missed this {}", ABSENT: "have raised a false alarm of {}", UNKNOWN: "have called {} present"}
"""What a training may do to a case whose truth is so; where the truth is not known, only what it says."""
NO_THRESHOLD = (
    "Whether this case would be called positive cannot be said: the validation patients have too few cases of one kind to choose a "
    "threshold on."
)


def case_sentence(trainings: pd.DataFrame, *, finding: str, truth: str, epsilon: float | None) -> str:
    """What privacy does to the answer: "At ε = 1, three of five trainings would have missed this effusion; without privacy none would."

    Args:
        trainings: `case_scores.trainings_of_case`.
        finding: a finding.
        truth: `PRESENT`, `ABSENT` or `UNKNOWN`.
        epsilon: a trained target; None where no private training is there.
    """
    rows = trainings[trainings["finding"] == finding]
    shown = rows[(rows["epsilon"] == epsilon) | rows["epsilon"].isna()]
    if shown.empty:
        return "No model is trained yet that scored this case."
    if shown["positive"].isna().any():
        return NO_THRESHOLD
    did = shown["positive"] != 1 if truth == PRESENT else shown["positive"] == 1
    private, twin = did[shown["epsilon"].notna()], did[shown["epsilon"].isna()]
    what = WRONG[truth].format(finding_phrase(finding))
    if private.empty:
        return f"Without privacy, {_who(twin)} {what}."
    said = f"At ε = {epsilon:g}, {_who(private)} {what}"
    if twin.empty:
        return f"{said}. No model without privacy has been trained to compare with."
    return f"{said}; without privacy {_who_else(private, twin)}."


def _who(did: pd.Series) -> str:
    """ "three of five trainings would", "all five trainings would", "none of five trainings would", "the one training would not"."""
    n, n_all = int(did.sum()), len(did)
    if n_all == 1:
        return "the one training would" if n else "the one training would not"
    if n == n_all:
        return "both trainings would" if n == 2 else f"all {in_words(n)} trainings would"
    return f"{in_words(n)} of {in_words(n_all)} trainings would"


def _who_else(first: pd.Series, did: pd.Series) -> str:
    """The same, short, after it was said of `first`: "none would", "all three would too"."""
    n, n_all = int(did.sum()), len(did)
    too = " too" if n and first.any() else ""
    if n_all == 1:
        return f"the one training would{too}" if n else f"the one training would not{'' if first.any() else ' either'}"
    if n == n_all:
        return f"both would{too}" if n == 2 else f"all {in_words(n)} would{too}"
    return "none would" if n == 0 and n_all == len(first) else f"{in_words(n)} of {in_words(n_all)} would"


def in_words(number: int) -> str:
    """A small number as a word, a larger one in digits."""
    return SMALL_NUMBERS[number] if number < len(SMALL_NUMBERS) else f"{number:,}"


def spread_sentence(spread: Spread) -> str:
    """How far the private trainings lie apart, and what of it is the privacy noise's."""
    if spread.n_private < 2:
        return "One private training tells nothing about how far privacy noise moves this score: train more of them."
    said = (
        f"The {in_words(spread.n_private)} private trainings differ by a standard deviation of {spread.private:.3f} "
        f"(95 % interval {spread.private_low:.3f} to {spread.private_high:.3f})."
    )
    if spread.n_twin < 2:
        return f"{said} How much of it is the noise's cannot be told without two or more trainings without privacy."
    if spread.noise_only:
        same = "both" if spread.n_twin == 2 else f"all {in_words(spread.n_twin)}"
        return f"{said} All of it is privacy noise: without it, {same} trainings give this case one and the same score."
    return (
        f"{said} Trainings without privacy, which differ in the patients drawn at each step and in initial weights but not in noise, "
        f"differ by {spread.twin:.3f}; privacy noise alone accounts for about {spread.noise:.3f}, if it acts independently of the rest."
    )


def case_spread(trainings: pd.DataFrame, *, finding: str, epsilon: float) -> Spread:
    """The spread of a case's scores at `epsilon` and without privacy.

    Args:
        trainings: `case_scores.trainings_of_case`.
        finding: a finding.
        epsilon: a trained target.
    """
    rows = trainings[trainings["finding"] == finding]
    at, without = (rows.loc[kept, "score"].to_numpy(dtype=float) for kept in (rows["epsilon"] == epsilon, rows["epsilon"].isna()))
    return spread_of(at, without)
