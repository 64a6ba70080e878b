"""What a figure says of itself: that no guarantee covers it, whether it was planned, what was spent on its patients, the ledger's seal."""

from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from dpmed_core.evaluation.analysis_plan import Look, PlanRecord
from dpmed_core.evaluation.scores.grouping import EVERYBODY
from dpmed_core.reporting.figures.style import LINE_HEIGHT, Canvas, fact_lines

NOT_COVERED = "Shows models without privacy: no privacy guarantee."


@dataclass(frozen=True)
class Provenance:
    """Where a figure or a table comes from.

    Attributes:
        spent: what was spent on the cohort's patients so far, in words.
        seal: of the ledger's last entry; it shows where a later ledger is an older copy. Empty where there is no entry.
        plans: what was planned; None where nobody asked.
        encoders: one sentence on each added encoder that runs on the cohort read; foreign text.
    """

    spent: str
    seal: str
    plans: PlanRecord | None = None
    encoders: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """The provenance in words."""
        return [f"Spent on these patients so far: {self.spent}.", *([f"Ledger seal {self.seal}."] if self.seal else []), *self.encoders]

    def of_table(self, table: pd.DataFrame, look: Look) -> pd.DataFrame:
        """`table` with the seal in a column, and in another whether each row was planned.

        Args:
            table: the rows.
            look: what all rows have in common; what stands in a row's own columns counts before it.
        """
        if self.plans is None:
            return table.assign(ledger_seal=self.seal)
        return table.assign(ledger_seal=self.seal, analysis_plan=planned_or_not(table, self.plans, look))


PLANNED = "as planned"


def planned_or_not(table: pd.DataFrame, plans: PlanRecord, look: Look) -> list[str]:
    """For each row of `table`, that it was planned, or why it is exploratory; arguments as in `Provenance.of_table`."""
    names = ("recipe", "unit", "epsilon", "n_seeds", "attribute", "finding", "reference")
    columns = [name for name in names if name in table.columns]
    known: dict[tuple[Any, ...], str] = {}
    found = []
    for row in table[columns].itertuples(index=False, name=None):
        if row not in known:
            own = {name: value for name, value in zip(columns, row, strict=True) if pd.notna(value) and value != EVERYBODY}
            # Models without privacy have no budget of their own, and everybody is no group.
            if "epsilon" in columns:
                own["epsilons"] = (own.pop("epsilon"),) if "epsilon" in own else ()
            if "attribute" in columns:
                own.setdefault("attribute", None)
            if "n_seeds" in own:
                own["n_seeds"] = int(own["n_seeds"])
            known[row] = plans.why_exploratory(replace(look, **own)) or PLANNED
        found.append(known[row])
    return found


def with_facts(figure: go.Figure, facts: list[str], canvas: Canvas) -> go.Figure:
    """`figure` with more facts under its title, each broken to the width of `canvas`, in a frame that is higher by as much.

    They stand with the other facts and not at the foot, where nothing in Plotly can be set out from the figure's left edge.

    Args:
        figure: laid out by `style.lay_out`; changed in place.
        facts: text, short ones first.
        canvas: what the figure is drawn on.
    """
    lines = fact_lines(facts, canvas)
    if not lines:
        return figure
    before, more = float(figure.layout.height), round(0.95 * canvas.font_size * LINE_HEIGHT * len(lines))
    after, subtitle = before + more, figure.layout.title.subtitle.text
    # The title stands at a distance from the upper edge, the legend at one from the lower: both as shares of the height.
    layout = figure.layout
    layout.title.subtitle.text = "<br>".join([*([subtitle] if subtitle else []), *lines])
    layout.margin.t += more
    layout.height = after
    layout.title.y = 1 - (1 - layout.title.y) * before / after
    layout.legend.y = layout.legend.y * before / after
    return figure
