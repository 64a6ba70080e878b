"""The ways of explaining an answer, as facts that pages can show without loading torch."""

from dataclasses import dataclass

from dpmed_core.errors import SpecError
from dpmed_core.training.recipes.catalogue import PROBE, SLICES


@dataclass(frozen=True)
class MethodCard:
    """One way of explaining.

    Attributes:
        name: what a question calls it.
        title: for a menu.
        summary: what its map shows, in a sentence for a reader of images.
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
    "Grad-CAM, element by element",
    "Where a coarse inner map of the network speaks for the finding (positive) or against it (negative). It tells regions, not pixels.",
    "log-odds (linear approximation) a position of the map",
    "Selvaraju et al. 2017, arXiv 1610.02391, in the form of Draelos & Carin 2020, arXiv 2011.08891 (HiResCAM): gradients are not averaged "
    "over positions, which points beside the lesion where a network ends in a maximum",
)
INTEGRATED_GRADIENTS = MethodCard(
    "integrated-gradients",
    "Integrated gradients",
    "How much each pixel's difference from a blurred copy of the image adds to the answer; the map sums to what all of them add together.",
    "log-odds a pixel",
    "Sundararajan, Taly & Yan 2017, arXiv 1703.01365",
)
OCCLUSION = MethodCard(
    "occlusion",
    "Occlusion",
    "How much the answer falls when a patch of the image is blurred away. Nothing about the model's inside is assumed.",
    "log-odds lost when the patch is blurred away",
    "Zeiler & Fergus 2014, arXiv 1311.2901; patches are replaced by a blurred copy, which adds no edges",
)
METHODS: dict[str, MethodCard] = {card.name: card for card in (GRAD_CAM, OCCLUSION, INTEGRATED_GRADIENTS)}
CAUTION = (
    "Such maps mislead: they show what a model reacts to, not what is ill, they can look convincing for a wrong answer, and some hardly "
    "change when a model's weights are drawn at random. Never read a finding off a map."
)


NO_SINGLE_LAYER = {PROBE.name, SLICES.name}
"""Recipes without Grad-CAM: the probe's head reads several layers of two networks and scattering besides, and attention over slices
comes after the last map of each."""


def methods_of(recipe: str) -> list[MethodCard]:
    """The methods that say something honest of a recipe's models."""
    return [card for card in METHODS.values() if not (recipe in NO_SINGLE_LAYER and card is GRAD_CAM)]


def method_card(name: str) -> MethodCard:
    """The card of the method called `name`.

    Raises:
        SpecError: there is no such method.
    """
    if name not in METHODS:
        raise SpecError(f"There is no way of explaining called {name!r}: choose one of {', '.join(METHODS)}.")
    return METHODS[name]
