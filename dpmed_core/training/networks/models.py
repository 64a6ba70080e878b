"""The networks, in two and three dimensions. None lets one case influence the output for another, on which the privacy of units rests."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from dpmed_core.errors import SpecError
from dpmed_core.training.networks.layers import GroupNormMish, HalvingMaxPool

MIXING_LAYERS = (nn.modules.batchnorm._BatchNorm, nn.SyncBatchNorm)
"""Layers whose output for one case depends on the others of its batch."""
CONVOLUTIONS: dict[int, type[nn.Conv2d] | type[nn.Conv3d]] = {2: nn.Conv2d, 3: nn.Conv3d}


class ConvBlock(nn.Sequential):
    """Convolution of side 3, group normalisation with Mish, and optionally halving by max pooling."""

    def __init__(self, n_in: int, n_out: int, *, dimensions: int = 2, pool: bool = False) -> None:
        convolution = CONVOLUTIONS[dimensions](n_in, n_out, 3, padding=1, bias=False)
        super().__init__(convolution, GroupNormMish(n_groups(n_out), n_out), *([HalvingMaxPool()] if pool else []))


class Residual(nn.Module):
    """Two convolution blocks with a skip connection."""

    def __init__(self, n_channels: int, *, dimensions: int = 2) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(ConvBlock(n_channels, n_channels, dimensions=dimensions) for _ in range(2)))

    def forward(self, x: Tensor) -> Tensor:
        """`x` plus what the blocks add, same shape."""
        return x + self.blocks(x)  # type: ignore[no-any-return]


class ResNet9(nn.Module):
    """ResNet9 with group normalisation and Mish.

    Source: Klause et al. 2022, arXiv 2203.00324 (scale normalisation left out); used by Tayebi Arasteh et al. 2024.

    Args:
        width: scales the published channel counts (64, 128, 256, 512).
        n_out: outputs, one per finding.
        dimensions: 2 for radiographs, 3 for volumes.
        block: side of the blocks of positions that become channels of one position (`space_to_depth`); 1 for the published network.
    """

    def __init__(self, *, width: float, n_out: int, dimensions: int = 2, block: int = 1) -> None:
        super().__init__()
        self.block = block
        # At least four channels: one group for normalisation.
        a, b, c, d = (max(4, int(width * n)) for n in (64, 128, 256, 512))
        self.stages = nn.ModuleList(
            [
                ConvBlock(block**dimensions, a, dimensions=dimensions),
                nn.Sequential(ConvBlock(a, b, dimensions=dimensions, pool=True), Residual(b, dimensions=dimensions)),
                ConvBlock(b, c, dimensions=dimensions, pool=True),
                nn.Sequential(ConvBlock(c, d, dimensions=dimensions, pool=True), Residual(d, dimensions=dimensions)),
            ]
        )
        self.head = nn.Linear(d, n_out)

    def activations(self, x: Tensor) -> list[Tensor]:
        """The output of each stage for cases `x` `[n, 1, *positions]`."""
        x, outputs = space_to_depth(x, self.block), []
        for stage in self.stages:
            x = stage(x)
            outputs.append(x)
        return outputs

    def forward(self, x: Tensor) -> Tensor:
        """Logits `[n, n_out]` of cases `x` `[n, 1, *positions]`."""
        return self.head(self.activations(x)[-1].flatten(2).amax(dim=2))  # type: ignore[no-any-return]


class BySlice(nn.Module):
    """A network in two dimensions, applied to each slice of a volume independently.

    Args:
        network: gives `[n, ...]` for images `[n, 1, height, width]`.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """`[n, depth, ...]` for volumes `x` `[n, 1, depth, height, width]`.

        Within the network the slices of one volume stand one after another: unit gradients are summed by volume in that order.
        """
        n, _, depth, *plane = x.shape
        of_slices = self.network(x.reshape(n * depth, 1, *plane))
        return of_slices.view(n, depth, *of_slices.shape[1:])  # type: ignore[no-any-return]


class GatedAttention(nn.Module):
    """Gated attention pooling: a weighted mean of a volume's slice vectors.

    With slice vectors h_k, the weights are the softmax over k of w . (tanh(V h_k) * sigmoid(U h_k)).
    Source: Ilse, Tomczak & Welling 2018, arXiv 1802.04712, equation 9.

    Args:
        n_features: length of a vector.
        n_hidden: rows of V and of U.
    """

    def __init__(self, n_features: int, n_hidden: int) -> None:
        super().__init__()
        self.content, self.gate, self.score = nn.Linear(n_features, n_hidden), nn.Linear(n_features, n_hidden), nn.Linear(n_hidden, 1)

    def weights(self, x: Tensor) -> Tensor:
        """The weight of each slice, `[n, depth, 1]`, for `x` `[n, depth, n_features]`; those of a volume add up to 1."""
        return self.score(torch.tanh(self.content(x)) * torch.sigmoid(self.gate(x))).softmax(dim=1)  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        """The weighted mean `[n, n_features]` for `x` `[n, depth, n_features]`."""
        return (self.weights(x) * x).sum(dim=1)


class SliceNet(nn.Module):
    """Slices encoded by a ResNet9 in two dimensions, attention over slices, and a linear layer (2.5D).

    Args:
        width: of the encoder, see `ResNet9`.
        n_out: outputs, one per finding.
        block: of the encoder, see `ResNet9`.
        n_features: length of the vector that encodes a slice.
        n_hidden: hidden units of the attention.
    """

    def __init__(self, *, width: float, n_out: int, block: int = 1, n_features: int = 32, n_hidden: int = 16) -> None:
        super().__init__()
        self.slices = BySlice(ResNet9(width=width, n_out=n_features, block=block))
        self.attention, self.head = GatedAttention(n_features, n_hidden), nn.Linear(n_features, n_out)

    def forward(self, x: Tensor) -> Tensor:
        """Logits `[n, n_out]` of volumes `x` `[n, 1, depth, height, width]`."""
        return self.head(self.attention(self.slices(x)))  # type: ignore[no-any-return]


def space_to_depth(x: Tensor, side: int) -> Tensor:
    """Cases `x` `[n, 1, *positions]` with each block of `side` positions in every dimension as the channels of one position.

    The first block of a 2 x 4 image holds its first two columns:

    >>> space_to_depth(torch.arange(8.0).view(1, 1, 2, 4), 2)[0, :, 0, 0].sort().values.tolist()
    [0.0, 1.0, 4.0, 5.0]
    """
    for dim in range(2, x.ndim) if side > 1 else ():  # one dimension after another: the offset within a block becomes channels
        x = x.reshape(*x.shape[:dim], -1, side, *x.shape[dim + 1 :]).movedim(dim + 1, 1).flatten(1, 2)
    return x


def n_groups(n_channels: int) -> int:
    """Groups for normalisation: about four channels a group, at most 32 groups, always a divisor of `n_channels`.

    >>> [n_groups(n) for n in (4, 10, 64, 512)]
    [1, 2, 16, 32]
    """
    groups = min(32, max(1, n_channels // 4))
    while n_channels % groups:
        groups -= 1
    return groups


def refuse_mixing_layers(model: nn.Module) -> None:
    """Refuse layers that make one patient's output depend on another's: no patient's gradient could then be clipped by itself.

    Raises:
        SpecError: names all of them.
    """
    offenders = [name for name, layer in model.named_modules() if isinstance(layer, MIXING_LAYERS)]
    if offenders:
        raise SpecError(
            f"Batch normalisation ({', '.join(offenders)}) cannot be trained privately: it mixes the patients of a batch, "
            "so that no patient's influence is bounded. Use nn.GroupNorm instead."
        )


def initial_weights(model_seed: int, build: Callable[..., nn.Module], **arguments: object) -> nn.Module:
    """A model whose initial weights are a public function of `model_seed`; the global random generator stays as it was."""
    with torch.random.fork_rng(devices=[]):  # weights must neither depend on other random numbers of the process nor change them
        torch.manual_seed(model_seed)
        return build(**arguments)
