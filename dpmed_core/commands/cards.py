"""`cards`: the cards of a model as a draft, before anything leaves the house; with a release, `ledger release` writes them."""

from collections.abc import Mapping
from pathlib import Path

import click

from dpmed_core.commands.output import json_option, say
from dpmed_core.errors import ReviewError
from dpmed_core.files import creating_with
from dpmed_core.installation import Installation
from dpmed_core.phrases import counted
from dpmed_core.release_cards.facts import facts_of
from dpmed_core.release_cards.handed_out import card_files
from dpmed_core.release_cards.statements import Statements, read_statements, statements_form
from dpmed_core.review.frozen import CANDIDATE, run_ids

statements_option = click.option(
    "--statements",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="TOML file with what only people can say; `cards --form` prints a blank one.",
)
review_option = click.option("--review", "review_id", help="Cards show the numbers that this review froze, and how it ended.")


@click.command()
@click.option("--run", "run_id", help="The model. Default, with --review: the only one that it is about.")
@review_option
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the cards; made if it does not exist.")
@statements_option
@click.option("--form", is_flag=True, help="Print a blank file of statements, and nothing else.")
@json_option
@click.pass_obj
def cards(
    umask: int | None, run_id: str | None, review_id: str | None, out: Path | None, statements: Path | None, form: bool, as_json: bool
) -> None:
    """Write the cards of a model as a draft: for the Hub, for health systems (CHAI), for the registry of private deployments.

    They show numbers of held-out patients, whom no guarantee covers. Before they leave the house, release the model (`ledger release`).
    """
    if form:
        click.echo(statements_form(), nl=False)
        return
    if out is None or (run_id is None and review_id is None):
        raise click.UsageError("Name a run or a review, and --out.")
    here = Installation.open()
    said = read_statements(statements) if statements else Statements()
    run_id = run_id or _only_run(here, str(review_id))
    written = write_files(out, card_files(facts_of(here, run_id, said, review_id)), umask)
    document = {"run_id": run_id, "review_id": review_id, "files": written, "open": said.open}
    say(document, f"Written: {', '.join(written)}\n{still_open(said)}", as_json=as_json)


def write_files(out: Path, files: Mapping[str, bytes], umask: int | None) -> list[str]:
    """Write files into a folder, and give their paths; they are the user's, and not part of the data folder."""
    with creating_with(0o022 if umask is None else umask):
        out.mkdir(parents=True, exist_ok=True)
        for file, content in files.items():
            (out / file).write_bytes(content)
    return [str(out / file) for file in files]


def still_open(said: Statements) -> str:
    """What is open on the cards, in words."""
    if not said.open:
        return "Nothing is open on the cards."
    return f"{counted(len(said.open), 'statement is', 'statements are')} open on the cards, and said to be: {', '.join(said.open)}."


def _only_run(here: Installation, review_id: str) -> str:
    """The run that a review is about.

    Raises:
        ReviewError: it is about several.
    """
    runs = run_ids(here.reviews.review(review_id).frozen, CANDIDATE)
    if len(runs) > 1:
        raise ReviewError(
            f"Review {review_id} is about {len(runs)} trainings, and a card about one: name it with --run {' or '.join(runs)}."
        )
    return runs[0]
