"""The part of recipe `finetune3d` that is trained: the last layers of the public networks for CT, their pooling, and a head."""

from collections.abc import Mapping
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dpmed_core.training.encoders.radiograph_encoder import reduce_by
from dpmed_core.training.networks.layers import GroupNormMish

STATISTICS = ("mean", "scale", "basis", "spread")
"""The public encoder's reduction of a kind of feature, see `radiograph_encoder.reduce_by`."""


class MapShape(NamedTuple):
    """Channels of a map, and positions along slices, rows and columns."""

    channels: int
    slices: int
    rows: int
    columns: int


class KindShape(NamedTuple):
    """What is read of one network for a kind of feature of the public encoder.

    Attributes:
        name: of the kind.
        n_before: features that come pooled and stand before those of the map in the kind's order.
        n_after: those that stand behind them.
        map: shape of the map before the network's last layers.
        n_components: the encoder's components of the kind.
    """

    name: str
    n_before: int
    n_after: int
    map: MapShape
    n_components: int

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Numbers before the map's features, behind them, and in the map, as they stand in a case's vector."""
        return self.n_before, self.n_after, prod(self.map)


class TailLayer(nn.Sequential):
    """The same layer as `blocks.Layer` in three dimensions, by the same names of weights, with a fast gradient for every image."""

    def __init__(self, n_channels: int) -> None:
        super().__init__(nn.Conv3d(n_channels, n_channels, 3, padding=1, bias=False), GroupNormMish(n_channels // 8, n_channels))


class TailOfKind(nn.Module):
    """Residual layers on a map, pooling by mean and maximum, and the public reduction of the kind's features, at norm 1."""

    def __init__(self, shape: KindShape) -> None:
        super().__init__()
        self.shape = shape
        self.inner = nn.Sequential(TailLayer(shape.map.channels), TailLayer(shape.map.channels))
        n_raw, n_components = shape.n_before + 2 * shape.map.channels + shape.n_after, shape.n_components
        # Random directions until the public ones are loaded: equal ones would leave nothing of a case once its norm is 1.
        basis = torch.randn(n_raw, n_components) * n_raw**-0.5
        for name, statistic in zip(STATISTICS, (torch.zeros(n_raw), torch.ones(n_raw), basis, torch.ones(n_components)), strict=True):
            self.register_buffer(name, statistic)

    def load_reduction(self, reduction: Mapping[str, Tensor]) -> None:
        """Take the statistics of the public encoder."""
        for name in STATISTICS:
            self.get_buffer(name).copy_(reduction[f"{self.shape.name}.{name}"])

    def forward(self, x: Tensor) -> Tensor:
        """Components `[n, n_components]` of cases `x` `[n, sum of the shape's sizes]`."""
        before, after, values = torch.split(x, list(self.shape.sizes), dim=1)
        last = values.reshape(len(x), *self.shape.map)
        last = (last + self.inner(last)).flatten(2)
        raw = torch.cat([before, last.mean(dim=2), last.amax(dim=2), after], dim=1)
        statistics = {f"{self.shape.name}.{name}": self.get_buffer(name) for name in STATISTICS}
        return nn.functional.normalize(reduce_by(statistics, self.shape.name, raw), dim=1)


class VolumeTail(nn.Module):
    """For each kind of feature the last layers and its reduction, and a linear head on all of them at norm 1.

    Before training its features are those of the public encoder. Its layers see each case by itself. A case comes as one vector, kind after
    kind: what earlier layers pooled, then the values of the map.

    Args:
        n_out: outputs, one per finding.
        kinds: what is read.
    """

    def __init__(self, *, n_out: int, kinds: tuple[KindShape, ...]) -> None:
        super().__init__()
        self.kinds = nn.ModuleList(TailOfKind(kind) for kind in kinds)
        self.sizes = [sum(kind.sizes) for kind in kinds]
        self.head = nn.Linear(sum(kind.n_components for kind in kinds), n_out)

    @property
    def n_read(self) -> int:
        """Length of a case's vector."""
        return sum(self.sizes)

    def features(self, x: Tensor) -> Tensor:
        """Features `[n, n_features]` of norm 1 of cases `x` `[n, 1, n_read]`."""
        parts = [tail(own) for tail, own in zip(self.kinds, torch.split(x.flatten(1), self.sizes, dim=1), strict=True)]
        joined: Tensor = torch.cat(parts, dim=1) * float(len(parts) ** -0.5)
        return joined

    def forward(self, x: Tensor) -> Tensor:
        """Logits `[n, n_out]` of cases `x` `[n, 1, n_read]`."""
        return self.head(self.features(x))  # type: ignore[no-any-return]
