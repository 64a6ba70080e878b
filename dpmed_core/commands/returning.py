"""`returning`: whether models that were trained on a patient's earlier images answer otherwise on the later ones."""

from collections.abc import Sequence
from typing import Unpack

import click
import pandas as pd

from dpmed_core.commands.output import progress_line, say, tell
from dpmed_core.commands.shadow_options import NOT_FOR_RELEASE, ShadowOptions, shadow_options, to_be_measured
from dpmed_core.privacy.returning.returning_rows import ReturningRow
from dpmed_core.privacy.returning.sentences import returning_sentences
from dpmed_core.protection import measure_returning

READABLE = {
    "unit": "unit",
    "epsilon": "ε",
    "n_images": "later images",
    "shifted": "shifted",
    "largest_shift": "largest shift",
    "control_shifted": "shifted by chance",
    "control_largest_shift": "largest by chance",
    "new_sensitivity_in": "new disease: with",
    "new_sensitivity_out": "without",
    "difference": "difference",
}
"""Columns of the printed table, and their headings."""


@click.command()
@shadow_options
def returning(trainings: int, as_json: bool, **said: Unpack[ShadowOptions]) -> None:
    """How models answer on later images of patients whose earlier ones they were trained on, or not, at each budget.

    Needs a cohort that says in which order a patient's images were taken (`cohort add --study-order`). Prints counts and means, never a
    patient; no shadow model is kept. The trainings stand in the ledger as use without privacy.
    """
    asked = to_be_measured(said)
    progress = progress_line("Shadow trainings")
    rows = measure_returning(asked.installation, asked.cohort, asked.arms, start=asked.start, n_trainings=trainings, progress=progress)
    say([row.to_fields() for row in rows], _readable(rows), as_json=as_json)
    tell(NOT_FOR_RELEASE)


def _readable(rows: Sequence[ReturningRow]) -> str:
    """The table over budgets, and what it means."""
    table = pd.DataFrame([row.to_fields() for row in rows])[list(READABLE)]
    table["epsilon"] = ["without" if pd.isna(value) else f"{value:g}" for value in table["epsilon"]]
    for name in ("largest_shift", "control_largest_shift", "new_sensitivity_in", "new_sensitivity_out"):
        table[name] = ["withheld" if pd.isna(value) else f"{value:.3f}" for value in table[name]]
    table["difference"] = ["withheld" if pd.isna(value) else f"{value:+.3f}" for value in table["difference"]]
    return "\n".join([table.rename(columns=READABLE).to_string(index=False), "", *returning_sentences(rows)])
