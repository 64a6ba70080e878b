"""`pretrain` and `starts`: public starts of private heads and networks."""

from collections.abc import Callable

import click

from dpmed_core.commands.cohort import names
from dpmed_core.commands.output import json_option, progress_line, records, say
from dpmed_core.errors import SpecError
from dpmed_core.evaluation.planning.start_check import patients_in_words, warnings_of
from dpmed_core.installation import Installation
from dpmed_core.phrases import counted
from dpmed_core.public_starts import check_start, make_start, parts_to_check, start_for
from dpmed_core.training.recipes.catalogue import PROBE
from dpmed_core.training.starts.choosing import how_judged, in_words, parse_map
from dpmed_core.training.starts.start_card import StartCard

map_option = click.option(
    "--map", "pairs", multiple=True, metavar="PUBLIC=OWN", help="Which finding of the start stands for which of the cohort; again for more."
)


def start_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options of `train` and `sweep` that choose a start."""
    return click.option("--start", "start_name", help="Begin at this public start (`starts list`).")(map_option(command))


@click.command()
@click.option("--public-cohort", "cohort_name", required=True, help="A cohort whose images and labels are public.")
@click.option("--name", required=True, help="Name of the start.")
@click.option("--source", required=True, help="Where the public images are from.")
@click.option("--licence", required=True, help="Under which they are public.")
@click.option(
    "--recipe", default=PROBE.name, show_default=True, help="Whose models are to begin there; a network takes hours for 100,000 images."
)
@json_option
def pretrain(cohort_name: str, name: str, source: str, licence: str, recipe: str, as_json: bool) -> None:
    """Train a public start: a head or network on a public, labelled cohort, at which private ones of other cohorts can begin.

    It is trained without privacy. Source and licence are your statement that nobody's data in it need protection.
    """
    progress = progress_line("Steps of the training")
    card = make_start(Installation.open(), cohort_name, name, source=source, licence=licence, recipe=recipe, progress=progress)
    say(card.to_fields(), _card_lines(card), as_json=as_json)


@click.group()
def starts() -> None:
    """List, show and remove public starts."""


@starts.command("list")
@json_option
def list_starts(as_json: bool) -> None:
    """List the public starts."""
    store = Installation.open().starts
    found: list[dict[str, object]] = []
    lines: list[str] = []
    for name in store.offered():
        try:
            card = store.card(name)
            found.append(card.to_fields())
            lines.append(_card_lines(card))
        except SpecError as error:
            found.append({"name": name, "message": str(error)})
            lines.append(f"{name}: {error}")
    say({"starts": found}, "\n".join(lines) or "No starts yet: make one with `pretrain`.", as_json=as_json)


@starts.command("show")
@click.argument("name")
@click.option("--cohort", "cohort_name", required=True, help="The cohort that is to begin there.")
@click.option("--by", help="Attributes for subgroups, comma-separated, as in `evaluate`.")
@map_option
@json_option
def show_start(name: str, cohort_name: str, by: str | None, pairs: tuple[str, ...], as_json: bool) -> None:
    """How a start does on a cohort's validation patients before anything is spent, also within subgroups.

    Once the start alone was evaluated (epsilon 0), on its test patients as well.
    """
    installation = Installation.open()
    cohort, card = installation.cohorts.load(cohort_name), installation.starts.card(name)
    choice = start_for(installation, cohort, name, parse_map(pairs))
    parts = parts_to_check(installation, cohort, choice)
    table = check_start(installation, cohort, choice, names(by), parts=parts)
    warned = warnings_of(table, parts, of_network=card.recipe != PROBE.name)
    readable = [
        in_words(choice, cohort.findings),
        f"The start alone on the {patients_in_words(parts)}:",
        table.to_string(index=False, float_format="%.3f"),
        *warned,
    ]
    document = {
        "start": card.to_fields(),
        "findings": dict(choice.findings),
        "validation": records(table),
        "parts": parts,
        "warnings": warned,
    }
    say(document, "\n".join(readable), as_json=as_json)


@starts.command("remove")
@click.argument("name")
@json_option
def remove_start(name: str, as_json: bool) -> None:
    """Remove a start; finished runs that began at it keep their own copy."""
    Installation.open().starts.remove(name)
    say({"removed": name}, f"Removed start {name}.", as_json=as_json)


def _card_lines(card: StartCard) -> str:
    """A card for a reader."""
    whose = counted(card.n_patients, "patient", "patients") if card.patients_known else "patients not known"
    head = f"{card.name}, for recipe {card.recipe}: {counted(card.n_images, 'image', 'images')} ({whose}), {card.source}, {card.licence}"
    told, how = zip(card.findings, card.auroc, card.n_positive, strict=True), how_judged(card)
    return "\n".join([head, *(f"  {finding}: AUROC {auroc:.3f} {how}; {n} of all images positive" for finding, auroc, n in told)])
