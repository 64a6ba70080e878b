"""The analysis of several readers on several cases, in sentences and as a table for people."""

import pandas as pd

from dpmed_core.cohort.display_names import sentence_start
from dpmed_core.foreign_text import plain_line
from dpmed_core.phrases import counted
from dpmed_core.reader_study.multi_reader.comparison import Comparison
from dpmed_core.reader_study.multi_reader.obuchowski_rockette import About
from dpmed_core.reader_study.multi_reader.ratings import UNAIDED
from dpmed_core.reader_study.reader_vs_model import PRIVATE, WITHOUT

PHRASES = {UNAIDED: "without a model", PRIVATE: "with the private model", WITHOUT: "with the model without privacy"}
TITLES = {UNAIDED: "No model", PRIVATE: "Private model", WITHOUT: "Model without privacy"}
LEVEL = 0.05
MOST_OF_A_NAME = 60
STATEMENTS = {
    About.READERS_AND_CASES: "For readers and cases like these",
    About.CASES: "For these readers on cases like these",
    About.READERS: "For readers like these on these cases",
}


def comparison_sentences(comparison: Comparison) -> list[str]:
    """What the study shows of every two arms: of readers and cases in general, or, with one reader, of that reader on other cases.

    The sentences hold foreign text, the names of arms, in one line.
    """
    pairs = comparison.pairs
    about = About.READERS_AND_CASES
    said = []
    if (pairs["n_readers"] == 1).all():
        about = About.CASES
        said.append("One reader shows nothing about other readers: what follows is about this reader on other cases.")
    return said + [_sentence(row, about, len(chosen)) for chosen in [pairs[pairs["about"] == about]] for _, row in chosen.iterrows()]


def _sentence(row: pd.Series, about: About, n_pairs: int) -> str:
    """One pair of arms: the difference with its interval, and whether it is more than chance."""
    first, second = phrase_of(row["first"]), phrase_of(row["second"])
    counts = f"{counted(int(row['n_readers']), 'reader', 'readers')}, {counted(int(row['n_cases']), 'case', 'cases')}"
    counts = f"{counts}, {int(row['n_positive']):,} of them with the finding"
    if pd.isna(row["difference"]):
        return f"{sentence_start(first)} and {second}: not estimable, {row['reason']} ({counts})."
    size = f"{abs(row['difference']):.3f}"
    way = "as high as" if float(size) == 0 else f"{size} {'higher' if row['difference'] > 0 else 'lower'} than"
    claim = f"{STATEMENTS[about]}, the mean AUROC {first} is {way} {second}"
    if about is About.CASES and row["n_readers"] == 1:
        claim = f"For this reader on cases like these, the AUROC {first} is {way} {second}"
    if row["reason"]:
        return f"{claim}; whether that is chance is not estimable, because {row['reason']} ({counts})."
    return f"{claim} (95 % interval of the difference {signed(row['low'])} to {signed(row['high'])}; {counts}). {_verdict(row, n_pairs)}"


def _verdict(row: pd.Series, n_pairs: int) -> str:
    """Whether the difference is beyond chance, alone and among all pairs; that none was shown is not said to be equality."""
    if row["p_holm"] <= LEVEL:
        return "That is more than chance."
    if row["p_value"] <= LEVEL:
        return f"Alone that would be more than chance; among the {n_pairs} comparisons together it is not shown."
    return "This study does not show that they differ, nor that they are equal."


def phrase_of(arm: str) -> str:
    """An arm within a sentence.

    >>> phrase_of("private"), phrase_of("cine")
    ('with the private model', 'in arm “cine”')
    """
    return PHRASES.get(arm, f"in arm “{plain_line(arm, MOST_OF_A_NAME)}”")


def title_of(arm: str) -> str:
    """An arm by itself."""
    return TITLES.get(arm, plain_line(arm, MOST_OF_A_NAME))


def pairs_in_words(comparison: Comparison) -> pd.DataFrame:
    """The rows of `Comparison.pairs` for people."""
    pairs = comparison.pairs
    return pd.DataFrame(
        {
            "Holds for": [STATEMENTS[About(about)].removeprefix("For ") for about in pairs["about"]],
            "First": pairs["first"].map(title_of),
            "Second": pairs["second"].map(title_of),
            "AUROC, first minus second": ["–" if pd.isna(value) else signed(value) for value in pairs["difference"]],
            "95 % interval": [_interval(row) for _, row in pairs.iterrows()],
            "p": [_p_value(value) for value in pairs["p_value"]],
            "p, all pairs": [_p_value(value) for value in pairs["p_holm"]],
            "Not estimable because": pairs["reason"],
        }
    )


def arms_in_words(comparison: Comparison) -> pd.DataFrame:
    """The rows of `Comparison.arms` for people."""
    arms = comparison.arms
    return pd.DataFrame(
        {
            "Holds for": [STATEMENTS[About(about)].removeprefix("For ") for about in arms["about"]],
            "Arm": arms["arm"].map(title_of),
            "Mean AUROC": ["–" if pd.isna(value) else f"{value:.3f}" for value in arms["auroc"]],
            "95 % interval": ["–" if pd.isna(row["low"]) else f"{row['low']:.3f} to {row['high']:.3f}" for _, row in arms.iterrows()],
            "Not estimable because": arms["reason"],
        }
    )


def _interval(row: pd.Series) -> str:
    return "–" if pd.isna(row["low"]) else f"{signed(row['low'])} to {signed(row['high'])}"


def _p_value(value: float) -> str:
    return "–" if pd.isna(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"


def signed(value: float) -> str:
    """A difference at three decimals with its sign; what rounds to nothing has none.

    >>> signed(-0.04380), signed(0.00027), signed(0.0125)
    ('−0.044', '0.000', '+0.013')
    """
    return "0.000" if abs(value) < 0.0005 else f"{value:+.3f}".replace("-", "−")
