"""The comparison of a reader with models, as a sentence and as tables for readers."""

import pandas as pd

from dpmed_core.cohort.display_names import finding_phrase, sentence_start
from dpmed_core.reader_study.reader_vs_model import PRIVATE, READER, WITHOUT

NAMES = {READER: "you", PRIVATE: "the private model", WITHOUT: "the model without privacy"}


def comparison_sentence(table: pd.DataFrame, pairs: pd.DataFrame, *, finding: str) -> str:
    """The AUROC of the reader and the models for `finding` on these cases, and which differences are beyond chance.

    Args:
        table: `reader_study.reader_vs_model.rater_table`.
        pairs: `reader_study.reader_vs_model.pair_table`.
        finding: the one that was read for.
    """
    known = table.dropna(subset="auroc")
    if known.empty:
        return f"An AUROC for {finding_phrase(finding)} is not estimable on these cases: {table['reason'].iloc[0]}."
    aurocs = "; ".join(f"{NAMES[row['rater']]} {row['auroc']:.2f}" for _, row in known.iterrows())
    # Beyond chance: the 95 % interval of the difference leaves out 0; the pairs are not adjusted for each other.
    differing = [row for _, row in pairs.iterrows() if row["difference_low"] > 0 or row["difference_high"] < 0]
    # No difference shown is not the same as shown to be equal, and the sentence must not sound like it.
    if pairs.empty:
        chance = "There is no model to compare with yet."
    elif not differing:
        chance = "These cases are too few to show that any two differ."
    else:
        better = [(row["first"], row["second"]) if row["difference"] > 0 else (row["second"], row["first"]) for row in differing]
        higher = "; ".join(f"{NAMES[first]} had a higher AUROC than {NAMES[second]}" for first, second in better)
        chance = f"{sentence_start(higher)}."
    return f"AUROC for {finding_phrase(finding)}: {aurocs}. {chance}"


def readings_so_far(n_finished: int, n_open: int, n_given_up: int) -> str:
    """How the readings of a cohort ended, those given up too: who counts finished ones alone flatters the study.

    >>> readings_so_far(3, 0, 1)
    'Readings of this cohort so far: 3 finished, 1 given up.'
    >>> readings_so_far(0, 0, 0)
    ''
    """
    ends = {"finished": n_finished, "still open": n_open, "given up": n_given_up}
    said = ", ".join(f"{n} {end}" for end, n in ends.items() if n)
    return f"Readings of this cohort so far: {said}." if said else ""


def raters_in_words(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `rater_table` with their intervals, for a page."""
    measures = {"AUROC": "auroc", "Sensitivity": "sensitivity", "Specificity": "specificity"}
    shown = {title: [_with_interval(row, name) for _, row in table.iterrows()] for title, name in measures.items()}
    return pd.DataFrame(
        {
            "Who": table["rater"].str.capitalize(),
            **shown,
            "With finding": table["n_positive"],
            "Without": table["n_negative"],
            "Not estimable because": table["reason"],
        }
    )


def pairs_in_words(pairs: pd.DataFrame) -> pd.DataFrame:
    """The rows of `pair_table`, for a page."""
    return pd.DataFrame(
        {
            "Compared": [f"{first.capitalize()} and {second}" for first, second in zip(pairs["first"], pairs["second"], strict=True)],
            "AUROC difference": [_with_interval(row, "difference", signed=True) for _, row in pairs.iterrows()],
            "Same answer": [f"{share:.0%}".replace("%", " %") if pd.notna(share) else "–" for share in pairs["agreement"]],
            "Kappa": [_with_interval(row, "kappa") for _, row in pairs.iterrows()],
            "Cases": pairs["n_cases"],
        }
    )


def _with_interval(row: pd.Series, name: str, *, signed: bool = False) -> str:
    if pd.isna(row[name]):
        return "–"
    form = "+.2f" if signed else ".2f"
    value, low, high = (f"{row[f'{name}{end}']:{form}}".replace("-", "−") for end in ("", "_low", "_high"))
    return f"{value} ({low} to {high})"
