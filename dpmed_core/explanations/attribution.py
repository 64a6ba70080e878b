"""Explanation maps by Captum, for radiographs and volumes."""

from collections.abc import Callable

import numpy as np
import torch
from captum.attr import IntegratedGradients, LayerGradientXActivation, Occlusion
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn
from torch.nn import functional

from dpmed_core.errors import SpecError
from dpmed_core.explanations.methods import GRAD_CAM, INTEGRATED_GRADIENTS, OCCLUSION, method_card
from dpmed_core.training.fitted import Explainable

BLUR_SHARE = 1 / 8
"""Standard deviation of the blur that removes detail, as a share of each side."""
PATCH_SHARE = {2: 1 / 8, 3: 1 / 4}
"""Side of an occluding patch, as a share of the image's, in two and three dimensions; patches do not overlap: 64 evaluations per map."""
INTEGRATION_STEPS, BATCH_SIZE = 32, 16
RESIZE_MODES = {2: "bilinear", 3: "trilinear"}

Map = NDArray[np.float32]


def attribution(model: Explainable, images: NDArray[np.generic], *, finding_index: int, method: str) -> Map:
    """The signed explanation maps `[n, *positions]` of `images`, on the grid of the model's input.

    Args:
        model: whose score is explained.
        images: `[n, ...]`, as their cohort stores them.
        finding_index: index of the finding among the model's outputs.
        method: name of one of `methods.METHODS`; its card says the unit of the values.

    Raises:
        SpecError: the method is unknown, or does not apply to this model.
    """
    inputs = model.to_input(images).float()
    signed = ATTRIBUTIONS[method_card(method).name](model, inputs, finding_index)
    return np.asarray(signed.detach()[:, 0].numpy(), dtype=np.float32)


def _grad_cam(model: Explainable, inputs: Tensor, finding_index: int) -> Tensor:
    """Sum over channels of activation times its own gradient, resized to the input.

    Grad-CAM as published weighs channels by gradients averaged over positions. Where the network ends in a maximum, the average is taken
    over positions that had no part in the score, and the map points beside the lesion.

    Source: Draelos & Carin 2020, arXiv 2011.08891 (HiResCAM).
    """
    parts = LayerGradientXActivation(model.network, _cam_layer(model)).attribute(inputs, target=finding_index)
    return _resized(parts.sum(dim=1, keepdim=True), inputs)


def _cam_layer(model: Explainable) -> nn.Module:
    if model.cam_layer is None:
        raise SpecError("Grad-CAM does not apply to this model: no single layer decides. Choose occlusion or integrated gradients.")
    return model.cam_layer


def _resized(coarse: Tensor, inputs: Tensor) -> Tensor:
    positions = inputs.shape[2:]
    fine: Tensor = functional.interpolate(coarse, size=tuple(positions), mode=RESIZE_MODES[len(positions)], align_corners=False)
    return fine


def _integrated_gradients(model: Explainable, inputs: Tensor, finding_index: int) -> Tensor:
    """Gradients integrated along the straight line from the blurred image to the image; the map sums to the difference of their logits."""
    gradients = IntegratedGradients(model.network)
    options = {"target": finding_index, "n_steps": INTEGRATION_STEPS, "method": "gausslegendre", "internal_batch_size": BATCH_SIZE}
    # One image at a time: the steps of one integral fill the batches.
    return torch.cat([gradients.attribute(one, baselines=blurred(one), **options) for one in torch.split(inputs, 1)])


def _occlusion(model: Explainable, inputs: Tensor, finding_index: int) -> Tensor:
    """The fall of the logit when a patch is replaced by its blurred copy."""
    positions = inputs.shape[2:]
    patch = [max(2, round(side * PATCH_SHARE[len(positions)])) for side in positions]
    with torch.no_grad():
        lost: Tensor = Occlusion(model.network).attribute(
            inputs,
            sliding_window_shapes=(1, *patch),
            strides=(1, *patch),
            baselines=blurred(inputs),
            target=finding_index,
            perturbations_per_eval=BATCH_SIZE,
        )
    return lost


def blurred(inputs: Tensor) -> Tensor:
    """`inputs` `[n, 1, *positions]` without detail: the baseline that scores are compared with."""
    # Not zeros, and not the mean: a uniform patch draws edges, and on a chest radiograph it looks like disease.
    spread = (0, 0, *(side * BLUR_SHARE for side in inputs.shape[2:]))
    return torch.from_numpy(gaussian_filter(inputs.detach().numpy(), spread, mode="nearest"))


ATTRIBUTIONS: dict[str, Callable[[Explainable, Tensor, int], Tensor]] = {
    GRAD_CAM.name: _grad_cam,
    INTEGRATED_GRADIENTS.name: _integrated_gradients,
    OCCLUSION.name: _occlusion,
}
