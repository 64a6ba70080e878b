"""`readers`: the analysis of a study with several readers, its plan, and its file for iMRMC."""

from contextlib import nullcontext
from pathlib import Path

import click
import pandas as pd

from dpmed_core.commands.output import json_option, records, say
from dpmed_core.errors import DpmedError
from dpmed_core.files import creating_with, replacing
from dpmed_core.foreign_text import plain_csv
from dpmed_core.installation import Installation
from dpmed_core.reader_study.multi_reader.comparison import Comparison, compare
from dpmed_core.reader_study.multi_reader.covariances import METHODS, Method
from dpmed_core.reader_study.multi_reader.crossing import WASH_OUT_DAYS, crossing_plan
from dpmed_core.reader_study.multi_reader.imrmc import imrmc_text
from dpmed_core.reader_study.multi_reader.ratings import UNAIDED, read_cases, read_ratings
from dpmed_core.reader_study.reader_vs_model import PRIVATE, WITHOUT
from dpmed_core.reporting.wording.multi_reader import arms_in_words, comparison_sentences, pairs_in_words

TABLES = ("pairs", "arms", "overall", "readers", "components")


@click.group()
def readers() -> None:
    """Studies with several readers: the plan of their sessions, and what their ratings show of readers and cases in general."""


@readers.command("compare")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--method", type=click.Choice(METHODS), default=METHODS[0], show_default=True, help="Of covariances over cases.")
@json_option
def compare_command(file: Path, method: Method, as_json: bool) -> None:
    """Compare the arms of a study by Obuchowski & Rockette's analysis with Hillis' degrees of freedom.

    FILE is a CSV with a row for each rating: reader, case, arm, truth (1 or 0), and rating (larger = more suspicious) or present (1 or 0)
    and confidence. Every reader rates every case in every arm; each case is of another patient. Arms called private, "without privacy"
    and unaided are named in words.
    """
    found = compare(read_ratings(file), method)
    sentences = comparison_sentences(found)
    tables = {name: records(getattr(found, name)) for name in TABLES}
    say({"sentence": " ".join(sentences), "method": method, **tables}, _readable(found, sentences), as_json=as_json)


def _readable(found: Comparison, sentences: list[str]) -> str:
    parts = (pairs_in_words(found).to_string(index=False), "", arms_in_words(found).to_string(index=False), "")
    return "\n".join([*parts, *sentences])


@readers.command("plan")
@click.option("--readers", "names", required=True, help="Names, separated by commas.")
@click.option("--cases", "file", required=True, type=click.Path(path_type=Path), help="CSV with the column case, and truth if known.")
@click.option("--arms", default=f"{UNAIDED},{PRIVATE},{WITHOUT}", show_default=True, help="Names, separated by commas.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of all that is random; keep it with the study.")
@click.option("--wash-out-days", type=int, default=WASH_OUT_DAYS, show_default=True, help="Between two sessions of a reader.")
@click.option("--out", type=click.Path(path_type=Path), help="CSV to write.")
@json_option
@click.pass_obj
def plan_command(
    umask: int | None, names: str, file: Path, arms: str, seed: int, wash_out_days: int, out: Path | None, as_json: bool
) -> None:
    """Which reader reads which case in which arm in which session, so that arms cross and cases are forgotten between sessions."""
    cases, truth = read_cases(file)
    plan = crossing_plan(_named(names), cases, _named(arms), seed=seed, with_finding=truth, wash_out_days=wash_out_days)
    if out is not None:
        _write(out, plain_csv(plan), umask)
    sessions = plan.groupby(["session", "earliest_day"], as_index=False).agg(readings=("case", "size"), cases=("case", "nunique"))
    readable = _sessions_in_words(sessions) + (f"\nWritten: {out}" if out else "\nAdd --out FILE to write who reads what.")
    say({"file": str(out) if out else None, "plan": records(plan)}, readable, as_json=as_json)


def _named(names: str) -> list[str]:
    return [name for part in names.split(",") if (name := " ".join(part.split()))]


def _sessions_in_words(sessions: pd.DataFrame) -> str:
    return "\n".join(
        f"Session {row['session']}: {row['readings']:,} readings of {row['cases']:,} cases"
        + (f", at least {row['earliest_day']} days after the reader's session before." if row["earliest_day"] else ".")
        for _, row in sessions.iterrows()
    )


@readers.command("imrmc")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File to write, *.imrmc.")
@click.option("--hashed", is_flag=True, help="Name cases by keyed hashes, the same in every file of this installation.")
@json_option
@click.pass_obj
def imrmc_command(umask: int | None, file: Path, out: Path, hashed: bool, as_json: bool) -> None:
    """Write the ratings in FILE (as for `readers compare`) for the FDA's iMRMC; cases are numbered as they come in FILE."""
    ratings = read_ratings(file)
    _write(out, imrmc_text(ratings, key=Installation.open().key if hashed else None), umask)
    counts = {"readers": len(ratings.readers), "cases": len(ratings.cases), "arms": len(ratings.arms)}
    say({"file": str(out), **counts}, f"Written: {out}", as_json=as_json)


def _write(out: Path, text: str, umask: int | None) -> None:
    """Write a file that is the user's and not part of the data folder, with the user's own umask."""
    try:
        with nullcontext() if umask is None else creating_with(umask), replacing(out) as draft:
            draft.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DpmedError(f"The file cannot be written ({type(error).__name__}): choose another folder.") from None
