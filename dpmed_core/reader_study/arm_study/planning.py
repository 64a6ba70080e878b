"""A study from what people ask for: its cases are drawn, and what the models say of them is kept."""

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dpmed_core.cohort.schema import Cohort, Split
from dpmed_core.errors import DpmedError
from dpmed_core.evaluation.cases.case_scores import CaseScores
from dpmed_core.foreign_text import plain_line
from dpmed_core.people.identity import LONGEST_WHO
from dpmed_core.phrases import counted
from dpmed_core.reader_study.arm_study.study import AidingModel, ArmStudy
from dpmed_core.reader_study.case_selection import cases_to_read
from dpmed_core.reader_study.multi_reader.ratings import ARMS, FEWEST_ARMS, UNAIDED
from dpmed_core.reader_study.reader_vs_model import PRIVATE

LONGEST_TITLE = 100
MOST_READERS = 50
MOST_DAYS = 365


@dataclass(frozen=True)
class StudyRequest:
    """What somebody asks for.

    Attributes:
        title: of the study.
        readers: their names; of people who sign on, what they sign on with.
        arms: of `multi_reader.ratings.ARMS`.
        finding: the finding to judge.
        n_cases: at most so many cases.
        balanced: whether half of them should have the finding.
        wash_out_days: between two sessions of a reader; 0 for a trial.
    """

    title: str
    readers: Sequence[str]
    arms: Sequence[str]
    finding: str
    n_cases: int
    balanced: bool
    wash_out_days: int


def planned_study(
    request: StudyRequest,
    cohort: Cohort,
    split: Split,
    *,
    planned_by: str,
    key: bytes,
    scores: CaseScores | None,
    epsilon: float | None,
    guarantees: Mapping[str, str],
) -> ArmStudy:
    """The study; nothing is stored yet (`arm_study.store`).

    Args:
        request: what is asked for.
        cohort: whose cases.
        split: which cases are test cases.
        planned_by: who asks.
        key: the installation's secret key.
        scores: of the models; None where there are none.
        epsilon: the budget of the private model; None where there is none.
        guarantees: by run_id, the guarantee of each private training run in one sentence.

    Raises:
        DpmedError: a name is missing, too long or given twice, a number is out of its range, or an aided arm has no model.
    """
    readers = _readers(request.readers)
    title = _fitting(request.title, LONGEST_TITLE, "title")
    arms = tuple(arm for arm in ARMS if arm in request.arms)
    if len(arms) < FEWEST_ARMS or len(arms) < len(set(request.arms)):
        raise DpmedError(f"A study needs at least two of the arms {', '.join(ARMS)}.")
    if not 0 <= request.wash_out_days <= MOST_DAYS:
        raise DpmedError(f"A wash-out has 0 to {MOST_DAYS} days; four weeks are customary, and 0 is for trials.")
    study_id = secrets.token_hex(8)
    wanted = {"finding": request.finding, "n_cases": request.n_cases, "balanced": request.balanced}
    rows = cases_to_read(cohort, split, **wanted, reading_id=study_id, key=key)  # type: ignore[arg-type]
    cases = tuple(str(case_id) for case_id in cohort.cases["case_id"].iloc[rows])
    labels = cohort.labels[rows, cohort.findings.index(request.finding)]
    study = ArmStudy(
        study_id=study_id,
        fingerprint=cohort.fingerprint,
        title=title,
        planned_by=plain_line(planned_by, LONGEST_WHO),
        planned_at=time.time(),
        finding=request.finding,
        balanced=request.balanced,
        readers=readers,
        arms=arms,
        wash_out_days=int(request.wash_out_days),
        seed=secrets.randbelow(2**32),
        cases=cases,
        with_finding=tuple(bool(label == 1) for label in labels),
        models={arm: _model(arm, scores, cases, request.finding, epsilon, guarantees) for arm in arms if arm != UNAIDED},
    )
    _ = study.plan  # refuses what cannot be crossed, before anything is stored
    return study


def _readers(names: Sequence[str]) -> tuple[str, ...]:
    """The names in one form, each once."""
    readers = tuple(_fitting(name, LONGEST_WHO, "reader's name") for name in names)
    if not 1 <= len(readers) <= MOST_READERS:
        raise DpmedError(f"A study has 1 to {MOST_READERS} readers, and {counted(len(readers), 'is', 'are')} named: one name a line.")
    if len({reader.casefold() for reader in readers}) < len(readers):
        raise DpmedError("A reader is named twice: give every reader a name of their own.")
    return readers


def _fitting(text: str, most: int, what: str) -> str:
    line = plain_line(text)
    if not 0 < len(line) <= most:
        raise DpmedError(f"A {what} has 1 to {most} characters: write another one.")
    return line


def _model(
    arm: str, scores: CaseScores | None, cases: Sequence[str], finding: str, epsilon: float | None, guarantees: Mapping[str, str]
) -> AidingModel:
    """The one model that aids an arm: the training run with the smallest seed, at its own threshold, as where one reader is compared.

    Raises:
        DpmedError: there is no such model.
    """
    runs = None if scores is None else scores.private(epsilon) if arm == PRIVATE and epsilon is not None else None
    runs = scores.non_private if scores is not None and arm != PRIVATE else runs
    if scores is None or runs is None:
        kind = "private model at this budget" if arm == PRIVATE else "model without privacy"
        raise DpmedError(f"There is no {kind} that has scored these cases: train one, or leave its arm out.")
    run, finding_index = scores.first_run(runs), scores.panel.findings.index(finding)
    rows = np.array([scores.case_index[case_id] for case_id in cases], dtype=np.intp)
    threshold = float(scores.thresholds[run, finding_index])
    run_id = str(scores.panel.runs["run_id"].iloc[run])
    return AidingModel(
        run_id=run_id,
        guarantee=guarantees.get(run_id, ""),
        threshold=None if np.isnan(threshold) else threshold,
        scores=tuple(float(score) for score in scores.panel.scores[run, finding_index, rows]),
    )
