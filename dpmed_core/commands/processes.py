"""`engine` and `first-start`: what DPMed starts by itself, callable by hand."""

import click

from dpmed_core import first_start as first
from dpmed_core.runs.dispatch import serve
from dpmed_core.settings import load_settings


@click.command()
def engine() -> None:
    """Work off the runs that were asked for; ends itself when there is nothing to do."""
    serve(load_settings())


@click.command("first-start")
def first_start() -> None:
    """Make the demo cohort and ask for its runs."""
    first.make_demo(load_settings())
