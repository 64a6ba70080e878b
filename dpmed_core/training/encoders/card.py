"""The cards of the public encoders: on which public data each was trained, and which files it consists of; no torch."""

import json
from dataclasses import dataclass
from pathlib import Path

from dpmed_core.errors import SettingsError
from dpmed_core.imaging.modality import Modality

NAMES = {Modality.RADIOGRAPH: "chest-phantom-v3", Modality.CT: "abdomen-phantom-v2"}
"""The encoder of each modality; its weights and its card are named after it."""
COMPONENTS = {"narrow": 32, "wide": 64, "scattering": 256}
"""Leading principal components of each kind of feature, over public images, in the order in which they are stored."""

ADDED, ADDED_COMPONENTS = "added", 128
"""The kind of feature of an encoder that a user added, and the most components that are kept of it; stored behind the others."""


@dataclass(frozen=True)
class EncoderCard:
    """Facts about an encoder, known without loading it.

    Attributes:
        modality: the images that it reads.
        weights: the file of its weights.
        data: the public data that it was trained on, in a sentence.
        targets: what each of its networks was trained to predict.
        digest: SHA-256 of its weights, in hexadecimal.
    """

    modality: Modality
    weights: Path
    data: str
    targets: dict[str, tuple[str, ...]]
    digest: str

    @property
    def version(self) -> str:
        """Identifies everything that its features depend on: the first 12 digits of the digest."""
        return self.digest[:12]


def weights_file(encoders_dir: Path, modality: Modality) -> Path:
    """The file of the weights of the encoder for `modality`."""
    return encoders_dir / f"{NAMES[modality]}.safetensors"


def card_file(encoders_dir: Path, modality: Modality) -> Path:
    """The file of the card of the encoder for `modality`."""
    return encoders_dir / f"{NAMES[modality]}.json"


def read_card(encoders_dir: Path, modality: Modality) -> EncoderCard:
    """The card of the encoder for `modality` that ships with DPMed.

    An encoder is outside the guarantee: it must not depend on any patient's data, and is refused unless its card states that.

    Raises:
        SettingsError: the encoder is missing, or its card does not state that it was trained on public data.
    """
    card, weights = card_file(encoders_dir, modality), weights_file(encoders_dir, modality)
    if not card.exists() or not weights.exists():
        raise SettingsError("The public encoder is missing: make it with `make encoder`.")
    facts = json.loads(card.read_text())
    # Exactly true, and a statement on the data: any other value may be a card that was not meant to say so.
    if facts.get("public") is not True or not facts.get("data"):
        raise SettingsError(
            f"{card.name} does not say which public data the encoder was trained on; without that the guarantee may not hold. "
            "Run `make encoder`."
        )
    targets = {name: tuple(predicted) for name, predicted in facts["targets"].items()}
    return EncoderCard(modality, weights, facts["data"], targets, facts["weights_sha256"])
