"""An uploaded case: the score of every model, and whether the image is out of distribution; nothing is stored."""

import secrets
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from dpmed_core.cohort.display_names import finding_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import UploadError
from dpmed_core.evaluation.cases.case_scores import CaseScores, trainings_table
from dpmed_core.evaluation.cases.worklist import UNKNOWN
from dpmed_core.foreign_text import plain, plain_csv
from dpmed_core.imaging.modality import Modality
from dpmed_core.inference.requests import UploadedCase
from dpmed_core.inference.store import Answer
from dpmed_core.people.roles import Action
from dpmed_core.reporting.figures.case_scores import case_figure
from dpmed_core.reporting.wording.cases import case_sentence
from dpmed_core.uploads.limits import MIB
from dpmed_core.uploads.single_case import LARGEST_BYTES, UploadedImage, read_uploaded_case
from widgets.budget_control.following import show_plot
from widgets.cases.shown_case import ModelContext
from widgets.cases.similar_cases import features_are_cached, held_out_cases, offer_features
from widgets.cases.view import show_answer_table
from widgets.choices import choice
from widgets.lookup import asked_for_later, canvas, installation
from widgets.viewer.component import show_array
from widgets.waiting import ask, get_ready, is_waiting, show_failure, stop_waiting, wait

KEY = "uploaded-case"
FILE_KINDS = {
    Modality.RADIOGRAPH: "One radiograph as DICOM, PNG or JPEG",
    Modality.CT: "The DICOM files of one series, or one ZIP archive of them",
}


@dataclass(frozen=True, eq=False)
class SessionUpload:
    """An uploaded image with its scores, kept only in the memory of the reader's session.

    Attributes:
        name: random; the viewer's name for the image.
        cohort: fingerprint of the cohort on which the models were trained.
        image: as the cohort would store it.
        run_ids: of the models, in the order of the scores.
        scores: `[n_models, n_findings]`; None until they are computed.
        features: `[n_features]` of the public encoder; None until they are computed.
    """

    name: str
    cohort: str
    image: UploadedImage = field(repr=False)
    run_ids: tuple[str, ...]
    scores: np.ndarray | None = field(default=None, repr=False)
    features: np.ndarray | None = field(default=None, repr=False)


def show_uploaded_case(context: ModelContext) -> None:
    """Upload, wait for the scores, and the scores."""
    if context.scores is None:
        return
    upload: SessionUpload | None = st.session_state.get(KEY)
    # Scores of other models than the chosen ones must not stand under their names: another cohort, recipe or a new run starts over.
    if upload is not None and (upload.cohort != context.cohort.fingerprint or upload.run_ids != _run_ids(context.scores)):
        forget()
        upload = None
    if upload is None:
        _show_upload(context.cohort, context.scores)
    elif upload.scores is None:
        _show_image(upload, context.cohort)
        show_failure(KEY)
        if is_waiting(KEY):
            wait(KEY, what="Computing the scores of every model", take=partial(_take, upload))
        elif st.button("Try again", icon=":material/refresh:"):
            _ask(upload, context.cohort)
            st.rerun()
    else:
        _show_answers(upload, context, context.scores)


def forget() -> None:
    """Remove the uploaded case from the session, and its inference request."""
    stop_waiting(KEY)
    st.session_state.pop(KEY, None)


def _run_ids(scores: CaseScores) -> tuple[str, ...]:
    return tuple(map(str, scores.panel.runs["run_id"]))


def _show_upload(cohort: Cohort, scores: CaseScores) -> None:
    """The upload; a file is read at once and removed from the server's memory of uploads."""
    get_ready()
    many = cohort.modality is Modality.CT
    largest = f"at most {LARGEST_BYTES[cohort.modality] // MIB} MiB"
    refused = st.session_state.pop("upload-refused", None)
    if refused:
        st.error(plain(refused), icon=":material/error:")
    round_ = st.session_state.setdefault("upload-round", 0)
    uploaded = st.file_uploader(
        f"{FILE_KINDS[cohort.modality]}, {largest}, to be scored by all models of this cohort",
        key=f"upload-{round_}",
        accept_multiple_files=many,
        max_upload_size=LARGEST_BYTES[cohort.modality] // MIB,
    )
    st.caption(
        "The image stays on this server, in the memory of your session. It is written to no cohort, log or cache, and is removed when you "
        "close the page. Names, dates and other header fields are not shown or kept."
    )
    files: list[Any] = uploaded if isinstance(uploaded, list) else [uploaded] if uploaded is not None else []
    if files:
        st.session_state["upload-round"] = round_ + 1  # another key makes a new, empty widget
        try:
            with st.spinner("Reading the image"):
                image = read_uploaded_case(
                    files,
                    installation().settings,
                    modality=cohort.modality,
                    side=cohort.images.shape[-1],
                    actor=installation().actor,
                )
            upload = SessionUpload(secrets.token_hex(8), cohort.fingerprint, image, _run_ids(scores))
            st.session_state[KEY] = upload
            _ask(upload, cohort)
        except UploadError as error:
            st.session_state["upload-refused"] = str(error)
        finally:
            _drop(files)  # also where the file was refused
        st.rerun()


def _drop(files: list[Any]) -> None:
    """Remove the uploads from the server's memory now; Streamlit would keep them as long as the session."""
    context = get_script_run_ctx()
    for file in files:
        if context is not None:
            context.uploaded_file_mgr.remove_file(session_id=context.session_id, file_id=file.file_id)
        file.close()


def _ask(upload: SessionUpload, cohort: Cohort) -> None:
    runs = installation().runs
    models = tuple((run_id, runs.weights_digest(run_id)) for run_id in upload.run_ids)
    ask(UploadedCase(cohort.name, models), key=KEY, pixels=upload.image.pixels)


def _take(upload: SessionUpload, answer: Answer) -> None:
    st.session_state[KEY] = replace(upload, scores=np.asarray(answer["scores"]), features=np.asarray(answer["features"]))


def _show_image(upload: SessionUpload, cohort: Cohort) -> None:
    show_array(upload.image.pixels, cohort.modality, link=upload.name, key="upload-viewer", spacing_mm=cohort.spacing_mm)
    for remark in upload.image.warnings:
        st.caption(f"Note: {plain(remark)}.")


def _show_answers(upload: SessionUpload, context: ModelContext, scores: CaseScores) -> None:
    """The image, the sentence on a finding, the table of all findings, and the scores by privacy budget."""
    trainings = trainings_table(scores, np.asarray(upload.scores))
    labels = pd.Series(np.nan, index=list(context.cohort.findings))
    image, said = st.columns([2, 3])
    with image:
        _show_image(upload, context.cohort)
        if st.button("Remove this case", icon=":material/delete:", type="primary"):
            forget()
            st.rerun()
    with said:
        _show_out_of_distribution(upload, context.cohort)
        findings = list(context.cohort.findings)
        asked = context.finding if context.finding in findings else findings[0]
        finding = choice("upload-finding", "Finding", findings, title=finding_title, default=asked) or asked
        sentence = case_sentence(trainings, finding=finding, truth=UNKNOWN, epsilon=context.epsilon)
        st.markdown(f"## {plain(sentence)}")
        show_answer_table(trainings, labels, finding=finding, epsilon=context.epsilon)
    figure = case_figure(trainings, context.cohort, finding=finding, epsilon=context.epsilon, canvas=canvas())
    show_plot(figure, key="figure-upload", alternative=sentence)
    st.download_button(
        "Scores (CSV)",
        asked_for_later(lambda _: plain_csv(trainings.drop(columns="run_id")), Action.UPLOAD_CASES, "scores"),
        "scores.csv",
        "text/csv",
        on_click="ignore",
    )


def _show_out_of_distribution(upload: SessionUpload, cohort: Cohort) -> None:
    """How far the image lies from the cohort's held-out images, or a button that has their features computed."""
    if not features_are_cached(cohort):
        offer_features(cohort, "Compare it with the cohort")
        return
    _, reference = held_out_cases(cohort)
    distance = reference.out_of_distribution(np.asarray(upload.features))
    (st.warning if distance.is_out_of_distribution else st.info)(distance.sentence(), icon=":material/travel_explore:")
    st.caption(
        "Compared with validation and test cases in the features of the public encoder. Training cases are left out: a comparison with "
        "them would be a query on them that the privacy guarantee does not cover."
    )
