"""`evaluate` and `export`: tables and figures of what was trained."""

from pathlib import Path

import click

from dpmed_core.commands.cohort import names
from dpmed_core.commands.output import json_option, records, say
from dpmed_core.evaluation.cases import scored_cases
from dpmed_core.evaluation.fairness import gap_table, subgroup_table
from dpmed_core.evaluation.utility import utility_table
from dpmed_core.export import export_figure
from dpmed_core.installation import Installation


@click.command()
@click.option("--cohort", "cohort_name", required=True)
@click.option("--recipe", help="Only this recipe's runs.")
@click.option("--by", help="Attributes for subgroups, comma-separated: sex, age or a co-morbidity.")
@json_option
def evaluate(cohort_name: str, recipe: str | None, by: str | None, as_json: bool) -> None:
    """AUROC with intervals for every finished run: overall, by subgroup, and the gap between subgroups."""
    installation = Installation.open()
    scored = scored_cases(installation.runs, installation.cohorts.load(cohort_name), recipe=recipe)
    for run_id in scored.attrs.get("damaged", ()):
        click.echo(f"Run {run_id} is damaged and left out: train it again with `runs retry {run_id}`.", err=True)
    utility = utility_table(scored)
    subgroups = subgroup_table(scored, names(by))
    gaps = gap_table(scored, names(by))
    document = {"utility": records(utility), "subgroups": records(subgroups), "gaps": records(gaps)}
    readable = [table.to_string(index=False) for table in (utility, subgroups, gaps) if len(table)]
    say(document, "\n\n".join(readable) or f"No finished run on {cohort_name} yet: ask for some with `sweep`.", as_json=as_json)


@click.command()
@click.argument("figure")
@click.option("--cohort", "cohort_name", required=True)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="FILE.html or FILE.csv")
@click.option("--finding", default="macro", show_default=True, help="A finding, or macro for the mean over findings.")
@json_option
def export(figure: str, cohort_name: str, out: Path, finding: str, as_json: bool) -> None:
    """Write a FIGURE (privacy-utility) or its table to a file."""
    installation = Installation.open()
    export_figure(figure, installation.runs, installation.cohorts.load(cohort_name), out=out, finding=finding)
    say({"figure": figure, "file": str(out)}, f"Written: {out}", as_json=as_json)
