"""The networks, none of which mixes one film with another."""

import torch
from torch import Tensor, nn

from dpmed_core.errors import SpecError

MIXES_EXAMPLES = (nn.modules.batchnorm._BatchNorm, nn.SyncBatchNorm)


class ConvBlock(nn.Sequential):
    """Convolution 3x3, group normalisation, Mish, and optionally halving by max pooling."""

    def __init__(self, n_in: int, n_out: int, *, pool: bool = False) -> None:
        layers: list[nn.Module] = [nn.Conv2d(n_in, n_out, 3, padding=1, bias=False), nn.GroupNorm(n_groups(n_out), n_out), nn.Mish()]
        super().__init__(*layers, *([nn.MaxPool2d(2)] if pool else []))


class Residual(nn.Module):
    """Two blocks around which the input passes unchanged."""

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(ConvBlock(n_channels, n_channels), ConvBlock(n_channels, n_channels))

    def forward(self, x: Tensor) -> Tensor:
        """`x` plus what the blocks add, same shape."""
        return x + self.blocks(x)  # type: ignore[no-any-return]


class ResNet9(nn.Module):
    """ResNet9 with group normalisation and Mish.

    Source: Klause et al. 2022, arXiv 2203.00324 (scale normalisation left out); used by Tayebi Arasteh et al. 2024.

    Args:
        width: scales the published channel counts (64, 128, 256, 512).
        n_out: outputs, one a finding.
    """

    def __init__(self, *, width: float, n_out: int) -> None:
        super().__init__()
        a, b, c, d = (max(4, int(width * n)) for n in (64, 128, 256, 512))
        self.stages = nn.ModuleList(
            [
                ConvBlock(1, a),
                nn.Sequential(ConvBlock(a, b, pool=True), Residual(b)),
                ConvBlock(b, c, pool=True),
                nn.Sequential(ConvBlock(c, d, pool=True), Residual(d)),
            ]
        )
        self.head = nn.Linear(d, n_out)

    def activations(self, x: Tensor) -> list[Tensor]:
        """The output of each stage for films `x` `[n, 1, height, width]`."""
        outputs = []
        for stage in self.stages:
            x = stage(x)
            outputs.append(x)
        return outputs

    def forward(self, x: Tensor) -> Tensor:
        """Logits `[n, n_out]` of films `x` `[n, 1, height, width]`."""
        return self.head(self.activations(x)[-1].amax(dim=(2, 3)))  # type: ignore[no-any-return]


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
