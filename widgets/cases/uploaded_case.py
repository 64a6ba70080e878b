"""A case of the reader's own: what every model says of it, and whether it looks like what they were trained for; nothing is stored."""

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
from dpmed_core.evaluation.cases.case_answers import answers_of_case
from dpmed_core.evaluation.cases.case_scores import CaseScores, trainings_table
from dpmed_core.evaluation.cases.worklist import UNKNOWN
from dpmed_core.imaging.modality import Modality
from dpmed_core.inference.requests import UploadedCase
from dpmed_core.inference.store import Answer
from dpmed_core.reporting.figures.case_scores import case_figure
from dpmed_core.reporting.wording.cases import case_sentence
from dpmed_core.uploads.limits import MIB
from dpmed_core.uploads.single_case import LARGEST_BYTES, UploadedImage, read_uploaded_case
from widgets.cases.shown_case import Light
from widgets.cases.similar_cases import features_are_there, held_out_reference, offer_features
from widgets.cases.view import answers_in_words
from widgets.choices import choice
from widgets.figure import PLOTLY_SETTINGS
from widgets.lookup import canvas, installation
from widgets.viewer.component import show_array
from widgets.waiting import ask, get_ready, is_waiting, show_failure, stop_waiting, wait

KEY = "own-case"
KINDS = {Modality.RADIOGRAPH: "one image as DICOM, PNG or JPEG", Modality.CT: "the DICOM files of one series, or one ZIP archive of them"}


@dataclass(frozen=True, eq=False)
class Own:
    """A case that this reader uploaded, in the memory of this session alone.

    Attributes:
        name: random; names it to the viewer.
        cohort: fingerprint of the cohort whose models were asked.
        image: as the cohort would store it.
        run_ids: of the models, in the order of the scores.
        scores: `[n_models, n_findings]`; None until they are there.
        features: of the public encoder; None until they are there.
    """

    name: str
    cohort: str
    image: UploadedImage = field(repr=False)
    run_ids: tuple[str, ...]
    scores: np.ndarray | None = field(default=None, repr=False)
    features: np.ndarray | None = field(default=None, repr=False)


def show_uploaded_case(light: Light) -> None:
    """The entry: upload, wait, answers."""
    if light.scores is None:
        return
    own: Own | None = st.session_state.get(KEY)
    if own is not None and (own.cohort != light.cohort.fingerprint or own.run_ids != _run_ids(light.scores)):
        forget()
        own = None
    if own is None:
        _show_upload(light.cohort, light.scores)
    elif own.scores is None:
        _show_image(own, light.cohort)
        show_failure(KEY)
        if is_waiting(KEY):
            wait(KEY, what="Asking every model", take=partial(_take, own))
        elif st.button("Ask the models again", icon=":material/refresh:"):
            _ask(own, light.cohort)
            st.rerun()
    else:
        _show_answers(own, light, light.scores)


def forget() -> None:
    """Drop the case, and withdraw what was asked of it."""
    stop_waiting(KEY)
    st.session_state.pop(KEY, None)


def _run_ids(scores: CaseScores) -> tuple[str, ...]:
    return tuple(map(str, scores.panel.runs["run_id"]))


def _show_upload(cohort: Cohort, scores: CaseScores) -> None:
    get_ready()
    many = cohort.modality is Modality.CT
    largest = f"at most {LARGEST_BYTES[cohort.modality] // MIB} MB; a larger upload is refused"
    st.markdown(f"Upload {KINDS[cohort.modality]} ({largest}), and see what every model of cohort **{cohort.name}** says of it.")
    refused = st.session_state.pop("own-refused", None)
    if refused:
        st.error(refused, icon=":material/error:")
    round_ = st.session_state.setdefault("own-round", 0)
    uploaded = st.file_uploader(
        "A case of your own",
        key=f"own-upload-{round_}",
        accept_multiple_files=many,
        max_upload_size=LARGEST_BYTES[cohort.modality] // MIB,
    )
    st.caption(
        "The image stays on this server, in the memory of this session; it is written to no cohort, no log and no cache, and is gone when "
        "you close the page. Names, dates and other header fields are not read into the answer."
    )
    files: list[Any] = uploaded if isinstance(uploaded, list) else [uploaded] if uploaded is not None else []
    if files:
        st.session_state["own-round"] = round_ + 1  # a new, empty widget
        try:
            with st.spinner("Reading the image"):
                image = read_uploaded_case(files, installation().settings, modality=cohort.modality)
            own = Own(secrets.token_hex(8), cohort.fingerprint, image, _run_ids(scores))
            st.session_state[KEY] = own
            _ask(own, cohort)
        except UploadError as error:
            st.session_state["own-refused"] = str(error)
        finally:
            _drop(files)
        st.rerun()


def _drop(files: list[Any]) -> None:
    """Have the server forget the uploads now; by itself it keeps them as long as the session."""
    context = get_script_run_ctx()
    for file in files:
        if context is not None:
            context.uploaded_file_mgr.remove_file(session_id=context.session_id, file_id=file.file_id)
        file.close()


def _ask(own: Own, cohort: Cohort) -> None:
    runs = installation().runs
    models = tuple((run_id, runs.weights_digest(run_id)) for run_id in own.run_ids)
    ask(UploadedCase(cohort.name, models), key=KEY, pixels=own.image.pixels)


def _take(own: Own, answer: Answer) -> None:
    st.session_state[KEY] = replace(own, scores=np.asarray(answer["scores"]), features=np.asarray(answer["features"]))


def _show_image(own: Own, cohort: Cohort) -> None:
    show_array(own.image.pixels, cohort.modality, link=own.name, key="own-viewer", spacing_mm=cohort.spacing_mm)
    for remark in own.image.remarks:
        st.caption(f"Look at this: {remark}.")


def _show_answers(own: Own, light: Light, scores: CaseScores) -> None:
    trainings = trainings_table(scores, np.asarray(own.scores))
    labels = pd.Series(np.nan, index=list(light.cohort.findings))
    image, said = st.columns([2, 3])
    with image:
        _show_image(own, light.cohort)
        if st.button("Forget this case", icon=":material/delete:", type="primary"):
            forget()
            st.rerun()
    with said:
        _show_unlikeness(own, light.cohort)
        findings = list(light.cohort.findings)
        asked = light.finding if light.finding in findings else findings[0]
        finding = choice("own-finding", "Finding", findings, title=finding_title, default=asked) or asked
        st.markdown(f"##### {case_sentence(trainings, finding=finding, truth=UNKNOWN, epsilon=light.epsilon)}")
        st.table(answers_in_words(answers_of_case(trainings, labels, light.epsilon), finding))
    figure = case_figure(trainings, light.cohort, finding=finding, epsilon=light.epsilon, canvas=canvas())
    st.plotly_chart(figure, theme=None, key="figure-own", config=PLOTLY_SETTINGS)
    st.download_button(
        "Scores (CSV)", lambda: trainings.drop(columns="run_id").to_csv(index=False), "scores.csv", "text/csv", on_click="ignore"
    )


def _show_unlikeness(own: Own, cohort: Cohort) -> None:
    if not features_are_there(cohort):
        offer_features(cohort, "Compare it with the cohort")
        return
    _, reference = held_out_reference(cohort)
    unlike = reference.out_of_distribution(np.asarray(own.features))
    (st.warning if unlike.is_out_of_distribution else st.info)(unlike.sentence(), icon=":material/travel_explore:")
    st.caption(
        "Compared with validation and test cases by the public encoder. Training cases are left out: comparing with them would be a "
        "question about them that the privacy guarantee does not cover."
    )
