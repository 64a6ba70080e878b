"""The ledger of an installation: what is written into it when a run is asked for, begins and ends, and what stands in it.

Order of writes, so that no crash can undercharge: an attempt is charged with all of its steps before the first, and what it did not take is
given back only when its end stands in the run's own record. A ledger that cannot be written stops the training.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from dpmed_core.cohort.schema import Cohort
from dpmed_core.cohort.store import CohortStore
from dpmed_core.errors import DamagedRunError, DpmedError
from dpmed_core.evaluation.analysis_plan import AnalysisPlan, PlanRecord
from dpmed_core.people.actor import ACCOUNT, Actor
from dpmed_core.people.roles import Action
from dpmed_core.privacy.ledger.adoption import Adopter
from dpmed_core.privacy.ledger.analysis_plans import body_for_runs, could_be_seen, not_taken_over, plan_body, plan_record
from dpmed_core.privacy.ledger.book import (
    ASKED,
    CAP,
    ENDED,
    GAP,
    MEASURED,
    PLAN,
    PLANNED,
    Book,
    Cap,
    Draw,
    draw_of,
    is_usable,
    reservation_of,
)
from dpmed_core.privacy.ledger.cap import PastCap, budget_of, past_cap, refuse_past_cap
from dpmed_core.privacy.ledger.chain import Appender, Chain, Entry, read_entries
from dpmed_core.privacy.ledger.charges import asked_body, ended_body, facts_of, planned_body
from dpmed_core.privacy.ledger.patients import (
    PatientSet,
    TrainingPatients,
    all_patients,
    read_sets,
    set_id_of,
    store_set,
    training_patients,
)
from dpmed_core.privacy.ledger.totals import PatientTotals, totals
from dpmed_core.runs.charged_attempts import Attempt, attempts_of
from dpmed_core.runs.plan import n_train_units
from dpmed_core.runs.status import OPEN_STATES, RunState, RunStatus
from dpmed_core.runs.store import RunStore
from dpmed_core.training.accounting.gaussian_dp import gaussian_mu
from dpmed_core.training.result import PrivacyGuarantee
from dpmed_core.training.spec import PrivacyUnit, RunSpec, default_delta

Noise = Callable[[RunSpec], PrivacyGuarantee | None]
"""Gives what a run would spend, where that can be told without planning its training; None where it cannot."""


@dataclass(frozen=True)
class Ledger:
    """The ledger of an installation.

    Attributes:
        chain: its entries.
        runs: the training runs.
        cohorts: the cohorts, from which the patients of a run follow.
        calibrations_dir: cache of the accountants.
        actor: who writes.
    """

    chain: Chain
    runs: RunStore
    cohorts: CohortStore
    calibrations_dir: Path | None = None
    actor: Actor = ACCOUNT

    def book(self) -> Book:
        """What stands in the ledger, and what runs of earlier versions will have there with the next entry."""
        with self.chain.database.transaction() as connection:
            entries, sets = read_entries(connection), read_sets(connection)
        missing, lost = self._missing(entries, sets, behind=self.chain.is_behind(entries))
        for kind, body in missing:
            entries.append(Entry(len(entries) + 1, 0.0, kind, body, ""))
        return self._book(entries, sets, lost)

    def total(
        self, cohort: Cohort | None, *, delta: float | None = None, planned: Sequence[RunSpec] = (), noise: Noise = lambda _: None
    ) -> PatientTotals:
        """What was spent on each patient of a cohort, by all models that trained on them, of whatever cohort or version.

        Args:
            cohort: the patients; None for everybody in the ledger.
            delta: at which to compose; None for the default of this many training patients.
            planned: runs on `cohort` to be added that were not asked for yet.
            noise: gives what a planned run would do; where it cannot, its target counts.
        """
        book = self.book()
        sets: dict[str, PatientSet] = dict(book.sets)
        entries: list[Entry] = []
        if cohort is not None:
            trained = self._trained(cohort, planned)
            entries = [self._foreseen(spec, trained[spec.split_seed], noise(spec), sets) for spec in planned]
            if delta is None:
                delta = default_delta(n_train_units(cohort, key=self.runs.key, unit=PrivacyUnit.PATIENT))
        book = replace(book, sets=sets)
        if delta is None:
            delta = default_delta(len(book.patients()))
        extra = [draw_of(entry) if entry.kind == PLANNED else reservation_of(entry) for entry in entries]
        only = all_patients(self.cohorts, cohort) if cohort else None
        return totals(book, delta=delta, only=only, planned=extra, budget=budget_of(book.cap) if book.cap else None)

    def ask(self, cohort: Cohort, specs: Sequence[RunSpec]) -> list[RunStatus]:
        """Queue runs, all or none, with their targets reserved; a run that is known already is left as it is, unless it was withdrawn.

        The first that is asked for on a cohort writes the analysis plan.

        Args:
            cohort: the data of all `specs`.
            specs: what is to be trained.

        Raises:
            LedgerError: together they would carry a patient past the cap.
            DamagedRunError: one of them is in the store, and cannot be read.
            NotAllowedError: whoever asks may not train.
        """
        self.actor.require(Action.TRAIN, cohort.name)
        for spec in specs:
            if self.runs.run_id(spec) in self.runs:
                self.runs.restore_request(spec, cohort_name=cohort.name)
        if not any(self.is_new(spec) for spec in specs):
            return [self.runs.status(self.runs.run_id(spec)) for spec in specs]
        with self._writing() as (appender, book):
            sets, trained = dict(book.sets), self._trained(cohort, specs)
            bodies = [self._asked(spec, trained[spec.split_seed], sets) for spec in dict.fromkeys(specs) if self.is_new(spec)]
            refuse_past_cap(replace(book, sets=sets), [reservation_of(Entry(0, 0.0, ASKED, body, "")) for body in bodies])
            if (planned := body_for_runs(cohort, specs, book, all_patients(self.cohorts, cohort))) is not None:
                appender.append(PLAN, planned)
            for body in bodies:
                store_set(appender.connection, self.runs.key, sets[str(body["patients"])])
                appender.append(ASKED, body)
            # Within the transaction: whoever asks next finds these runs queued, and their reservations counted.
            return [self.runs.ask(spec, cohort_name=cohort.name) for spec in specs]

    def would_pass_cap(self, cohort: Cohort, specs: Sequence[RunSpec]) -> PastCap | None:
        """Why `ask` would refuse `specs` under the cap; None where it would not. Nothing is written.

        Raises:
            LedgerError: what was spent before cannot be told.
        """
        book = self.book()
        sets, trained = dict(book.sets), self._trained(cohort, specs)
        bodies = [self._asked(spec, trained[spec.split_seed], sets) for spec in dict.fromkeys(specs) if self.is_new(spec)]
        return past_cap(replace(book, sets=sets), [reservation_of(Entry(0, 0.0, ASKED, body, "")) for body in bodies])

    def begin(self, status: RunStatus, guarantee: PrivacyGuarantee | None, *, total_steps: int, resumed: int) -> str:
        """Charge an attempt with all steps that it may take, before its first, and give the name of its draw.

        Args:
            status: the run.
            guarantee: what the whole training will spend; None without privacy.
            total_steps: of the whole training.
            resumed: the step that the attempt continues from.

        Raises:
            LedgerError: it would carry a patient past the cap.
        """
        cohort = self.cohorts.with_fingerprint(status.spec.cohort_fingerprint)
        trained = training_patients(self.cohorts, cohort, split_seed=status.spec.split_seed)
        body = planned_body(
            status.run_id,
            facts_of(status.spec),
            draw=secrets.token_hex(8),
            patients=set_id_of(self.runs.key, trained.patients),
            most_images=trained.most_images,
            guarantee=guarantee,
            steps=(guarantee.steps if guarantee else total_steps) - resumed,
            resumed=resumed,
            calibrations_dir=self.calibrations_dir,
        )
        with self._writing() as (appender, book):
            set_id = store_set(appender.connection, self.runs.key, trained.patients)
            book = replace(book, sets={**book.sets, set_id: trained.patients})
            refuse_past_cap(book, [draw_of(Entry(0, 0.0, PLANNED, body, ""))], replacing=frozenset([status.run_id]))
            appender.append(PLANNED, body)
        return str(body["draw"])

    def settle(self, *run_ids: str) -> None:
        """Write down the end of attempts that have ended by their runs' own records; what they did not take is given back."""
        with self._writing() as (appender, book):
            for run_id in run_ids:
                recorded = {attempt.draw: attempt for attempt in attempts_of(self.runs, run_id)}
                for draw in book.unsettled(run_id):
                    attempt = recorded.get(draw.draw)
                    # Not in the record, an attempt stays charged with everything: the record may have been damaged.
                    if attempt is not None and not attempt.is_open:
                        appender.append(ENDED, self._ended(draw, attempt))

    def measure(self, cohort: Cohort, *, split_seed: int | None, facts: Mapping[str, object], n_trainings: int) -> None:
        """Write down, before the first of them, trainings that measure how exposed the training patients of `cohort` are.

        Whoever compares many models that differ in known patients learns of these patients without any bound, whatever the noise in each.

        Args:
            cohort: the data.
            split_seed: of the split whose training part is measured.
            facts: what is measured, as JSON values; with `recipe`.
            n_trainings: how many models are trained, and not kept.
        """
        self.actor.require(Action.MEASURE, cohort.name)
        trained = training_patients(self.cohorts, cohort, split_seed=split_seed)
        with self._writing() as (appender, _):
            set_id = store_set(appender.connection, self.runs.key, trained.patients)
            body = {"cohort": cohort.fingerprint, "patients": set_id, **facts, "trainings": n_trainings}
            appender.append(MEASURED, body)

    def set_cap(self, *, epsilon: float | None, delta: float, name: str, reason: str) -> None:
        """Set the cap for all patients, or lift it.

        Args:
            epsilon: the bound; None to lift it.
            delta: its delta.
            name: who decides.
            reason: why.

        Raises:
            SpecError: epsilon or delta cannot be used.
            NotAllowedError: whoever decides may not.
        """
        self.actor.require(Action.SET_CAP)
        name = self.actor.signs_as(name)
        if epsilon is not None:
            gaussian_mu(Cap(epsilon, delta, name, reason, 0.0).target)
        self.append(CAP, lambda _: {"epsilon": epsilon, "delta": delta, "name": name, "reason": reason})

    def plan_record(self, cohort: Cohort) -> PlanRecord:
        """What was planned for `cohort`; nothing is written."""
        stored, genuine = self.chain.of_kinds(PLAN, GAP)
        waiting = [Entry(0, 0.0, PLAN, body, "") for body in not_taken_over(stored, self.chain.data_dir, self.chain.key)]
        return plan_record(cohort, [*stored, *waiting], genuine=genuine)

    def write_plan(self, cohort: Cohort, plan: AnalysisPlan, *, name: str = "", reason: str = "") -> Entry:
        """Write an analysis plan, the first or a change; whether results could be seen before stands with it.

        Args:
            cohort: of what.
            plan: what is planned; models that it leaves open stay as they were planned.
            name: who decides.
            reason: why it is changed.

        Raises:
            NotAllowedError: whoever writes may not.
        """
        self.actor.require(Action.PLAN, cohort.name)
        name = self.actor.signs_as(name)

        def decide(book: Book) -> dict[str, object]:
            record = plan_record(cohort, book.entries, genuine=True)
            open_ = {n: getattr(record.plan, n) for n in ("recipe", "unit", "epsilons", "n_seeds") if getattr(plan, n) is None}
            seen = could_be_seen(book, all_patients(self.cohorts, cohort))
            return plan_body(cohort, replace(plan, **open_), after_results=seen, reason=reason, name=name)

        return self.append(PLAN, decide)

    def append(self, kind: str, decide: Callable[[Book], Mapping[str, object]]) -> Entry:
        """Append an entry whose body `decide` makes from what stands in the ledger, or refuses by raising."""
        with self._writing() as (appender, book):
            return appender.append(kind, decide(book))

    @contextmanager
    def _writing(self) -> Iterator[tuple[Appender, Book]]:
        """The way to append, and what stands in the ledger, where runs of earlier versions now have their entries."""
        with self.chain.appending() as appender:
            sets, behind = read_sets(appender.connection), self.chain.is_behind(appender.entries)
            if behind:
                seq, digest = self.chain.noted_head()
                appender.append(GAP, {"noted_seq": seq, "noted_digest": digest})
            missing, lost = self._missing(appender.entries, sets, behind=behind)
            for kind, body in missing:
                if (patients := sets.get(str(body.get("patients")))) is not None:
                    store_set(appender.connection, self.runs.key, patients)
                appender.append(kind, body)
            yield appender, self._book(appender.entries, sets, lost)

    def _missing(
        self, entries: Sequence[Entry], sets: dict[str, PatientSet], *, behind: bool
    ) -> tuple[list[tuple[str, dict[str, object]]], list[str]]:
        """Kind and body of entries that are missing, and runs of which nothing tells what they spent.

        Sets of their patients are added to `sets`.

        Args:
            entries: that there are.
            sets: the sets of patients by name.
            behind: the database is older than it should be, so that runs with entries may lack some.
        """
        book, adopter = Book(entries, sets), Adopter(self.runs, self.cohorts, self.calibrations_dir)
        suspect = self.runs.ids() if behind else [run_id for run_id in self.runs.ids() if run_id not in book.runs]
        known: dict[str, set[str]] = {}
        for draw in book.draws if behind else ():
            known.setdefault(draw.run_id, set()).add(draw.draw)
        made = {run_id: adopter.entries_of(run_id, sets, known=known.get(run_id, ())) for run_id in suspect}
        plans = [(PLAN, body) for body in not_taken_over(entries, self.chain.data_dir, self.chain.key)]
        return [one for found in made.values() for one in found or ()] + plans, [run_id for run_id, found in made.items() if found is None]

    def _book(self, entries: Sequence[Entry], sets: Mapping[str, PatientSet], lost: Sequence[str]) -> Book:
        pending = {reservation.run_id for reservation in Book.pending_by_entries(filter(is_usable, entries))}
        return Book(tuple(entries), sets, frozenset(run_id for run_id in pending if self._is_open(run_id)), tuple(lost))

    def _is_open(self, run_id: str) -> bool:
        """Whether the run store holds the run as queued or training; a run that cannot be read may be."""
        try:
            return self.runs.progress(run_id).state in OPEN_STATES
        except DamagedRunError:
            return True
        except DpmedError:  # it never came to be queued
            return False

    def is_new(self, spec: RunSpec) -> bool:
        """Whether asking for a run queues it: it is not in the store, or it was withdrawn. One that cannot be read is not new."""
        run_id = self.runs.run_id(spec)
        if run_id not in self.runs:
            return True
        try:
            return self.runs.progress(run_id).state is RunState.WITHDRAWN
        except DamagedRunError:
            return False

    def _trained(self, cohort: Cohort, specs: Sequence[RunSpec]) -> dict[int | None, TrainingPatients]:
        """The training patients of `specs` by split seed: a grid of runs shares them, and finding them takes a hash for each patient."""
        return {seed: training_patients(self.cohorts, cohort, split_seed=seed) for seed in {spec.split_seed for spec in specs}}

    def _asked(self, spec: RunSpec, trained: TrainingPatients, sets: dict[str, PatientSet]) -> dict[str, object]:
        """The body of the entry that reserves a run's target; the set of its patients is added to `sets`."""
        set_id = set_id_of(self.runs.key, trained.patients)
        sets[set_id] = trained.patients
        return asked_body(self.runs.run_id(spec), spec, set_id, trained.most_images)

    def _ended(self, draw: Draw, attempt: Attempt) -> dict[str, object]:
        """The body of the entry that writes down the end of an attempt."""
        weights = self.runs.weights_digest(draw.run_id) if attempt.finished and self.runs.is_complete(draw.run_id) else None
        return ended_body(draw, steps=attempt.steps, how=attempt.how, weights=weights, calibrations_dir=self.calibrations_dir)

    def _foreseen(self, spec: RunSpec, trained: TrainingPatients, guarantee: PrivacyGuarantee | None, sets: dict[str, PatientSet]) -> Entry:
        """The entry that a run will have: of its noise where that is known, else of its target."""
        asked = self._asked(spec, trained, sets)
        if guarantee is None:
            return Entry(0, 0.0, ASKED, asked, "")
        body = planned_body(
            str(asked["run"]),
            facts_of(spec),
            draw=str(asked["run"]),
            patients=str(asked["patients"]),
            most_images=trained.most_images,
            guarantee=guarantee,
            steps=guarantee.steps,
            resumed=0,
            calibrations_dir=self.calibrations_dir,
        )
        return Entry(0, 0.0, PLANNED, body, "")
