"""The recipes a run can name, as facts that pages and the command line can show without loading torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from dpmed_core.errors import SpecError
from dpmed_core.imaging.modality import Modality
from dpmed_core.training.spec import PrivacyTarget, StartChoice

PLURALS = {Modality.RADIOGRAPH: "radiographs", Modality.CT: "CT volumes"}


class Normalisation(StrEnum):
    """What normalises between the trained layers of a recipe, in words."""

    NONE = "no normalisation layer"
    GROUP = "group normalisation"
    BATCH = "batch normalisation"


@dataclass(frozen=True)
class RecipeCard:
    """A recipe, for a user who chooses one.

    Attributes:
        name: its name in a run's specification.
        version: raised whenever a change could alter a result.
        oldest_rebuildable: by modality, the oldest version whose stored models this version still rebuilds exactly as trained; models on a
            public encoder that has changed since are not.
        title: a few words for a menu.
        summary: one sentence on what is trained and what is public.
        seconds_per_image: a first estimate of training seconds per training image or volume on one core, until runs have been timed.
        n_parameters: the numbers that a run stores as weights, frozen ones too, with fourteen findings; more add a few to the head.
        modalities: the modalities that it takes.
        normalisation: of the layers that are trained; with that over a batch nobody's influence is bounded, and training refuses it.
        uses_encoder: whether it starts from the public encoder, which was trained on synthetic images.
        takes_start: whether its models can begin at a public start: at one of the same recipe that was trained on a public cohort.
    """

    name: str
    version: int
    oldest_rebuildable: Mapping[Modality, int] = field(hash=False)
    title: str
    summary: str
    seconds_per_image: float
    n_parameters: int
    modalities: tuple[Modality, ...]
    normalisation: Normalisation
    uses_encoder: bool = False
    takes_start: bool = False


PROBE = RecipeCard(
    name="probe",
    version=3,
    oldest_rebuildable={Modality.RADIOGRAPH: 2, Modality.CT: 3},
    title="Probe (linear head)",
    summary="Fixed features from wavelet scattering and from an encoder that was trained on synthetic images only; "
    "a linear head is trained privately on them. Seconds per run.",
    seconds_per_image=0.002,
    n_parameters=60_000,
    modalities=(Modality.RADIOGRAPH, Modality.CT),
    normalisation=Normalisation.NONE,
    uses_encoder=True,
    takes_start=True,
)
PAPER = RecipeCard(
    name="paper",
    version=2,
    oldest_rebuildable={Modality.RADIOGRAPH: 2},
    title="Paper (ResNet9)",
    summary="The published architecture (ResNet9 with group normalisation and Mish, NAdam, clipping at 1.5), "
    "narrowed for a small machine; every weight is trained privately. Minutes per run.",
    seconds_per_image=0.2,
    n_parameters=104_070,
    modalities=(Modality.RADIOGRAPH,),
    normalisation=Normalisation.GROUP,
    takes_start=True,
)
FINETUNE = RecipeCard(
    name="finetune",
    version=1,
    oldest_rebuildable={Modality.RADIOGRAPH: 1},
    title="Fine-tuned encoder",
    summary="An encoder that was trained on synthetic images only; the normalisation of its last block and a new head are trained "
    "privately, and all else stays public. Minutes per run.",
    seconds_per_image=0.2,
    n_parameters=413_182,
    modalities=(Modality.RADIOGRAPH,),
    normalisation=Normalisation.GROUP,
    uses_encoder=True,
)
PAPER3D = RecipeCard(
    name="paper3d",
    version=1,
    oldest_rebuildable={Modality.CT: 1},
    title="Paper in 3D (ResNet9)",
    summary="The published architecture in three dimensions, over volumes of 32 x 48 x 48 voxels in a soft-tissue window (40 ± 200 HU), "
    "narrowed for a small machine; every weight is trained privately. Minutes per run.",
    seconds_per_image=0.5,
    n_parameters=310_782,
    modalities=(Modality.CT,),
    normalisation=Normalisation.GROUP,
    takes_start=True,
)
SLICES = RecipeCard(
    name="slices",
    version=1,
    oldest_rebuildable={Modality.CT: 1},
    title="Slices with attention (2.5D)",
    summary="Each of 32 slices of 48 x 48 pixels, in a soft-tissue window (40 ± 200 HU), is encoded by a ResNet9 in two dimensions, and "
    "attention weighs the slices; every weight is trained privately. Minutes per run.",
    seconds_per_image=0.8,
    n_parameters=106_991,
    modalities=(Modality.CT,),
    normalisation=Normalisation.GROUP,
    takes_start=True,
)
FINETUNE3D = RecipeCard(
    name="finetune3d",
    version=1,
    oldest_rebuildable={Modality.CT: 1},
    title="Fine-tuned encoder (3D)",
    summary="Two networks in three dimensions that were trained on synthetic scans only, over the whole volume and over the region of the "
    "pancreas; the normalisation of their last layers and a new head are trained privately, and all else stays public. Minutes per run.",
    seconds_per_image=0.5,
    n_parameters=2_263_565,
    modalities=(Modality.CT,),
    normalisation=Normalisation.GROUP,
    uses_encoder=True,
)
RECIPES: dict[str, RecipeCard] = {card.name: card for card in (PROBE, PAPER, FINETUNE, PAPER3D, SLICES, FINETUNE3D)}


def recipe_card(name: str) -> RecipeCard:
    """The card of the recipe called `name`.

    Raises:
        SpecError: there is no such recipe.
    """
    if name not in RECIPES:
        raise SpecError(f"There is no recipe {name!r}: choose one of {', '.join(RECIPES)}.")
    return RECIPES[name]


def recipes_for(modality: Modality) -> list[str]:
    """The names of the recipes that take `modality`."""
    return [card.name for card in RECIPES.values() if modality in card.modalities]


def require_start(card: RecipeCard, start: StartChoice | None, privacy: PrivacyTarget | None) -> None:
    """Refuse a public start that `card` does not take, and an epsilon of 0 without a start.

    Raises:
        SpecError: names what can be done.
    """
    if start is not None:
        require_takes_start(card)
    if start is None and privacy is not None and privacy.learns_nothing:
        raise SpecError("At epsilon 0 nothing can be learnt from the cohort, so that it needs a public start: give one with --start.")


def require_takes_start(card: RecipeCard) -> None:
    """Refuse a recipe whose models cannot begin at a public start.

    Raises:
        SpecError: names the recipes that can.
    """
    if not card.takes_start:
        fitting = " or ".join(other.name for other in RECIPES.values() if other.takes_start)
        raise SpecError(f"Recipe {card.name} cannot begin at a public start: choose {fitting}.")


def refuse_encoder(recipe: str, encoder: str | None, modality: Modality) -> None:
    """Refuse an added encoder where it would not be read.

    Raises:
        SpecError: names the recipe and the modality that take one.
    """
    if encoder is not None and (recipe != PROBE.name or modality is not Modality.RADIOGRAPH):
        raise SpecError(f"An added encoder is read by recipe {PROBE.name} on radiographs alone: leave it out, or choose that recipe.")


def require_modality(card: RecipeCard, modality: Modality) -> None:
    """Refuse a cohort of a `modality` that `card` does not take.

    Raises:
        SpecError: names the recipes that do.
    """
    if modality not in card.modalities:
        taken = " and ".join(PLURALS[own] for own in card.modalities)
        fitting = " or ".join(recipes_for(modality))
        raise SpecError(f"Recipe {card.name} takes {taken}, and this cohort holds {PLURALS[modality]}: choose {fitting}.")
