"""The card of a public start: what it is, known without loading it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dpmed_core.errors import SpecError
from dpmed_core.files import check_fields
from dpmed_core.imaging.modality import Modality

FORMAT = 1
OF_HEADS = "probe"
"""The recipe whose heads begin at a head, and that of every card that names none: networks came later."""
SCRATCH = "scratch"
"""In place of the name of a start: models begin at none."""


@dataclass(frozen=True)
class StartCard:
    """What a start is, known without loading it.

    Attributes:
        name: in this installation.
        modality: the images that it reads.
        source: where its public images are from, in the words of who made it.
        licence: under which they are public.
        synthetic: whether they were drawn by phantoms.
        findings: its findings, in the order of the head's columns.
        auroc: of each finding on its own images: by cross-validation; of a network on a fifth of the patients, left out of its training.
        n_positive: images with each finding.
        n_patients: patients; images where patients are not known.
        n_images: images.
        patients_known: whether it is known which images are one patient's.
        encoder: what it stands on: SHA-256 of the public encoder's weights; of a network, which stands on none, its recipe and version.
        digest: SHA-256 of the file with its weights.
        seen_digest: SHA-256 of the file of whom it was trained on, by which a cohort is refused.
        public: whether who made it stated that its data are public.
        recipe: the recipe whose models can begin there.
    """

    name: str
    modality: Modality
    source: str
    licence: str
    synthetic: bool
    findings: tuple[str, ...]
    auroc: tuple[float, ...]
    n_positive: tuple[int, ...]
    n_patients: int
    n_images: int
    patients_known: bool
    encoder: str
    digest: str = ""
    seen_digest: str = ""
    public: bool = True
    recipe: str = OF_HEADS

    def require_public(self) -> None:
        """Refuse a card that does not state which public data the start was trained on.

        A start is outside the guarantee: it must not depend on any protected patient's data.

        Raises:
            SpecError: it does not.
        """
        if self.public is not True or not self.source.strip() or not self.licence.strip():
            raise SpecError(
                f"The card of start {self.name!r} does not say which public data it was trained on; without that the guarantee may not "
                "hold. Make it again with `pretrain`."
            )

    def require_recipe(self, recipe: str) -> None:
        """Refuse a recipe whose models cannot begin at the start.

        Raises:
            SpecError: names the recipe whose models can.
        """
        if recipe != self.recipe:
            raise SpecError(f"Start {self.name!r} is for recipe {self.recipe}, and this is {recipe}: choose that recipe, or another start.")

    def to_fields(self) -> dict[str, Any]:
        """The card as plain values for JSON."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "StartCard":
        """The card that `to_fields` wrote, after a round trip through JSON.

        Raises:
            UnreadableFileError, ValueError: it is none.
        """
        fields = {"recipe": OF_HEADS, **fields}
        check_fields(fields, _KINDS)
        rest = {name: value for name, value in fields.items() if name != "format"}
        lists = {name: tuple(rest[name]) for name in ("findings", "auroc", "n_positive")}
        return cls(**{**rest, **lists, "modality": Modality(rest["modality"])})


_KINDS: Mapping[str, type] = {
    **dict.fromkeys(("name", "modality", "source", "licence", "encoder", "digest", "seen_digest", "recipe"), str),
    **dict.fromkeys(("format", "n_patients", "n_images"), int),
    **dict.fromkeys(("synthetic", "patients_known", "public"), bool),
    **dict.fromkeys(("findings", "auroc", "n_positive"), list),
}
