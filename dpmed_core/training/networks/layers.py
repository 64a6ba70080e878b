"""Layers that private models and their non-private references share, so that the comparison is of privacy alone.

They work on blocks that fit into a processor's cache, which is where plain PyTorch loses most of a step on a CPU: its Mish computes three
transcendental functions per element where one exponential suffices, and its pooling is not vectorised.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

BLOCK_ELEMENTS = 2**16
"""Elements worked on at once on a CPU: 256 KiB of float32."""
DEVICE_BLOCK_ELEMENTS = 2**24
"""The same elsewhere: a block costs ten launches of a kernel there, and there is no cache to keep to."""

aten = torch.ops.aten


class GroupNormMish(nn.GroupNorm):
    """Group normalisation (Wu & He 2018, arXiv 1803.08494) followed by Mish (Misra 2019, arXiv 1908.08681), in one pass over each block.

    Mish is x tanh(log(1 + e^x)). In a functional call `weight` and `bias` may be given per image, `[n_images, n_channels]`: their gradients
    are then per image too, at no further cost, also where an image comes as several rows (slices), one after another.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalised and activated `x` `[n_rows, n_channels, *positions]`, same shape."""
        weight, bias = (_of_rows(given, len(x)) for given in (self.weight, self.bias))
        return group_norm_mish(x, weight, bias, self.num_groups, self.eps)


class HalvingMaxPool(nn.Module):
    """Max pooling over blocks of two positions in every dimension; an odd last position is left out, as in `nn.MaxPool2d(2)`.

    Where the largest value occurs more than once in a block, one of its positions gets the whole gradient.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Pooled `x` `[n_images, n_channels, *positions]`, with half as many positions in every dimension."""
        for dim in range(2, x.ndim):
            x = _PairMax.apply(x, dim)  # type: ignore[no-untyped-call]
        return x


def group_norm_mish(x: Tensor, weight: Tensor, bias: Tensor, n_groups: int, eps: float) -> Tensor:
    """Normalised and activated `x`, from scale and shift of each image's channels, `[n_images, n_channels]`.

    Two positions of one channel, -1 and 1, are normalised to themselves. Mish of 1 is tanh(log(1 + e)) = ((1 + e)^2 - 1) / ((1 + e)^2 + 1):

    >>> x, one, zero = torch.tensor([[[-1.0, 1.0]]]), torch.ones(1, 1), torch.zeros(1, 1)
    >>> round(group_norm_mish(x, one, zero, 1, 0.0)[0, 0, 1].item(), 5), round(((1 + torch.e) ** 2 - 1) / ((1 + torch.e) ** 2 + 1), 5)
    (0.8651, 0.8651)
    """
    return _GroupNormMish.apply(x, weight, bias, n_groups, eps)  # type: ignore[no-untyped-call,no-any-return]


class _GroupNormMish(torch.autograd.Function):
    """Works on rows of (image, group), which are independent of one another, so that any number of them can make a block.

    The forward pass stores the slope of Mish: the backward pass is then that of group normalisation alone, for slope times gradient.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, n_groups: int, eps: float) -> Tensor:
        """See `group_norm_mish`."""
        x, weight = x.contiguous(), weight.contiguous()
        rows, out, slope = _rows(x, n_groups), torch.empty_like(x), torch.empty_like(x)
        mean, rstd = x.new_empty(len(rows)), x.new_empty(len(rows))
        w, b = weight.view(len(rows), -1), bias.reshape(len(rows), -1)
        activated, slopes = _rows(out, n_groups), _rows(slope, n_groups)
        scratch = torch.empty_like(rows[: _block_rows(rows)]), torch.empty_like(rows[: _block_rows(rows)])
        for block in _blocks(rows):
            n, per_group, positions = rows[block].shape
            # A block of rows is one image with as many groups to the kernel, so that each row is normalised independently.
            shape = (1, n * per_group, positions)
            normed, mean_, rstd_ = aten.native_group_norm(
                rows[block].view(shape), w[block].flatten(), b[block].flatten(), 1, n * per_group, positions, n, eps
            )
            mean[block], rstd[block] = mean_.view(-1), rstd_.view(-1)
            rest, t = scratch[0][:n], scratch[1][:n]
            _mish(normed.view(n, per_group, positions), value=activated[block], slope=slopes[block], scratch=(rest, t))
        ctx.save_for_backward(x, mean, rstd, weight, slope)
        ctx.n_groups = n_groups
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of input, weight and bias; the latter two per image, `[n_images, n_channels]`."""
        x, mean, rstd, weight, slope = ctx.saved_tensors
        rows, grads, slopes = (_rows(t.contiguous(), ctx.n_groups) for t in (x, grad, slope))
        w = weight.view(len(rows), -1)
        grad_x, grad_w, grad_b = torch.empty_like(x), torch.empty_like(w), torch.empty_like(w)
        grad_rows, scratch = _rows(grad_x, ctx.n_groups), torch.empty_like(rows[: _block_rows(rows)])
        for block in _blocks(rows):
            n, per_group, positions = rows[block].shape
            shape = (1, n * per_group, positions)
            inner = torch.mul(grads[block], slopes[block], out=scratch[:n])
            parts = aten.native_group_norm_backward(
                inner.view(shape),
                rows[block].view(shape),
                mean[block].view(1, -1),
                rstd[block].view(1, -1),
                w[block].flatten(),
                1,
                n * per_group,
                positions,
                n,
                [True, True, True],
            )
            grad_rows[block] = parts[0].view(n, per_group, positions)
            grad_w[block], grad_b[block] = parts[1].view(n, -1), parts[2].view(n, -1)
        return grad_x, grad_w.view_as(weight), grad_b.view_as(weight), None, None


class _PairMax(torch.autograd.Function):
    """The larger of each two neighbours along one dimension; on a tie the first gets the gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, dim: int) -> Tensor:
        ctx.shape, ctx.dim = x.shape, dim
        first, second = _pairs(x, dim)
        ctx.save_for_backward(first >= second)
        return torch.maximum(first, second)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (is_first,) = ctx.saved_tensors
        # With an odd number of positions the last one got no output and needs its zero.
        grad_x = grad.new_zeros(ctx.shape) if ctx.shape[ctx.dim] % 2 else grad.new_empty(ctx.shape)
        first, second = _pairs(grad_x, ctx.dim)
        torch.mul(grad, is_first, out=first)
        torch.sub(grad, first, out=second)
        return grad_x, None


def _of_rows(given: Tensor, n_rows: int) -> Tensor:
    """Parameters `[n_channels]`, or `[n_images, n_channels]`, for each of `n_rows` rows."""
    if given.ndim == 1:
        return given.expand(n_rows, -1)
    return given.repeat_interleave(n_rows // len(given), 0) if n_rows > len(given) else given


def _pairs(x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """The even and the odd positions along `dim`, as views of one length."""
    n = x.shape[dim] // 2
    spread = x.narrow(dim, 0, 2 * n).unflatten(dim, (n, 2))  # type: ignore[no-untyped-call]
    return spread.select(dim + 1, 0), spread.select(dim + 1, 1)


def _rows(x: Tensor, n_groups: int) -> Tensor:
    """`x` `[n_images, n_channels, *positions]` as `[n_images * n_groups, channels of a group, positions]`."""
    return x.view(len(x) * n_groups, x.shape[1] // n_groups, -1)


def _block_rows(rows: Tensor) -> int:
    """Number of rows in a block."""
    at_once = BLOCK_ELEMENTS if rows.device.type == "cpu" else DEVICE_BLOCK_ELEMENTS
    return max(1, at_once // max(rows.shape[1] * rows.shape[2], 1))


def _blocks(rows: Tensor) -> Iterator[slice]:
    size = _block_rows(rows)
    return (slice(start, start + size) for start in range(0, len(rows), size))


def _mish(x: Tensor, *, value: Tensor, slope: Tensor, scratch: tuple[Tensor, Tensor]) -> None:
    """Write Mish of x, x t, and its derivative, t + x (1 - t^2) s, to `value` and `slope`; `x` is overwritten.

    With s the logistic function of x, t = tanh(log(1 + e^x)) is 2 / (1 + (1 - s)^2) - 1, which needs one exponential.
    """
    rest, t = scratch
    torch.neg(x, out=rest)
    rest.sigmoid_()  # 1 - s
    torch.mul(rest, rest, out=t)
    t.add_(1).reciprocal_().mul_(2).sub_(1)
    torch.mul(x, t, out=value)
    x.addcmul_(value, t, value=-1)  # x (1 - t^2)
    torch.add(t, x, out=slope)
    slope.addcmul_(x, rest, value=-1)
