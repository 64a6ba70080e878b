"""Sentences about one case that a clinician can quote, made from the numbers."""

from math import isnan

import pandas as pd

from dpmed_core.cohort.display_names import finding_phrase
from dpmed_core.evaluation.cases.case_scores import NEGATIVE, POSITIVE
from dpmed_core.evaluation.cases.case_spread import Spread, spread_of
from dpmed_core.evaluation.cases.worklist import ABSENT, PRESENT, UNKNOWN

SMALL_NUMBERS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
WRONG = {PRESENT: "have missed this {}", ABSENT: "have raised a false alarm of {}", UNKNOWN: "have called {} present"}
"""The error that a model can make in a case with this label; where the label is not known, only its answer."""
NO_THRESHOLD = (
    "This case cannot be called positive or negative: the validation part has too few positive or too few negative cases to choose a "
    "threshold."
)


def case_sentence(trainings: pd.DataFrame, *, finding: str, truth: str, epsilon: float | None) -> str:
    """How privacy changes the answer: "At ε = 1, three of five models would have missed this effusion; without privacy none would."

    A model is what one training run gives, counted once where its repetitions give the same scores. Each answers by its own threshold; so
    that a change of threshold is not taken for one of the score, a second sentence counts the answers at one threshold for all, that of
    the model without privacy with the smallest seed.

    Args:
        trainings: `case_scores.trainings_of_case`.
        finding: a finding.
        truth: `PRESENT`, `ABSENT` or `UNKNOWN`.
        epsilon: a trained privacy budget; None where there is no private training run.
    """
    rows = trainings[(trainings["finding"] == finding) & ~trainings["repeats"]]
    shown = rows[(rows["epsilon"] == epsilon) | rows["epsilon"].isna()]
    if shown.empty:
        return "No model has scored this case yet."
    if shown["positive"].isna().any():  # a count over the models that have a threshold would pass for one over all
        return NO_THRESHOLD
    is_private = shown["epsilon"].notna()
    did = _wrong(shown["positive"] == 1, truth)
    private, reference = did[is_private], did[~is_private]
    what = WRONG[truth].format(finding_phrase(finding))
    if private.empty:
        return f"Without privacy, {_who(reference)} {what}."
    said = f"At ε = {epsilon:g}, {_who(private)} {what}"
    if reference.empty:
        return f"{said}. No model without privacy has been trained for comparison."
    return f"{said}; without privacy {_who_else(private, reference)}. {_at_one_threshold(shown, did, truth, is_private)}"


SHORT = {
    PRESENT: {POSITIVE: "found", NEGATIVE: "missed"},
    ABSENT: {POSITIVE: "a false alarm", NEGATIVE: "rightly negative"},
    UNKNOWN: {POSITIVE: "positive", NEGATIVE: "negative"},
}
"""An answer in a case with this label, in a word or two."""


def case_headline(trainings: pd.DataFrame, *, finding: str, truth: str, epsilon: float | None) -> str:
    """Whether privacy would have changed the answer, in one short sentence; empty where that cannot be compared.

    An answer is that of more than half of the models, each at its own threshold. Arguments as of `case_sentence`.
    """
    rows = trainings[(trainings["finding"] == finding) & ~trainings["repeats"]]
    private, without = (_majority(rows[kept], truth) for kept in (rows["epsilon"] == epsilon, rows["epsilon"].isna()))
    if not private or not without:
        return ""
    if private == without:
        return f"Privacy would not have changed this answer: {private}, with it and without."
    may = "may" if SPLIT_MODELS in (private, without) else "would"
    return f"Privacy {may} have changed this answer: {private} at ε = {epsilon:g}, {without} without privacy."


SPLIT_MODELS = "models split evenly"


def _majority(rows: pd.DataFrame, truth: str) -> str:
    """The answer of these models in short; empty where there is none."""
    if rows.empty or rows["positive"].isna().any():
        return ""
    share = rows["positive"].mean()
    return SPLIT_MODELS if share == 1 / 2 else SHORT[truth][POSITIVE if share > 1 / 2 else NEGATIVE]


def _wrong(positive: pd.Series, truth: str) -> pd.Series:
    """Where the finding is present, the error is a negative answer; otherwise a positive one."""
    return ~positive if truth == PRESENT else positive


def _at_one_threshold(shown: pd.DataFrame, did: pd.Series, truth: str, is_private: pd.Series) -> str:
    """The same counts at the threshold of the first model without privacy."""
    common = float(shown[~is_private].sort_values("seed")["threshold"].iloc[0])
    then = _wrong(shown["score"] >= common, truth)
    begun = f"At one threshold for all ({common:.2f})"
    if bool((then == did).all()):
        return f"{begun}: the same."
    private, reference = then[is_private], then[~is_private]
    return f"{begun}, {_who(private)}; without privacy {_who_else(private, reference)}."


def _who(did: pd.Series) -> str:
    """ "three of five models would", "all five models would", "none of five models would", "the one model would not"."""
    n, n_all = int(did.sum()), len(did)
    if n_all == 1:
        return "the one model would" if n else "the one model would not"
    if n == n_all:
        return "both models would" if n == 2 else f"all {number_in_words(n)} models would"
    return f"{number_in_words(n)} of {number_in_words(n_all)} models would"


def _who_else(first: pd.Series, did: pd.Series) -> str:
    """The same in short, after a statement on `first`: "none would", "all three would too"."""
    n, n_all = int(did.sum()), len(did)
    too = " too" if n and first.mean() > 1 / 2 else ""  # after "one of three", "all three would too" would read as if all had
    if n_all == 1:
        return f"the one model would{too}" if n else f"the one model would not{'' if first.any() else ' either'}"
    if n == n_all:
        return f"both would{too}" if n == 2 else f"all {number_in_words(n)} would{too}"
    return "none would" if n == 0 and n_all == len(first) else f"{number_in_words(n)} of {number_in_words(n_all)} would"


def number_in_words(number: int) -> str:
    """A small number as a word, a larger one in digits."""
    return SMALL_NUMBERS[number] if number < len(SMALL_NUMBERS) else f"{number:,}"


def spread_sentence(spread: Spread) -> str:
    """How much the scores of private models differ, and how much of that is due to the privacy noise."""
    if spread.n_private < 2:
        return "One private model cannot show how much privacy noise changes this score: train more at this budget."
    said = (
        f"The scores of the {number_in_words(spread.n_private)} private models have a standard deviation of {spread.private:.3f} "
        f"(95 % interval {spread.private_low:.3f} to {spread.private_high:.3f})."
    )
    if spread.n_non_private < 2:
        return f"{said} How much of it is due to privacy noise can be estimated only with two or more models without privacy."
    if spread.noise_only:
        return (
            f"{said} Without privacy, {number_in_words(spread.n_non_private)} trainings gave this case the same score, so that the spread "
            "comes from the chance that only private training has: its noise, and the sampling of patients where there is any."
        )
    said = (
        f"{said} Without privacy, where models differ in initial weights and in the patients sampled at each step but have no noise, it is "
        f"{spread.non_private:.3f}"
    )
    if isnan(spread.noise):
        return f"{said}, no less: with so few models the part of the privacy noise cannot be told."
    return f"{said}; privacy noise alone accounts for about {spread.noise:.3f}, if it acts independently of the rest."


def case_spread(trainings: pd.DataFrame, *, finding: str, epsilon: float) -> Spread:
    """The spread of a case's scores at `epsilon` and without privacy.

    Args:
        trainings: `case_scores.trainings_of_case`.
        finding: a finding.
        epsilon: a trained privacy budget.
    """
    rows = trainings[trainings["finding"] == finding]
    at, without = (rows.loc[kept, "score"].to_numpy(dtype=float) for kept in (rows["epsilon"] == epsilon, rows["epsilon"].isna()))
    return spread_of(at, without)
