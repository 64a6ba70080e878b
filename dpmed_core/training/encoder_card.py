"""The card of the public encoder: what made it, and which files it consists of; no torch."""

import json
from dataclasses import dataclass
from pathlib import Path

from dpmed_core.errors import SettingsError

WEIGHTS_FILE, CARD_FILE = "chest-phantom-v3.safetensors", "chest-phantom-v3.json"
COMPONENTS = {"narrow": 32, "wide": 64, "scattering": 256}
"""Leading principal components of each kind of feature, over public films, in the order in which they are stored."""


@dataclass(frozen=True)
class EncoderCard:
    """What is known of the encoder without loading it.

    Attributes:
        data: which public data made it.
        targets: what each of its networks learnt to tell.
        digest: SHA-256 of its weights, in hexadecimal; names it.
    """

    data: str
    targets: dict[str, tuple[str, ...]]
    digest: str

    @property
    def version(self) -> str:
        """Names everything that its features depend on."""
        return self.digest[:12]


def read_card(encoders_dir: Path) -> EncoderCard:
    """The card of the encoder that ships with DPMed.

    Raises:
        SettingsError: it is missing, or does not say that public data made the encoder.
    """
    if not (encoders_dir / CARD_FILE).exists() or not (encoders_dir / WEIGHTS_FILE).exists():
        raise SettingsError("The public encoder is missing: make it with `make encoder`.")
    facts = json.loads((encoders_dir / CARD_FILE).read_text())
    if facts.get("public") is not True or not facts.get("data"):
        raise SettingsError(
            f"{CARD_FILE} does not say which public data made the encoder: it cannot stand outside the guarantee. Run `make encoder`."
        )
    return EncoderCard(
        data=facts["data"], targets={name: tuple(told) for name, told in facts["targets"].items()}, digest=facts["weights_sha256"]
    )
