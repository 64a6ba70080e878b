"""The arms of a study with several readers: each arm's mean AUROC with its interval, and every reader's own."""

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from dpmed_core.foreign_text import plain_html
from dpmed_core.reader_study.multi_reader.comparison import Comparison
from dpmed_core.reader_study.multi_reader.obuchowski_rockette import About
from dpmed_core.reader_study.multi_reader.ratings import UNAIDED
from dpmed_core.reader_study.reader_vs_model import PRIVATE, WITHOUT
from dpmed_core.reporting.figures.style import ARM_STYLES, LIGHT, OTHER_STYLE, Canvas, error_bars, lay_out
from dpmed_core.reporting.wording.multi_reader import title_of

STYLES = {PRIVATE: ARM_STYLES["private"], WITHOUT: ARM_STYLES["non_private"], UNAIDED: OTHER_STYLE}
ROW_HEIGHT, READERS_BELOW = 64, 0.27
"""Of an arm's row, and how far below its mean the readers stand, as a share of it."""
DRAWN_FROM = 0.5


def arms_figure(comparison: Comparison, *, title: str, facts: Sequence[str], canvas: Canvas = LIGHT) -> go.Figure:
    """One row an arm: the mean over readers with its interval, and a small mark for each reader below it.

    The intervals hold for readers and cases in general; with one reader, who shows nothing about others, for that reader on other cases.

    Args:
        comparison: of the arms.
        title: of the figure.
        facts: what a reader must know to read the figure alone.
        canvas: what it is drawn on.
    """
    about = About.CASES if (comparison.arms["n_readers"] == 1).all() else About.READERS_AND_CASES
    arms = comparison.arms[comparison.arms["about"] == about.value].dropna(subset="auroc")
    figure = go.Figure()
    figure.update_layout(template={})
    for number, (_, row) in enumerate(arms.iterrows()):
        height = len(arms) - 1 - number
        figure.add_trace(_mean(row, height, canvas))
        readers = comparison.readers[comparison.readers["arm"] == row["arm"]].dropna(subset="auroc")
        figure.add_trace(_readers(readers, height - READERS_BELOW, str(row["arm"]), canvas))
    lay_out(figure, title, facts, canvas, plot_height=ROW_HEIGHT * max(len(arms), 1), below=64)
    drawn = pd.concat([arms[name] for name in ("auroc", "low")] + [comparison.readers["auroc"]]).min()
    figure.update_xaxes(title="AUROC", range=[min(DRAWN_FROM, float(drawn)) - 0.02, 1.02], zeroline=False)
    heights = list(range(len(arms)))[::-1]
    figure.update_yaxes(tickvals=heights, ticktext=[plain_html(title_of(arm)) for arm in arms["arm"]], showgrid=False, zeroline=False)
    figure.update_yaxes(range=[-0.6, len(arms) - 0.5], automargin=True)
    figure.update_layout(showlegend=False)
    return figure


def _mean(row: pd.Series, height: float, canvas: Canvas) -> go.Scatter:
    """An arm's mean over readers; without bars where its chance is not estimable."""
    style = STYLES.get(str(row["arm"]), OTHER_STYLE)
    value, low, high = (float(row[name]) for name in ("auroc", "low", "high"))
    bars = error_bars(pd.Series([value]), pd.Series([low]), pd.Series([high]), along="x") if pd.notna(row["low"]) else {}
    if bars:
        bars["error_x"]["color"] = canvas.colour(style)
    said = f"95 % {low:.3f} to {high:.3f}" if bars else plain_html(f"interval not estimable: {row['reason']}")
    marker = {"size": 11, "color": canvas.colour(style), "symbol": style[2], "line": {"width": 1.6}}
    return go.Scatter(
        x=[value], y=[height], mode="markers", marker=marker, hovertemplate=f"mean {value:.3f} ({said})<extra></extra>", **bars
    )


def _readers(readers: pd.DataFrame, height: float, arm: str, canvas: Canvas) -> go.Scatter:
    """Each reader's own AUROC in an arm."""
    style = STYLES.get(arm, OTHER_STYLE)
    return go.Scatter(
        x=readers["auroc"],
        y=[height] * len(readers),
        mode="markers",
        marker={"size": 7, "color": canvas.colour(style), "symbol": "line-ns-open", "line": {"width": 1.6}},
        customdata=[plain_html(reader) for reader in readers["reader"]],
        hovertemplate="%{customdata}: %{x:.3f}<extra></extra>",
    )
