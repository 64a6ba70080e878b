"""Planning: which runs a grid of privacy budgets and seeds needs, and how long they will take."""

import math
from collections.abc import Mapping, Sequence

from dpmed_core.cohort.schema import Cohort, Part
from dpmed_core.cohort.split import DEFAULT_SPLIT_SEED, SHARES, assign_parts
from dpmed_core.errors import SpecError
from dpmed_core.phrases import counted
from dpmed_core.training.recipes.catalogue import recipe_card, refuse_encoder, require_modality, require_start
from dpmed_core.training.result import RunResult
from dpmed_core.training.spec import NOTHING_LEARNT, PrivacyTarget, PrivacyUnit, RunSpec, StartChoice, default_delta

TRAIN_SHARE = dict(SHARES)[Part.TRAIN]
MOST_SPLITS = 50


def n_train_units(cohort: Cohort, *, key: bytes, unit: PrivacyUnit) -> int:
    """The number of training patients, or of training images where the unit of privacy is the image."""
    train = cohort.cases.iloc[assign_parts(cohort, seed=DEFAULT_SPLIT_SEED, key=key).rows(Part.TRAIN)]
    return int(train["patient_id"].nunique()) if unit is PrivacyUnit.PATIENT else len(train)


def plan_runs(
    cohort: Cohort,
    *,
    key: bytes,
    recipe: str,
    epsilons: Sequence[float],
    n_seeds: int,
    delta: float | None,
    unit: PrivacyUnit,
    first_seed: int = 0,
    non_private: bool = True,
    n_splits: int = 1,
    start: StartChoice | None = None,
    encoder: str | None = None,
) -> list[RunSpec]:
    """The runs of a grid, by split and seed; for each seed the non-private reference first, then the budgets in increasing order.

    Args:
        cohort: the data.
        key: the installation's secret key.
        recipe: name of a recipe.
        epsilons: privacy budgets; a repeated one counts once.
        n_seeds: training runs of each budget, with the seeds `first_seed` to `first_seed + n_seeds - 1`.
        delta: the δ of every private run; None for `default_delta` of the number of training units.
        unit: the unit of privacy.
        first_seed: the first seed.
        non_private: whether to train the non-private references too.
        n_splits: random splits of the patients, the usual one first; each is trained on with every budget and seed.
        start: the public start, from `starts.choosing`; it is scored alone too, once a split, as epsilon 0.
        encoder: digest of the added encoder whose features are joined to the public encoder's; None for none.

    Raises:
        SpecError: the grid is empty, a value cannot be trained, the recipe is for images of another modality, or the training part has
            fewer than two units.
    """
    card = recipe_card(recipe)
    require_modality(card, cohort.modality)
    refuse_encoder(recipe, encoder, cohort.modality)
    if not cohort.findings:
        raise SpecError(f"Cohort {cohort.name!r} has no findings to train on: import it again with a table of labels.")
    _refuse_blocked(cohort)
    _refuse_unknown_patients(cohort, unit)
    units = n_train_units(cohort, key=key, unit=unit)
    if units < 2:
        there = counted(units, unit.value, f"{unit.value}s")
        raise SpecError(f"The training part has {there}, and training needs two or more: import more patients.")
    targets = _targets(epsilons, default_delta(units) if delta is None else delta, non_private=non_private)
    # What a start is worth alone has no chance in it, so that once is enough.
    alone = [NOTHING_LEARNT] if start is not None or 0 in epsilons else []
    require_start(card, start, alone[0] if alone else None)
    if not (targets or alone):
        raise SpecError("No epsilon was given: give at least one privacy budget.")
    splits = _splits(cohort, n_splits)
    # Seed by seed, so that a queue that is stopped half-way leaves complete comparisons of private and non-private runs.
    of_seed = [(seed, target) for seed in range(first_seed, first_seed + n_seeds) for target in targets]
    of_split = [*((first_seed, target) for target in alone), *of_seed]
    about = (card.name, card.version, unit)
    return [RunSpec(cohort.fingerprint, split, *about, target, seed, encoder, start) for split in splits for seed, target in of_split]


def _splits(cohort: Cohort, n_splits: int) -> list[int] | list[None]:
    """The seeds of so many splits."""
    # A cohort with its source's own split has one split only, so no seed may make two runs on it look different.
    if not cohort.has_own_split:
        return list(range(DEFAULT_SPLIT_SEED, DEFAULT_SPLIT_SEED + n_splits))
    if n_splits > 1:
        raise SpecError(f"Cohort {cohort.name!r} has its source's own split: it cannot be split again. Leave out the number of splits.")
    return [None]


def _targets(epsilons: Sequence[float], delta: float, *, non_private: bool) -> list[PrivacyTarget | None]:
    """The targets of each seed: None first for the non-private reference, then the budgets in increasing order, each once."""
    budgets = sorted(set(map(float, epsilons)) - {0.0})
    return [*([None] if non_private else []), *(PrivacyTarget(epsilon, delta) for epsilon in budgets)]


def _refuse_blocked(cohort: Cohort) -> None:
    if cohort.blocking:
        raise SpecError(f"Cohort {cohort.name!r} cannot be trained on: {cohort.blocking[0]}")


def _refuse_unknown_patients(cohort: Cohort, unit: PrivacyUnit) -> None:
    if unit is PrivacyUnit.PATIENT and not cohort.patients_known:
        raise SpecError(
            f"Cohort {cohort.name!r} does not say which images belong to the same patient, so no guarantee can be given to a patient: "
            "choose the unit image (--unit image)."
        )


def estimate_seconds(specs: Sequence[RunSpec], cohort: Cohort, results: Sequence[RunResult], *, workers: int) -> float:
    """The estimated time in seconds until `workers` have trained all of `specs`.

    A recipe's time per image is the median over its finished runs, or the time on its card where none has finished.

    Args:
        specs: runs to train.
        cohort: their data.
        results: finished runs, of any cohort.
        workers: number of training processes.
    """
    paces: Mapping[str, list[float]] = {spec.recipe: [] for spec in specs}
    for result in results:
        if result.spec.recipe in paces and result.n_train_cases:  # a start that was scored alone trained on nobody
            paces[result.spec.recipe].append(result.elapsed_seconds / result.n_train_cases)
    seconds = 0.0
    for spec in specs:
        if spec.privacy is not None and spec.privacy.learns_nothing:
            continue
        known = sorted(paces[spec.recipe])
        pace = known[len(known) // 2] if known else recipe_card(spec.recipe).seconds_per_image
        seconds += pace * TRAIN_SHARE * len(cohort.cases)
    return math.ceil(seconds / max(workers, 1))


def parse_epsilons(text: str) -> list[float]:
    """The privacy budgets in `text`, separated by commas.

    Raises:
        SpecError: one is not a number, or there is none.
    """
    try:
        numbers = [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise SpecError(f"{text!r} holds something that is not a number: write budgets as 0.3, 1, 8.") from None
    if not numbers:
        raise SpecError("No privacy budget was given: write budgets as 0.3, 1, 8.")
    return numbers


def parse_delta(text: str) -> float:
    """The one δ in `text`, above 0 and below 1; `PrivacyTarget` sets the tighter limit of what can be trained.

    Raises:
        SpecError: there is none, more than one, something that is not a number, or a number outside (0, 1).
    """
    if not text.strip():
        raise SpecError("No δ was given: write one number, such as 1e-5.")
    if "," in text:  # a list, or a decimal comma: either would be a guess
        raise SpecError(f"δ is one number, written with a decimal point: {text!r} has a comma. Write it as 1e-5 or 0.00001.")
    try:
        delta = float(text)
    except ValueError:
        raise SpecError(f"{text!r} is not a number: write δ as 1e-5 or 0.00001.") from None
    if not 0 < delta < 1:
        raise SpecError(f"δ = {delta:g} is not between 0 and 1: write a small probability, such as 1e-5.")
    return delta
