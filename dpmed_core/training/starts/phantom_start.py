"""The start that ships with DPMed: what the public encoder's network for phantoms says of the findings that it was trained to predict.

No image of any patient enters it. Its file, beside the encoder's, holds for each finding the outputs that speak of it and their mean and
spread over synthetic radiographs; `make encoder` makes it (`measure_phantom_start`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpmed_core.errors import SettingsError
from dpmed_core.imaging.modality import Modality
from dpmed_core.training.encoders.card import read_card, weights_file
from dpmed_core.training.spec import StartChoice
from dpmed_core.training.starts.start_card import StartCard

Array = NDArray[np.float64]

NAME = "phantoms"
"""The name of the start; no start that a user makes is called so."""
START_WEIGHT = 4.0
"""The weight of a finding's own feature with which a private head begins. Fixed on a synthetic clinic whose bodies, tones and opacities the
network does not know (`docs/RESULTS.md`): how sure the network is of phantoms says nothing of other images."""
TOLD_ELSEWHERE = frozenset({"effusion", "pleural_effusion", "pleural_effusion_right", "pleural_effusion_left"})
"""The findings that the outputs alone tell on that clinic with an AUROC of .7 or more (.79; atelectasis .695, congestion .69, pneumonic
infiltrates .60, cardiomegaly .56): for radiographs of real patients these are recommended."""


@dataclass(frozen=True, eq=False)
class PhantomStart:
    """The start for some findings.

    Attributes:
        members: 1 where an output speaks of a finding, otherwise 0, `[n_outputs, n_findings]`; a finding of either side has two.
        middle: the mean over synthetic radiographs of a finding's logit, the largest of its outputs, `[n_findings]`.
        spread: its standard deviation there, `[n_findings]`; 0 for a finding of which the start knows nothing.
    """

    members: Array = field(repr=False)
    middle: Array = field(repr=False)
    spread: Array = field(repr=False)

    reads_outputs = True
    """Whether `own_features` needs the outputs behind the features."""

    @property
    def begins(self) -> NDArray[np.bool_]:
        """Whether the start knows something of each finding, `[n_findings]`."""
        return self.spread > 0

    @property
    def start_weights(self) -> Array:
        """The weights of the findings' own features with which a private head begins, `[n_findings]`."""
        return np.where(self.spread > 0, START_WEIGHT, 0.0)

    def own_features(self, features: NDArray[np.float32]) -> Array:
        """tanh(z / 2), `[n, n_findings]` in (-1, 1), z being the logit standardised over synthetic radiographs.

        Centred there: centring on the cohort's own images would be a release of its patients' data.

        Args:
            features: `[n, n_features]` whose last columns are the outputs (`encoders.phantom_outputs`).
        """
        outputs = np.asarray(features[:, -len(self.members) :], dtype=np.float64)
        of_finding = np.where(self.members > 0, outputs[:, :, None], -np.inf).max(axis=1)
        known = self.spread > 0
        return np.where(known, np.tanh((np.where(known, of_finding, 0) - self.middle) / np.where(known, 2 * self.spread, 1)), 0)

    def of(self, findings: Sequence[str], choice: Sequence[tuple[str, str]], public: Sequence[str]) -> "PhantomStart":
        """The start for the findings of a cohort; arguments as of `PublicHead.of`."""
        taken = dict(choice)
        column = np.array([public.index(taken[finding]) if finding in taken else -1 for finding in findings])
        kept = column >= 0
        return replace(self, members=self.members[:, column] * kept, middle=self.middle[column] * kept, spread=self.spread[column] * kept)

    def to_tensors(self, prefix: str = "") -> dict[str, np.ndarray]:
        """The arrays by name, for safetensors."""
        return {f"{prefix}{name.name}": np.ascontiguousarray(getattr(self, name.name), dtype=np.float64) for name in fields(self)}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, np.ndarray], prefix: str = "") -> "PhantomStart":
        """The start that `to_tensors` wrote.

        Raises:
            KeyError: an array is missing.
        """
        return cls(*(np.asarray(tensors[f"{prefix}{name.name}"], dtype=np.float64) for name in fields(cls)))


def begins_at_phantoms(start: StartChoice | None) -> bool:
    """Whether a run begins at this start."""
    return start is not None and start.name == NAME


def start_file(encoders_dir: Path) -> Path:
    """The file of the start, beside the encoder's weights."""
    weights = weights_file(encoders_dir, Modality.RADIOGRAPH)
    return weights.with_name(f"{weights.stem}-start.json")


def phantom_card(encoders_dir: Path) -> StartCard:
    """The card of the start.

    Raises:
        SettingsError: its file or the encoder is missing, or it was made for another encoder.
    """
    document, digest = _read(encoders_dir)
    rows = document["findings"]
    return StartCard(
        name=NAME,
        modality=Modality.RADIOGRAPH,
        source=document["data"],
        licence=document["licence"],
        synthetic=True,
        findings=tuple(row["name"] for row in rows),
        auroc=tuple(row["auroc"] for row in rows),
        n_positive=tuple(row["n_positive"] for row in rows),
        n_patients=document["n_patients"],
        n_images=document["n_images"],
        patients_known=True,
        encoder=document["encoder"],
        digest=digest,
    )


def phantom_start(encoders_dir: Path) -> PhantomStart:
    """The start, for all of its findings; raises as `phantom_card` does."""
    document, _ = _read(encoders_dir)
    rows, names = document["findings"], document["outputs"]
    members = np.array([[float(name in row["outputs"]) for row in rows] for name in names])
    return PhantomStart(members, np.array([row["mean"] for row in rows]), np.array([row["spread"] for row in rows]))


def _read(encoders_dir: Path) -> tuple[Mapping[str, Any], str]:
    """The start's file, and its SHA-256."""
    path, encoder = start_file(encoders_dir), read_card(encoders_dir, Modality.RADIOGRAPH)
    try:
        stored = path.read_bytes()
    except OSError:
        raise SettingsError(f"{path.name} is missing beside the public encoder: make it with `make encoder`.") from None
    document = json.loads(stored)
    if document["encoder"] != encoder.digest:
        raise SettingsError(f"{path.name} was made for another public encoder than {encoder.weights.name}: make it with `make encoder`.")
    return document, sha256(stored).hexdigest()
