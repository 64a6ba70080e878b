"""Import: radiographs or CT from a ZIP archive or a folder on the server, in steps: source, columns, preview, import, report."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from dpmed_core.cohort.display_names import IMAGE_WORDS, column_title
from dpmed_core.cohort.schema import Part
from dpmed_core.cohort.sources.values import Uncertain
from dpmed_core.errors import UploadError
from dpmed_core.foreign_text import plain
from dpmed_core.imaging.modality import Modality
from dpmed_core.imaging.stored_format import FORMS, SIDES, scan_caption
from dpmed_core.phrases import counted, duration_in_words
from dpmed_core.uploads.columns import ColumnMap, TableFacts, likely_modality, table_facts
from dpmed_core.uploads.folders import tables_under
from dpmed_core.uploads.jobs import UNDER_WAY, Job, Jobs, Stage
from dpmed_core.uploads.limits import DEFAULT_LIMITS, GIB
from dpmed_core.uploads.preview import ImportPreview
from dpmed_core.uploads.steps import root_of
from widgets.address.session import go, in_address, of_link
from widgets.choices import follow_cohort
from widgets.headings import HEADINGS
from widgets.importing import choose_folder, show_what_is_read
from widgets.lookup import guarded, installation
from widgets.pictures import show_picture
from widgets.report import show_report

REFRESH_SECONDS = 1.0
PREVIEWS_A_ROW = 8
ROWS_NAMED, GROUPS_NAMED = 6, 5
NOT_THERE = "— not in this table —"
MODALITIES = {Modality.RADIOGRAPH: "Radiographs, one image per row", Modality.CT: "CT, one scan per row"}
SIDE_WORDS = {None: "As the files suggest", **{side: f"{side} x {side} pixels" for side in SIDES}}
UNCERTAIN_WORDS = {Uncertain.IGNORE: "unknown", Uncertain.ZERO: "absent (0)", Uncertain.ONE: "present (1)"}
APART, ONE = "Keep them apart: they are different patients", "Each group is one patient"
STEPS = {
    Stage.UNPACKING: "Checking the files",
    Stage.PREVIEWING: "Reading the table and some images",
    Stage.IMPORTING: "Reading all images",
}


def jobs() -> Jobs:
    """The imports of this installation."""
    return Jobs(installation().settings, installation().actor)


def go_to(job: Job | None) -> None:
    """Show `job`, or the first step; the job's name is in the address, so a colleague or a later visit finds it."""
    go("job", job.job_id if job else None)
    st.rerun()


def choose_source() -> None:
    """Step 1: an archive, or a folder on the server."""
    st.markdown(
        "You need the images and a table with one row per image: its file, its patient, and a column for each finding with 1 (present), "
        "0 (absent) or blank (unknown).",
        help="The table is a CSV, Excel or Parquet file. Radiographs are DICOM, PNG, JPEG or TIFF files; a CT scan is a folder of DICOM "
        "slices, or one enhanced DICOM, NIfTI or MetaImage file.",
    )
    upload, folder = st.columns(2, gap="large")
    with upload.container(border=True):
        choose_archives()
    with folder.container(border=True):
        st.header("Or choose a folder of this machine")
        if (root := installation().settings.import_dir) is None:
            st.caption("For any number of images that are on this machine: start DPMed with `DPMED_IMPORT_DIR` set to a folder above them.")
        elif (chosen := choose_folder(root)) is not None:
            go_to(jobs().begin_folder(chosen))
    show_others()


def choose_archives() -> None:
    """An upload of one archive or several."""
    most = installation().settings.upload_mib
    st.header("Upload a ZIP archive")
    packed = st.file_uploader(
        "ZIP archives with images and table", type="zip", accept_multiple_files=True, max_upload_size=most, label_visibility="collapsed"
    )
    st.caption(
        "What you upload stays on this server, readable only by its user account, and is removed after the import, or after one day.",
        help=f"At most {most:,} MiB an archive; what is larger comes in several archives, which are unpacked into one folder: at most "
        f"{DEFAULT_LIMITS.entries:,} files and {DEFAULT_LIMITS.total_bytes // GIB} GiB unpacked.",
    )
    label = "Use this archive" if len(packed) < 2 else "Use these archives"
    if packed and st.button(label, type="primary", icon=":material/unarchive:"):
        go_to(jobs().begin_upload(*packed))


def show_others() -> None:
    """Earlier imports, so that a reader who closed the browser finds them again."""
    there = jobs().all()
    if there:
        st.header("Earlier imports")
    for job in there:
        what, action = st.columns([5, 1], vertical_alignment="center")
        plan, state = job.plan(), job.state()
        what.markdown(f"{plain(plan.cohort or 'Not named yet')}: {plain(STEPS.get(state.stage, state.stage.value).lower())}")
        if action.button("Show", key=f"show-{job.job_id}"):
            go_to(job)


def show_progress(job: Job) -> None:
    """Progress of a job, time left, and a button that cancels it; refreshes itself."""
    stage = job.state().stage

    @st.fragment(run_every=REFRESH_SECONDS)
    @guarded
    def progress() -> None:
        if job not in jobs().all():  # cancelled, perhaps from another browser
            go_to(None)
        state = job.state()
        if state.stage != stage:  # the whole page changes, not only this fragment
            st.rerun()
        count = f": {state.done:,} of {state.total:,}" if state.total and stage is Stage.IMPORTING else ""
        left = f", about {duration_in_words(state.seconds_left)} left" if state.seconds_left else ""
        st.progress(state.done / max(state.total, 1), f"{STEPS[stage]}{count}{left}")
        if st.button("Cancel", icon=":material/cancel:", disabled=job.is_cancelled()):
            jobs().cancel(job)
            st.rerun()
        st.caption("You may close this page: the import continues, and this address shows it again." if stage is Stage.IMPORTING else "")

    progress()


def name_columns(job: Job) -> None:
    """Step 2: what each column means; guesses are filled in."""
    root, plan = root_of(job, installation().settings), job.plan()
    tables = tables_under(root)
    st.header("What do the table's columns mean?")
    table = st.selectbox("Table", tables, index=tables.index(plan.table) if plan.table in tables else 0)
    facts = _facts(str(root / table), (root / table).stat().st_mtime_ns)
    st.caption(f"{facts.n_rows:,} rows. The choices below are guessed from the columns' names and contents: correct them where needed.")
    known = plan.columns is not None and plan.table == table
    modality = plan.modality if known else likely_modality(root / table, facts.guess.image, root=root)
    sent = _column_form(facts, plan.columns if known and plan.columns else facts.guess, modality, plan.pixels)
    if sent is not None:
        columns, modality, pixels = sent
        job.set_plan(replace(plan, table=table, columns=columns, modality=modality, pixels=pixels))
        jobs().start(job, Stage.PREVIEWING)
        st.rerun()


@st.cache_data(max_entries=8, show_spinner="Reading the table")
def _facts(path: str, changed: int) -> TableFacts:
    del changed  # key of the cache: a table that was changed is read again
    return table_facts(Path(path))


def _column_form(
    facts: TableFacts, guess: ColumnMap, modality: Modality, pixels: int | None
) -> tuple[ColumnMap, Modality, int | None] | None:
    """The form; the column map, the modality and the side of stored radiographs once it is submitted, None before."""

    def one(container: st.delta_generator.DeltaGenerator, label: str, guessed: str | None, meaning: str) -> str | None:
        options = [NOT_THERE, *facts.columns]
        picked = container.selectbox(plain(label), options, index=options.index(guessed) if guessed in options else 0, help=plain(meaning))
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
            "Path or name of each image's file, or of each scan's folder or file; parent folders may be left out.",
        )
        patient = one(
            right,
            "Patient",
            guess.patient,
            "Patient identifier; stored only as a keyed hash. Without it, no guarantee can be given to a patient.",
        )
        findings = st.multiselect("Findings to predict", facts.labels, [n for n in guess.findings if n in facts.labels])
        comorbidities = st.multiselect("Co-morbidities to compare by", facts.labels, [n for n in guess.comorbidities if n in facts.labels])
        first, second, third, fourth = st.columns(4)
        age = one(first, "Age", guess.age, "In years. If there is none, it is taken from DICOM headers.")
        sex = one(second, "Sex", guess.sex, "F, M or other. If there is none, it is taken from DICOM headers.")
        parts = ", ".join(part.value for part in Part)
        split = one(
            third,
            "Split",
            guess.split,
            f"Your own split into {parts}. If there is none, patients are assigned to the parts by a keyed hash.",
        )
        order = one(
            fourth,
            "Study order",
            guess.study_order,
            "A number or a date that puts a patient's studies into their order. Only the order is stored, never a date.",
        )
        uncertain = _uncertain(facts)
        side = st.selectbox(
            "Radiographs are stored with",
            list(SIDE_WORDS),
            index=list(SIDE_WORDS).index(pixels),
            format_func=SIDE_WORDS.get,
            help="256 x 256 pixels take four times the room of 128 x 128, and serve the viewer and encoders that you add. "
            "Not used for CT, which is stored in one form.",
        )
        sent = st.form_submit_button("Preview", type="primary", icon=":material/visibility:")
    columns = ColumnMap(image, patient, age, sex, split, tuple(findings), tuple(comorbidities), uncertain, order)
    return (columns, kind, side if kind is Modality.RADIOGRAPH else None) if sent else None


def _uncertain(facts: TableFacts) -> Uncertain | None:
    """What uncertain labels become, if there are any; None leaves their rows out."""
    if not facts.uncertain:
        return None
    picked: Uncertain | None = st.selectbox(
        f"Uncertain labels (-1) of {plain(', '.join(facts.uncertain))} become",
        [None, *Uncertain],
        format_func=lambda one: "nothing: their rows are left out" if one is None else UNCERTAIN_WORDS[one],
    )
    return picked


def show_preview_summary(job: Job) -> None:
    """Step 3: what would be imported, some images, and the button that starts the import."""
    summary = ImportPreview.read(job.preview_summary)
    st.header("What would be imported")
    for column, (label, value) in zip(
        st.columns([3, 2, 2, 2]),
        (
            ("Images", f"{summary.n_usable:,} of {summary.n_rows:,} rows"),
            ("Patients", f"{summary.n_patients:,}"),
            ("Without age in the table", f"{summary.n_without_age:,}"),
            ("Without sex in the table", f"{summary.n_without_sex:,}"),
        ),
        strict=True,
    ):
        column.metric(plain(label), plain(value))
    counts = pd.DataFrame(summary.findings, columns=["Finding or co-morbidity", "Present", "Absent", "Unknown"])
    counts["Finding or co-morbidity"] = counts["Finding or co-morbidity"].map(column_title)
    st.dataframe(counts, hide_index=True)
    for sentence in summary.remarks:
        st.info(plain(sentence), icon=":material/info:")
    if summary.n_problems:
        with st.expander(f"{counted(sum(summary.n_problems.values()), 'row', 'rows')} will be left out"):
            st.dataframe(pd.DataFrame([asdict(problem) for problem in summary.problems]), hide_index=True)
    show_preview(job, summary)
    show_what_is_read(summary)
    confirm(job, summary)


def show_preview(job: Job, summary: ImportPreview) -> None:
    """Some images as they will be stored."""
    images = np.load(job.preview, allow_pickle=False)
    st.header(f"Preview: {IMAGE_WORDS[job.plan().modality].counted(len(images))} as they will be stored")
    if (spacing := FORMS[job.plan().modality].spacing_mm) is not None:
        st.caption(scan_caption(FORMS[job.plan().modality].shape, spacing))
    elif len(images):
        st.caption(plain(f"Stored with {images.shape[-2]} x {images.shape[-1]} pixels."))
    for start in range(0, len(images), PREVIEWS_A_ROW):
        for column, place in zip(st.columns(PREVIEWS_A_ROW), range(start, start + PREVIEWS_A_ROW), strict=True):
            if place < len(images):
                with column:
                    show_picture(images[place], f"Preview: {summary.captions[place]}")
                    st.caption(plain(summary.captions[place]))
    for problem in summary.unreadable:
        st.warning(plain(problem.sentence()))


def confirm(job: Job, summary: ImportPreview) -> None:
    """The cohort's name, who is one patient where that is in doubt, and the button that starts the import."""
    with st.form("confirm", border=True):
        same = _same_patients(summary) if summary.one_person else APART
        name, button = st.columns([3, 1], vertical_alignment="bottom")
        cohort = name.text_input("Name of the new cohort", job.plan().cohort or "", placeholder="lower-case letters, digits and hyphens")
        begun = button.form_submit_button("Import", type="primary", icon=":material/download:")
    if begun:
        installation().cohorts.refuse_unusable(cohort)  # before the images are read, which can take hours
        if same is None:
            raise UploadError("Say whether patients whose identifiers differ only in writing are one patient: the guarantee depends on it.")
        job.set_plan(replace(job.plan(), cohort=cohort, one_writing=same == ONE))
        jobs().start(job, Stage.IMPORTING)
        st.rerun()
    if st.button("Correct the columns", icon=":material/arrow_back:"):
        jobs().back_to_columns(job)
        st.rerun()


def _same_patients(summary: ImportPreview) -> str | None:
    """Whether identifiers that differ only in writing are one patient's; None until the reader says."""
    groups = counted(len(summary.one_person), "group of patient identifiers differs", "groups of patient identifiers differ")
    rows = plain("; ".join(f"rows {', '.join(map(str, group[:ROWS_NAMED]))}" for group in summary.one_person[:GROUPS_NAMED]))
    more = ", ..." if len(summary.one_person) > GROUPS_NAMED else ""
    return st.radio(
        f"{groups} only in writing (capital letters, spaces, separators, leading zeros): {rows}{more}. Who are they?",
        [APART, ONE],
        index=None,
        help="If one patient is taken for two, some of the patient's images may be trained on and others tested on.",
    )


def show_finished(job: Job) -> None:
    """Step 4: the import report; the sidebar follows to the new cohort, once in each browser."""
    name = job.plan().cohort
    if name in installation().cohorts.names() and not st.session_state.get(f"followed-{job.job_id}"):
        st.session_state[f"followed-{job.job_id}"] = True
        follow_cohort(str(name))
        st.rerun()
    if name not in installation().cohorts.names():
        st.info(f"Cohort {plain(str(name))} was imported, and was removed later.")
    else:
        report = installation().cohorts.report(str(name))
        images, patients = counted(report.n_imported, "image", "images"), counted(report.n_patients, "patient", "patients")
        st.success(
            f"Cohort **{plain(str(name))}** is imported: {images} of {patients}.",
            icon=":material/check_circle:",
        )
        show_report(report, name=str(name))
        of_cohort = of_link({"cohort": str(name)})
        st.page_link("train.py", label="Train models on this cohort", icon=":material/model_training:", query_params=of_cohort)
    if st.button("Import another", icon=":material/add:"):
        jobs().remove(job)
        go_to(None)


def show_stopped(job: Job) -> None:
    """Why the import stopped, and the buttons that continue it or start over."""
    state = job.state()
    st.error(plain(state.message), icon=":material/error:")
    if state.stage is Stage.INTERRUPTED and st.button("Continue", type="primary", icon=":material/play_arrow:"):
        jobs().resume(job)
        st.rerun()
    if state.stage is Stage.FAILED and job.plan().table and st.button("Correct the columns", icon=":material/arrow_back:"):
        jobs().back_to_columns(job)
        st.rerun()
    if st.button("Start over", icon=":material/restart_alt:"):
        jobs().remove(job)
        go_to(None)


def show(job: Job) -> None:
    """Show the step that `job` has reached."""
    stage = job.state().stage
    if stage in UNDER_WAY:
        show_progress(job)
    elif stage is Stage.MAPPING:
        name_columns(job)
    elif stage is Stage.PREVIEWED:
        show_preview_summary(job)
    elif stage is Stage.FINISHED:
        show_finished(job)
    else:
        show_stopped(job)


st.title(HEADINGS["import"])
if (asked := in_address("job")) is None:
    choose_source()
else:
    if jobs().exists(asked):
        show(jobs().job(asked))
    else:
        st.warning("There is no such import: it was cancelled, or is older than one day.")
        choose_source()
