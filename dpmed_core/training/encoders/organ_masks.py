"""Segmentation masks in the public encoder for CT: which structures, what is predicted from them, and features pooled over them."""

import torch
from torch import Tensor

STRUCTURES = ("pancreas", "tumour", "duct")
"""The structures that the networks segment."""
DISEASE_TARGETS = ("tumour", "radius_mm", "duct_mm", "atrophy", "cyst_mm", "inflammation_mm", "chronic_pancreatitis")
"""What the networks predict from features pooled over the masks; the first as log-odds."""
INITIAL_LOG_ODDS = -4.0
"""Log-odds of every mask before training: structures are small, and training would first have to lower a mask of log-odds 0 everywhere."""
TUMOUR_SHARPNESS = 2.0
"""Inverse temperature of the softmax that locates the tumour: the larger, the more the most likely position counts alone."""


def masked_features(activations: Tensor, mask_logits: Tensor) -> Tensor:
    """Features pooled over the masks, `[n, 2 * n_channels + 2 * len(STRUCTURES)]`.

    They are: mean activations over the pancreas, mean activations around the most likely tumour position, each mask's largest log-odds, and
    the logarithm of each mask's size.

    Args:
        activations: `[n, n_channels, *positions]`.
        mask_logits: log-odds of each structure, `[n, len(STRUCTURES), *positions]`.
    """
    flat, logits = activations.flatten(2), mask_logits.flatten(2)
    probabilities = torch.sigmoid(logits)
    # Weights that add up to 1; the constant gives a volume without a pancreas weights near 0 instead of a division by 0.
    pancreas = probabilities[:, 0] / (probabilities[:, 0].sum(dim=1, keepdim=True) + 1e-3)
    tumour = torch.softmax(TUMOUR_SHARPNESS * logits[:, 1], dim=1)
    means = [torch.einsum("ncv,nv->nc", flat, weights) for weights in (pancreas, tumour)]
    return torch.cat([*means, logits.amax(dim=2), torch.log1p(probabilities.sum(dim=2))], dim=1)
