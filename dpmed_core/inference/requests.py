"""The kinds of inference request; each holds everything that can change its answer, and nothing that identifies a patient."""

import json
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from dpmed_core.people.roles import Action
from dpmed_core.training.spec import StartChoice


@dataclass(frozen=True)
class Explanation:
    """Which parts of a case's image the scores of stored models rest on.

    Attributes:
        cohort: name of the case's cohort.
        case_id: the case's keyed name.
        models: run_id and digest of the weights of each model to explain, in the order of the answer's maps.
        finding: whose score is explained.
        method: name of one of `explanations.methods.METHODS`.
    """

    kind: ClassVar[str] = "explanation"
    is_kept: ClassVar[bool] = True

    cohort: str
    case_id: str
    models: tuple[tuple[str, str], ...]
    finding: str
    method: str


@dataclass(frozen=True)
class UploadedCase:
    """The scores of stored models for an uploaded image; its pixels are stored with the request and removed with it.

    Attributes:
        cohort: name of the cohort on which the models were trained.
        models: run_id and digest of the weights of each, in the order of the answer's rows.
    """

    kind: ClassVar[str] = "uploaded-case"
    is_kept: ClassVar[bool] = False

    cohort: str
    models: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class PublicFeatures:
    """The public encoder's features of all cases of a cohort, which are then stored with the cohort.

    Attributes:
        cohort: its name.
        encoder: version of the encoder.
    """

    kind: ClassVar[str] = "public-features"
    is_kept: ClassVar[bool] = True

    cohort: str
    encoder: str


@dataclass(frozen=True)
class AddedFeatures:
    """An added encoder's features of all cases of a cohort, which are then stored with the cohort.

    Attributes:
        cohort: its name.
        encoder: digest of the encoder.
    """

    kind: ClassVar[str] = "added-features"
    is_kept: ClassVar[bool] = False

    cohort: str
    encoder: str


@dataclass(frozen=True)
class ShadowTrainings:
    """A measurement of a cohort's training patients by shadow trainings, which is then stored with the cohort.

    Attributes:
        cohort: its name.
        of: "exposure" or "returning".
        epsilons: budgets to measure, with the non-private reference and for every unit that the cohort knows.
        delta: of all budgets.
        start: the public start of the trainings; None from scratch.
    """

    kind: ClassVar[str] = "shadow-trainings"
    is_kept: ClassVar[bool] = False

    cohort: str
    of: str
    epsilons: tuple[float, ...]
    delta: float
    start: StartChoice | None = None


@dataclass(frozen=True)
class AuditOfRun:
    """Whether the mechanism of a finished run keeps its word; what is found is stored with the run.

    Attributes:
        run_id: the run.
    """

    kind: ClassVar[str] = "audit"
    is_kept: ClassVar[bool] = False

    run_id: str


InferenceRequest = Explanation | UploadedCase | PublicFeatures | AddedFeatures | ShadowTrainings | AuditOfRun
KINDS: dict[str, type[InferenceRequest]] = {
    k.kind: k for k in (Explanation, UploadedCase, PublicFeatures, AddedFeatures, ShadowTrainings, AuditOfRun)
}


def action_of(request: InferenceRequest) -> tuple[Action, str]:
    """(what whoever asks must be allowed to do, the cohort or run that it is about)."""
    match request:
        case Explanation():
            return Action.SEE_CASES, request.cohort
        case UploadedCase():
            return Action.UPLOAD_CASES, request.cohort
        case PublicFeatures() | AddedFeatures():
            return Action.TRAIN, request.cohort
        case ShadowTrainings():
            return Action.MEASURE, request.cohort
        case AuditOfRun():
            return Action.MEASURE, request.run_id


def to_json(request: InferenceRequest) -> str:
    """The request as JSON; equal requests give equal texts."""
    return json.dumps({"kind": request.kind, **asdict(request)}, sort_keys=True, separators=(",", ":"))


def from_json(text: str) -> InferenceRequest:
    """The request that `to_json` wrote."""
    fields: dict[str, Any] = json.loads(text)
    kind = KINDS[fields.pop("kind")]
    if "models" in fields:
        fields["models"] = tuple((str(run_id), str(digest)) for run_id, digest in fields["models"])
    if "epsilons" in fields:
        fields["epsilons"] = tuple(map(float, fields["epsilons"]))
    if fields.get("start") is not None:
        fields["start"] = StartChoice.from_fields(fields["start"])
    return kind(**fields)
