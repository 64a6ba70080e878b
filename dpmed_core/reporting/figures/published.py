"""Published results behind a cohort's own curve: in grey, with their source, never averaged with it."""

import pandas as pd
import plotly.graph_objects as go

from dpmed_core.reporting.figures.style import Canvas, error_bars, faint, level_line

NAME = "published, another cohort: PDAC on CT, approximate 95 % interval"
CITATION = (
    "Grey: pancreatic ductal adenocarcinoma on CT as published for another cohort, per image (Tayebi Arasteh et al. 2024, Commun Med 4, "
    "doi 10.1038/s43856-024-00462-6, table 1): other patients, other scanners, no paired comparison."
)


def add_published(figure: go.Figure, aurocs: pd.DataFrame, canvas: Canvas) -> None:
    """Draw the published AUROCs in grey: against epsilon, and without privacy as a dotted line.

    Args:
        figure: AUROC against epsilon.
        aurocs: everybody's rows of `evaluation.tables.published_results.pdac_table`.
        canvas: what it is drawn on.
    """
    private, reference = aurocs[aurocs["epsilon"].notna()].sort_values("epsilon"), aurocs[aurocs["epsilon"].isna()]
    # Grey and dotted in both themes: no colour that stands for one of the cohort's own models.
    grey = "#9aa5b1" if canvas.is_dark else "#66717d"
    figure.add_trace(
        go.Scatter(
            x=private["epsilon"],
            y=private["auroc"],
            error_y={**error_bars(private["auroc"], private["auroc_low"], private["auroc_high"])["error_y"], "color": faint(grey, 0.5)},
            mode="lines+markers",
            line={"color": grey, "width": 1.3, "dash": "dot"},
            marker={"symbol": "triangle-up-open", "size": 8},
            name=NAME,
            customdata=private[["n_positive", "n_negative"]],
            hovertemplate=(
                "Published, ε = %{x:g}: AUROC %{y:.3f}<br>%{customdata[0]} with tumour, %{customdata[1]} without<extra></extra>"
            ),
        )
    )
    for value in reference["auroc"]:
        line = {"color": grey, "width": 1, "dash": "dashdot"}
        hover = "Published, without privacy: %{y:.3f}<extra></extra>"
        figure.add_trace(level_line(value, line, name="published, without privacy", hover=hover))
