"""Linear layers, over one vector an image or several."""

import torch
from torch import Tensor, nn

from dpmed_core.training.dpsgd.contributions import Contribution, FactoredGradients, KeptGradients
from dpmed_core.training.dpsgd.unit_index import Units


def contributions(layer: nn.Linear, inputs: Tensor, gradients: Tensor, units: Units) -> dict[str, Contribution]:
    """What `layer` contributes to "weight" and "bias", given its `inputs` and the `gradients` of its outputs, `[n_rows, ..., n]`."""
    n_images = len(units.of_image)
    x, g = inputs.reshape(n_images, -1, layer.in_features), gradients.reshape(n_images, -1, layer.out_features)
    found: dict[str, Contribution] = {"weight": FactoredGradients(x, g, _pair_products, _weight_gradient, _weight_gradients)}
    if x.shape[1] ** 2 * (layer.in_features + layer.out_features) > layer.weight.numel():
        found["weight"] = found["weight"].kept(units)
    if layer.bias is not None:
        found["bias"] = KeptGradients.of_images(g.sum(1), units)
    return found


def _pair_products(x: Tensor, g: Tensor, first: Tensor, second: Tensor) -> Tensor:
    inputs, outputs = (torch.bmm(t[first], t[second].transpose(1, 2)).flatten(1) for t in (x, g))
    products: Tensor = torch.linalg.vecdot(inputs, outputs)
    return products


def _weight_gradient(x: Tensor, g: Tensor) -> Tensor:
    return g.flatten(0, 1).T @ x.flatten(0, 1)


def _weight_gradients(x: Tensor, g: Tensor) -> Tensor:
    return torch.bmm(g.transpose(1, 2), x)
