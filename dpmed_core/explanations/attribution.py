"""Maps of what an answer rests on, by Captum, for images and volumes alike."""

from collections.abc import Callable

import numpy as np
import torch
from captum.attr import IntegratedGradients, LayerGradCam, LayerGradientXActivation, Occlusion
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn
from torch.nn import functional

from dpmed_core.errors import SpecError
from dpmed_core.explanations.methods import GRAD_CAM, INTEGRATED_GRADIENTS, OCCLUSION, method_card
from dpmed_core.training.fitted import Explainable

BLUR_SHARE = 1 / 8
"""Standard deviation of the blur that takes detail away, as a share of each side."""
PATCH_SHARE = {2: 1 / 8, 3: 1 / 4}
"""Side of an occluding patch, as a share of the image's, in two and three dimensions; patches lie side by side: 64 answers a map."""
INTEGRATION_STEPS, AT_ONCE = 32, 16
RESIZED = {2: "bilinear", 3: "trilinear"}

Map = NDArray[np.float32]


def attribution(model: Explainable, images: NDArray[np.generic], *, finding: int, method: str) -> Map:
    """The map `[n, *positions]` of each of `images` `[n, ...]` for finding number `finding`, on the grid of the model's input.

    Args:
        model: whose answer is explained.
        images: cases as their cohort stores them.
        finding: number of the output.
        method: one of `METHODS`.

    Raises:
        SpecError: the method is unknown, or says nothing of this model.
    """
    inputs = model.to_input(images).float()
    signed = ATTRIBUTIONS[method_card(method).name](model, inputs, finding)
    return np.asarray(signed.detach()[:, 0].numpy(), dtype=np.float32)


def _grad_cam(model: Explainable, inputs: Tensor, finding: int) -> Tensor:
    """Sum over channels of activation times its own gradient, resized to the input."""
    parts = LayerGradientXActivation(model.network, _cam_layer(model)).attribute(inputs, target=finding)
    return _resized(parts.sum(dim=1, keepdim=True), inputs)


def averaged_grad_cam(model: Explainable, inputs: Tensor, finding: int) -> Tensor:
    """Grad-CAM as published: activations weighed by gradients averaged over positions. Not offered; see `methods.GRAD_CAM`."""
    return _resized(LayerGradCam(model.network, _cam_layer(model)).attribute(inputs, target=finding), inputs)


def _cam_layer(model: Explainable) -> nn.Module:
    if model.cam_layer is None:
        raise SpecError("Grad-CAM says nothing of this model: no single layer decides. Choose occlusion or integrated gradients.")
    return model.cam_layer


def _resized(coarse: Tensor, inputs: Tensor) -> Tensor:
    positions = inputs.shape[2:]
    fine: Tensor = functional.interpolate(coarse, size=tuple(positions), mode=RESIZED[len(positions)], align_corners=False)
    return fine


def _integrated_gradients(model: Explainable, inputs: Tensor, finding: int) -> Tensor:
    gradients = IntegratedGradients(model.network)
    options = {"target": finding, "n_steps": INTEGRATION_STEPS, "method": "gausslegendre", "internal_batch_size": AT_ONCE}
    return torch.cat([gradients.attribute(one, baselines=blurred(one), **options) for one in torch.split(inputs, 1)])


def _occlusion(model: Explainable, inputs: Tensor, finding: int) -> Tensor:
    positions = inputs.shape[2:]
    patch = [max(2, round(side * PATCH_SHARE[len(positions)])) for side in positions]
    with torch.no_grad():
        lost: Tensor = Occlusion(model.network).attribute(
            inputs,
            sliding_window_shapes=(1, *patch),
            strides=(1, *patch),
            baselines=blurred(inputs),
            target=finding,
            perturbations_per_eval=AT_ONCE,
        )
    return lost


def blurred(inputs: Tensor) -> Tensor:
    """`inputs` `[n, 1, *positions]` with all detail taken away: what an answer is compared with."""
    spread = (0, 0, *(side * BLUR_SHARE for side in inputs.shape[2:]))
    return torch.from_numpy(gaussian_filter(inputs.detach().numpy(), spread, mode="nearest"))


ATTRIBUTIONS: dict[str, Callable[[Explainable, Tensor, int], Tensor]] = {
    GRAD_CAM.name: _grad_cam,
    INTEGRATED_GRADIENTS.name: _integrated_gradients,
    OCCLUSION.name: _occlusion,
}
