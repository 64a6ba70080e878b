"""`exposure`: how well an attacker who sees a model can tell, of each training patient, that the patient took part."""

from collections.abc import Sequence
from typing import Unpack

import click
import pandas as pd

from dpmed_core.commands.output import progress_line, say, tell
from dpmed_core.commands.shadow_options import NOT_FOR_RELEASE, ShadowOptions, shadow_options, to_be_measured
from dpmed_core.privacy.exposure.exposure_rows import ExposureRow
from dpmed_core.privacy.exposure.sentences import exposure_sentences
from dpmed_core.protection import measure_exposure

READABLE = {
    "unit": "unit",
    "epsilon": "ε",
    "median_auc": "median AUC",
    "worst_auc": "worst",
    "share_nearly_certain": "at least .9",
    "flagged": "flagged",
    "bound": "proven bound",
    "null_median_auc": "median by chance",
    "null_flagged": "flagged by chance",
}
"""Columns of the printed table, and their headings."""


@click.command()
@shadow_options
def exposure(trainings: int, as_json: bool, **said: Unpack[ShadowOptions]) -> None:
    """How exposed the training patients are at each budget, measured by shadow trainings with a random half of them each.

    Prints distributions and groups, never a patient; no shadow model is kept. The trainings stand in the ledger as use without privacy.
    """
    asked = to_be_measured(said)
    progress = progress_line("Shadow trainings")
    found = measure_exposure(asked.installation, asked.cohort, asked.arms, start=asked.start, n_trainings=trainings, progress=progress)
    say([row.to_fields() for row in found.rows], _readable(found.rows), as_json=as_json)
    tell(NOT_FOR_RELEASE)


def _readable(rows: Sequence[ExposureRow]) -> str:
    """The table over budgets, what it means, and the verdicts on groups."""
    table = pd.DataFrame([row.to_fields() for row in rows])[list(READABLE)]
    table["epsilon"] = ["without" if pd.isna(value) else f"{value:g}" for value in table["epsilon"]]
    for name in ("median_auc", "worst_auc", "share_nearly_certain", "bound", "null_median_auc"):
        table[name] = ["none" if pd.isna(value) else f"{value:.3f}" for value in table[name]]
    return "\n".join([table.rename(columns=READABLE).to_string(index=False), "", *exposure_sentences(rows)])
