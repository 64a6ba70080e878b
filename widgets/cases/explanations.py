"""Explanation maps of the selected case, on demand, and similar held-out cases."""

from typing import NamedTuple

import numpy as np
import streamlit as st

from dpmed_core.cohort.display_names import finding_title
from dpmed_core.evaluation.cases.worklist import truth
from dpmed_core.evaluation.scores.arms import Arm
from dpmed_core.explanations.map_similarity import sanity_sentence
from dpmed_core.explanations.methods import CAUTION, METHODS, MethodCard, methods_of
from dpmed_core.explanations.overlay import overlay
from dpmed_core.foreign_text import plain
from dpmed_core.imaging.stored_format import picture_of
from dpmed_core.inference.requests import Explanation
from dpmed_core.inference.store import Answer
from dpmed_core.reporting.figures.explanation import explanation_figure
from widgets.address.session import gesture
from widgets.budget_control.following import show_plot
from widgets.cached import links_of
from widgets.cases.labels import TRUTH_TITLES
from widgets.cases.shown_case import SelectedCase
from widgets.cases.similar_cases import features_are_cached, features_of, offer_features, test_cases
from widgets.lookup import canvas, installation
from widgets.pictures import show_picture
from widgets.waiting import ask, is_waiting, requests, show_failure, wait

N_SIMILAR = 5
SIMILAR_WIDTH = 176
"""Pixels: five beside each other on a wide page, two on a telephone."""
KEY = "explanation"


class ExplainedModels(NamedTuple):
    """The models whose scores are explained: a private one and a non-private reference, as far as there are."""

    run_ids: tuple[str, ...]
    titles: tuple[str, ...]


def show_explanations(case: SelectedCase) -> None:
    """Explanation maps of a private and a non-private model, and similar cases."""
    st.markdown("### Explanation of the score")
    explained = _explained_models(case)
    if explained is None:
        st.caption("There is no trained model to explain yet: train one on the page *Train*.")
    else:
        _show_maps(case, explained)
    st.markdown("### Similar held-out cases")
    _show_similar_cases(case)


def _explained_models(case: SelectedCase) -> ExplainedModels | None:
    """The training run with the smallest seed at the chosen budget and the first reference; None where there is neither."""
    scores = case.context.scores
    if scores is None:
        return None
    arms = [scores.private(case.epsilon) if case.epsilon is not None else None, scores.non_private]
    chosen = [(arm, str(scores.panel.runs["run_id"].iloc[scores.first_run(arm)])) for arm in arms if arm is not None]
    return ExplainedModels(tuple(run for _, run in chosen), tuple(_arm_title(arm) for arm, _ in chosen)) if chosen else None


def _arm_title(arm: Arm) -> str:
    return f"ε = {arm.epsilon:g}" if arm.is_private else "Without privacy"


def _show_maps(case: SelectedCase, explained: ExplainedModels) -> None:
    """The method, a button that requests its maps, and the maps once they are there."""
    cards = {card.name: card for card in methods_of(case.context.recipe)}
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    method = cards[left.selectbox("Method", list(cards), format_func=lambda name: METHODS[name].title, key="explain-by")]
    runs = installation().runs
    request = Explanation(
        cohort=case.cohort.name,
        case_id=case.case_id,
        models=tuple((run_id, runs.weights_digest(run_id)) for run_id in explained.run_ids),
        finding=case.finding,
        method=method.name,
    )
    answer = requests().known_answer(request)  # kept answers are shown without a request, also to other readers
    if answer is None and right.button(
        f"Explain: {plain(finding_title(case.finding))}", icon=":material/lightbulb:", disabled=is_waiting(KEY)
    ):
        ask(request, key=KEY)
    st.caption(method.summary)
    show_failure(KEY)
    if answer is not None:
        _draw(case, explained, method, answer)
    elif is_waiting(KEY):
        wait(KEY, what="Computing the maps", take=lambda _: None)


def _draw(case: SelectedCase, explained: ExplainedModels, method: MethodCard, answer: Answer) -> None:
    """The maps with their sanity check, never without it: a map that looks convincing may not depend on the model at all."""
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
        facts=_guarantees(explained),
        canvas=canvas(),
    )
    show_plot(figure, key="figure-explanation", alternative=f"{method.title}: {finding_title(case.finding)}. {', '.join(titles)}.")
    for name, value in zip(explained.titles, answer["with_random"], strict=True):
        st.markdown(f"**{plain(name)}.** {plain(sanity_sentence(float(value)))}")
    st.warning(CAUTION, icon=":material/warning:")
    st.caption(f"{method.source}. Sanity check: Adebayo et al. 2018, arXiv 1810.03292. One model of each; others may give different maps.")


def _guarantees(explained: ExplainedModels) -> list[str]:
    results = [installation().runs.result(run_id) for run_id in explained.run_ids]
    return [f"{result.guarantee.sentence()}." for result in results if result.guarantee is not None]


def _show_similar_cases(case: SelectedCase) -> None:
    """The most similar test cases; only test cases, because only their images may be shown to every reader."""
    if not features_are_cached(case.cohort):
        offer_features(case.cohort, "Find similar cases")
        return
    rows, reference = test_cases(case.cohort)
    itself = int(np.searchsorted(rows, case.row)) if case.row in rows else None
    found = reference.nearest(features_of(case.cohort, case.row), n=N_SIMILAR, leaving_out=itself)
    # As many side by side as there is room for: columns would stand one below the other on a narrow screen, five screens high.
    row = st.container(horizontal=True)
    for index, distance in found:
        _show_similar_case(row.container(width=SIMILAR_WIDTH), case, int(rows[index]), distance)
    st.caption(
        "Similarity in the features of the public encoder, which was trained on synthetic images only: similar images need not show the "
        "same disease. Distance: one minus the cosine of the angle seen from the mean test case; 0 is the same image."
    )


def _show_similar_case(column: "st.delta_generator.DeltaGenerator", case: SelectedCase, row: int, distance: float) -> None:
    """A similar case: its image, its label for the finding, and a button that selects it."""
    cohort = case.cohort
    cohort.check_images([row])
    who, selected = cohort.cases.iloc[row], cohort.cases.iloc[case.row]
    label = TRUTH_TITLES[str(truth(np.array([who[case.finding]], dtype=float))[0])]
    same = ", same patient" if who["patient_id"] == selected["patient_id"] else ""
    about = f"{finding_title(case.finding)}: {label.lower()}{same}. Distance {distance:.2f}"
    with column:
        show_picture(picture_of(cohort.images[row]), f"A similar case. {about}")
    column.caption(plain(about))
    link = links_of(cohort).of_case[str(who["case_id"])]
    if column.button("Open", key=f"open-{link}", width="stretch"):
        gesture("case", link)
        st.rerun()
