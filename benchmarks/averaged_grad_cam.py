"""Grad-CAM as published, a peer of the form that DPMed offers: activations weighed by gradients averaged over positions.

Source: Selvaraju et al. 2017, arXiv 1610.02391.
"""

from captum.attr import LayerGradCam
from torch import Tensor
from torch.nn import functional

from dpmed_core.explanations.attribution import RESIZE_MODES
from dpmed_core.training.fitted import Explainable


def averaged_grad_cam(model: Explainable, inputs: Tensor, finding_index: int) -> Tensor:
    """The maps `[n, 1, *positions]` of `inputs` `[n, 1, *positions]` for one of the model's outputs; the model must have a CAM layer."""
    coarse = LayerGradCam(model.network, model.cam_layer).attribute(inputs, target=finding_index)
    positions = inputs.shape[2:]
    fine: Tensor = functional.interpolate(coarse, size=tuple(positions), mode=RESIZE_MODES[len(positions)], align_corners=False)
    return fine
