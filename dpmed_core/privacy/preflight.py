"""What to know before runs are asked for: checks from the ledger, the data and the recipe, each with its reason and a way out.

`preflight` is a function of facts alone; `preflight_facts` collects them. Nothing is trained, written or spent, and no label is read.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from dpmed_core.cohort.display_names import sentence_start
from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import LedgerError
from dpmed_core.phrases import counted, delta_text, epsilon_text
from dpmed_core.privacy.ledger.book import Cap
from dpmed_core.privacy.ledger.cap import PastCap
from dpmed_core.privacy.ledger.ledger import Ledger, Noise
from dpmed_core.privacy.ledger.totals import EXACT, PatientTotals
from dpmed_core.privacy.meaning.most_images import epsilon_for_patient, most_images
from dpmed_core.privacy.meaning.protected_unit import ProtectedUnit, mechanism_of_guarantee, mechanism_of_target
from dpmed_core.runs.plan import n_train_units
from dpmed_core.training.encoders.added.store import AddedEncoders
from dpmed_core.training.recipes.catalogue import Normalisation, RecipeCard, recipe_card
from dpmed_core.training.result import NEIGHBORING_RELATION
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit, RunSpec, default_delta


@dataclass(frozen=True)
class PreflightCheck:
    """What one check found.

    Attributes:
        name: of the check, in a word.
        ok: whether nothing speaks against the runs.
        reason: what was found: a phrase where all is well, else a sentence.
        way_out: what can be done, a sentence; empty where all is well.
    """

    name: str
    ok: bool
    reason: str
    way_out: str = ""

    def sentence(self) -> str:
        """Reason and way out."""
        return sentence_start(f"{self.reason} {self.way_out}".strip())

    def to_fields(self) -> dict[str, object]:
        """The check as plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class OwnEpsilon:
    """What one target is worth to the patient with most images.

    Attributes:
        target: for each image.
        epsilon: for that patient, at the target's delta.
        reserved: it is that of the Gaussian mechanism which the ledger reserves, since the noise is not known before training.
    """

    target: PrivacyTarget
    epsilon: float
    reserved: bool


@dataclass(frozen=True)
class PreflightFacts:
    """What the checks look at.

    Attributes:
        card: of the recipe.
        unit: what is protected as one.
        n_units: training units.
        deltas: of the private runs, largest first.
        patients_known: whether it is known which images are one patient's.
        most_images: images of the patient who has most.
        own: what each budget is worth to that patient; empty where the unit is the patient.
        measured: AUC of an attack on that patient, measured here at the largest budget; None where it was not.
        encoder: which data the encoder was trained on, in a phrase.
        caution: what speaks against the encoder on this cohort, a sentence; None for nothing.
        start: name of the public start; None for none.
        total: what the patients will have spent, with these runs.
        cap: in force; None for none.
        past: why the runs would be refused under it; None where they would not.
    """

    card: RecipeCard
    unit: PrivacyUnit
    n_units: int
    deltas: tuple[float, ...]
    patients_known: bool
    most_images: int
    own: tuple[OwnEpsilon, ...]
    measured: float | None
    encoder: str
    caution: str | None
    start: str | None
    total: PatientTotals
    cap: Cap | None
    past: PastCap | None


def preflight(facts: PreflightFacts) -> tuple[PreflightCheck, ...]:
    """The checks, in the order in which a reader chooses what they are about."""
    return (_unit(facts), _delta(facts), _normalisation(facts.card), _encoder(facts), _total(facts))


def preflight_facts(
    ledger: Ledger,
    encoders: AddedEncoders,
    cohort: Cohort,
    specs: Sequence[RunSpec],
    *,
    noise: Noise = lambda _: None,
    measured: float | None = None,
) -> PreflightFacts | None:
    """The facts about the private runs among `specs`, which share recipe, unit, encoder and start; None where there is none.

    Args:
        ledger: of the installation.
        encoders: added by users.
        cohort: the data of all `specs`.
        specs: what is to be asked for.
        noise: gives what a run would do; where it cannot, its target counts.
        measured: AUC of an attack on the patient with most images, at the largest budget; None where it was not measured.
    """
    private = [spec for spec in specs if spec.privacy and not spec.privacy.learns_nothing]
    if not private:
        return None
    first, new = private[0], [spec for spec in private if ledger.is_new(spec)]
    images = most_images(cohort) if cohort.patients_known else 1
    cap = ledger.book().cap
    said, caution = _of_encoder(encoders, cohort, first)
    return PreflightFacts(
        card=recipe_card(first.recipe),
        unit=first.unit,
        n_units=n_train_units(cohort, key=ledger.runs.key, unit=first.unit),
        deltas=tuple(sorted({spec.privacy.delta for spec in private if spec.privacy}, reverse=True)),
        patients_known=cohort.patients_known,
        most_images=images,
        own=_own_epsilons(ledger, private, images, noise) if first.unit is PrivacyUnit.IMAGE and images > 1 else (),
        measured=measured,
        encoder=said,
        caution=caution,
        start=first.start.name if first.start else None,
        total=ledger.total(cohort, planned=new, noise=noise, delta=cap.delta if cap else None),
        cap=cap,
        past=_past(ledger, cohort, new),
    )


def checked_line(checks: Sequence[PreflightCheck]) -> str:
    """One line on the checks that found nothing; empty where there is none."""
    fine = [f"{check.name} ({check.reason})" for check in checks if check.ok]
    return f"Checked before training: {', '.join(fine)}." if fine else ""


def _own_epsilons(ledger: Ledger, specs: Sequence[RunSpec], images: int, noise: Noise) -> tuple[OwnEpsilon, ...]:
    """What each budget is worth to a patient with so many images, in increasing order."""
    protected, found = ProtectedUnit(PrivacyUnit.IMAGE, images), {}
    for spec in specs:
        if spec.privacy is None or spec.privacy in found:
            continue
        guarantee = noise(spec)
        mechanism = mechanism_of_guarantee(guarantee, protected) if guarantee else mechanism_of_target(spec.privacy, protected)
        epsilon = epsilon_for_patient(mechanism, spec.privacy.delta, cache_dir=ledger.calibrations_dir)
        found[spec.privacy] = OwnEpsilon(spec.privacy, epsilon, guarantee is None)
    return tuple(sorted(found.values(), key=lambda one: one.target.epsilon))


def _of_encoder(encoders: AddedEncoders, cohort: Cohort, spec: RunSpec) -> tuple[str, str | None]:
    """Which data the encoder was trained on, and what speaks against it on this cohort."""
    if spec.encoder is None:
        used = recipe_card(spec.recipe).uses_encoder
        return ("the public one, trained on synthetic images only" if used else "none: every weight is trained here"), None
    added = next((one for one in encoders.readable() if one.digest == spec.encoder), None)
    if added is None:
        return "not there", "The encoder of these runs is not there, or was changed."
    return f"{added.name}, trained on {added.card.data}", added.card.caution(added.name, cohort.source, synthetic=cohort.synthetic)


def _past(ledger: Ledger, cohort: Cohort, specs: Sequence[RunSpec]) -> PastCap | None:
    """Why the cap would refuse the runs."""
    try:
        return ledger.would_pass_cap(cohort, specs)
    except LedgerError as error:  # what was spent before cannot be told; the message says what to do
        return PastCap(str(error), "")


def _unit(facts: PreflightFacts) -> PreflightCheck:
    """The unit against images per patient."""
    if facts.unit is PrivacyUnit.PATIENT:
        return PreflightCheck("unit", True, "a patient with all images")
    if not facts.patients_known:
        return PreflightCheck(
            "unit",
            False,
            "the unit image protects one image, and this cohort does not say which images are one patient's: a patient with several is "
            "protected less, and it is not known by how much.",
            "Import it again with patient_id, and choose the unit patient.",
        )
    if not facts.own:
        return PreflightCheck("unit", True, "one image, and no patient has more")
    measured = "" if facts.measured is None else f" An attack that was measured here has an AUC of {facts.measured:.2f} on that patient."
    return PreflightCheck(
        "unit",
        False,
        f"the unit image protects one image, and one patient here has {counted(facts.most_images, 'image', 'images')}: "
        f"{_worth(facts.own)}.{measured}",
        "Choose the unit patient, which protects all images of a patient together.",
    )


def _worth(own: Sequence[OwnEpsilon]) -> str:
    """What each budget is worth to the patient with most images."""
    pairs = [f"ε = {one.target.epsilon:g} is worth ε = {epsilon_text(one.epsilon)}" for one in own]
    listed = " and ".join([", ".join(pairs[:-1]), pairs[-1]] if len(pairs) > 1 else pairs)
    reserved = "; reserved so in the ledger, accounted again when the noise is known" if any(one.reserved for one in own) else ""
    basis = f" ({EXACT}, {NEIGHBORING_RELATION} neighbours{reserved})"
    return f"to that patient {listed}, at δ = {' or '.join(sorted({delta_text(one.target.delta) for one in own}))}{basis}"


def _delta(facts: PreflightFacts) -> PreflightCheck:
    """Delta against the number of units. A mechanism that publishes each record with probability delta is (0, delta)-private.

    Source: Dwork & Roth 2014, "The Algorithmic Foundations of Differential Privacy", section 2.3.
    """
    delta, units = facts.deltas[0], counted(facts.n_units, facts.unit.value, f"{facts.unit.value}s")
    if delta * facts.n_units < 1:
        return PreflightCheck("δ", True, f"{delta_text(delta)}, below 1 in {facts.n_units:,}, the training {facts.unit.value}s")
    return PreflightCheck(
        "δ",
        False,
        f"the chosen δ = {delta_text(delta)} is not below 1 in {facts.n_units:,}: publishing each of {units} with that probability "
        f"would keep it, and publish about {delta * facts.n_units:.3g} of them.",
        f"Leave δ at {delta_text(default_delta(facts.n_units))}.",
    )


def _normalisation(card: RecipeCard) -> PreflightCheck:
    """Layers that would mix patients."""
    if card.normalisation is not Normalisation.BATCH:
        return PreflightCheck("normalisation", True, f"{card.normalisation.value}, which mixes no patients")
    return PreflightCheck(
        "normalisation",
        False,
        f"Recipe {card.name} has {card.normalisation.value}, which mixes the patients of a batch, so that nobody's influence is bounded "
        "and training will refuse it.",
        f"Choose a recipe with {Normalisation.GROUP.value}.",
    )


def _encoder(facts: PreflightFacts) -> PreflightCheck:
    """The encoder's declared data against this cohort's; a start that saw any of the cohort was refused before."""
    if facts.caution is not None:
        return PreflightCheck(
            "encoder",
            False,
            facts.caution,
            "Unless these patients are surely not among them, train without it, or with an encoder whose card names other data.",
        )
    start = f"; start {facts.start}, which has seen no image or patient of this cohort" if facts.start else ""
    return PreflightCheck("encoder", True, f"{facts.encoder}{start}")


def _total(facts: PreflightFacts) -> PreflightCheck:
    """The planned total against the cap."""
    if facts.past is not None:
        return PreflightCheck("total", False, facts.past.reason, facts.past.way_out)
    epsilon, limit = facts.total.epsilon, f"within the cap of ε = {epsilon_text(facts.cap.epsilon)}" if facts.cap else "no cap is set"
    reached = f"ε = {epsilon_text(epsilon)}" if math.isfinite(epsilon) else "no finite ε"
    return PreflightCheck(
        "total",
        True,
        f"up to {reached} at δ = {delta_text(facts.total.delta)} a patient with these models, {facts.total.accountant}; {limit}",
    )
