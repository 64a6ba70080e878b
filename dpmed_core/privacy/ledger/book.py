"""The ledger as read: draws of noise, reservations, the cap and what was released, from the entries of the chain.

Kinds of entries, with what their bodies hold:

    asked      a run was queued: its target is reserved until it has planned its noise, or has ended without doing so
    planned    an attempt is about to take its first step: all steps that it may take are charged
    ended      the attempt has ended: what it took instead
    cap        the privacy officer set or lifted a cap
    plan       an analysis plan was written, or changed
    registered a release was announced before anything was trained on its patients
    released   a model, or a figure, left the house
    gap        the database was older than the data folder said; what the runs' own records held beyond it follows
    accepted   somebody answers for the gaps up to here
    measured   models were trained without privacy to measure exposure, and not kept
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from dpmed_core.errors import DpmedError
from dpmed_core.privacy.ledger.chain import Entry
from dpmed_core.privacy.ledger.patients import EVERYBODY, Membership, PatientSet
from dpmed_core.training.accounting.pld import Mechanism
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit

ASKED, PLANNED, ENDED, CAP, REGISTERED, RELEASED = "asked", "planned", "ended", "cap", "registered", "released"
PLAN, GAP, ACCEPTED, MEASURED = "plan", "gap", "accepted", "measured"


@dataclass(frozen=True)
class Draw:
    """One attempt's noise: what its outputs tell about each of its patients.

    Attributes:
        draw: its random name.
        run_id: of which run.
        patients: name of the set of its training patients.
        private: False for a model without privacy, which has no bound.
        mechanism: as one patient experiences it; of a model without privacy only its steps mean anything.
        squared_mu: of a Gaussian that dominates it (`dominating_gaussian`); additive.
        delta0: the probability up to which it does.
        is_open: the attempt has not ended, so that all steps it may take are counted.
        is_fresh: it began from the first step, with noise of its own; otherwise it continues an earlier attempt.
        seq: place of its entry.
        unit: what the run clipped as one.
        recipe: the run's.
    """

    draw: str
    run_id: str
    patients: str
    private: bool
    mechanism: Mechanism
    squared_mu: float
    delta0: float
    is_open: bool
    is_fresh: bool
    seq: int
    unit: PrivacyUnit
    recipe: str


@dataclass(frozen=True)
class Reservation:
    """A run that was asked for and has not planned its noise.

    Attributes:
        run_id: the run.
        patients: name of the set of its training patients.
        squared_mu: of the Gaussian mechanism that spends its target; 0 without privacy.
        private: whether it has a target.
    """

    run_id: str
    patients: str
    squared_mu: float
    private: bool


@dataclass(frozen=True)
class Cap:
    """What no patient may be charged more than.

    Attributes:
        epsilon: the bound.
        delta: its delta.
        name: who set it.
        reason: why.
        at: when, in UTC seconds since the epoch.
    """

    epsilon: float
    delta: float
    name: str
    reason: str
    at: float

    @property
    def target(self) -> PrivacyTarget:
        """The cap as a target."""
        return PrivacyTarget(self.epsilon, self.delta)

    def to_fields(self) -> dict[str, object]:
        """The cap as plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Book:
    """What the entries say together.

    Attributes:
        entries: of the chain, in their order.
        sets: the sets of patients by name.
        queued: run_ids that the run store holds as queued or training, of those that were asked for and have not planned.
        lost: run_ids of which neither an entry nor any file of theirs tells what they spent.
    """

    entries: Sequence[Entry]
    sets: Mapping[str, PatientSet]
    queued: frozenset[str] = frozenset()
    lost: tuple[str, ...] = ()

    @cached_property
    def usable(self) -> list[Entry]:
        """The entries that can be read; one that was changed from outside is left out here, and stands in `unknown`."""
        return [entry for entry in self.entries if is_usable(entry)]

    @cached_property
    def unknown(self) -> tuple[str, ...]:
        """What was spent and cannot be told, in phrases: runs that left nothing to tell it, and entries that cannot be read."""
        changed = [entry.seq for entry in self.entries if not is_usable(entry)]
        return (*(f"run {run_id}" for run_id in self.lost), *(f"entry {seq} of the ledger" for seq in changed))

    @cached_property
    def unanswered(self) -> tuple[str, ...]:
        """Of `unknown`, what nobody has answered for yet."""
        answered = {str(what) for entry in self.usable if entry.kind == ACCEPTED for what in entry.body.get("unknown", ())}
        return tuple(what for what in self.unknown if what not in answered)

    @cached_property
    def draws(self) -> list[Draw]:
        """All draws, with models that have no privacy, oldest first."""
        found: dict[str, Draw] = {}
        for entry in self.usable:
            if entry.kind == PLANNED:
                found[entry.body["draw"]] = draw_of(entry)
            elif entry.kind == ENDED and (known := found.get(entry.body["draw"])):
                found[known.draw] = replace(
                    known,
                    mechanism=replace(known.mechanism, steps=int(entry.body["steps"])),
                    squared_mu=float(entry.body["squared_mu"]),
                    delta0=known.delta0 if entry.body["steps"] else 0.0,
                    is_open=False,
                )
        return list(found.values())

    @cached_property
    def reserved(self) -> list[Reservation]:
        """What was asked for and is still to come."""
        return [r for r in self.pending_by_entries(self.usable) if r.run_id in self.queued]

    @staticmethod
    def pending_by_entries(entries: Iterable[Entry]) -> list[Reservation]:
        """Runs that were asked for and have planned nothing since, whatever has become of them."""
        found: dict[str, Reservation] = {}
        for entry in entries:
            body = entry.body
            if entry.kind == ASKED:
                found[body["run"]] = reservation_of(entry)
            elif entry.kind == PLANNED:
                found.pop(body["run"], None)
        return list(found.values())

    @cached_property
    def cap(self) -> Cap | None:
        """The cap that holds; None where none was set, or it was lifted."""
        for entry in reversed(self.usable):
            if entry.kind == CAP:
                body = entry.body
                return None if body["epsilon"] is None else Cap(body["epsilon"], body["delta"], body["name"], body["reason"], entry.at)
        return None

    @cached_property
    def measured(self) -> list[Entry]:
        """The entries of trainings that measured exposure; no model of them was kept."""
        return [entry for entry in self.usable if entry.kind == MEASURED]

    @cached_property
    def open_gaps(self) -> list[Entry]:
        """The gaps for which nobody has answered yet."""
        accepted = max((entry.seq for entry in self.entries if entry.kind == ACCEPTED), default=0)
        return [entry for entry in self.entries if entry.kind == GAP and entry.seq > accepted]

    @cached_property
    def runs(self) -> frozenset[str]:
        """The runs that any entry is about."""
        return frozenset(str(entry.body["run"]) for entry in self.entries if "run" in entry.body)

    @property
    def head(self) -> Entry | None:
        """The last sealed entry; None where there is none."""
        return next((entry for entry in reversed(self.entries) if entry.digest), None)

    def patients(self) -> set[str]:
        """Everybody in any set, as persons."""
        return {person for one in self.sets.values() for person in one.persons}

    def touching(self, patients: PatientSet) -> list[Entry]:
        """The entries that concern any of `patients`, and those that concern everybody."""
        named = {str(entry.body["patients"]) for entry in self.entries if entry.body.get("patients")}
        members = Membership.among(self.sets, named, only=patients)
        concerned = {name for name, present in members.of_set.items() if present.any()}
        of_runs = [entry.body for entry in self.usable if entry.kind in (ASKED, PLANNED)]
        runs = {body["run"] for body in of_runs if body["patients"] in (*concerned, EVERYBODY)}
        elsewhere = {entry.seq for entry in self.measured if entry.body["patients"] not in concerned}
        return [e for e in self.entries if e.seq not in elsewhere and ("run" not in e.body or e.body["run"] in runs)]

    def unsettled(self, run_id: str) -> list[Draw]:
        """The draws of a run whose end has not been written down."""
        return [draw for draw in self.draws if draw.run_id == run_id and draw.is_open]


def is_usable(entry: Entry) -> bool:
    """Whether an entry says what its kind says; one that does not was changed from outside, which its seal shows too."""
    body: Mapping[str, Any] = entry.body
    try:
        match entry.kind:
            case "asked":
                reservation_of(entry)
            case "planned":
                draw_of(entry)
            case "ended":
                return all(isinstance(body[name], str) for name in ("draw", "run")) and int(body["steps"]) >= 0 <= float(body["squared_mu"])
            case "measured":
                return int(body["trainings"]) > 0 and all(isinstance(body[name], str) for name in ("patients", "cohort", "recipe"))
            case "cap":
                return body["epsilon"] is None or bool(PrivacyTarget(body["epsilon"], body["delta"]) and body["name"] and body["reason"])
    except (DpmedError, KeyError, TypeError, ValueError):
        return False
    return True


def draw_of(entry: Entry) -> Draw:
    """The draw that a `planned` entry begins."""
    body: Mapping[str, Any] = entry.body
    private = body["noise_multiplier"] is not None
    mechanism = Mechanism(
        noise_multiplier=float(body["noise_multiplier"]) if private else 0.0,
        sample_rate=float(body["sample_rate"]) if private else 1.0,
        steps=int(body["steps"]),
        images_per_patient=int(body["images_per_patient"]),
    )
    return Draw(
        draw=body["draw"],
        run_id=body["run"],
        patients=body["patients"],
        private=private,
        mechanism=mechanism,
        squared_mu=float(body["squared_mu"]),
        delta0=float(body["delta0"]),
        is_open=True,
        is_fresh=not body["resumed"],
        seq=entry.seq,
        unit=PrivacyUnit(body["unit"]),
        recipe=body["recipe"],
    )


def reservation_of(entry: Entry) -> Reservation:
    """The reservation that an `asked` entry makes."""
    body = entry.body
    return Reservation(body["run"], body["patients"], float(body["squared_mu"]), body["epsilon"] is not None)
