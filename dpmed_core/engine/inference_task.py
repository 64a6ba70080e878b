"""What a worker computes for an inference request; torch is loaded here."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import CohortError, DpmedError
from dpmed_core.explanations.attribution import attribution
from dpmed_core.explanations.map_similarity import rank_correlation
from dpmed_core.imaging.modality import Modality
from dpmed_core.inference.requests import (
    AddedFeatures,
    AuditOfRun,
    Explanation,
    InferenceRequest,
    PublicFeatures,
    ShadowTrainings,
    UploadedCase,
)
from dpmed_core.inference.status import Stage
from dpmed_core.inference.store import Answer, InferenceRequests
from dpmed_core.installation import Installation
from dpmed_core.privacy.audit.run_audit import audit_run
from dpmed_core.privacy.audit.stored_audit import store_audit
from dpmed_core.protection import FEWEST_TRAININGS, RETURNING, arms_of, measure_exposure, measure_returning
from dpmed_core.settings import Settings
from dpmed_core.training.encoders.features import compute_features, public_features
from dpmed_core.training.encoders.joined_features import joined_features
from dpmed_core.training.fitted import FittedModel, StoredModel
from dpmed_core.training.inference import rebuild
from dpmed_core.training.recipes.catalogue import PROBE
from dpmed_core.training.session import Cancelled

REPORT_SECONDS = 0.5
UNTRAINED_SEED = 10_007
"""Not the seed of any likely run: a run of the same seed has the untrained model's weights as its initial weights."""


def answer(settings: Settings, name: str) -> None:
    """Answer the request called `name`, unless it was cancelled or has expired."""
    requests = InferenceRequests(Installation.open(settings))
    if not requests.is_wanted(name):
        return
    request = requests.request(name)
    try:
        requests.store_answer(name, request, _answer(requests, name, request))
    except Cancelled:
        requests.set_state(name, Stage.CANCELLED)
    except DpmedError as error:
        requests.set_state(name, Stage.FAILED, message=str(error))
    finally:
        requests.drop_pixels(name)  # an uploaded image is not kept a moment longer than it is needed


def _answer(requests: InferenceRequests, name: str, request: InferenceRequest) -> Answer:
    if isinstance(request, Explanation):
        return explain(requests, name, request)
    if isinstance(request, UploadedCase):
        return score_uploaded(requests, name, request)
    if isinstance(request, AddedFeatures):
        return compute_added_features(requests, name, request)
    if isinstance(request, ShadowTrainings):
        return measure(requests, name, request)
    if isinstance(request, AuditOfRun):
        return audit_of_run(requests, name, request)
    return compute_public_features(requests.installation, request)


def explain(requests: InferenceRequests, name: str, request: Explanation) -> Answer:
    """The explanation maps of a case: `maps` `[n_models + 1, *positions]`, the last of a model with random weights.

    With them `scores` `[n_models]` of the case, and `with_random` `[n_models]`, each map's rank correlation with the last.

    Raises:
        CohortError: the cohort has no such case.
        Cancelled: the request was cancelled or has expired.
    """
    cohort = requests.installation.cohorts.load(request.cohort)
    image, finding_index = stored_image(cohort, request.case_id), cohort.findings.index(request.finding)
    maps, scores, last = [], [], None
    for last in _models(requests, name, request.models, cohort.modality, further=1):
        maps.append(attribution(last.explainable(), image, finding_index=finding_index, method=request.method)[0])
        scores.append(last.score(image)[0, finding_index])
    if last is not None:
        maps.append(attribution(last.untrained(UNTRAINED_SEED), image, finding_index=finding_index, method=request.method)[0])
    return {
        "maps": np.stack(maps),
        "scores": np.array(scores),
        "with_random": np.array([rank_correlation(one, maps[-1]) for one in maps[:-1]]),
    }


def score_uploaded(requests: InferenceRequests, name: str, request: UploadedCase) -> Answer:
    """The `scores` `[n_models, n_findings]` of the uploaded case, and its public `features` `[n_features]`.

    Raises:
        Cancelled: the request was cancelled or has expired.
    """
    image = requests.pixels(name)[None]
    modality = requests.installation.cohorts.load(request.cohort).modality
    features = compute_features(image, modality, requests.installation.settings.encoders_dir)
    scores = [
        model.score(image)[0] if model.score_features is None else model.score_features(features)[0]
        for model in _models(requests, name, request.models, modality)  # a probe scores the features that were computed once
    ]
    return {"scores": np.array(scores), "features": features[0]}


def compute_public_features(installation: Installation, request: PublicFeatures) -> Answer:
    """The number `n_cases` of cases whose public features are now stored with the cohort."""
    cohort = installation.cohorts.load(request.cohort)
    folders: dict[str, Any] = {
        "features_dir": installation.cohorts.features_dir(cohort.name),
        "encoders_dir": installation.settings.encoders_dir,
    }
    return {"n_cases": np.array(len(public_features(cohort, **folders)))}


def compute_added_features(requests: InferenceRequests, name: str, request: AddedFeatures) -> Answer:
    """The number `n_cases` of cases whose features by an added encoder are now stored with the cohort.

    Raises:
        EncoderError: the encoder is missing, or was changed.
        Cancelled: the request was cancelled or has expired.
    """
    installation = requests.installation
    cohort = installation.cohorts.load(request.cohort)
    features = joined_features(
        cohort,
        request.encoder,
        features_dir=installation.cohorts.features_dir(cohort.name),
        encoders_dir=installation.settings.encoders_dir,
        added_dir=installation.settings.added_encoders_dir,
        progress=lambda done, total: _report(requests, name, done, total),
    )
    return {"n_cases": np.array(len(features))}


def measure(requests: InferenceRequests, name: str, request: ShadowTrainings) -> Answer:
    """The number `n_rows` of budgets and units at which the training patients are now measured.

    Raises:
        SpecError: there are too few training patients, or a budget cannot be trained.
        Cancelled: the request was cancelled or has expired.
    """
    installation = requests.installation
    cohort = installation.cohorts.load(request.cohort)
    arms = arms_of(installation, cohort, recipe=PROBE.name, epsilons=request.epsilons, delta=request.delta)
    how: dict[str, Any] = {
        "start": request.start,
        "n_trainings": FEWEST_TRAININGS,
        "is_permitted": True,
        "progress": _now_and_then(requests, name),
    }
    if request.of == RETURNING:
        return {"n_rows": np.array(len(measure_returning(installation, cohort, arms, **how)))}
    return {"n_rows": np.array(len(measure_exposure(installation, cohort, arms, **how).rows))}


def audit_of_run(requests: InferenceRequests, name: str, request: AuditOfRun) -> Answer:
    """Whether the audit of a run found it `consistent`; all that it found is stored with the run.

    Raises:
        RunError: there is no such run, or it has no result, or no longer has one.
        SpecError: the run claims nothing that could be audited.
        Cancelled: the request was cancelled or has expired.
    """
    installation = requests.installation
    _report(requests, name, 0, 0)
    found = audit_run(
        installation.runs,
        request.run_id,
        encoders_dir=installation.settings.encoders_dir,
        progress=lambda done, total: _report(requests, name, done, total),
    )
    store_audit(installation.runs, request.run_id, found)
    return {"consistent": np.array(found.consistent)}


def stored_image(cohort: Cohort, case_id: str) -> NDArray[np.generic]:
    """The stored image of a case, `[1, ...]`.

    Raises:
        CohortError: the cohort has no such case.
    """
    rows = np.flatnonzero(cohort.cases["case_id"].to_numpy() == case_id)
    if not len(rows):
        raise CohortError("This case is no longer in the cohort: choose another.")
    cohort.check_images(rows[:1])
    return np.asarray(cohort.images[rows[:1]])


def _models(
    requests: InferenceRequests, name: str, models: Sequence[tuple[str, str]], modality: Modality, *, further: int = 0
) -> Iterator[FittedModel]:
    """The models of the runs, one after another, with the progress reported before each.

    Args:
        requests: the store.
        name: of the request.
        models: run_id and digest of the weights of each.
        modality: of the cohort's images.
        further: parts of the work that come after the models, counted in the progress.

    Raises:
        Cancelled: the request was cancelled or has expired.
    """
    # One at a time, so that memory holds one model, and a request can be cancelled between two of them.
    runs, settings = requests.installation.runs, requests.installation.settings
    for number, (run_id, _) in enumerate(models):
        _report(requests, name, number, len(models) + further)
        yield rebuild(StoredModel(runs.result(run_id), runs.weights(run_id), settings.encoders_dir, modality, settings.added_encoders_dir))
    _report(requests, name, len(models), len(models) + further)


def _now_and_then(requests: InferenceRequests, name: str) -> Callable[[int, int], None]:
    """Reports the progress of work in very many small parts, at intervals: each report is a file."""
    last = 0.0

    def report(done: int, total: int) -> None:
        nonlocal last
        if (now := time.monotonic()) - last >= REPORT_SECONDS or done == total:
            last = now
            _report(requests, name, done, total)

    return report


def _report(requests: InferenceRequests, name: str, done: int, total: int) -> None:
    if not requests.is_wanted(name):
        raise Cancelled
    requests.set_state(name, Stage.WORKING, done=done, total=total)
