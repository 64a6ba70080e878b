"""Forest plot: the AUROC of each subgroup, private beside non-private, with its interval and its size."""

import textwrap

import pandas as pd
import plotly.graph_objects as go

from dpmed_core.cohort.display_names import attribute_phrase, finding_title, subgroup_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.tables.utility import MACRO
from dpmed_core.reporting.figures.facts import guarantee_phrase, trainings, who
from dpmed_core.reporting.figures.style import ARM_NAMES, ARM_STYLES, LIGHT, Arm, Canvas, error_bars, lay_out, new_figure

ROW_HEIGHT, HIGHER_ROW = 46, 58
APART = 0.17
"""The arms of one subgroup stand this share of a row above and below its middle."""
WIDE_ENOUGH_FOR_VALUES = 600


def forest_figure(rows: pd.DataFrame, cohort: Cohort, *, finding: str, attribute: str, epsilon: float, canvas: Canvas = LIGHT) -> go.Figure:
    """AUROC of everybody and of each subgroup at `epsilon` and without privacy; what is not estimable says why.

    Args:
        rows: `evaluation.subgroups.subgroup_means` of one recipe, unit, finding and attribute, with everybody's rows.
        cohort: named, with its version's alias, in the figure.
        finding: a finding or "macro".
        attribute: what the subgroups are made by.
        epsilon: a trained target.
        canvas: what it is drawn on.
    """
    arms: dict[Arm, pd.DataFrame] = {"twin": rows[rows["epsilon"].isna()], "private": rows[rows["epsilon"] == epsilon]}
    groups = rows[["attribute", "subgroup"]].drop_duplicates().reset_index(drop=True)
    places = {key: float(i) for i, key in enumerate(groups.itertuples(index=False, name=None))}
    figure, with_values = new_figure(), bool(canvas.width and canvas.width >= WIDE_ENOUGH_FOR_VALUES)
    for arm, of_arm in arms.items():
        _add_arm(figure, of_arm, places, arm, canvas)
        if with_values:
            _add_values(figure, of_arm, places, arm, canvas)
    add_reasons(figure, arms, places, canvas)
    facts = [f"{who(cohort)} · {guarantee_phrase(rows, epsilon)}", trainings(arms)]
    title = f"{finding_title(finding)} by {attribute_phrase(attribute)}: AUROC with and without privacy"
    lay_out(figure, title, facts, canvas, plot_height=(HIGHER_ROW if _is_narrow(canvas) else ROW_HEIGHT) * len(groups) + 20, below=84)
    _axes(figure, rows, groups, arms, canvas, with_values=with_values)
    return figure


def _add_arm(figure: go.Figure, rows: pd.DataFrame, places: dict[tuple[str, str], float], arm: Arm, canvas: Canvas) -> None:
    known = rows[rows["auroc"].notna()]
    figure.add_trace(
        go.Scatter(
            x=known["auroc"],
            y=_heights(known, places, arm),
            **error_bars(known["auroc"], known["auroc_low"], known["auroc_high"], along="x"),
            mode="markers",
            marker={
                "symbol": ARM_STYLES[arm][2],
                "size": 10,
                "color": canvas.colour(ARM_STYLES[arm]),
                "line": {"width": 1.8, "color": canvas.colour(ARM_STYLES[arm])},
            },
            name=f"{ARM_NAMES[arm]}, 95 % interval",
            customdata=known[["auroc_low", "auroc_high", "n_cases", "n_positive", "n_patients"]],
            hovertemplate=(
                f"{ARM_NAMES[arm]}: AUROC %{{x:.3f}} (95 % interval %{{customdata[0]:.3f}} to %{{customdata[1]:.3f}})<br>"
                "%{customdata[2]} images, %{customdata[3]} positive, %{customdata[4]} patients<extra></extra>"
            ),
        )
    )


def _heights(rows: pd.DataFrame, places: dict[tuple[str, str], float], arm: Arm) -> list[float]:
    beside = APART if arm == "twin" else -APART
    return [places[key] + beside for key in zip(rows["attribute"], rows["subgroup"], strict=True)]


def _add_values(figure: go.Figure, rows: pd.DataFrame, places: dict[tuple[str, str], float], arm: Arm, canvas: Canvas) -> None:
    """The numbers, to the right of the plot."""
    known = rows[rows["auroc"].notna()]
    for (_, row), height in zip(known.iterrows(), _heights(known, places, arm), strict=True):
        text = f"{row['auroc']:.3f} ({row['auroc_low']:.3f}–{row['auroc_high']:.3f})"
        font = {"color": canvas.colour(ARM_STYLES[arm]), "size": canvas.font_size}
        figure.add_annotation(x=1.01, xref="x domain", xanchor="left", y=height, text=text, showarrow=False, font=font)


def add_reasons(figure: go.Figure, arms: dict[Arm, pd.DataFrame], places: dict[tuple[str, str], float], canvas: Canvas) -> None:
    """Why an AUROC is not estimable, in its place; said once where both arms have the same reason."""
    for key, place in places.items():
        reasons = {arm: _reason(rows, key) for arm, rows in arms.items()}
        said = {arm: reason for arm, reason in reasons.items() if reason}
        same = len(said) == len(arms) and len(set(said.values())) == 1
        for arm, reason in list(said.items())[: 1 if same else None]:
            text = "<br>".join(textwrap.wrap(f"not estimable: {reason}", 26 if _is_narrow(canvas) else 60))
            height = place if same else place + (APART if arm == "twin" else -APART)
            font = {"size": 0.9 * canvas.font_size, "color": canvas.text if same else canvas.colour(ARM_STYLES[arm])}
            figure.add_annotation(x=0.02, xref="x domain", xanchor="left", y=height, text=text, showarrow=False, align="left", font=font)


def _reason(rows: pd.DataFrame, key: tuple[str, str]) -> str:
    row = rows[(rows["attribute"] == key[0]) & (rows["subgroup"] == key[1]) & rows["auroc"].isna()]
    return str(row["reason"].iloc[0]) if len(row) else ""


def _axes(
    figure: go.Figure, rows: pd.DataFrame, groups: pd.DataFrame, arms: dict[Arm, pd.DataFrame], canvas: Canvas, *, with_values: bool
) -> None:
    counted = (arms["private"] if len(arms["private"]) else arms["twin"]).set_index(["attribute", "subgroup"])
    labels = [
        size_label(key, counted.loc[key] if key in counted.index else None, canvas) for key in groups.itertuples(index=False, name=None)
    ]
    low, high = rows["auroc_low"].min(), rows["auroc_high"].max()
    low, high = (min(low, 0.5), max(high, 0.55)) if pd.notna(low) else (0.4, 1.0)
    figure.update_xaxes(title_text="AUROC, held-out test patients", tickformat=".2f", range=[max(low - 0.03, 0), min(high + 0.03, 1.005)])
    figure.update_yaxes(
        tickvals=list(range(len(groups))), ticktext=labels, range=[len(groups) - 0.4, -0.6], automargin=True, showgrid=False
    )
    figure.add_vline(x=0.5, line={"color": "#888888", "width": 1}, layer="below")
    figure.add_hline(y=0.5, line={"color": canvas.grid, "width": 1}, layer="below")
    if with_values:
        figure.update_layout(margin={"r": round(11 * canvas.font_size)})
        heading = {"x": 1.01, "xref": "x domain", "xanchor": "left", "y": 1.0, "yref": "y domain", "yanchor": "bottom", "showarrow": False}
        figure.add_annotation(**heading, text="AUROC (interval)", font={"size": 0.95 * canvas.font_size})


def size_label(key: tuple[str, str], row: pd.Series | None, canvas: Canvas) -> str:
    """A subgroup's name over its size."""
    name = f"<b>{subgroup_title(*key)}</b>"
    if row is None:
        return name
    comma = ",<br>" if _is_narrow(canvas) else ", "
    positive = "positive labels" if row["finding"] == MACRO else "positive"
    size = f"{row['n_cases']:,} images, {row['n_positive']:,} {positive}{comma}{row['n_patients']:,} patients"
    return f"{name}<br><span style='font-size:0.85em'>{size}</span>"


def _is_narrow(canvas: Canvas) -> bool:
    return bool(canvas.width and canvas.width < WIDE_ENOUGH_FOR_VALUES)
