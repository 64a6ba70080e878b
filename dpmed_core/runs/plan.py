"""Planning: which runs a request comes to, and how long they will take."""

import math
from collections.abc import Mapping, Sequence

from dpmed_core.cohort.schema import Cohort, Part
from dpmed_core.cohort.split import DEFAULT_SPLIT_SEED as DEFAULT_SPLIT_SEED
from dpmed_core.cohort.split import SHARES, assign_parts
from dpmed_core.errors import SpecError
from dpmed_core.training.recipes.catalogue import recipe_card, refuse_other_images
from dpmed_core.training.result import RunResult
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit, RunSpec, default_delta

TRAIN_SHARE = dict(SHARES)[Part.TRAIN]


def n_train_units(cohort: Cohort, *, key: bytes, unit: PrivacyUnit, split_seed: int = DEFAULT_SPLIT_SEED) -> int:
    """Training patients, or training images where the unit is the image."""
    train = cohort.cases.iloc[assign_parts(cohort, seed=split_seed, key=key).rows(Part.TRAIN)]
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
    split_seed: int = DEFAULT_SPLIT_SEED,
    non_private: bool = True,
) -> list[RunSpec]:
    """The runs of a grid, seed by seed, each seed's non-private twin first.

    Args:
        cohort: the data.
        key: the installation's secret.
        recipe: name of a recipe.
        epsilons: budgets; repeated ones count once.
        n_seeds: replicates of each.
        delta: None for `default_delta` of the number of training units.
        unit: what is protected.
        split_seed: labels the assignment of patients to parts.
        non_private: whether to train the twins.

    Raises:
        SpecError: the grid is empty, a value cannot be trained, the recipe is for other images, or there is nobody to train on.
    """
    card = recipe_card(recipe)
    refuse_other_images(card, cohort.modality)
    if not cohort.findings:
        raise SpecError(f"Cohort {cohort.name!r} has no findings to learn: import it again with a table of labels.")
    _refuse_blocked(cohort)
    _refuse_unknown_patients(cohort, unit)
    units = n_train_units(cohort, key=key, unit=unit, split_seed=split_seed)
    if units < 2:
        raise SpecError(f"The training part has {units} {unit.value}s: import more patients before training.")
    delta = default_delta(units) if delta is None else delta
    targets: list[PrivacyTarget | None] = [PrivacyTarget(epsilon, delta) for epsilon in sorted(set(map(float, epsilons)))]
    if non_private:
        targets.insert(0, None)
    if not targets:
        raise SpecError("No epsilon was given: name at least one privacy budget.")
    seed_of_split = None if cohort.has_own_split else split_seed
    return [
        RunSpec(cohort.fingerprint, seed_of_split, card.name, card.version, unit, target, seed)
        for seed in range(n_seeds)
        for target in targets
    ]


def _refuse_blocked(cohort: Cohort) -> None:
    if cohort.blocking:
        raise SpecError(f"Cohort {cohort.name!r} cannot be trained on: {cohort.blocking[0]}")


def _refuse_unknown_patients(cohort: Cohort, unit: PrivacyUnit) -> None:
    if unit is PrivacyUnit.PATIENT and not cohort.patients_known:
        raise SpecError(
            f"Cohort {cohort.name!r} does not say which images are one patient's, so nothing can be promised to a patient: "
            "choose the unit image (--unit image)."
        )


def estimate_seconds(specs: Sequence[RunSpec], cohort: Cohort, results: Sequence[RunResult], *, workers: int) -> float:
    """Seconds until all of `specs` are trained by `workers`: by the median pace of finished runs of the recipe, else by its card.

    Args:
        specs: runs to train.
        cohort: their data.
        results: finished runs, of any cohort.
        workers: training processes.
    """
    paces: Mapping[str, list[float]] = {spec.recipe: [] for spec in specs}
    for result in results:
        if result.spec.recipe in paces:
            paces[result.spec.recipe].append(result.elapsed_seconds / max(result.n_train_cases, 1))
    seconds = 0.0
    for spec in specs:
        known = sorted(paces[spec.recipe])
        pace = known[len(known) // 2] if known else recipe_card(spec.recipe).seconds_per_image
        seconds += pace * TRAIN_SHARE * len(cohort.cases)
    return math.ceil(seconds / max(workers, 1))


def parse_epsilons(text: str) -> list[float]:
    """The comma-separated numbers in `text`.

    Raises:
        SpecError: one is no number, or there is none.
    """
    try:
        numbers = [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise SpecError(f"{text!r} holds something that is not a number: write budgets as 0.3, 1, 8.") from None
    if not numbers:
        raise SpecError("No number was given: write budgets as 0.3, 1, 8.")
    return numbers
