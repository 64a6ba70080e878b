"""Convolutions of any dimension, stride, padding, dilation and grouping.

Written out: the weight gradient of one image is a convolution of its input with its output gradient. All images at once are one grouped
convolution, which is the arithmetic of the ordinary weight gradient without its sum over images. Where an image comes as several rows (a
volume's slices), the ordinary weight gradient over its rows is the image's.

Factored: with x_p the input patch under position p and g_p the output gradient there, the inner product of two images' gradients <G_i, G_j>
is the sum over p and q of (x_ip . x_jq)(g_ip . g_jq). The first product is itself a sum over the kernel's offsets of products of single
positions, so that patches are never written out. Source: the Gram identity of Goodfellow 2015 (arXiv 1510.01799) and of Bu, Mao & Xu 2022
(arXiv 2205.10683), who unfold the patches.
"""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional

from dpmed_core.training.dpsgd.clipping_norms import LARGEST_LOSS, rounding_of_sum
from dpmed_core.training.dpsgd.contributions import Contribution, ExplicitGradients, FactoredGradients
from dpmed_core.training.dpsgd.unit_index import Units

Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d
GRAM_COST = 0.7
"""Time per pair of positions and kernel offset, over the time per entry of a written-out gradient; measured on two models of CPU."""
UNROLLED_KERNEL = 27
"""Largest number of kernel offsets of a layer with factored gradients: those of a 3 x 3 x 3 kernel."""


def contributions(layer: Convolution, inputs: Tensor, gradients: Tensor, units: Units) -> dict[str, Contribution]:
    """The layer's contributions to "weight" and "bias".

    Args:
        layer: the convolution.
        inputs: of the layer, `[n_rows, n_in, *positions]`; several rows an image for the slices of volumes.
        gradients: of its outputs, `[n_rows, n_out, *positions]`.
        units: the units of the images.
    """
    padded, n_images = _with_padding(layer, inputs), len(units.of_image)

    def by_image(x: Tensor, g: Tensor) -> Tensor:
        return _weight_gradients(layer, x, g, n_images)

    found: dict[str, Contribution] = {}
    # Gram matrices over all slices of a volume would cost the square of their number: such layers are written out.
    if len(inputs) == n_images and _factored_is_cheaper(layer, gradients):
        factored = FactoredGradients(
            padded,
            gradients,
            gram_matrices=lambda x, g, i, j: _gram_matrices(layer, x, g, i, j),
            n_rows=gradients[0, 0].numel(),
            length=layer.weight[0].numel() + layer.out_channels,
            weighted_sum=lambda x, g: _summed_weight_gradient(layer, x, g),
            by_image=by_image,
        )
        found["weight"] = factored.without_long_sums(units)
    else:
        found["weight"] = ExplicitGradients.of_images(by_image(padded, gradients), units)
    if layer.bias is not None:
        found["bias"] = ExplicitGradients.of_images(units.sums_of_rows(gradients.flatten(2).sum(2)), units)
    return found


def _factored_is_cheaper(layer: Convolution, gradients: Tensor) -> bool:
    """Whether Gram matrices over positions cost less than written-out gradients; False unless stride, dilation and groups are 1.

    False too where one image has more positions than may stay factored (`clipping_norms.LARGEST_LOSS`).
    """
    positions = gradients[0, 0].numel()
    if rounding_of_sum(torch.tensor(positions), gradients.dtype) > LARGEST_LOSS:
        return False
    plain = layer.groups == 1 and set(layer.stride) == {1} and set(layer.dilation) == {1} and prod(layer.kernel_size) <= UNROLLED_KERNEL
    return plain and GRAM_COST * positions**2 * prod(layer.kernel_size) < layer.weight.numel()


def _with_padding(layer: Convolution, inputs: Tensor) -> Tensor:
    """The inputs, padded here where the backward kernel cannot do it: for padding "same" and for modes other than zeros."""
    if layer.padding_mode == "zeros" and not isinstance(layer.padding, str):
        return inputs
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    return functional.pad(inputs, layer._reversed_padding_repeated_twice, mode=mode)


def _padding(layer: Convolution) -> list[int]:
    """The padding that is left to the backward kernel, by dimension; 0 where `_with_padding` has done it."""
    outside = layer.padding_mode != "zeros" or isinstance(layer.padding, str)
    return [0] * len(layer.stride) if outside else [int(p) for p in layer.padding]


def _summed_weight_gradient(layer: Convolution, inputs: Tensor, gradients: Tensor) -> Tensor:
    """The weight gradient of all images together, as a sum of products in the numbers' own type (`clipping_norms`).

    PyTorch's own kernels on a CPU are such sums. cuDNN chooses among algorithms of which some transform their inputs (Winograd, Fourier),
    and cannot be told to leave those out: elsewhere the sum is written as one matrix product over patches.
    """
    if inputs.device.type == "cpu":
        return _weight_gradient(layer, inputs, gradients)
    return _product_over_patches(layer, inputs, gradients)


def _product_over_patches(layer: Convolution, inputs: Tensor, gradients: Tensor) -> Tensor:
    """The weight gradient of a layer without stride, dilation and groups: output gradients times the patches under them."""
    sides = [p for size in reversed(_padding(layer)) for p in (size, size)]
    patches = functional.pad(inputs, sides)
    for dim, size in enumerate(layer.kernel_size):
        patches = patches.unfold(2 + dim, size, 1)
    dimensions = len(layer.kernel_size)
    # [n, n_in, *positions, *offsets] to one row a patch.
    rows = patches.movedim(1, 1 + dimensions).flatten(0, dimensions).flatten(1)
    return (gradients.transpose(0, 1).flatten(1) @ rows).view_as(layer.weight)


def _weight_gradient(layer: Convolution, inputs: Tensor, gradients: Tensor) -> Tensor:
    return _backward(layer, inputs, gradients, layer.weight, layer.groups)


def _weight_gradients(layer: Convolution, inputs: Tensor, gradients: Tensor, n_images: int) -> Tensor:
    """The weight gradient of each image, `[n_images, *weight.shape]`.

    Images are groups of one convolution; where an image has many rows it is a convolution by itself, and images go one by one.
    """
    if len(inputs) > n_images:
        parts = zip(inputs.chunk(n_images), gradients.chunk(n_images), strict=True)
        return torch.stack([_weight_gradient(layer, x, g) for x, g in parts])
    # Images side by side as channels, each a group of its own; the kernel reads the shape of `weight`, not its values.
    weight = layer.weight.new_empty(n_images * layer.weight.shape[0], *layer.weight.shape[1:])
    x, g = (t.reshape(1, -1, *t.shape[2:]) for t in (inputs, gradients))
    return _backward(layer, x, g, weight, n_images * layer.groups).view(n_images, *layer.weight.shape)


def _backward(layer: Convolution, inputs: Tensor, gradients: Tensor, weight: Tensor, groups: int) -> Tensor:
    """The weight gradient by PyTorch's own backward kernel, which reads of `weight` its shape alone."""
    n = len(layer.stride)
    masks = [False, True, False]  # the gradient of the weight alone, not those of input and bias
    found: tuple[Tensor, ...] = torch.ops.aten.convolution_backward(
        gradients, inputs, weight, None, layer.stride, _padding(layer), layer.dilation, False, [0] * n, groups, masks
    )
    return found[1]


def _gram_matrices(layer: Convolution, inputs: Tensor, gradients: Tensor, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """See `FactoredGradients.gram_matrices`, with the patches under output positions as rows; see the head of this module."""
    x, g = inputs.flatten(2), gradients.flatten(2)
    same = torch.equal(first, second)  # one image per unit: the only pairs are (i, i), and nothing needs to be copied
    x_first, g_first = (x, g) if same and len(first) == len(x) else (x[first], g[first])
    x_second, g_second = (x_first, g_first) if same else (x[second], g[second])
    positions = torch.bmm(x_first.transpose(1, 2), x_second)
    patches = _over_offsets(positions, inputs.shape[2:], gradients.shape[2:], layer.kernel_size, _padding(layer))
    return patches.flatten(1), torch.bmm(g_first.transpose(1, 2), g_second).flatten(1)


def _over_offsets(
    products: Tensor, in_shape: Sequence[int], out_shape: Sequence[int], kernel: Sequence[int], padding: Sequence[int]
) -> Tensor:
    """Inner products of input patches, `[n, n_out, n_out]` over output positions, from those of single input positions, `[n, n_in, n_in]`.

    The patches under output positions p and q share their kernel offsets o: x_p . x_q is the sum over o of the products at p + o and q + o.
    """
    n, dimensions = len(products), len(out_shape)
    # Both axes over positions get the layer's zero padding; `pad` expects the last dimension first.
    both = [p for size in reversed(padding) for p in (size, size)] * 2
    grid = functional.pad(products.view(n, *in_shape, *in_shape), both)
    # One dimension after another: the sum over a kernel's offsets is a sum over rows of sums over columns.
    for dim, (size, out) in enumerate(zip(kernel, out_shape, strict=True)):
        first, second = 1 + dim, 1 + dimensions + dim
        total = grid.narrow(first, 0, out).narrow(second, 0, out).clone()
        for offset in range(1, size):
            total += grid.narrow(first, offset, out).narrow(second, offset, out)
        grid = total
    return grid.reshape(n, prod(out_shape), prod(out_shape))
