"""What entries say of an attempt's noise: the bodies of `planned` and `ended` entries."""

from pathlib import Path

from dpmed_core.privacy.ledger.book import Draw
from dpmed_core.training.accounting.dominating_gaussian import delta0_of, squared_mu
from dpmed_core.training.accounting.gaussian_dp import gaussian_mu
from dpmed_core.training.accounting.pld import Mechanism
from dpmed_core.training.result import PrivacyGuarantee
from dpmed_core.training.spec import PrivacyUnit, RunSpec


def asked_body(run_id: str, spec: RunSpec, patients: str, most_images: int) -> dict[str, object]:
    """The body of an `asked` entry: the target is reserved as the Gaussian mechanism that spends exactly that.

    Args:
        run_id: the run.
        spec: its specification.
        patients: name of the set of its training patients.
        most_images: images of the patient who has most.
    """
    images = most_images if spec.unit is PrivacyUnit.IMAGE else 1
    reserved = (images * gaussian_mu(spec.privacy)) ** 2 if spec.privacy else 0.0
    return {"run": run_id, **facts_of(spec), "patients": patients, "squared_mu": reserved}


def planned_body(
    run_id: str,
    facts: dict[str, object],
    *,
    draw: str,
    patients: str,
    most_images: int,
    guarantee: PrivacyGuarantee | None,
    steps: int,
    resumed: int,
    calibrations_dir: Path | None,
) -> dict[str, object]:
    """The body of a `planned` entry.

    Args:
        run_id: the run.
        facts: of its specification, see `facts_of`.
        draw: the attempt's random name.
        patients: name of the set of its training patients.
        most_images: images of the patient who has most.
        guarantee: what the whole training will spend; None without privacy.
        steps: that the attempt may take.
        resumed: the step that it continues from.
        calibrations_dir: cache of the accountants.
    """
    body = {"run": run_id, **facts, "draw": draw, "patients": patients, "steps": steps, "resumed": resumed}
    if guarantee is None:
        return {**body, "noise_multiplier": None, "sample_rate": None, "images_per_patient": 1, "squared_mu": 0.0, "delta0": 0.0}
    images = most_images if guarantee.unit is PrivacyUnit.IMAGE else 1
    mechanism = Mechanism(guarantee.noise_multiplier, guarantee.sample_rate, steps, images)
    return {
        **body,
        "noise_multiplier": mechanism.noise_multiplier,
        "sample_rate": mechanism.sample_rate,
        "images_per_patient": images,
        "squared_mu": squared_mu(mechanism, cache_dir=calibrations_dir),
        "delta0": delta0_of(mechanism),
    }


def ended_body(draw: Draw, *, steps: int, how: str, weights: str | None, calibrations_dir: Path | None) -> dict[str, object]:
    """The body of an `ended` entry.

    Args:
        draw: that has ended.
        steps: that it is charged.
        how: it ended.
        weights: start of the checksum of the weights that came of it; None where none did.
        calibrations_dir: cache of the accountants.
    """
    same = steps == draw.mechanism.steps or not draw.private
    mechanism = Mechanism(draw.mechanism.noise_multiplier, draw.mechanism.sample_rate, steps, draw.mechanism.images_per_patient)
    spent = draw.squared_mu if same else squared_mu(mechanism, cache_dir=calibrations_dir)
    return {"run": draw.run_id, "draw": draw.draw, "steps": steps, "how": how, "squared_mu": spent, "weights": weights}


def facts_of(spec: RunSpec) -> dict[str, object]:
    """What an entry says of a run's specification."""
    return {
        "cohort": spec.cohort_fingerprint,
        "recipe": spec.recipe,
        "unit": spec.unit.value,
        "epsilon": spec.privacy.epsilon if spec.privacy else None,
        "delta": spec.privacy.delta if spec.privacy else None,
        "seed": spec.seed,
    }
