"""What a worker does with a question; torch is loaded here."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import CohortError, DpmedError
from dpmed_core.explanations.attribution import attribution
from dpmed_core.explanations.map_similarity import rank_correlation
from dpmed_core.imaging.modality import Modality
from dpmed_core.inference.requests import Explanation, InferenceRequest, PublicFeatures, UploadedCase
from dpmed_core.inference.status import Stage
from dpmed_core.inference.store import Answer, InferenceRequests
from dpmed_core.installation import Installation
from dpmed_core.settings import Settings
from dpmed_core.training.encoders.features import compute_features, public_features
from dpmed_core.training.fitted import FittedModel, StoredModel
from dpmed_core.training.inference import rebuild
from dpmed_core.training.session import Cancelled

UNTRAINED_SEED = 10_007
"""Apart from the seeds of trainings, whose first weights would otherwise be the untrained model's."""


def answer(settings: Settings, name: str) -> None:
    """Answer the question called `name`, unless nobody wants the answer any more."""
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
        requests.drop_pixels(name)


def _answer(requests: InferenceRequests, name: str, request: InferenceRequest) -> Answer:
    if isinstance(request, Explanation):
        return explain(requests, name, request)
    if isinstance(request, UploadedCase):
        return score_uploaded(requests, name, request)
    return compute(requests.installation, request)


def explain(requests: InferenceRequests, name: str, request: Explanation) -> Answer:
    """`maps` `[n_models + 1, *positions]`, the last by a model with random weights; `scores` and `with_random`, one a model.

    Raises:
        CohortError: the case is not there.
        Cancelled: nobody wants the answer any more.
    """
    cohort = requests.installation.cohorts.load(request.cohort)
    image, finding = image_of(cohort, request.case_id), cohort.findings.index(request.finding)
    maps, scores, last = [], [], None
    for last in _models(requests, name, request.models, cohort.modality, further=1):
        maps.append(attribution(last.explainable(), image, finding=finding, method=request.method)[0])
        scores.append(last.score(image)[0, finding])
    if last is not None:
        maps.append(attribution(last.untrained(UNTRAINED_SEED), image, finding=finding, method=request.method)[0])
    return {
        "maps": np.stack(maps),
        "scores": np.array(scores),
        "with_random": np.array([rank_correlation(one, maps[-1]) for one in maps[:-1]]),
    }


def score_uploaded(requests: InferenceRequests, name: str, request: UploadedCase) -> Answer:
    """`scores` `[n_models, n_findings]` of the case beside the question, and its public `features` `[n_features]`.

    Raises:
        Cancelled: nobody wants the answer any more.
    """
    image = requests.pixels(name)[None]
    modality = requests.installation.cohorts.load(request.cohort).modality
    features = compute_features(image, modality, requests.installation.settings.encoders_dir)
    scores = [
        model.score(image)[0] if model.score_features is None else model.score_features(features)[0]
        for model in _models(requests, name, request.models, modality)
    ]
    return {"scores": np.array(scores), "features": features[0]}


def compute(installation: Installation, request: PublicFeatures) -> Answer:
    """`n_cases` whose features now lie beside the cohort."""
    cohort = installation.cohorts.load(request.cohort)
    folders: dict[str, Any] = {
        "features_dir": installation.cohorts.features_dir(cohort.name),
        "encoders_dir": installation.settings.encoders_dir,
    }
    return {"n_cases": np.array(len(public_features(cohort, **folders)))}


def image_of(cohort: Cohort, case_id: str) -> NDArray[np.generic]:
    """The stored image of a case, `[1, ...]`.

    Raises:
        CohortError: the cohort has no such case.
    """
    rows = np.flatnonzero(cohort.cases["case_id"].to_numpy() == case_id)
    if not len(rows):
        raise CohortError("This case is not in the cohort any more: choose another.")
    return np.asarray(cohort.images[rows[:1]])


def _models(
    requests: InferenceRequests, name: str, models: Sequence[tuple[str, str]], modality: Modality, *, further: int = 0
) -> Iterator[FittedModel]:
    """The models of the runs, one after another; each is a part of the work, of which `further` come after them."""
    runs, settings = requests.installation.runs, requests.installation.settings
    for number, (run_id, _) in enumerate(models):
        _report(requests, name, number, len(models) + further)
        yield rebuild(StoredModel(runs.result(run_id), runs.weights(run_id), settings.encoders_dir, modality))
    _report(requests, name, len(models), len(models) + further)


def _report(requests: InferenceRequests, name: str, done: int, total: int) -> None:
    if not requests.is_wanted(name):
        raise Cancelled
    requests.set_state(name, Stage.WORKING, done=done, total=total)
