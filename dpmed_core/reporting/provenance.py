"""What stands at the foot of a figure: what was spent on its patients, the ledger's seal, and what no guarantee covers."""

import textwrap
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go

from dpmed_core.reporting.figures.style import LINE_HEIGHT, Canvas

SMALL = 0.85
"""Size of the foot's text, as a share of the figure's."""
NOT_COVERED = "Shows models without privacy: this figure carries no privacy guarantee."


@dataclass(frozen=True)
class Provenance:
    """Where a figure or a table comes from.

    Attributes:
        spent: what was spent on the cohort's patients so far, in words.
        seal: of the ledger's last entry; it shows where a later ledger is an older copy. Empty where there is no entry.
    """

    spent: str
    seal: str

    def lines(self) -> list[str]:
        """The provenance in words."""
        return [f"Spent on these patients so far: {self.spent}.", *([f"Ledger seal {self.seal}."] if self.seal else [])]

    def of_table(self, table: pd.DataFrame) -> pd.DataFrame:
        """`table` with the seal in a column."""
        return table.assign(ledger_seal=self.seal)


def with_foot(figure: go.Figure, lines: list[str], canvas: Canvas) -> go.Figure:
    """`figure` with `lines` under everything else, in a frame that is higher by as much; changed in place.

    Args:
        figure: laid out by `style.lay_out`.
        lines: broken to the width of `canvas`.
        canvas: what the figure is drawn on.
    """
    size = SMALL * canvas.font_size
    broken = [part for line in lines for part in textwrap.wrap(line, int(canvas.line_characters / SMALL), break_on_hyphens=False)]
    if not broken:
        return figure
    before, more = float(figure.layout.height), round(size * LINE_HEIGHT * len(broken) + 6)
    after = before + more
    # The title stands at a distance from the upper edge, the legend at one from the lower: both as shares of the height.
    figure.update_layout(
        height=after,
        margin_b=figure.layout.margin.b + more,
        title_y=1 - (1 - figure.layout.title.y) * before / after,
        legend_y=(figure.layout.legend.y * before + more) / after,
    )
    figure.add_annotation(
        text="<br>".join(broken),
        xref="paper",
        yref="paper",
        x=0,
        y=0,
        xanchor="left",
        yanchor="bottom",
        yshift=-(figure.layout.margin.b - 4),
        showarrow=False,
        align="left",
        font={"size": size},
    )
    return figure
