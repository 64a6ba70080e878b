"""The cards of the public encoders: what made each, and which files it consists of; no torch."""

import json
from dataclasses import dataclass
from pathlib import Path

from dpmed_core.errors import SettingsError
from dpmed_core.imaging.modality import Modality

NAMES = {Modality.RADIOGRAPH: "chest-phantom-v3", Modality.CT: "abdomen-phantom-v2"}
"""The encoder of each kind of image; its weights and its card are called after it."""
COMPONENTS = {"narrow": 32, "wide": 64, "scattering": 256}
"""Leading principal components of each kind of feature, over public images, in the order in which they are stored."""


@dataclass(frozen=True)
class EncoderCard:
    """What is known of an encoder without loading it.

    Attributes:
        modality: the images it reads.
        weights: the file of its weights.
        data: which public data made it.
        targets: what each of its networks learnt to tell.
        digest: SHA-256 of its weights, in hexadecimal; names it.
    """

    modality: Modality
    weights: Path
    data: str
    targets: dict[str, tuple[str, ...]]
    digest: str

    @property
    def version(self) -> str:
        """Names everything that its features depend on."""
        return self.digest[:12]


def weights_file(encoders_dir: Path, modality: Modality) -> Path:
    """Where the weights of the encoder for `modality` lie."""
    return encoders_dir / f"{NAMES[modality]}.safetensors"


def card_file(encoders_dir: Path, modality: Modality) -> Path:
    """Where the card of the encoder for `modality` lies."""
    return encoders_dir / f"{NAMES[modality]}.json"


def read_card(encoders_dir: Path, modality: Modality) -> EncoderCard:
    """The card of the encoder for `modality` that ships with DPMed.

    Raises:
        SettingsError: it is missing, or does not say that public data made the encoder.
    """
    card, weights = card_file(encoders_dir, modality), weights_file(encoders_dir, modality)
    if not card.exists() or not weights.exists():
        raise SettingsError("The public encoder is missing: make it with `make encoder`.")
    facts = json.loads(card.read_text())
    if facts.get("public") is not True or not facts.get("data"):
        raise SettingsError(
            f"{card.name} does not say which public data made the encoder: it cannot stand outside the guarantee. Run `make encoder`."
        )
    targets = {name: tuple(told) for name, told in facts["targets"].items()}
    return EncoderCard(modality, weights, facts["data"], targets, facts["weights_sha256"])
