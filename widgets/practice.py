"""What a model would do in practice: errors per hundred, and how often an answer is right at a prevalence that the reader chooses."""

import pandas as pd
import streamlit as st

from dpmed_core.evaluation.scores.operating_point import OperatingRule
from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from dpmed_core.evaluation.tables.practice import OWN
from dpmed_core.foreign_text import plain
from dpmed_core.reporting.choice import Choice
from dpmed_core.reporting.wording.practice import practice_sentence, predictive_sentence
from widgets.choices import choice

PREVALENCES = ("0.005", "0.01", "0.02", "0.05", "0.1", "0.2", "0.3", "0.5")
DEFAULT_PREVALENCE = "0.05"


def show_practice(tables: EvaluationTables, shown: Choice, images: str) -> None:
    """Show the two sentences, and a table of their numbers.

    Args:
        tables: of the cohort.
        shown: recipe, unit, finding and budget of the page.
        images: the word for the cohort's images, e.g. "scans".
    """
    st.header("In practice")
    about = {"recipe": str(shown.recipe), "unit": str(shown.unit), "finding": str(shown.finding), "epsilon": float(shown.epsilon or 0)}
    st.markdown(plain(practice_sentence(tables.practice, tables.practice_differences, **about, images=images)))
    picked = choice(
        "prevalence",
        "How many of the patients to come have it (prevalence)",
        PREVALENCES,
        title=lambda value: f"{100 * float(value):g} %",
        default=DEFAULT_PREVALENCE,
    )
    prevalence = float(picked or DEFAULT_PREVALENCE)
    st.markdown(plain(predictive_sentence(tables.predictive_values(prevalence), **about)))
    st.caption(
        f"Positive: a score at or above the threshold, {plain(OperatingRule().sentence())}. Intervals: by patient, thresholds included. "
        "Predictive values: from sensitivity and specificity by Bayes' rule."
    )
    table = st.expander("Table: missed, false alarms and predictive values", key="practice-open", on_change="rerun")
    if table.open:
        table.dataframe(_in_words(tables, shown, prevalence), hide_index=True)


def _in_words(tables: EvaluationTables, shown: Choice, prevalence: float) -> pd.DataFrame:
    """Everybody's numbers at the page's budget and without privacy."""
    rows, values = (_shown(table, shown) for table in (tables.practice, tables.predictive_values(prevalence)))
    values = values.drop_duplicates("arm").set_index("arm")
    # Predictive values are at own thresholds.
    own = rows["thresholds"] == OWN
    predictive = {
        title: [_with_interval(values.loc[arm], name, 100, " %") if is_own else "" for arm, is_own in zip(rows["arm"], own, strict=True)]
        for title, name in (("Positive answer right", "ppv_at_prevalence"), ("Negative answer right", "npv_at_prevalence"))
    }
    return pd.DataFrame(
        {
            "Privacy": rows["arm"],
            "Threshold": [f"{'own' if is_own else 'one for all'}, {cut:.3f}" for is_own, cut in zip(own, rows["threshold"], strict=True)],
            "Missed per 100": [_with_interval(row, "missed_per_100") for _, row in rows.iterrows()],
            "False alarms per 100": [_with_interval(row, "false_alarms_per_100") for _, row in rows.iterrows()],
            **predictive,
        }
    )


def _shown(table: pd.DataFrame, shown: Choice) -> pd.DataFrame:
    rows = shown.rows(table[table["attribute"] == "all"])
    rows = rows[rows["epsilon"].isna() | (rows["epsilon"] == shown.epsilon)]
    return rows.assign(arm=[f"ε = {e:g}" if pd.notna(e) else "without" for e in rows["epsilon"]])


def _with_interval(row: pd.Series, name: str, factor: float = 1.0, unit: str = "") -> str:
    if pd.isna(row[name]):
        return "–"
    value, low, high = (factor * float(row[f"{name}{end}"]) for end in ("", "_low", "_high"))
    return f"{value:.1f}{unit} ({low:.1f} to {high:.1f})"
