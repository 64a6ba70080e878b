"""Choosing a public start for a cohort: which findings stand for which, and what refuses it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import SettingsError, SpecError
from dpmed_core.imaging.modality import Modality
from dpmed_core.phrases import counted
from dpmed_core.training.spec import StartChoice
from dpmed_core.training.starts.phantom_start import NAME as PHANTOMS
from dpmed_core.training.starts.phantom_start import TOLD_ELSEWHERE
from dpmed_core.training.starts.seen import Seen
from dpmed_core.training.starts.start_card import OF_HEADS, StartCard
from dpmed_core.training.starts.start_store import StartStore


def suggested(findings: Sequence[str], card: StartCard) -> dict[str, str]:
    """Finding of the cohort -> finding of the start, where both have one name; a suggestion, since a name may mean something else."""
    public = {_plain(name): name for name in card.findings}
    return {finding: public[_plain(finding)] for finding in findings if _plain(finding) in public}


def recommended(cohort: Cohort, phantoms: StartCard) -> dict[str, str]:
    """Finding of the cohort -> finding of the phantoms' start, for the findings of real patients that are known to gain there.

    Of synthetic cohorts none is recommended: the same phantoms drew them, and privacy would seem to cost nothing.
    """
    if cohort.synthetic or cohort.modality is not phantoms.modality:
        return {}
    return {own: public for own, public in suggested(cohort.findings, phantoms).items() if public in TOLD_ELSEWHERE}


def offered(cohort: Cohort, card: StartCard) -> dict[str, str]:
    """Finding of the cohort -> finding of a start, where nobody says otherwise: at the phantoms what is recommended, else of one name."""
    return (recommended(cohort, card) if card.name == PHANTOMS else {}) or suggested(cohort.findings, card)


def starts_offered(store: StartStore, cohort: Cohort, recipe: str) -> list[str]:
    """The names of the starts that models of `recipe` can choose from: that of the phantoms where it knows a finding, and stored ones."""
    knows: Mapping[str, str] = {}
    with suppress(SettingsError):  # without the encoder nothing can be trained, which is said where somebody tries
        knows = suggested(cohort.findings, store.card(PHANTOMS)) if (cohort.modality, recipe) == (Modality.RADIOGRAPH, OF_HEADS) else {}
    return [*([PHANTOMS] if knows else []), *store.names_for(recipe)]


def parse_map(pairs: Sequence[str]) -> dict[str, str]:
    """Finding of the cohort -> finding of the start, from texts "finding of the start=finding of the cohort".

    Raises:
        SpecError: a text has no equals sign, or a finding of the cohort stands in two.
    """
    chosen: dict[str, str] = {}
    for pair in pairs:
        public, found, own = pair.partition("=")
        if not found or not own:
            raise SpecError("--map takes the start's finding, an equals sign and the cohort's finding: --map pneumonia=consolidation.")
        if own in chosen:
            raise SpecError(f"--map names finding {own!r} twice: one finding of the start can stand for it.")
        chosen[own] = public
    return chosen


def choose_start(card: StartCard, cohort: Cohort, given: Mapping[str, str], *, recipe: str, encoder: str) -> StartChoice:
    """The start of a run on `cohort`.

    Args:
        card: of the start.
        cohort: to be trained on.
        given: finding of the cohort -> finding of the start; "" to start at 0.
        recipe: that the run will be trained by.
        encoder: what the run will stand on, as `StartCard.encoder`.

    Raises:
        SpecError: the start is for another recipe, other images or another encoder, a finding does not exist, or none is left.
    """
    card.require_recipe(recipe)
    if card.modality is not cohort.modality:
        raise SpecError(
            f"Start {card.name!r} is for {card.modality.value} images, and cohort {cohort.name!r} holds others: choose another start."
        )
    if card.encoder != encoder:
        what = "the public encoder" if recipe == OF_HEADS else f"recipe {recipe}"
        raise SpecError(f"Start {card.name!r} stands on another version of {what}: make it again with `pretrain`.")
    for own, public in given.items():
        if own not in cohort.findings:
            raise SpecError(f"Cohort {cohort.name!r} has no finding {own!r}: choose among {', '.join(cohort.findings)}.")
        if public and public not in card.findings:
            raise SpecError(f"Start {card.name!r} has no finding {public!r}: choose among {', '.join(card.findings)}.")
    pairs = tuple(sorted((own, public) for own, public in given.items() if public))
    if not pairs:
        raise SpecError(
            f"No finding of cohort {cohort.name!r} begins at start {card.name!r}, which knows {', '.join(card.findings)}: "
            "say which stands for which, on the page or with --map."
        )
    return StartChoice(card.name, card.digest, pairs)


def refuse_overlap(card: StartCard, seen: Seen, of_cohort: Seen) -> None:
    """Refuse a start that has seen any of a cohort: its patients would be protected by nothing, and held-out ones were trained on.

    Raises:
        SpecError: images or patients stand in both.
    """
    if shared := len(seen.images & of_cohort.images):
        raise SpecError(
            f"Start {card.name!r} was trained on {counted(shared, 'image', 'images')} of this cohort, so that no guarantee would hold: "
            "make one of other images."
        )
    if shared := len(seen.persons & of_cohort.persons):
        raise SpecError(
            f"Start {card.name!r} was trained on {counted(shared, 'patient', 'patients')} with an identifier of this cohort's, so that no "
            "guarantee would hold. If they are other people, import the public cohort again with identifiers of its own."
        )


def how_judged(card: StartCard) -> str:
    """On which of its own images a start has the AUROCs of its card."""
    if card.name == PHANTOMS:
        return "on such images that it was not trained on"
    who = "patients" if card.patients_known else "images"
    return "by cross-validation" if card.recipe == OF_HEADS else f"on a fifth of the {who}, left out of its training"


def in_words(choice: StartChoice, findings: Sequence[str]) -> str:
    """Which findings begin where, in one sentence."""
    taken = dict(choice.findings)
    begun = [own if taken[own] == own else f"{own} (from {taken[own]})" for own in findings if own in taken]
    rest = [own for own in findings if own not in taken]
    return f"From start {choice.name}: {', '.join(begun)}." + (f" From scratch: {', '.join(rest)}." if rest else "")


def _plain(name: str) -> str:
    return name.casefold().replace("_", " ").strip()
