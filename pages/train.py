"""Train: a plan with its duration and cumulative privacy loss, then the training runs with their state."""

from collections.abc import Iterable
from contextlib import suppress

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dpmed_core.cohort.display_names import spelled_out
from dpmed_core.cohort.schema import Cohort
from dpmed_core.engine.process import ensure_engine
from dpmed_core.engine.training_task import cancel_run
from dpmed_core.errors import CohortError, DamagedRunError, DpmedError, LedgerError
from dpmed_core.foreign_text import plain, plain_with_commands
from dpmed_core.people.roles import Action
from dpmed_core.phrases import counted, delta_text, duration_in_words
from dpmed_core.privacy.total_sentence import total_sentence
from dpmed_core.reporting.wording.training_state import training_sentence
from dpmed_core.runs.index import SECONDS_OLD
from dpmed_core.runs.plan import estimate_seconds
from dpmed_core.runs.space import what_holds_up
from dpmed_core.runs.status import OPEN_STATES, RunState, RunStatus, UnreadableRun
from dpmed_core.training.result import RunResult
from dpmed_core.training.spec import RunSpec
from widgets.analysis_plan import offer_plan
from widgets.cohort import chosen_cohort
from widgets.cohort_plan import show_cohort_plan, show_not_judgeable
from widgets.headings import HEADINGS
from widgets.lookup import installation, live, runs_of, unreadable_of
from widgets.new_start import offer_new_start
from widgets.people.sign_on import may
from widgets.preflight import show_preflight
from widgets.recipes import recipe_title
from widgets.release import open_release, show_release
from widgets.spending import total_of
from widgets.starts import show_start_check
from widgets.training_form import choose_runs
from widgets.training_offer import not_asked_for

NEWEST = 50  # finished runs that tell how long others will take
LISTED = 5  # finished runs that are listed before somebody asks for all: each is several elements for the browser to draw
ICONS = {
    RunState.QUEUED: ":material/schedule:",
    RunState.TRAINING: ":material/model_training:",
    RunState.FINISHED: ":material/check_circle:",
    RunState.FAILED: ":material/error:",
    RunState.CANCELLED: ":material/cancel:",
    RunState.WITHDRAWN: ":material/remove_circle:",
}


def readable_results(run_ids: Iterable[str]) -> list[RunResult]:
    """The results of runs, without those that are damaged."""
    found = []
    for run_id in run_ids:
        with suppress(DamagedRunError):
            found.append(installation().runs.result(run_id))
    return found


def waiting_sentence(results: list[RunResult]) -> str:
    """How long what is requested now waits behind the runs that are open, on any cohort; empty where none is."""
    seconds, n_open, workers = 0.0, 0, installation().settings.workers
    for fingerprint, runs in installation().runs.listing(at_most_seconds_old=SECONDS_OLD).by_cohort.items():
        if not (under_way := [run for run in runs if run.state in OPEN_STATES]):
            continue
        with suppress(CohortError):  # removed, or it cannot be read: its runs will fail at once
            cohort = installation().cohorts.with_fingerprint(fingerprint)
            unknown = [run.spec for run in under_way if run.progress.seconds_left is None]
            seconds += sum(run.progress.seconds_left or 0.0 for run in under_way) / workers
            seconds += estimate_seconds(unknown, cohort, results, workers=workers)
            n_open += len(under_way)
    if not n_open:
        return ""
    return f"{counted(n_open, 'model was', 'models were')} requested earlier: these begin in about {duration_in_words(seconds)}."


def show_plan(cohort: Cohort, specs: list[RunSpec]) -> None:
    """The plan's size, duration and cumulative privacy loss, and the button that queues it."""
    new = not_asked_for(cohort, specs)
    # Damaged results are skipped here, since one of them must not keep anybody from planning runs.
    finished = [s.run_id for s in installation().runs.listing(at_most_seconds_old=SECONDS_OLD).statuses if s.state == RunState.FINISHED]
    results = readable_results(finished[-NEWEST:])
    seconds = estimate_seconds(new, cohort, results, workers=installation().settings.workers)
    waiting = waiting_sentence(results) if new else ""
    st.markdown(
        f"**Plan:** {counted(len(specs), 'model', 'models')}, {len(specs) - len(new)} of them already queued or trained"
        f"{f'; about {duration_in_words(seconds)} for the others' if new else ''}. "
        f"Findings: {plain(', '.join(map(spelled_out, cohort.findings)))}. {plain(waiting)}"
    )
    private = tuple(spec for spec in new if spec.privacy)
    st.caption(f"So far: {plain_with_commands(total_sentence(total_of(cohort)))}")
    if private:
        then = plain_with_commands(total_sentence(total_of(cohort, private)))
        st.caption(f"With {counted(len(private), 'new private model', 'new private models')}: {then}")
    st.caption("Models without privacy have no privacy guarantee; internal comparison only.")
    show_not_judgeable(cohort)
    offer_plan(cohort, "what the models will be compared on")
    show_preflight(cohort, tuple(new))
    if st.button(f"Train {counted(len(new), 'model', 'models')}", type="primary", disabled=not new, icon=":material/play_arrow:"):
        try:
            installation().ledger.ask(cohort, new)
        except LedgerError as error:  # here, and not in the frame: the runs below stay in sight
            st.error(plain_with_commands(str(error)), icon=":material/block:")
            return
        ensure_engine(installation().settings)
        st.rerun()


def _places(status: RunStatus) -> tuple[DeltaGenerator, DeltaGenerator, DeltaGenerator]:
    """Where a run's specification, state and button go: in one line once it has ended, also on a narrow screen, where columns would not."""
    if status.state in OPEN_STATES:
        what, state, action = st.columns([4, 5, 2], vertical_alignment="center")
        return what, state, action
    line = st.container(horizontal=True, vertical_alignment="center")
    words = line.container(gap=None)
    return words, words, line.container(width="content")


def show_run(status: RunStatus) -> None:
    """One run: its specification, its state, and a button to cancel or retry it."""
    what, state, action = _places(status)
    target = status.spec.privacy
    about = (
        f"ε = {target.epsilon:g}, δ = {delta_text(target.delta)}, unit {status.spec.unit.value}"
        if target
        else f"without privacy, sampled by {status.spec.unit.value}"
    )
    split = f", split {status.spec.split_seed}" if status.spec.split_seed else ""
    split += f", from {status.spec.start.name}" if status.spec.start else ""
    what.markdown(f"**{plain(recipe_title(status.spec.variant))}**, {plain(f'{about}, seed {status.spec.seed}{split}')}")
    held_up = what_holds_up(installation().runs, status)
    if status.state == RunState.TRAINING and status.total_steps:
        left = f", {duration_in_words(status.progress.seconds_left)} left" if status.progress.seconds_left and not held_up else ""
        state.progress(status.step / status.total_steps, f"step {status.step} of {status.total_steps}{left}")
        if held_up:
            state.caption(plain(f"{held_up[0].upper()}{held_up[1:]}"))
    else:
        state.markdown(f"{ICONS[status.state]} {plain(status.state.value)}" + (f": {plain(held_up)}" if held_up else ""))
    if status.progress.planned and status.state in OPEN_STATES:
        state.caption(f"will spend {plain(status.progress.planned.sentence())}")
    trains = may(Action.TRAIN)
    if trains and status.state in OPEN_STATES and action.button("Cancel", key=f"cancel-{status.run_id}"):
        cancel_run(installation(), status.run_id)
        st.rerun(scope="fragment")
    if may(Action.RELEASE) and status.state is RunState.FINISHED and action.button("Release…", key=f"release-{status.run_id}"):
        open_release(status.run_id)
    if trains and status.state in (RunState.FAILED, RunState.CANCELLED) and action.button("Try again", key=f"retry-{status.run_id}"):
        installation().runs.retry(status.run_id)
        ensure_engine(installation().settings)
        st.rerun(scope="fragment")


def show_unreadable(run: UnreadableRun) -> None:
    """A run that cannot be read: what is wrong and what to do, with a button that does it where the dashboard can."""
    what, action = st.columns([9, 2], vertical_alignment="center")
    what.error(plain_with_commands(run.message), icon=":material/error:")
    if run.spec and may(Action.TRAIN) and action.button("Mend", key=f"retry-{run.run_id}"):
        installation().runs.retry(run.run_id)
        ensure_engine(installation().settings)
        st.rerun(scope="fragment")


def show_runs(cohort: Cohort) -> None:
    """All runs on the cohort: open ones first, then those that have ended, newest first; refreshes itself."""

    def list_of_runs() -> None:
        """The list; what cannot be read comes first."""
        runs = runs_of(cohort)
        under_way = [s for s in runs if s.state in OPEN_STATES]
        finished = [s for s in runs if s.state == RunState.FINISHED]
        others = [s for s in runs if s not in under_way and s not in finished]
        unreadable = unreadable_of(cohort)
        for run in unreadable:
            show_unreadable(run)
        if not runs and not unreadable:
            st.info("No training run yet: press the button above." if may(Action.TRAIN) else "No training run yet.")
        elif not under_way:
            st.caption("The queue is empty.")
        for status in [*sorted(under_way, key=lambda s: s.state == RunState.QUEUED), *reversed(others)]:
            show_run(status)
        if finished:
            with st.expander(f"{len(finished)} finished", expanded=not under_way):
                whole = len(finished) <= LISTED or st.toggle(f"Show all {len(finished)}", key="all-finished")
                newest = finished if whole else finished[-LISTED:]
                if not whole:
                    st.caption(f"The newest {LISTED}; `python -m dpmed_core runs --cohort {plain(cohort.name)}` lists all.")
                for status in reversed(newest):
                    show_run(status)

    live(cohort, list_of_runs)


def offer_training(cohort: Cohort) -> None:
    """The form, what it plans, what can be learnt from that, and the button."""
    try:
        planned = choose_runs(cohort)
    except DpmedError as error:
        st.error(plain_with_commands(str(error)))
        planned = []
    show_start_check(cohort, planned)
    show_cohort_plan(cohort, planned)
    if planned:
        show_plan(cohort, planned)


def show_training_state(cohort: Cohort) -> None:
    """How many of the models that were asked for are here, in one line that renews itself."""

    def line() -> None:
        if runs := runs_of(cohort):
            st.markdown(plain(training_sentence(status.state for status in runs)))

    live(cohort, line)


st.title(HEADINGS["train"])
if (chosen := chosen_cohort()) is not None:
    show_training_state(chosen)
    if may(Action.TRAIN):
        offer_training(chosen)
    st.header("Training runs")
    st.caption(
        "While a private model trains, only its progress is shown: losses and gradients would reveal facts about the training patients."
    )
    show_runs(chosen)
    if may(Action.TRAIN):
        offer_new_start()
    show_release()
