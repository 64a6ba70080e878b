"""Train: a plan with its time and what it spends, then the queue with its live state."""

import streamlit as st

from dpmed_core.cohort.display_names import IMAGE_WORDS, spelled_out
from dpmed_core.cohort.schema import Cohort
from dpmed_core.engine.process import ensure_engine
from dpmed_core.errors import DpmedError
from dpmed_core.phrases import in_words
from dpmed_core.runs.plan import estimate_seconds, n_train_units, parse_epsilons, plan_runs
from dpmed_core.runs.spending import cumulative_loss_sentence
from dpmed_core.runs.status import OPEN_STATES, RunState, RunStatus
from dpmed_core.training.recipes.catalogue import RECIPES
from dpmed_core.training.spec import PrivacyUnit, RunSpec, default_delta
from widgets.choices import current_choices
from widgets.cohort import chosen_cohort
from widgets.lookup import installation, refresh_seconds, runs_of
from widgets.spending import cumulative_loss_of

ICONS = {
    RunState.QUEUED: ":material/schedule:",
    RunState.TRAINING: ":material/model_training:",
    RunState.FINISHED: ":material/check_circle:",
    RunState.FAILED: ":material/error:",
    RunState.CANCELLED: ":material/cancel:",
    RunState.WITHDRAWN: ":material/remove_circle:",
}


def ask_for_plan(cohort: Cohort) -> list[RunSpec]:
    """The runs that the form describes."""
    choices = current_choices()
    if choices.recipe is None or choices.unit is None:
        return []
    words = IMAGE_WORDS[cohort.modality]
    st.markdown(RECIPES[choices.recipe].summary)
    units = n_train_units(cohort, key=installation().key, unit=choices.unit)
    left, middle, right = st.columns([2, 1, 1])
    epsilons = left.text_input(
        "Privacy budgets ε, comma-separated", "0.3, 1, 8", help="Smaller is more private. Each is trained by itself."
    )
    seeds = middle.number_input(
        "Trainings of each", 1, 20, 3, help="Private training is random; several trainings show by how much results vary."
    )
    exponent = right.text_input(
        "δ", f"{default_delta(units):.0e}", help="The probability with which the promise of ε may fail; far below 1 / patients."
    )
    if not cohort.patients_known:
        st.warning(
            f"This cohort does not say which {words.several} are one patient's, so each {words.one} is protected alone (unit *image*): "
            f"a patient with several {words.several} here is protected less than ε says, and nobody knows by how much."
        )
    elif choices.unit is PrivacyUnit.IMAGE:
        most = int(cohort.cases.groupby("patient_id").size().max())
        st.warning(
            f"The unit *image* protects one {words.one}, not a patient: one patient here has {words.counted(most)}, and what is promised "
            f"to that patient is {most} times ε at a larger δ, which is often nothing. Use it to compare with publications."
        )
    return plan_runs(
        cohort,
        key=installation().key,
        recipe=choices.recipe,
        epsilons=parse_epsilons(epsilons),
        n_seeds=int(seeds),
        delta=parse_epsilons(exponent)[0],
        unit=choices.unit,
    )


def show_plan(cohort: Cohort, specs: list[RunSpec]) -> None:
    """What the plan comes to, and the button that asks for it."""
    runs = installation().runs
    known = {s.run_id for s in runs_of(cohort) if s.state != RunState.WITHDRAWN}
    new = [spec for spec in specs if runs.run_id(spec) not in known]
    results = [runs.result(s.run_id) for s in runs.statuses() if s.state == RunState.FINISHED and not runs.is_damaged(s.run_id)]
    seconds = estimate_seconds(new, cohort, results, workers=installation().settings.workers)
    st.markdown(
        f"**Plan:** {len(specs)} models, {len(specs) - len(new)} of them asked for before"
        f"{f'; about {in_words(seconds)} for the others' if new else ''}. "
        f"Findings: {', '.join(map(spelled_out, cohort.findings))}."
    )
    private = tuple(spec for spec in new if spec.privacy)
    st.caption(f"So far: {cumulative_loss_sentence(cumulative_loss_of(cohort, ()))}")
    if private:
        st.caption(f"With these {len(private)} private models: {cumulative_loss_sentence(cumulative_loss_of(cohort, private))}")
    st.caption("Models without privacy promise nothing to anyone; they are for comparison in house.")
    if st.button(f"Train {len(new)} models", type="primary", disabled=not new, icon=":material/play_arrow:"):
        for spec in new:
            runs.ask(spec, cohort_name=cohort.name)
        ensure_engine(installation().settings)
        st.rerun()


def show_run(status: RunStatus) -> None:
    """One run: what, where it stands, and what can be done."""
    what, state, action = st.columns([4, 5, 2], vertical_alignment="center")
    target = status.spec.privacy
    guarantee_phrase = (
        f"ε = {target.epsilon:g}, δ = {target.delta:.0e}, unit {status.spec.unit.value}"
        if target
        else f"without privacy, sampled by {status.spec.unit.value}"
    )
    what.markdown(f"**{status.spec.recipe}**, {guarantee_phrase}, training {status.spec.seed + 1}")
    if status.state == RunState.TRAINING and status.total_steps:
        left = f", {in_words(status.progress.seconds_left)} left" if status.progress.seconds_left else ""
        state.progress(status.step / status.total_steps, f"step {status.step} of {status.total_steps}{left}")
    else:
        state.markdown(f"{ICONS[status.state]} {status.state.value}" + (f": {status.message}" if status.message else ""))
    if status.progress.planned and status.state in OPEN_STATES:
        state.caption(f"will spend {status.progress.planned.sentence()}")
    if status.state in OPEN_STATES and action.button("Cancel", key=f"cancel-{status.run_id}"):
        installation().runs.cancel(status.run_id)
        st.rerun(scope="fragment")
    if status.state in (RunState.FAILED, RunState.CANCELLED) and action.button("Try again", key=f"retry-{status.run_id}"):
        installation().runs.retry(status.run_id)
        ensure_engine(installation().settings)
        st.rerun(scope="fragment")


def show_runs(cohort: Cohort) -> None:
    """All runs on the cohort: those under way first, then ended ones, newest first."""

    @st.fragment(run_every=refresh_seconds(cohort))
    def live() -> None:
        runs = runs_of(cohort)
        under_way = [s for s in runs if s.state in OPEN_STATES]
        finished = [s for s in runs if s.state == RunState.FINISHED]
        others = [s for s in runs if s not in under_way and s not in finished]
        if not runs:
            st.info("Nothing has been asked for yet: press the button above.")
        elif not under_way:
            st.caption("The queue is empty.")
        for status in [*sorted(under_way, key=lambda s: s.state == RunState.QUEUED), *reversed(others)]:
            show_run(status)
        if finished:
            with st.expander(f"{len(finished)} finished", expanded=not under_way):
                for status in reversed(finished):
                    show_run(status)

    live()


st.title("Train")
if (chosen := chosen_cohort()) is not None:
    try:
        planned = ask_for_plan(chosen)
    except DpmedError as error:
        st.error(str(error))
        planned = []
    if planned:
        show_plan(chosen, planned)
    st.subheader("Models asked for")
    st.caption("While a private model trains, only its progress is shown: losses and gradients would tell about the training patients.")
    show_runs(chosen)
