"""How well the training patients of a cohort are protected, measured by trainings that are not kept, and stored with the cohort.

Every measurement is allowed, written into the ledger before its first training, and only then made.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpmed_core.cohort.schema import Cohort, Part, Split
from dpmed_core.cohort.split import DEFAULT_SPLIT_SEED, assign_parts
from dpmed_core.errors import CohortError, SettingsError, SpecError
from dpmed_core.installation import Installation
from dpmed_core.people.roles import Action
from dpmed_core.privacy.exposure.exposure_removed import ExposureRemoved, exposure_removed
from dpmed_core.privacy.exposure.exposure_rows import Arm, exposure_rows
from dpmed_core.privacy.exposure.measurement import Measurement, check_measurement, read_measurement, write_measurement
from dpmed_core.privacy.exposure.patient_groups import Members, patient_groups
from dpmed_core.privacy.exposure.permission import require_permission
from dpmed_core.privacy.exposure.training_images import require_enough, training_images
from dpmed_core.privacy.kept import file_of, keep, kept, start_fields, start_from_fields
from dpmed_core.privacy.meaning.most_images import most_images
from dpmed_core.privacy.returning.ordered_images import ordered_images, require_order
from dpmed_core.privacy.returning.returning_rows import ReturningRow, returning_rows
from dpmed_core.public_starts import features_for
from dpmed_core.runs.plan import n_train_units, plan_runs
from dpmed_core.training.encoders.features import public_features
from dpmed_core.training.recipes.catalogue import PROBE
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit, StartChoice
from dpmed_core.training.starts.public_network import PublicNetwork
from dpmed_core.training.starts.start import HeadStart
from dpmed_core.training.starts.start_of_run import chosen_start

FEWEST_TRAININGS = 200
"""With fewer, a patient's AUC has a standard error above .04."""
EXPOSURE, RETURNING = "exposure", "returning"
"""What is measured, as a request names it."""
RETURNING_FILE = "returning.json"


def arms_of(
    installation: Installation,
    cohort: Cohort,
    *,
    recipe: str,
    epsilons: Sequence[float],
    delta: float | None = None,
    unit: PrivacyUnit | None = None,
) -> list[Arm]:
    """What is measured: by unit, the non-private reference and then the budgets.

    Args:
        installation: whose cohort.
        cohort: the data.
        recipe: that is trained.
        epsilons: budgets.
        delta: of all budgets; None for the default of the unit.
        unit: what is clipped and protected as one; None for all that the cohort knows.

    Raises:
        SpecError: the recipe takes too long for hundreds of trainings, or `plan_runs` refuses the same.
    """
    if recipe != PROBE.name:
        raise SpecError(f"This takes hundreds of trainings, for which recipe {recipe} is too slow: use recipe {PROBE.name}.")
    if 0 in epsilons:
        raise SpecError("At ε = 0 nobody is trained on, so that there is nothing to measure: leave it out.")
    known = tuple(PrivacyUnit) if cohort.patients_known else (PrivacyUnit.IMAGE,)
    return [
        Arm(one, spec.privacy)
        for one in ((unit,) if unit else known)
        for spec in plan_runs(cohort, key=installation.key, recipe=recipe, epsilons=epsilons, n_seeds=1, delta=delta, unit=one)
    ]


def measure_exposure(
    installation: Installation,
    cohort: Cohort,
    arms: Sequence[Arm],
    *,
    start: StartChoice | None = None,
    n_trainings: int = FEWEST_TRAININGS,
    is_permitted: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
    keeps: bool = True,
) -> Measurement:
    """How exposed the training patients of `cohort` are at each of `arms`; kept with the cohort in place of an earlier measurement.

    Args:
        installation: whose cohort.
        cohort: the data.
        arms: from `arms_of`.
        start: the public start of the trainings; None from scratch.
        n_trainings: shadow trainings of each.
        is_permitted: who asked had the permission: an engine that another process started need not have the same settings.
        progress: told how many of all trainings are done.
        keeps: whether it is kept.

    Raises:
        SettingsError: the installation does not allow it for real patients.
        SpecError: there are too few training patients, or the start is gone.
    """
    require_permission(cohort, allowed=is_permitted or installation.settings.show_exposure)
    split = assign_parts(cohort, seed=DEFAULT_SPLIT_SEED, key=installation.key)
    images = training_images(cohort, split, *_read(installation, cohort, start))
    _write_down(installation, cohort, split, arms, n_trainings=n_trainings, start=start)
    members = members_of(installation, cohort)
    rows, aucs = exposure_rows(images, arms, members, n_trainings=n_trainings, rng=np.random.default_rng(), progress=progress)
    found = Measurement(PROBE.name, PROBE.version, split.seed, n_trainings, tuple(rows), aucs, start)
    if keeps:
        write_measurement(installation.cohorts.protection_dir(cohort.name), found, fingerprint=cohort.fingerprint)
    return found


def removed_by(
    installation: Installation, cohort: Cohort, found: Measurement, unit: PrivacyUnit, target: PrivacyTarget
) -> list[ExposureRemoved]:
    """The exposure that `target` removes, by group; empty where it, or training without privacy, was not measured."""
    without, private = found.at(unit.value, None, None), found.at(unit.value, target.epsilon, target.delta)
    if without is None or private is None:
        return []
    return exposure_removed(found.aucs[without], found.aucs[private], members_of(installation, cohort))


def measure_returning(
    installation: Installation,
    cohort: Cohort,
    arms: Sequence[Arm],
    *,
    start: StartChoice | None = None,
    n_trainings: int = FEWEST_TRAININGS,
    is_permitted: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[ReturningRow]:
    """How answers on later images shift with the training patients' presence, at each of `arms`; kept with the cohort.

    The arguments are those of `measure_exposure`.

    Raises:
        SettingsError: the installation does not allow it for real patients.
        SpecError: the cohort does not say in which order images were taken, or there are too few patients with later ones.
    """
    require_permission(cohort, allowed=is_permitted or installation.settings.show_exposure)
    require_order(cohort)  # before features, which may take minutes
    split = assign_parts(cohort, seed=DEFAULT_SPLIT_SEED, key=installation.key)
    images = ordered_images(cohort, split, *_read(installation, cohort, start))
    _write_down(installation, cohort, split, arms, n_trainings=n_trainings, start=start)
    rows = returning_rows(images, arms, n_trainings=n_trainings, rng=np.random.default_rng(), progress=progress)
    fields = {"recipe": PROBE.name, "recipe_version": PROBE.version, "rows": [row.to_fields() for row in rows], **start_fields(start)}
    keep(installation.cohorts.protection_dir(cohort.name) / file_of(RETURNING_FILE, start), fields, owner=_ordered(cohort))
    return rows


def _read(installation: Installation, cohort: Cohort, start: StartChoice | None) -> tuple[NDArray[np.float32], HeadStart | None]:
    """What heads read of all of the cohort's images, and the start for its findings; raises as `chosen_start` does."""
    if start is None:
        folders = {"features_dir": installation.cohorts.features_dir(cohort.name), "encoders_dir": installation.settings.encoders_dir}
        return public_features(cohort, **folders), None
    begun = chosen_start(start, cohort, installation.starts, recipe=PROBE.name)
    assert not isinstance(begun, PublicNetwork)  # of another recipe, which is refused
    return features_for(installation, cohort, start), begun


def _write_down(
    installation: Installation, cohort: Cohort, split: Split, arms: Sequence[Arm], *, n_trainings: int, start: StartChoice | None
) -> None:
    """Write into the ledger what is about to be trained."""
    facts: dict[str, object] = {
        "recipe": PROBE.name,
        "units": sorted({arm.unit.value for arm in arms}),
        "epsilons": sorted({arm.target.epsilon for arm in arms if arm.target}),
        **({} if start is None else {"start": start.name}),
    }
    installation.ledger.measure(cohort, split_seed=split.seed, facts=facts, n_trainings=n_trainings * len(arms))


def check_measurements(installation: Installation, name: str) -> None:
    """Check that what is kept of the protection of the patients of cohort `name` can be read; nothing of it is shown.

    Raises:
        CohortError: it cannot be read.
    """
    folder = installation.cohorts.protection_dir(name)
    for path in sorted(folder.glob("exposure*.json")):
        check_measurement(path, fingerprint=installation.cohorts.fingerprint(name))
    for path in sorted(folder.glob("returning*.json")):
        kept(path, _returning, owner=_ordered(installation.cohorts.load(name)))


def stored_exposure(installation: Installation, cohort: Cohort, start: StartChoice | None = None) -> Measurement | None:
    """The last measurement of `cohort` and of trainings from `start`; None where there is none, or of an earlier version of the recipe.

    Raises:
        SettingsError: the installation does not allow it for real patients.
        SpecError: there are too few training patients.
        CohortError: it cannot be read.
        NotAllowedError: whoever looks may not.
    """
    installation.actor.require(Action.SEE_EXPOSURE, cohort.name)
    require_permission(cohort, allowed=installation.settings.show_exposure)
    require_enough(n_train_units(cohort, key=installation.key, unit=PrivacyUnit.PATIENT))
    found = read_measurement(installation.cohorts.protection_dir(cohort.name), fingerprint=cohort.fingerprint, start=start)
    return found if found and (found.recipe, found.recipe_version) == (PROBE.name, PROBE.version) else None


def measured_of_most_images(
    installation: Installation, cohort: Cohort, target: PrivacyTarget, start: StartChoice | None = None
) -> float | None:
    """The measured AUC of the attack on the patient with most images, where each image alone is protected by `target`.

    None where it was not measured, may not be shown, or that patient is not one of the training patients.
    """
    if not installation.actor.may(Action.SEE_EXPOSURE):
        return None
    try:
        found = stored_exposure(installation, cohort, start)
    except (SettingsError, SpecError, CohortError):
        return None
    at = found.at(PrivacyUnit.IMAGE.value, target.epsilon, target.delta) if found else None
    if found is None or at is None:
        return None
    split = assign_parts(cohort, seed=DEFAULT_SPLIT_SEED, key=installation.key)
    images = cohort.cases["patient_id"].iloc[split.rows(Part.TRAIN)].astype(str).value_counts().sort_index()  # in the measurement's order
    return float(found.aucs[at][int(images.to_numpy().argmax())]) if images.max() == most_images(cohort) else None


def stored_returning(installation: Installation, cohort: Cohort, start: StartChoice | None = None) -> tuple[ReturningRow, ...] | None:
    """What was last measured of the returning patients of `cohort` by trainings from `start`.

    None where nothing was, or with an earlier version of the recipe.

    Raises:
        SettingsError: the installation does not allow it for real patients.
        SpecError: the cohort does not say in which order images were taken, or there are too few patients with later ones.
        CohortError: it cannot be read.
        NotAllowedError: whoever looks may not.
    """
    installation.actor.require(Action.SEE_EXPOSURE, cohort.name)
    require_permission(cohort, allowed=installation.settings.show_exposure)
    no_features = np.empty((len(cohort.cases), 0), np.float32)
    ordered_images(cohort, assign_parts(cohort, seed=DEFAULT_SPLIT_SEED, key=installation.key), no_features)  # whether there are enough
    path = installation.cohorts.protection_dir(cohort.name) / file_of(RETURNING_FILE, start)
    found = kept(path, _returning, owner=_ordered(cohort))
    return found[0] if found and found[1:] == (PROBE.name, PROBE.version, start) else None


def _returning(fields: dict[str, Any]) -> tuple[tuple[ReturningRow, ...], str, int, StartChoice | None]:
    """The rows that were kept, and of which recipe, version and start."""
    rows = tuple(ReturningRow(**row) for row in fields["rows"])
    return rows, fields["recipe"], fields["recipe_version"], start_from_fields(fields)


def _ordered(cohort: Cohort) -> str:
    """Names the data with the order of its studies, which the fingerprint does not hold: no training depends on it."""
    order = cohort.study_order
    digest = sha256(b"" if order is None else np.ascontiguousarray(order).tobytes()).hexdigest()
    return f"{cohort.fingerprint} {digest[:16]}"


def members_of(installation: Installation, cohort: Cohort) -> Members:
    """Which training patients are in which group, in the order of a measurement's patients."""
    split = assign_parts(cohort, seed=DEFAULT_SPLIT_SEED, key=installation.key)
    return patient_groups(cohort.cases.iloc[split.rows(Part.TRAIN)], findings=cohort.findings, comorbidities=cohort.comorbidities)
