"""`cohort add | check | add-demo | list | show | remove`."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypedDict, Unpack

import click
import pandas as pd

from dpmed_core.cohort.demo.ct import DEFAULT_SCANS, DEMO_CT, DEMO_CT_ADVANCED, FEWEST_SCANS, MOST_SCANS, add_demo_ct
from dpmed_core.cohort.demo.radiograph import add_demo_radiograph
from dpmed_core.cohort.intake.dry_run import CheckedImport, check_import
from dpmed_core.cohort.intake.importer import import_source
from dpmed_core.cohort.report import ImportReport
from dpmed_core.cohort.sources.catalogue import ADAPTERS, MANIFEST, open_source
from dpmed_core.cohort.sources.request import ImportRequest, Match, Views
from dpmed_core.cohort.sources.values import Uncertain
from dpmed_core.cohort.split import DEFAULT_SPLIT_SEED, assign_parts
from dpmed_core.cohort.summary import counts_table
from dpmed_core.cohort.validation.repairs import REPORT, is_clean, printed_fields, repair_of
from dpmed_core.cohort.validation.table import WORDS
from dpmed_core.commands.output import json_option, progress_line, records, say, tell
from dpmed_core.errors import CohortError
from dpmed_core.imaging.header_warnings import attributes_sentence
from dpmed_core.imaging.modality import Modality
from dpmed_core.imaging.stored_format import FINE_SIZE, SIDES, STORED_SIZE
from dpmed_core.installation import Installation, dry_run
from dpmed_core.phrases import counted, duration_in_words
from dpmed_core.progress import peak_memory_mib
from dpmed_core.runs.status import UNREADABLE
from dpmed_core.settings import load_settings

PIXELS_HELP = f"Side of stored radiographs. Default: {FINE_SIZE}; {STORED_SIZE} where no file is larger than that."
CLEAN, SOMETHING, NOTHING = 0, 1, 2
"""Exit statuses of `cohort check`."""


def names(text: str | None) -> tuple[str, ...]:
    """The names in `text`, separated by commas, without surrounding spaces."""
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


@click.group()
def cohort() -> None:
    """Import, list, show and remove cohorts."""


class SourceOptions(TypedDict):
    """The values of `source_options`."""

    images: Path | None
    findings: str | None
    comorbidities: str | None
    labels: Path | None
    match: str | None
    uncertain: str | None
    unmentioned_unknown: bool
    published_split: bool
    one_writing: bool
    views: str
    study_order: str | None
    pixels: str | None


def source_options(command: Callable[..., int | None]) -> Callable[..., int | None]:
    """The options of `cohort add` that become the fields of an `ImportRequest`."""
    path = click.Path(path_type=Path)
    options = (
        click.option("--images", type=path, help="Folder that image paths are relative to; default: the layout's own."),
        click.option("--findings", help="Columns to predict, comma-separated; default: all findings of the layout."),
        click.option("--comorbidities", help="Co-morbidity columns, comma-separated; or one value of a column, as in view=AP."),
        click.option("--labels", type=path, help="Table with the labels of a DICOM folder; folder of MIMIC-CXR's tables, if not PATH."),
        click.option("--match", type=click.Choice([m.value for m in Match]), help="How DICOM files are matched with their labels."),
        click.option("--uncertain", type=click.Choice([u.value for u in Uncertain]), help="What uncertain labels become."),
        click.option("--unmentioned-unknown", is_flag=True, help="Findings that a report does not mention are unknown, not absent."),
        click.option("--published-split", is_flag=True, help="Keep the publication's training and test parts."),
        click.option("--one-writing", is_flag=True, help="Patients whose identifiers differ only in writing are one patient."),
        click.option("--study-order", help="Column of numbers or dates that order a patient's studies; default: study_order, if there."),
        click.option("--pixels", type=click.Choice([str(s) for s in SIDES]), help=PIXELS_HELP),
        click.option("--views", type=click.Choice([v.value for v in Views]), default=Views.FRONTAL.value, show_default=True),
    )
    for option in reversed(options):
        command = option(command)
    return command


# \b keeps the lines of a list apart.
LAYOUTS = "\n".join(["\b", "Layouts, and what PATH is:", *(f"  {kind}: {a.title}; {a.path_is}" for kind, a in ADAPTERS.items())])


def import_command(name: str) -> Callable[[Callable[..., int | None]], click.Command]:
    """A command `name` with the arguments and options of an import."""

    def decorate(command: Callable[..., int | None]) -> click.Command:
        modalities = click.Choice([m.value for m in Modality])
        for decorator in (
            json_option,
            click.option("--modality", type=modalities, default=Modality.RADIOGRAPH.value, show_default=True),
            source_options,
            click.option("--source", "kind", type=click.Choice(list(ADAPTERS)), help="The layout of PATH."),
            click.option("--manifest", type=click.Path(path_type=Path), help="Table with one row per image; as --source manifest PATH."),
            click.argument("path", required=False, type=click.Path(path_type=Path)),
            click.argument("name"),
        ):
            command = decorator(command)
        return cohort.command(name, epilog=LAYOUTS)(command)

    return decorate


@import_command("add")
def add(
    name: str, path: Path | None, manifest: Path | None, kind: str | None, modality: str, as_json: bool, **said: Unpack[SourceOptions]
) -> None:
    """Import images as cohort NAME: those listed in a manifest, or those of a source at PATH."""
    kind, path = _kind_and_path(kind, path, manifest)
    installation = Installation.open()
    installation.cohorts.refuse_unusable(name)  # before hours of reading, not after
    report = import_source(
        installation.cohorts,
        name,
        open_source(kind, replace(_import_request(path, said), modality=Modality(modality))),
        modality=Modality(modality),
        pixels=_pixels(said["pixels"], Modality(modality)),
        progress=progress_line("Reading images"),
        one_writing=said["one_writing"],
    )
    _say_imported(installation, name, report, as_json=as_json)


@import_command("check")
def check(
    name: str, path: Path | None, manifest: Path | None, kind: str | None, modality: str, as_json: bool, **said: Unpack[SourceOptions]
) -> int:
    """Read what `cohort add` would import as NAME, print the same report, and store nothing.

    Exit status: 0 if every row would be imported and nothing needs a look; 1 if rows would be left out or there are remarks; 2 if nothing
    could be imported, or the name is taken.
    """
    kind, path = _kind_and_path(kind, path, manifest)
    with dry_run(load_settings()) as (store, folder):
        store.refuse_unusable(name)
        checked = check_import(
            open_source(kind, replace(_import_request(path, said), modality=Modality(modality))),
            folder,
            key=store.key,
            modality=Modality(modality),
            pixels=_pixels(said["pixels"], Modality(modality)),
            one_writing=said["one_writing"],
            progress=progress_line("Reading images"),
        )
    document = {"name": name, **printed_fields(checked.report), "kinds": [asdict(one) for one in checked.kinds], "read": list(checked.read)}
    _say_problems(checked.report)
    say(document, _check_words(name, checked), as_json=as_json)
    if checked.refusal:
        tell(checked.refusal)
        return NOTHING
    return CLEAN if is_clean(checked.report) else SOMETHING


def _import_request(path: Path, said: SourceOptions) -> ImportRequest:
    return ImportRequest(
        path=path,
        findings=names(said["findings"]),
        comorbidities=names(said["comorbidities"]),
        images=said["images"],
        labels=said["labels"],
        match=Match(said["match"]) if said["match"] else None,
        uncertain=Uncertain(said["uncertain"]) if said["uncertain"] else None,
        unmentioned_unknown=said["unmentioned_unknown"],
        published_split=said["published_split"],
        views=Views(said["views"]),
        study_order=said["study_order"],
    )


def _pixels(said: str | None, modality: Modality) -> int | None:
    """The side of stored radiographs that was asked for."""
    if said is not None and modality is not Modality.RADIOGRAPH:
        raise CohortError("--pixels is about radiographs, and volumes are stored in one form: leave it out.")
    return None if said is None else int(said)


def _kind_and_path(kind: str | None, path: Path | None, manifest: Path | None) -> tuple[str, Path]:
    """The name of the adapter and the path that it reads; --manifest is short for one of the adapters."""
    if manifest is not None and kind is None and path is None:
        return MANIFEST, manifest
    if kind is None or path is None or manifest is not None:
        raise CohortError("Give what to import: --manifest TABLE, or --source KIND PATH.")
    return kind, path


@dataclass(frozen=True)
class Demo:
    """A synthetic cohort that can be made.

    Attributes:
        name: its default name.
        cases: its default number of images.
        fewest: the smallest number of images.
        most: the largest number of images.
        add: makes it.
    """

    name: str
    cases: int
    fewest: int
    most: int
    add: Callable[..., ImportReport]


DEMOS = {
    Modality.RADIOGRAPH: Demo("demo-radiograph", 1600, 60, 200_000, add_demo_radiograph),
    Modality.CT: Demo(DEMO_CT, DEFAULT_SCANS, FEWEST_SCANS, MOST_SCANS, add_demo_ct),
}
ADVANCED = Demo(DEMO_CT_ADVANCED, DEFAULT_SCANS, FEWEST_SCANS, MOST_SCANS, partial(add_demo_ct, variant="advanced"))


@cohort.command("add-demo")
@click.argument("modality", type=click.Choice([m.value for m in Modality]))
@click.option("--advanced", is_flag=True, help="Of CT: advanced disease, which the public encoder's phantoms never show.")
@click.option("--name", help="Its name; default: demo-radiograph, demo-ct or demo-ct-advanced.")
@click.option("--cases", type=click.IntRange(1), help="Number of images; default: 1,600 radiographs or 400 CT scans.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@json_option
def add_demo(modality: str, advanced: bool, name: str | None, cases: int | None, seed: int, as_json: bool) -> None:
    """Make a synthetic cohort, write it as DICOM and import it."""
    installation = Installation.open()
    if advanced and modality != Modality.CT:
        raise CohortError("--advanced is an option of the CT demo: leave it out.")
    demo = ADVANCED if advanced else DEMOS[Modality(modality)]
    name, cases = name or demo.name, cases or demo.cases
    if not demo.fewest <= cases <= demo.most:
        raise CohortError(f"--cases must be {demo.fewest:,} to {demo.most:,} for {demo.name}.")
    began = time.monotonic()
    report = demo.add(
        installation.cohorts,
        name=name,
        n_cases=cases,
        seed=seed,
        workers=installation.settings.workers,
        progress=progress_line("Making and reading images"),
    )
    tell(f"This took {duration_in_words(time.monotonic() - began)} and at most {peak_memory_mib():,.0f} MiB of memory per process.")
    _say_imported(installation, name, report, as_json=as_json)


def _say_problems(report: ImportReport) -> None:
    """Print on stderr what was left out, what prevents training, and what to know."""
    for problem in report.left_out:
        tell(problem.sentence())
    for sentence in (f"Training is not possible: {reason}" for reason in report.blocking):
        tell(sentence)
    repairs = {check.sentence: repair_of(check) for check in report.checks}
    for warning in report.warnings:
        if warning not in report.blocking:
            tell(f"Note: {warning} What to do: {repairs.get(warning, REPORT)}.")
    if identifying := attributes_sentence(report.identifying_attributes):
        tell(f"Note: {identifying}")


def _say_imported(installation: Installation, name: str, report: ImportReport, *, as_json: bool) -> None:
    """Print what was imported, with problems and warnings on stderr."""
    _say_problems(report)
    imported = installation.cohorts.load(name)
    of_patients = counted(report.n_patients, "patient", "patients")
    readable = f"Cohort {name}: {report.n_imported:,} of {counted(report.n_rows, 'image', 'images')} imported, of {of_patients}."
    say({"name": name, "fingerprint": imported.fingerprint, **printed_fields(report)}, readable, as_json=as_json)


def _check_words(name: str, checked: CheckedImport) -> str:
    """What `cohort check` prints for a reader: the counts, the kinds of files, and how some files would be read."""
    report = checked.report
    of_patients = counted(report.n_patients, "patient", "patients")
    rows = f"{report.n_imported:,} of {counted(report.n_rows, 'row', 'rows')} would be imported, of {of_patients}."
    kinds = [f"{counted(one.count, 'file', 'files')}: {one.kind} (first in row {one.row})" for one in checked.kinds]
    columns = ("row", "kind", "bits", "values", "orientation", "photometric", "assumed")
    read = [{**one, "assumed": "; ".join(map(str, one["assumed"])) or one["problem"]} for one in checked.read]
    shown = [pd.DataFrame(read, columns=columns).to_string(index=False)] if read else []
    return "\n".join([f"Cohort {name}: {rows} Nothing was stored.", *kinds, *shown])


@cohort.command("list")
@json_option
def list_cohorts(as_json: bool) -> None:
    """List the cohorts."""
    installation = Installation.open()
    facts, unreadable = [], []
    for name in installation.cohorts.names():
        try:
            one = installation.cohorts.load(name)
        except CohortError as error:
            unreadable.append({"name": name, "state": UNREADABLE, "message": str(error)})
            continue
        facts.append(
            {
                "name": name,
                "modality": one.modality.value,
                "synthetic": one.synthetic,
                "n_cases": len(one.cases),
                "n_patients": int(one.cases["patient_id"].nunique()),
                "findings": list(one.findings),
                "fingerprint": one.fingerprint,
            }
        )
    lines = [f"{f['name']}: {_counts(f)}{' (synthetic)' if f['synthetic'] else ''}" for f in facts]
    lines += [f"{one['name']}: {UNREADABLE}. {one['message']}" for one in unreadable]
    say(
        {"cohorts": facts, **({"unreadable": unreadable} if unreadable else {})},
        "\n".join(lines) or "No cohorts yet: import one with `cohort add`, or make one with `cohort add-demo`.",
        as_json=as_json,
    )


def _counts(facts: Mapping[str, object]) -> str:
    """The images and patients of a cohort in words."""
    n_cases, n_patients = int(str(facts["n_cases"])), int(str(facts["n_patients"]))
    return f"{counted(n_cases, 'image', 'images')} of {counted(n_patients, 'patient', 'patients')}"


@cohort.command("show")
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show counts by part, finding, sex, age band and co-morbidity, and the fingerprint.

    The counts are exact, those of training images too, and outside the privacy guarantee: they are for the owner of the data.
    """
    installation = Installation.open()
    one = installation.cohorts.load(name)
    split = assign_parts(one, seed=DEFAULT_SPLIT_SEED, key=installation.key)
    counts = counts_table(one, split)
    document = {
        "name": name,
        "modality": one.modality.value,
        "synthetic": one.synthetic,
        "fingerprint": one.fingerprint,
        "findings": list(one.findings),
        "comorbidities": list(one.comorbidities),
        "n_cases": len(one.cases),
        "n_patients": int(one.cases["patient_id"].nunique()),
        "stored_shape": list(one.images.shape[1:]),
        "counts": records(counts),
        "import_report": printed_fields(installation.cohorts.report(name)),
    }
    heading = f"{name}: {_counts(document)}, fingerprint {one.fingerprint}"
    report = installation.cohorts.report(name)
    checks = [f"{WORDS[check.severity]}: {check.sentence}" for check in report.checks]
    say(document, "\n".join([heading, counts.to_string(index=False), *checks]), as_json=as_json)


@cohort.command("remove")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def remove(name: str, yes: bool, as_json: bool) -> None:
    """Remove a cohort with its features, scores and models; the record of the privacy loss is kept."""
    installation = Installation.open()
    installation.cohorts.folder(name)
    if not yes:
        click.confirm(f"Remove {name}, its scores and its models permanently?", abort=True, err=True)
    withdrawn = installation.remove_cohort(name)
    say(
        {"name": name, "withdrawn_runs": withdrawn},
        f"{name} is removed; of {counted(len(withdrawn), 'run', 'runs')}, only the record of the privacy loss is kept.",
        as_json=as_json,
    )
