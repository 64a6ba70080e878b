"""The recipes a run can name, as facts that pages and the command line can show without loading torch."""

from dataclasses import dataclass

from dpmed_core.errors import SpecError


@dataclass(frozen=True)
class RecipeCard:
    """What a recipe is, for a person who chooses one.

    Attributes:
        name: what the spec calls it.
        version: raised whenever a change could alter a result.
        title: a few words for a menu.
        summary: one sentence on what is trained and what is public.
        seconds_per_film: a first guess of training seconds per training film on one core, until runs were timed.
    """

    name: str
    version: int
    title: str
    summary: str
    seconds_per_film: float


PROBE = RecipeCard(
    name="probe",
    version=2,
    title="Probe (linear head)",
    summary="Fixed features from wavelet scattering and an encoder that saw synthetic films only; "
    "a linear head is trained privately on them. Seconds per run.",
    seconds_per_film=0.002,
)
PAPER = RecipeCard(
    name="paper",
    version=2,
    title="Paper (ResNet9)",
    summary="The published architecture (ResNet9 with group normalisation and Mish, NAdam, clipping at 1.5), "
    "narrowed for a small machine; every weight is trained privately. Minutes per run.",
    seconds_per_film=0.2,
)
RECIPES: dict[str, RecipeCard] = {card.name: card for card in (PROBE, PAPER)}


def recipe_card(name: str) -> RecipeCard:
    """The card of the recipe called `name`.

    Raises:
        SpecError: there is no such recipe.
    """
    if name not in RECIPES:
        raise SpecError(f"There is no recipe {name!r}: choose one of {', '.join(RECIPES)}.")
    return RECIPES[name]
