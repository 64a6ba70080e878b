"""Import: radiographs or CT from a ZIP archive or a folder on the server, step by step: choose, name columns, look, confirm, report."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from dpmed_core.cohort.display_names import IMAGE_WORDS, column_title
from dpmed_core.cohort.schema import Part
from dpmed_core.imaging.modality import Modality
from dpmed_core.imaging.stored_format import FORMS, scan_caption
from dpmed_core.phrases import counted, in_words
from dpmed_core.uploads.columns import ColumnMap, TableFacts, likely_modality, table_facts
from dpmed_core.uploads.image_column import folders_under, tables_under
from dpmed_core.uploads.jobs import UNDER_WAY, Job, Jobs, Stage
from dpmed_core.uploads.limits import DEFAULT_LIMITS, GIB
from dpmed_core.uploads.preview import Outlook
from dpmed_core.uploads.steps import root_of
from widgets.lookup import installation
from widgets.report import show_report

LOOK_EVERY_SECONDS = 1.0
PREVIEWS_A_ROW = 8
NOT_THERE = "— not in this table —"
MODALITIES = {Modality.RADIOGRAPH: "Radiographs, one image a row", Modality.CT: "CT, one scan a row"}
STEPS = {
    Stage.UNPACKING: "Looking through the files",
    Stage.LOOKING: "Reading the table and some images",
    Stage.IMPORTING: "Reading all images",
}


def jobs() -> Jobs:
    """The imports of this installation."""
    return Jobs(installation().settings)


def go_to(job: Job | None) -> None:
    """Show `job`, or the beginning; the address then says so, and a colleague or a later visit finds it."""
    if job is None:
        st.query_params.pop("job", None)
    else:
        st.query_params["job"] = job.job_id
    st.rerun()


def choose_source() -> None:
    """Step 1: an archive, or a folder on the server."""
    st.markdown(
        "You need the images and a table (CSV, Excel or Parquet) with one row an image: its file, its patient, and a column for each "
        "finding with 1 (present), 0 (absent) or blank (unknown). Radiographs are DICOM, PNG or JPEG files; a CT scan is a folder of "
        "DICOM slices, or one enhanced DICOM, NIfTI or MetaImage file."
    )
    upload, folder = st.columns(2, gap="large")
    with upload.container(border=True):
        st.subheader("Upload a ZIP archive")
        packed = st.file_uploader("Images and table, packed together", type="zip")
        st.caption(
            f"At most {DEFAULT_LIMITS.entries:,} files and {DEFAULT_LIMITS.total_bytes // GIB} GiB unpacked. What you upload stays on this "
            "server, readable by it alone, and is removed after the import, or after a day."
        )
        if packed is not None and st.button("Use this archive", type="primary", icon=":material/unarchive:"):
            go_to(jobs().begin_upload(packed))
    with folder.container(border=True):
        st.subheader("Or choose a folder on the server")
        root = installation().settings.import_dir
        if root is None:
            st.caption("None is offered here. An administrator can name one in the setting `DPMED_IMPORT_DIR`.")
        else:
            chosen = st.selectbox("Folder", folders_under(root), format_func=lambda name: "The whole folder" if name == "." else name)
            if st.button("Use this folder", icon=":material/folder_open:"):
                go_to(jobs().begin_folder(chosen))
    show_others()


def show_others() -> None:
    """Imports that are there already, so that a closed browser finds its own again."""
    there = jobs().all()
    if there:
        st.subheader("Begun earlier")
    for job in there:
        what, action = st.columns([5, 1], vertical_alignment="center")
        plan, state = job.plan(), job.state()
        what.markdown(f"{plan.cohort or 'Not named yet'}: {STEPS.get(state.stage, state.stage.value).lower()}")
        if action.button("Show", key=f"show-{job.job_id}"):
            go_to(job)


def show_progress(job: Job) -> None:
    """How far a job is, time left, and a way to stop it; looks again by itself."""
    stage = job.state().stage

    @st.fragment(run_every=LOOK_EVERY_SECONDS)
    def live() -> None:
        if job not in jobs().all():
            go_to(None)
        state = job.state()
        if state.stage != stage:
            st.rerun()
        counted = f": {state.done:,} of {state.total:,}" if state.total and stage is Stage.IMPORTING else ""
        left = f", about {in_words(state.seconds_left)} left" if state.seconds_left else ""
        st.progress(state.done / max(state.total, 1), f"{STEPS[stage]}{counted}{left}")
        if st.button("Cancel", icon=":material/cancel:", disabled=job.is_cancelled()):
            jobs().cancel(job)
            st.rerun()
        st.caption("You may close this page: the import goes on, and this address shows it again." if stage is Stage.IMPORTING else "")

    live()


def name_columns(job: Job) -> None:
    """Step 2: which column means what; guesses are filled in."""
    root, plan = root_of(job, installation().settings), job.plan()
    tables = tables_under(root)
    st.subheader("What do the table's columns mean?")
    table = st.selectbox("Table", tables, index=tables.index(plan.table) if plan.table in tables else 0)
    facts = _facts(str(root / table), (root / table).stat().st_mtime_ns)
    st.caption(f"{facts.n_rows:,} rows. The guesses below come from the columns' names and contents: correct what is wrong.")
    known = plan.columns is not None and plan.table == table
    modality = plan.modality if known else likely_modality(root / table, facts.guess.image, root=root)
    sent = _column_form(facts, plan.columns if known and plan.columns else facts.guess, modality)
    if sent is not None:
        columns, modality = sent
        job.set_plan(replace(plan, table=table, columns=columns, modality=modality))
        jobs().start(job, Stage.LOOKING)
        st.rerun()


@st.cache_data(max_entries=8, show_spinner="Reading the table")
def _facts(path: str, changed: int) -> TableFacts:
    del changed  # it names what is cached
    return table_facts(Path(path))


def _column_form(facts: TableFacts, guess: ColumnMap, modality: Modality) -> tuple[ColumnMap, Modality] | None:
    """The form; the map, and what the images are, once it is sent."""

    def one(place: st.delta_generator.DeltaGenerator, label: str, guessed: str | None, meaning: str) -> str | None:
        options = [NOT_THERE, *facts.columns]
        picked = place.selectbox(label, options, index=options.index(guessed) if guessed in options else 0, help=meaning)
        return None if picked == NOT_THERE else picked

    with st.form("columns", border=True):
        kind = st.radio(
            "The images are", list(MODALITIES), index=list(MODALITIES).index(modality), format_func=MODALITIES.get, horizontal=True
        )
        left, right = st.columns(2)
        image = one(
            left,
            "Image file or folder",
            guess.image,
            "Path or name of each image's file, or of each scan's folder or file; folders above may be left out.",
        )
        patient = one(right, "Patient", guess.patient, "Who; kept only as a keyed hash. Without it no promise can be made to a patient.")
        findings = st.multiselect("Findings to predict", facts.labels, [n for n in guess.findings if n in facts.labels])
        comorbidities = st.multiselect("Co-morbidities to compare by", facts.labels, [n for n in guess.comorbidities if n in facts.labels])
        first, second, third = st.columns(3)
        age = one(first, "Age", guess.age, "In years. Left out, it is taken from DICOM headers.")
        sex = one(second, "Sex", guess.sex, "F, M or other. Left out, it is taken from DICOM headers.")
        parts = ", ".join(part.value for part in Part)
        split = one(third, "Split", guess.split, f"Your own division into {parts}. Left out, each patient falls into a part by chance.")
        sent = st.form_submit_button("Look at it", type="primary", icon=":material/visibility:")
    return (ColumnMap(image, patient, age, sex, split, tuple(findings), tuple(comorbidities)), kind) if sent else None


def show_outlook(job: Job) -> None:
    """Step 3: what would come in, some images, and the button that confirms."""
    outlook = Outlook.read(job.outlook)
    st.subheader("This would come in")
    for column, (label, value) in zip(
        st.columns(4),
        (
            ("Images", f"{outlook.n_usable:,} of {outlook.n_rows:,} rows"),
            ("Patients", f"{outlook.n_patients:,}"),
            ("Without age in the table", f"{outlook.n_without_age:,}"),
            ("Without sex in the table", f"{outlook.n_without_sex:,}"),
        ),
        strict=True,
    ):
        column.metric(label, value)
    counts = pd.DataFrame(outlook.findings, columns=["Finding or co-morbidity", "Present", "Absent", "Unknown"])
    counts["Finding or co-morbidity"] = counts["Finding or co-morbidity"].map(column_title)
    st.dataframe(counts, hide_index=True)
    if outlook.n_problems:
        with st.expander(f"{counted(sum(outlook.n_problems.values()), 'row', 'rows')} will be left out"):
            st.dataframe(pd.DataFrame([asdict(problem) for problem in outlook.problems]), hide_index=True)
    show_preview(job, outlook)
    confirm(job)


def show_preview(job: Job, outlook: Outlook) -> None:
    """Some images as they will be stored."""
    images = np.load(job.preview, allow_pickle=False)
    st.subheader(f"{len(images)} of its {IMAGE_WORDS[job.plan().modality].several}, as they will be stored")
    if (spacing := FORMS[job.plan().modality].spacing_mm) is not None:
        st.caption(scan_caption(FORMS[job.plan().modality].shape, spacing))
    for start in range(0, len(images), PREVIEWS_A_ROW):
        for column, place in zip(st.columns(PREVIEWS_A_ROW), range(start, start + PREVIEWS_A_ROW), strict=True):
            if place < len(images):
                column.image(images[place], caption=outlook.captions[place], width="stretch")
    for problem in outlook.unreadable:
        st.warning(problem.sentence())


def confirm(job: Job) -> None:
    """The name, and the button that begins."""
    with st.form("confirm", border=True):
        name, button = st.columns([3, 1], vertical_alignment="bottom")
        cohort = name.text_input("Name of the new cohort", job.plan().cohort or "", placeholder="small letters, digits and hyphens")
        begun = button.form_submit_button("Import", type="primary", icon=":material/download:")
    if begun:
        installation().cohorts.refuse_unusable(cohort)
        job.set_plan(replace(job.plan(), cohort=cohort))
        jobs().start(job, Stage.IMPORTING)
        st.rerun()
    if st.button("Correct the columns", icon=":material/arrow_back:"):
        jobs().back_to_columns(job)
        st.rerun()


def show_finished(job: Job) -> None:
    """Step 4: the report."""
    name = job.plan().cohort
    if name not in installation().cohorts.names():
        st.info(f"Cohort {name} was imported, and has been removed since.")
    else:
        report = installation().cohorts.report(str(name))
        st.success(
            f"Cohort **{name}** is here: {report.n_imported:,} images of {report.n_patients:,} patients.", icon=":material/check_circle:"
        )
        show_report(report, name=str(name))
        st.page_link("train.py", label="Train models on it", icon=":material/model_training:", query_params={"cohort": str(name)})
    if st.button("Import another", icon=":material/add:"):
        jobs().remove(job)
        go_to(None)


def show_stopped(job: Job) -> None:
    """What went wrong, and what can be done."""
    state = job.state()
    st.error(state.message, icon=":material/error:")
    if state.stage is Stage.INTERRUPTED and st.button("Go on", type="primary", icon=":material/play_arrow:"):
        jobs().resume(job)
        st.rerun()
    if state.stage is Stage.FAILED and job.plan().table and st.button("Correct the columns", icon=":material/arrow_back:"):
        jobs().back_to_columns(job)
        st.rerun()
    if st.button("Begin anew", icon=":material/restart_alt:"):
        jobs().remove(job)
        go_to(None)


def show(job: Job) -> None:
    """The step that `job` is at."""
    stage = job.state().stage
    if stage in UNDER_WAY:
        show_progress(job)
    elif stage is Stage.MAPPING:
        name_columns(job)
    elif stage is Stage.LOOKED:
        show_outlook(job)
    elif stage is Stage.FINISHED:
        show_finished(job)
    else:
        show_stopped(job)


st.title("Import radiographs or CT")
if (asked := st.query_params.get("job")) is None:
    choose_source()
else:
    if jobs().exists(asked):
        show(jobs().job(asked))
    else:
        st.warning("There is no such import: it was cancelled, or is older than a day.")
        choose_source()
