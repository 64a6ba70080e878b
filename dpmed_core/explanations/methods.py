"""The methods of explanation, as facts that pages can show without loading torch."""

from dataclasses import dataclass

from dpmed_core.errors import SpecError
from dpmed_core.training.recipes.catalogue import FINETUNE3D, PROBE, SLICES
from dpmed_core.training.spec import base_recipe


@dataclass(frozen=True)
class MethodCard:
    """A method of explanation.

    Attributes:
        name: its name in an inference request.
        title: its name in a menu.
        summary: what its map shows, in words for a radiologist.
        unit: of the map's values.
        source: the publication.
    """

    name: str
    title: str
    summary: str
    unit: str
    source: str


GRAD_CAM = MethodCard(
    "grad-cam",
    "Grad-CAM (HiResCAM)",
    "Regions that raise the score for the finding (positive) or lower it (negative), from the network's last feature map. The resolution "
    "is coarse: regions, not pixels.",
    "log-odds (linear approximation) per position of the feature map",
    "Selvaraju et al. 2017, arXiv 1610.02391, in the form of Draelos & Carin 2020, arXiv 2011.08891 (HiResCAM): gradients are not averaged "
    "over positions, because the averaged form points beside the lesion where a network ends in a maximum",
)
INTEGRATED_GRADIENTS = MethodCard(
    "integrated-gradients",
    "Integrated gradients",
    "How much each pixel's difference from a blurred copy of the image adds to the score; the map sums to the total difference.",
    "log-odds per pixel",
    "Sundararajan, Taly & Yan 2017, arXiv 1703.01365",
)
OCCLUSION = MethodCard(
    "occlusion",
    "Occlusion",
    "How much the score falls when a patch of the image is blurred. The method assumes nothing about the model.",
    "log-odds lost when the patch is blurred",
    "Zeiler & Fergus 2014, arXiv 1311.2901; patches are replaced by a blurred copy, which adds no edges",
)
METHODS: dict[str, MethodCard] = {card.name: card for card in (GRAD_CAM, OCCLUSION, INTEGRATED_GRADIENTS)}
CAUTION = (
    "Explanation maps can mislead: they show what a model reacts to, not where disease is; they can look convincing for a wrong score; and "
    "some hardly change when a model's weights are replaced by random ones. Do not diagnose from a map."
)

NO_SINGLE_LAYER = {PROBE.name, SLICES.name, FINETUNE3D.name}
"""Recipes without Grad-CAM, because no single feature map decides: the probe's head takes several layers of two networks and scattering
coefficients, `slices` weighs the last feature maps of all slices by attention, and `finetune3d` has two networks."""


def methods_of(recipe: str) -> list[MethodCard]:
    """The methods that apply to a recipe's models."""
    return [card for card in METHODS.values() if not (base_recipe(recipe) in NO_SINGLE_LAYER and card is GRAD_CAM)]


def method_card(name: str) -> MethodCard:
    """The card of the method called `name`.

    Raises:
        SpecError: there is no such method.
    """
    if name not in METHODS:
        raise SpecError(f"There is no method of explanation called {name!r}: choose one of {', '.join(METHODS)}.")
    return METHODS[name]
