"""`encoder add | list | remove`: encoders of one's own for recipe `probe`."""

from pathlib import Path

import click

from dpmed_core.commands.output import json_option, progress_line, say
from dpmed_core.errors import EncoderError
from dpmed_core.installation import Installation
from dpmed_core.phrases import counted
from dpmed_core.runs.status import UNREADABLE, RunState
from dpmed_core.training.encoders.added.card import read_card
from dpmed_core.training.encoders.added.store import AddedEncoder
from dpmed_core.training.encoders.architectures.catalogue import ARCHITECTURES
from dpmed_core.training.encoders.joined_features import forget_features

MOST_SHOWN = 5
"""Runs that a refusal names."""


@click.group()
def encoder() -> None:
    """Add, list and remove encoders: networks trained on public data, whose features recipe probe can read beside its own."""


@encoder.command("add")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="What the encoder is called here: lower-case letters, digits and hyphens.")
@click.option(
    "--card",
    "card_path",
    required=True,
    type=click.Path(path_type=Path),
    help="JSON file that says what it was trained on, its licence and source, and how images are prepared; see docs/encoders.md.",
)
@click.option("--architecture", type=click.Choice(list(ARCHITECTURES)), help="Its architecture, where the card does not say it.")
@json_option
def add(file: Path, name: str, card_path: Path, architecture: str | None, as_json: bool) -> None:
    """Add FILE as an encoder: safetensors, a PyTorch checkpoint (read as tensors alone, once), or a package that holds one of them.

    Its features are standardised and reduced over synthetic radiographs, which takes some minutes.
    """
    from dpmed_core.training.encoders.added.add import add_encoder  # loads torch

    installation = Installation.open()
    added = add_encoder(
        installation.encoders,
        file,
        name=name,
        card=read_card(card_path, architecture=architecture),
        workers=installation.settings.workers,
        progress=progress_line("Reducing features over synthetic radiographs"),
    )
    say(added.facts(), f"Encoder {_line(added)}", as_json=as_json)


@encoder.command("list")
@json_option
def list_encoders(as_json: bool) -> None:
    """List the encoders that were added."""
    installation = Installation.open()
    facts: list[dict[str, object]] = []
    lines = []
    for name in installation.encoders.names():
        try:
            added = installation.encoders.load(name)
            added.check()
        except EncoderError as error:
            facts.append({"name": name, "state": UNREADABLE, "message": str(error)})
            lines.append(f"{name}  {UNREADABLE}: {error}")
            continue
        using = runs_with(installation, added)
        facts.append({**added.facts(), "runs": using})
        lines.append(f"{_line(added)}, used by {counted(len(using), 'run', 'runs')}")
    say({"encoders": facts}, "\n".join(lines) or "No encoders yet: add one with `encoder add`.", as_json=as_json)


@encoder.command("remove")
@click.argument("name")
@json_option
def remove(name: str, as_json: bool) -> None:
    """Remove an encoder with the features that were computed by it; refused while runs use it."""
    installation = Installation.open()
    try:
        added: AddedEncoder | None = installation.encoders.load(name)
    except EncoderError:
        added = None  # one that cannot be read has no digest that runs could be found by
    if added is not None:
        if using := runs_with(installation, added):
            more = f" and {len(using) - MOST_SHOWN:,} more" if len(using) > MOST_SHOWN else ""
            raise EncoderError(
                f"Encoder {name!r} is used by {counted(len(using), 'run', 'runs')}, whose models could then score no case: "
                f"{', '.join(using[:MOST_SHOWN])}{more}. Give them up first with `runs withdraw ID`."
            )
        for cohort in installation.cohorts.names():
            forget_features(installation.cohorts.features_dir(cohort), added.digest)
    installation.encoders.remove(name)
    say({"removed": name}, f"Removed encoder {name}.", as_json=as_json)


def runs_with(installation: Installation, added: AddedEncoder) -> list[str]:
    """The run_ids of the runs that read features of an encoder; withdrawn ones have no model any more."""
    runs = installation.runs.statuses()
    return [run.run_id for run in runs if run.spec.encoder == added.digest and run.state is not RunState.WITHDRAWN]


def _line(added: AddedEncoder) -> str:
    card = added.card
    return f"{added.name}  {card.title}: {card.architecture}, trained on {card.data} ({card.licence}); digest {added.digest[:12]}"
