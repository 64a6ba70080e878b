"""What a worker does with a question; torch is loaded here."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpmed_core.cohort.schema import Cohort, Modality
from dpmed_core.errors import CohortError, DpmedError
from dpmed_core.explaining.attribution import attribution
from dpmed_core.explaining.comparison import rank_correlation
from dpmed_core.installation import Installation
from dpmed_core.questions.kinds import Explanation, OwnCase, PublicFeatures, Question
from dpmed_core.questions.status import Stage
from dpmed_core.questions.store import Answer, Questions
from dpmed_core.settings import Settings
from dpmed_core.training.features import compute_features, public_features
from dpmed_core.training.fitted import FittedModel, StoredModel
from dpmed_core.training.inference import rebuild
from dpmed_core.training.session import Cancelled

UNTRAINED_SEED = 10_007
"""Apart from the seeds of trainings, whose first weights would otherwise be the untrained model's."""


def answer(settings: Settings, name: str) -> None:
    """Answer the question called `name`, unless nobody wants the answer any more."""
    questions = Questions(Installation.open(settings))
    if not questions.is_wanted(name):
        return
    question = questions.question(name)
    try:
        questions.store_answer(name, question, _answer(questions, name, question))
    except Cancelled:
        questions.set_state(name, Stage.CANCELLED)
    except DpmedError as error:
        questions.set_state(name, Stage.FAILED, message=str(error))
    finally:
        questions.drop_pixels(name)


def _answer(questions: Questions, name: str, question: Question) -> Answer:
    if isinstance(question, Explanation):
        return explain(questions, name, question)
    if isinstance(question, OwnCase):
        return score_own(questions, name, question)
    return compute(questions.installation, question)


def explain(questions: Questions, name: str, question: Explanation) -> Answer:
    """`maps` `[n_models + 1, *positions]`, the last by a model with random weights; `scores` and `with_random`, one a model.

    Raises:
        CohortError: the case is not there.
        Cancelled: nobody wants the answer any more.
    """
    cohort = questions.installation.cohorts.load(question.cohort)
    image, finding = image_of(cohort, question.case_id), cohort.findings.index(question.finding)
    maps, scores, last = [], [], None
    for last in _models(questions, name, question.models, cohort.modality, further=1):
        maps.append(attribution(last.explainable(), image, finding=finding, method=question.method)[0])
        scores.append(last.score(image)[0, finding])
    if last is not None:
        maps.append(attribution(last.untrained(UNTRAINED_SEED), image, finding=finding, method=question.method)[0])
    return {
        "maps": np.stack(maps),
        "scores": np.array(scores),
        "with_random": np.array([rank_correlation(one, maps[-1]) for one in maps[:-1]]),
    }


def score_own(questions: Questions, name: str, question: OwnCase) -> Answer:
    """`scores` `[n_models, n_findings]` of the case beside the question, and its public `features` `[n_features]`.

    Raises:
        Cancelled: nobody wants the answer any more.
    """
    image = questions.pixels(name)[None]
    modality = questions.installation.cohorts.load(question.cohort).modality
    features = compute_features(image, modality, questions.installation.settings.encoders_dir)
    scores = [
        model.score(image)[0] if model.score_features is None else model.score_features(features)[0]
        for model in _models(questions, name, question.models, modality)
    ]
    return {"scores": np.array(scores), "features": features[0]}


def compute(installation: Installation, question: PublicFeatures) -> Answer:
    """`n_cases` whose features now lie beside the cohort."""
    cohort = installation.cohorts.load(question.cohort)
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
    questions: Questions, name: str, models: Sequence[tuple[str, str]], modality: Modality, *, further: int = 0
) -> Iterator[FittedModel]:
    """The models of the runs, one after another; each is a part of the work, of which `further` come after them."""
    runs, settings = questions.installation.runs, questions.installation.settings
    for number, (run_id, _) in enumerate(models):
        _report(questions, name, number, len(models) + further)
        yield rebuild(StoredModel(runs.result(run_id), runs.weights(run_id), settings.encoders_dir, modality))
    _report(questions, name, len(models), len(models) + further)


def _report(questions: Questions, name: str, done: int, total: int) -> None:
    if not questions.is_wanted(name):
        raise Cancelled
    questions.set_state(name, Stage.WORKING, done=done, total=total)
