"""What an answer rests on, on demand, and which held-out cases look alike."""

from typing import NamedTuple

import numpy as np
import streamlit as st

from dpmed_core.cohort.display_names import finding_title
from dpmed_core.evaluation.cases.worklist import truth
from dpmed_core.evaluation.statistics.arms import Arm
from dpmed_core.explanations.map_similarity import sanity_of
from dpmed_core.explanations.methods import CAUTION, METHODS, MethodCard, methods_of
from dpmed_core.explanations.overlay import overlay
from dpmed_core.imaging.stored_format import picture_of
from dpmed_core.inference.requests import Explanation
from dpmed_core.inference.store import Answer
from dpmed_core.reporting.figures.explanation import explanation_figure
from widgets.cached import links_of
from widgets.cases.labels import TRUTH_TITLES
from widgets.cases.shown_case import ShownCase
from widgets.cases.similar_cases import features_are_there, features_of, offer_features, test_reference
from widgets.figure import PLOTLY_SETTINGS
from widgets.lookup import canvas, installation
from widgets.waiting import ask, is_waiting, requests, show_failure, wait

N_NEIGHBOURS = 5
KEY = "explanation"


class Explained(NamedTuple):
    """The two trainings whose answers are explained."""

    run_ids: tuple[str, ...]
    titles: tuple[str, ...]


def show_explanations(case: ShownCase) -> None:
    """The entry: maps of the private and the non-private answer, and cases that look alike."""
    st.markdown("##### What does the answer rest on?")
    explained = _explained(case)
    if explained is None:
        st.caption("There is no stored model to explain yet: train one on the page *Train*.")
    else:
        _show_maps(case, explained)
    st.markdown("##### Held-out cases that look alike")
    _show_neighbours(case)


def _explained(case: ShownCase) -> Explained | None:
    scores = case.light.scores
    if scores is None:
        return None
    arms = [scores.private(case.epsilon) if case.epsilon is not None else None, scores.twin]
    chosen = [(arm, str(scores.panel.runs["run_id"].iloc[int(arm.runs[0])])) for arm in arms if arm is not None]
    return Explained(tuple(run for _, run in chosen), tuple(_arm_title(arm) for arm, _ in chosen)) if chosen else None


def _arm_title(arm: Arm) -> str:
    return f"ε = {arm.epsilon:g}" if arm.is_private else "Without privacy"


def _show_maps(case: ShownCase, explained: Explained) -> None:
    cards = {card.name: card for card in methods_of(case.light.recipe)}
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    method = cards[left.selectbox("How to explain", list(cards), format_func=lambda name: METHODS[name].title, key="explain-by")]
    runs = installation().runs
    request = Explanation(
        cohort=case.cohort.name,
        case_id=case.case_id,
        models=tuple((run_id, runs.weights_digest(run_id)) for run_id in explained.run_ids),
        finding=case.finding,
        method=method.name,
    )
    answer = requests().known_answer(request)
    if answer is None and right.button(f"Explain: {finding_title(case.finding)}", icon=":material/lightbulb:", disabled=is_waiting(KEY)):
        ask(request, key=KEY)
    st.caption(method.summary)
    show_failure(KEY)
    if answer is not None:
        _draw(case, explained, method, answer)
    elif is_waiting(KEY):
        wait(KEY, what="Drawing the maps", take=lambda _: None)


def _draw(case: ShownCase, explained: Explained, method: MethodCard, answer: Answer) -> None:
    image = np.asarray(case.cohort.images[case.row])
    shown = overlay(image, answer["maps"])
    if shown.plane is not None:
        plane = st.slider("Slice, from the feet up", 1, shown.n_planes, shown.plane + 1, key=f"explain-slice-{case.link}")
        shown = overlay(image, answer["maps"], plane=plane - 1)
    titles = [f"{name}: score {score:.2f}" for name, score in zip(explained.titles, answer["scores"], strict=True)]
    figure = explanation_figure(
        shown,
        [*titles, "Random weights"],
        title=f"{method.title}: {finding_title(case.finding)}",
        method=method,
        facts=_promises(explained),
        canvas=canvas(),
    )
    st.plotly_chart(figure, theme=None, key="figure-explanation", config=PLOTLY_SETTINGS)
    for name, value in zip(explained.titles, answer["with_random"], strict=True):
        st.markdown(f"**{name}.** {sanity_of(float(value))}")
    st.warning(CAUTION, icon=":material/warning:")
    st.caption(f"{method.source}. Sanity check: Adebayo et al. 2018, arXiv 1810.03292. One training of each; others may give other maps.")


def _promises(explained: Explained) -> list[str]:
    results = [installation().runs.result(run_id) for run_id in explained.run_ids]
    return [f"{result.guarantee.sentence()}." for result in results if result.guarantee is not None]


def _show_neighbours(case: ShownCase) -> None:
    if not features_are_there(case.cohort):
        offer_features(case.cohort, "Look for them")
        return
    rows, reference = test_reference(case.cohort)
    own = int(np.searchsorted(rows, case.row)) if case.row in rows else None
    found = reference.nearest(features_of(case.cohort, case.row), n=N_NEIGHBOURS, leaving_out=own)
    for column, (number, distance) in zip(st.columns(N_NEIGHBOURS), found, strict=False):
        _show_neighbour(column, case, int(rows[number]), distance)
    st.caption(
        "By the public encoder, which learnt from synthetic images only: it groups what looks alike, not what is ill alike. "
        "Distance: one minus cosine from the mean test case; 0 is the same image."
    )


def _show_neighbour(column: "st.delta_generator.DeltaGenerator", case: ShownCase, row: int, distance: float) -> None:
    cohort = case.cohort
    who, own = cohort.cases.iloc[row], cohort.cases.iloc[case.row]
    label = TRUTH_TITLES[str(truth(np.array([who[case.finding]], dtype=float))[0])]
    same = ", same patient" if who["patient_id"] == own["patient_id"] else ""
    column.image(picture_of(cohort.images[row]), width="stretch")
    column.caption(f"{finding_title(case.finding)}: {label.lower()}{same}. Distance {distance:.2f}")
    link = links_of(cohort).of_case[str(who["case_id"])]
    if column.button("Open", key=f"open-{link}", width="stretch"):
        st.query_params["case"] = link
        st.session_state["kept-case"] = link
        st.rerun()
