"""The networks, in two and three dimensions, none of which mixes one case with another."""

import torch
from torch import Tensor, nn

from dpmed_core.errors import SpecError
from dpmed_core.training.layers import GroupNormMish, HalvingMaxPool

MIXES_EXAMPLES = (nn.modules.batchnorm._BatchNorm, nn.SyncBatchNorm)


CONVOLUTIONS: dict[int, type[nn.Conv2d] | type[nn.Conv3d]] = {2: nn.Conv2d, 3: nn.Conv3d}


class ConvBlock(nn.Sequential):
    """Convolution of side 3, group normalisation with Mish, and optionally halving by max pooling."""

    def __init__(self, n_in: int, n_out: int, *, dimensions: int = 2, pool: bool = False) -> None:
        convolution = CONVOLUTIONS[dimensions](n_in, n_out, 3, padding=1, bias=False)
        super().__init__(convolution, GroupNormMish(n_groups(n_out), n_out), *([HalvingMaxPool()] if pool else []))


class Residual(nn.Module):
    """Two blocks around which the input passes unchanged."""

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
        n_out: outputs, one a finding.
        dimensions: 2 for films, 3 for volumes.
    """

    def __init__(self, *, width: float, n_out: int, dimensions: int = 2) -> None:
        super().__init__()
        a, b, c, d = (max(4, int(width * n)) for n in (64, 128, 256, 512))
        self.stages = nn.ModuleList(
            [
                ConvBlock(1, a, dimensions=dimensions),
                nn.Sequential(ConvBlock(a, b, dimensions=dimensions, pool=True), Residual(b, dimensions=dimensions)),
                ConvBlock(b, c, dimensions=dimensions, pool=True),
                nn.Sequential(ConvBlock(c, d, dimensions=dimensions, pool=True), Residual(d, dimensions=dimensions)),
            ]
        )
        self.head = nn.Linear(d, n_out)

    def activations(self, x: Tensor) -> list[Tensor]:
        """The output of each stage for cases `x` `[n, 1, *positions]`."""
        outputs = []
        for stage in self.stages:
            x = stage(x)
            outputs.append(x)
        return outputs

    def forward(self, x: Tensor) -> Tensor:
        """Logits `[n, n_out]` of cases `x` `[n, 1, *positions]`."""
        return self.head(self.activations(x)[-1].flatten(2).amax(dim=2))  # type: ignore[no-any-return]


class ConvNet3d(nn.Sequential):
    """Four convolution blocks over a volume, the mean over positions, and a linear layer."""

    def __init__(self, *, channels: tuple[int, ...] = (16, 32, 64, 64), n_out: int) -> None:
        ends = zip((1, *channels), channels, strict=False)
        blocks = [ConvBlock(n_in, n, dimensions=3, pool=i + 1 < len(channels)) for i, (n_in, n) in enumerate(ends)]
        super().__init__(*blocks, nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(channels[-1], n_out))


def n_groups(n_channels: int) -> int:
    """Groups for normalisation: about four channels a group, at most 32."""
    groups = min(32, max(1, n_channels // 4))
    while n_channels % groups:
        groups -= 1
    return groups


def refuse_mixing_layers(model: nn.Module) -> None:
    """Raise a SpecError, naming all of them, if layers of `model` make one patient's output depend on another's."""
    offenders = [name for name, layer in model.named_modules() if isinstance(layer, MIXES_EXAMPLES)]
    if offenders:
        raise SpecError(
            f"Batch normalisation ({', '.join(offenders)}) cannot be trained privately: it mixes the patients of a batch, "
            "so that no patient's influence is bounded. Use nn.GroupNorm instead."
        )


def initial_weights(model_seed: int, build: type[nn.Module], **arguments: object) -> nn.Module:
    """A model whose initial weights are a public function of `model_seed`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(model_seed)
        return build(**arguments)
