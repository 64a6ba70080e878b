"""Linear layers, applied to one vector per image or to several (tokens, slices).

With X_i the vectors of image i in rows and R_i the gradients of their outputs, the image's weight gradient is G_i = R_i^T X_i, and
<G_i, G_j> is the sum over all entries of (X_i X_j^T) * (R_i R_j^T). Source: Goodfellow 2015, arXiv 1510.01799; Li et al. 2022, arXiv
2110.05679.
"""

import torch
from torch import Tensor, nn

from dpmed_core.training.dpsgd.contributions import Contribution, ExplicitGradients, FactoredGradients
from dpmed_core.training.dpsgd.unit_index import Units


def contributions(layer: nn.Linear, inputs: Tensor, gradients: Tensor, units: Units) -> dict[str, Contribution]:
    """The layer's contributions to "weight" and "bias", from its `inputs` and the `gradients` of its outputs, `[n_rows, ..., n]`."""
    n_images = len(units.of_image)
    x, g = inputs.reshape(n_images, -1, layer.in_features), gradients.reshape(n_images, -1, layer.out_features)
    length = layer.in_features + layer.out_features
    factored = FactoredGradients(
        x, g, _gram_matrices, n_rows=x.shape[1], length=length, weighted_sum=_weight_gradient, by_image=_weight_gradients
    )
    # Two Gram matrices over the vectors of an image, or the gradient itself: whichever has less to compute.
    explicit = x.shape[1] ** 2 * length > layer.weight.numel()
    found: dict[str, Contribution] = {"weight": factored.explicit(units) if explicit else factored.without_long_sums(units)}
    if layer.bias is not None:
        found["bias"] = ExplicitGradients.of_images(g.sum(1), units)
    return found


def _gram_matrices(x: Tensor, g: Tensor, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """See `FactoredGradients.gram_matrices`; the product of both at rows k and l is (x_k . x_l)(g_k . g_l)."""
    of_inputs, of_gradients = (torch.bmm(t[first], t[second].transpose(1, 2)).flatten(1) for t in (x, g))
    return of_inputs, of_gradients


def _weight_gradient(x: Tensor, g: Tensor) -> Tensor:
    """The weight gradient of all images together."""
    return g.flatten(0, 1).T @ x.flatten(0, 1)


def _weight_gradients(x: Tensor, g: Tensor) -> Tensor:
    """The weight gradient of each image, `[n_images, *weight.shape]`."""
    return torch.bmm(g.transpose(1, 2), x)
