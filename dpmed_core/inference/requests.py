"""What can be asked: everything that can change the answer, and nothing that names a patient."""

import json
from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Explanation:
    """Which parts of a case's image made stored models answer as they did.

    Attributes:
        cohort: name of the case's cohort.
        case_id: the case's keyed name.
        models: run_id and digest of the weights, of each model to explain, in the order of the answer's maps.
        finding: the answer to explain.
        method: one of `explanations.methods`.
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
    """What stored models say of a case that came from outside; its pixels come beside the question and go with it.

    Attributes:
        cohort: whose models are asked.
        models: run_id and digest of the weights of each, in the order of the answer's rows.
    """

    kind: ClassVar[str] = "own-case"
    is_kept: ClassVar[bool] = False

    cohort: str
    models: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class PublicFeatures:
    """The public encoder's features of a cohort's cases, which are kept beside the cohort.

    Attributes:
        cohort: its name.
        encoder: version of the encoder.
    """

    kind: ClassVar[str] = "public-features"
    is_kept: ClassVar[bool] = True

    cohort: str
    encoder: str


InferenceRequest = Explanation | UploadedCase | PublicFeatures
KINDS: dict[str, type[Explanation] | type[UploadedCase] | type[PublicFeatures]] = {
    k.kind: k for k in (Explanation, UploadedCase, PublicFeatures)
}


def to_json(request: InferenceRequest) -> str:
    """The question as JSON in which equal questions are equal texts."""
    return json.dumps({"kind": request.kind, **asdict(request)}, sort_keys=True, separators=(",", ":"))


def from_json(text: str) -> InferenceRequest:
    """The question that `to_json` wrote."""
    fields: dict[str, Any] = json.loads(text)
    kind = KINDS[fields.pop("kind")]
    if "models" in fields:
        fields["models"] = tuple((str(run_id), str(digest)) for run_id, digest in fields["models"])
    return kind(**fields)
