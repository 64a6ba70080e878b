"""`python -m benchmarks all | auroc | private-step`"""

import click

from benchmarks import auroc, private_step

MEASURES = {"auroc": auroc.measure, "private-step": private_step.measure}


@click.command()
@click.argument("name", type=click.Choice(["all", *MEASURES]))
def main(name: str) -> None:
    """Measure NAME against its peer."""
    for known, measure in MEASURES.items():
        if name in ("all", known):
            click.echo(measure().sentence())


main()
