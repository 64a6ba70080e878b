"""The table of one case: scores and answers of the models by finding, with and without privacy."""

import numpy as np
import pandas as pd

ANSWER_COLUMNS = (
    "finding",
    "label",
    "score",
    "score_low",
    "score_high",
    "n_positive",
    "n_trainings",
    "score_without",
    "score_low_without",
    "score_high_without",
    "n_positive_without",
    "n_trainings_without",
    "change",
)


def answers_of_case(trainings: pd.DataFrame, labels: pd.Series, epsilon: float | None) -> pd.DataFrame:
    """One row per finding with `ANSWER_COLUMNS`: mean, smallest and largest score, and how many training runs call the case positive.

    `n_positive` is NaN where a training run has no threshold; scores are NaN where there is no training run. Runs that repeat another one
    exactly are not counted (`repeats`).

    Args:
        trainings: `case_scores.trainings_of_case`.
        labels: 1, 0 or NaN by finding, in the order to show.
        epsilon: a trained privacy budget; None where there is no private training run.
    """
    trainings = trainings[~trainings["repeats"]]
    private = _summary(trainings[trainings["epsilon"] == epsilon] if epsilon is not None else trainings[:0])
    reference = _summary(trainings[trainings["epsilon"].isna()]).add_suffix("_without")
    table = pd.DataFrame({"label": labels.astype(float)}).join(private).join(reference)
    table["change"] = table["score"] - table["score_without"]
    return table.rename_axis("finding").reset_index()[list(ANSWER_COLUMNS)]


def _summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean and range of the scores by finding, and how many training runs call the case positive."""
    by_finding = rows.astype({"positive": float}).groupby("finding", sort=False)
    table = by_finding["score"].agg(score="mean", score_low="min", score_high="max", n_trainings="size")
    # One run without a threshold makes the count unknown: counting the others alone would look like a smaller vote for "positive".
    n_positive = by_finding["positive"].agg(lambda values: np.nan if values.isna().any() else values.sum())
    return pd.DataFrame(table.assign(n_positive=n_positive.astype(float)))
