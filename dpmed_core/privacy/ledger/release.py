"""Releases: what leaves the house, by whose decision and why, and what it is charged.

A model that was announced before anything was trained on its patients (`register`) is charged for itself. One that was chosen after looking
is charged for every private training on its patients so far: a choice among outputs is computed from all of them. A model without privacy,
and a figure that shows one, has no bound; it leaves only where somebody says so in so many words.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from safetensors.numpy import save

from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import LedgerError
from dpmed_core.foreign_text import plain_csv
from dpmed_core.people.roles import Action
from dpmed_core.phrases import counted, delta_text, epsilon_text
from dpmed_core.privacy.ledger.book import REGISTERED, RELEASED, Book, Draw
from dpmed_core.privacy.ledger.cap import refuse_unknown
from dpmed_core.privacy.ledger.charges import facts_of
from dpmed_core.privacy.ledger.ledger import Ledger
from dpmed_core.privacy.ledger.patients import EVERYBODY, Membership, PatientSet, all_patients, set_id_of, training_patients
from dpmed_core.privacy.ledger.totals import accountant_of, composed_for
from dpmed_core.runs.status import RunState
from dpmed_core.training.spec import RunSpec, default_delta

WITHOUT_BOUND = (
    "It has no privacy guarantee: a model without privacy can reveal who took part in its training and what their images showed. Release "
    "it only if you may release the training data itself, and say so with --without-guarantee."
)

EXPOSURE = "exposure"
"""What is measured of training patients without noise: no guarantee covers it."""
NO_BOUND = "No bound holds for this model."
BESIDE = " A model without privacy that was looked at beside it has no bound."


@dataclass(frozen=True)
class Released:
    """A model's release as it was recorded.

    Attributes:
        files: weights, guarantee and, where asked for, scores, by name.
        charge: what it was charged.
        seal: of its entry in the ledger.
        at: when, in UTC seconds since the epoch.
    """

    files: dict[str, bytes]
    charge: "Charge"
    seal: str
    at: float


@dataclass(frozen=True)
class Charge:
    """What a release is charged.

    Attributes:
        epsilon: for the patient with the most; infinite without privacy.
        delta: at which it holds.
        n_draws: private trainings that it composes.
        n_non_private: trainings without privacy on the same patients.
        registered: whether the release was announced before anything was trained on its patients.
        released_epsilon: of all that was released so far together with this.
        accountant: how epsilon was composed, in words.
    """

    epsilon: float
    delta: float
    n_draws: int
    n_non_private: int
    registered: bool
    released_epsilon: float
    accountant: str

    def sentence(self) -> str:
        """What holds for what is released, and why."""
        bound = f"ε = {epsilon_text(self.epsilon)} at δ = {delta_text(self.delta)} for the patient with the most ({self.accountant})"
        if self.registered:
            return f"Announced before anything was trained on its patients, it is charged for itself: {bound}."
        return (
            f"Chosen after looking, it is charged for {counted(self.n_draws, 'private training', 'private trainings')} on its patients, "
            f"from which it was chosen: together {bound}." + (BESIDE if self.n_non_private else "")
        )


def register(ledger: Ledger, cohort: Cohort, spec: RunSpec, *, name: str, reason: str) -> None:
    """Announce that a run will be released, before anything was trained on its patients.

    Raises:
        LedgerError: a training on some of its patients has begun, or the run is without privacy.
        NotAllowedError: whoever decides may not.
    """
    ledger.actor.require(Action.RELEASE, cohort.name)
    name = ledger.actor.signs_as(name)
    if spec.privacy is None:
        raise LedgerError("A model without privacy cannot be announced for release: it has no bound.")
    trained = training_patients(ledger.cohorts, cohort, split_seed=spec.split_seed)
    set_id = set_id_of(ledger.runs.key, trained.patients)

    def decide(book: Book) -> dict[str, object]:
        if before := _touching(book, trained.patients):
            raise LedgerError(
                f"{counted(len(before), 'training', 'trainings')} on some of these patients began before: a release can be announced only "
                "before anything that could be looked at."
            )
        return {"run": ledger.runs.run_id(spec), **facts_of(spec), "patients": set_id, "name": name, "reason": reason}

    ledger.append(REGISTERED, decide)


def charge_of(book: Book, run_id: str) -> Charge:
    """What the release of a run would be charged.

    Raises:
        LedgerError: the ledger knows nothing of the run.
    """
    own = [draw for draw in book.draws if draw.run_id == run_id]
    if not own:
        raise LedgerError(f"The ledger knows no training of run {run_id}.")
    patients, registered = book.sets.get(own[-1].patients), _is_registered(book, own)
    return _charge(book, patients, _charged(book, own), registered=registered, private=own[-1].private)


def charge_of_cohort(ledger: Ledger, book: Book, cohort: Cohort) -> Charge:
    """What the release of a figure of a cohort would be charged: everything private on its patients."""
    patients = all_patients(ledger.cohorts, cohort)
    return _charge(book, patients, [d for d in _touching(book, patients) if d.private], registered=False, private=True)


def release_run(ledger: Ledger, run_id: str, *, name: str, reason: str, scores: bool = False, without_guarantee: bool = False) -> Released:
    """Record the release of a run and give its files; the cards that go with them are made by `release_cards`.

    Args:
        ledger: records it before anything leaves.
        run_id: a finished run.
        name: who decides.
        reason: why.
        scores: with the scores of validation and test cases, whose patients no guarantee covers.
        without_guarantee: release a model that has none.

    Raises:
        LedgerError: it would pass the cap, or has no guarantee and nobody said so.
        RunError: the run is not finished, or damaged.
        NotAllowedError: whoever decides may not.
    """
    if scores:
        ledger.actor.admit(Action.SEE_CASES, f"scores of run {run_id}", at_once=True)
    ledger.actor.require(Action.RELEASE, f"{run_id} with scores of cases" if scores else run_id)
    name = ledger.actor.signs_as(name)
    status = ledger.runs.status(run_id)
    if status.state is not RunState.FINISHED:
        raise LedgerError(f"Run {run_id} is {status.state.value}: only a finished run can be released.")
    result, weights = ledger.runs.result(run_id), ledger.runs.weights(run_id)
    table = ledger.runs.scores(run_id) if scores else None
    digest = ledger.runs.weights_digest(run_id)
    made: list[Charge] = []

    def decide(book: Book) -> dict[str, object]:
        charge = charge_of(book, run_id)
        _refuse(book, charge, without_guarantee=without_guarantee, private=status.spec.privacy is not None, figure=False)
        made.append(charge)
        what = ["weights", *(["scores"] if scores else [])]
        patients = next(draw.patients for draw in reversed(book.draws) if draw.run_id == run_id)
        return {"run": run_id, "what": what, "weights": digest, "patients": patients, **_body(charge, name, reason)}

    entry = ledger.append(RELEASED, decide)
    fields = {k: v for k, v in result.to_fields().items() if k != "n_train_cases"}
    own = result.guarantee.sentence() if result.guarantee else "none: trained without privacy"
    says = made[0].sentence() if result.guarantee else NO_BOUND
    facts = {"run": run_id, "guarantee": fields["guarantee"], "this_model_alone": own, "this_release": says, "ledger_seal": entry.digest}
    files = {
        "weights.safetensors": save(weights),
        "guarantee.json": json.dumps(facts, indent=1, ensure_ascii=False, default=str).encode(),
    }
    with_scores = {} if table is None else {"scores.csv": plain_csv(table).encode()}
    return Released({**files, **with_scores}, made[0], entry.digest, entry.at)


def release_figure(ledger: Ledger, file: Path, cohort: Cohort, *, name: str, reason: str, without_guarantee: bool = False) -> Charge:
    """Record that an exported figure or table leaves the house; its digest is kept, not the file.

    Args:
        ledger: records it.
        file: the export.
        cohort: whose patients it is about.
        name: who decides.
        reason: why.
        without_guarantee: it shows models that have none.

    Raises:
        LedgerError: it would pass the cap, or shows models without a guarantee and nobody said so.
    """
    return release_content(ledger, file.read_bytes(), cohort, name=name, reason=reason, without_guarantee=without_guarantee)


def release_content(
    ledger: Ledger, content: bytes, cohort: Cohort, *, name: str, reason: str, without_guarantee: bool = False, what: str = "figure"
) -> Charge:
    """Record that a figure, a table or another file about the patients of `cohort` leaves the house; `release_figure` has the arguments.

    Args:
        ledger: records it.
        content: of the file; its digest is kept.
        cohort: whose patients it is about.
        name: who decides.
        reason: why.
        without_guarantee: it has none, or shows models that have none.
        what: what it is, for the ledger; "exposure" never has a guarantee.

    Raises:
        LedgerError: it would pass the cap, or has no guarantee and nobody said so.
        NotAllowedError: whoever decides may not.
    """
    ledger.actor.require(Action.RELEASE, cohort.name)
    name = ledger.actor.signs_as(name)
    digest = sha256(content).hexdigest()
    patients = all_patients(ledger.cohorts, cohort)
    made: list[Charge] = []

    def decide(book: Book) -> dict[str, object]:
        charge = charge_of_cohort(ledger, book, cohort)
        shows_none = what == EXPOSURE or any(not draw.private for draw in _touching(book, patients))
        _refuse(book, charge, without_guarantee=without_guarantee, private=not shows_none, figure=True)
        made.append(charge)
        return {
            "what": [what],
            "sha256": digest,
            "cohort": cohort.fingerprint,
            "shows_non_private": shows_none,
            **_body(charge, name, reason),
        }

    ledger.append(RELEASED, decide)
    return made[0]


def _body(charge: Charge, name: str, reason: str) -> dict[str, object]:
    bound = charge.epsilon if math.isfinite(charge.epsilon) else None
    return {
        "basis": "registered" if charge.registered else "chosen",
        "draws": charge.n_draws,
        "epsilon": bound,
        "delta": charge.delta,
        "name": name,
        "reason": reason,
    }


def _refuse(book: Book, charge: Charge, *, without_guarantee: bool, private: bool, figure: bool) -> None:
    cap = book.cap
    if not private and not without_guarantee:
        raise LedgerError(WITHOUT_BOUND)
    if not private and cap and not figure:
        raise LedgerError(f"It has no bound, and a cap of ε = {epsilon_text(cap.epsilon)} is set: it cannot be released.")
    if cap and (private or figure):
        refuse_unknown(book)
    if (private or figure) and cap and charge.released_epsilon > cap.epsilon * (1 + 1e-9):
        raise LedgerError(
            f"With it, what was released would come to ε = {epsilon_text(charge.released_epsilon)} at δ = {delta_text(charge.delta)} for "
            f"the patient with the most, past the cap of ε = {epsilon_text(cap.epsilon)}. {charge.sentence()}"
        )


def _is_registered(book: Book, own: Sequence[Draw]) -> bool:
    """Whether the run was announced before its first draw."""
    first = min(draw.seq for draw in own)
    return any(entry.kind == REGISTERED and entry.body["run"] == own[0].run_id and entry.seq < first for entry in book.entries)


def _charged(book: Book, own: Sequence[Draw]) -> list[Draw]:
    """The draws that the release of a run is charged for."""
    if _is_registered(book, own):
        return list(own)
    patients = book.sets.get(own[-1].patients)
    return [draw for draw in (_touching(book, patients) if patients else book.draws) if draw.private]


def _touching(book: Book, patients: PatientSet) -> list[Draw]:
    """The draws in which any of `patients`, or nobody knows who, took part."""
    members = Membership.among(book.sets, {draw.patients for draw in book.draws}, only=patients)
    return [draw for draw in book.draws if draw.patients == EVERYBODY or members.of_set[draw.patients].any()]


def _released(book: Book) -> list[Draw]:
    """The draws that earlier releases were charged for."""
    found: dict[str, Draw] = {}
    for entry in book.entries:
        if entry.kind != RELEASED or entry.body.get("epsilon") is None:
            continue
        before = [draw for draw in book.draws if draw.seq < entry.seq and draw.private]
        own = [draw for draw in before if draw.run_id == entry.body.get("run")]
        if entry.body["basis"] == "registered":
            found |= {draw.draw: draw for draw in own}
        else:  # everything on these patients up to then; of a figure everything at all, which cannot be too little
            patients = book.sets.get(own[-1].patients) if own else None
            touching = {draw.draw for draw in _touching(book, patients)} if patients else {draw.draw for draw in before}
            found |= {draw.draw: draw for draw in before if draw.draw in touching}
    return list(found.values())


def _charge(book: Book, patients: PatientSet | None, charged: Sequence[Draw], *, registered: bool, private: bool) -> Charge:
    delta = book.cap.delta if book.cap else default_delta(len(patients.persons) if patients else 1)
    beside = [draw for draw in (_touching(book, patients) if patients else book.draws) if not draw.private]
    if not private:
        return Charge(math.inf, delta, 0, len(beside), registered, math.inf, "")
    together = list({draw.draw: draw for draw in (*_released(book), *charged)}.values())
    return Charge(
        epsilon=composed_for(book, charged, patients, delta),
        delta=delta,
        n_draws=sum(draw.is_fresh and draw.mechanism.steps > 0 for draw in charged),
        n_non_private=len(beside),
        registered=registered,
        released_epsilon=composed_for(book, together, patients, delta),
        accountant=accountant_of(charged),
    )
