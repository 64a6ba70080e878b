"""EfficientNet-Lite0: inverted residual blocks with depthwise convolutions, without squeeze-and-excitation.

Source: Tan & Le 2019, "EfficientNet: rethinking model scaling for convolutional neural networks", arXiv 1905.11946, table 1; of its lite
variant ReLU6 and no squeeze-and-excitation.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

STEM, HEAD = 32, 1280
"""Channels after the first and after the last convolution."""


class StageShape(NamedTuple):
    """One stage of table 1: channels inside a block over those that enter it, channels that leave, blocks, first stride, kernel's side."""

    expansion: int
    channels: int
    blocks: int
    stride: int
    kernel: int


STAGES = (
    StageShape(1, 16, 1, 1, 3),
    StageShape(6, 24, 2, 2, 3),
    StageShape(6, 40, 2, 2, 5),
    StageShape(6, 80, 3, 2, 3),
    StageShape(6, 112, 3, 1, 5),
    StageShape(6, 192, 4, 2, 5),
    StageShape(6, 320, 1, 1, 3),
)


class Convolution(nn.Module):
    """A convolution and its batch normalisation, which in an encoder is a fixed scale and shift.

    Args:
        n_in: channels that enter.
        n_out: channels that leave.
        kernel: side of the kernel.
        stride: of the convolution.
        depthwise: whether each channel is convolved by itself.
        like_tensorflow: pads as TensorFlow's "SAME" does, and uses its constant for variances.
    """

    def __init__(
        self, n_in: int, n_out: int, kernel: int, *, stride: int = 1, depthwise: bool = False, like_tensorflow: bool = False
    ) -> None:
        super().__init__()
        self.same = like_tensorflow and stride > 1  # at stride 1 both ways of padding are one
        padding = 0 if self.same else kernel // 2
        self.conv = nn.Conv2d(n_in, n_out, kernel, stride, padding, groups=n_in if depthwise else 1, bias=False)
        self.norm = nn.BatchNorm2d(n_out, eps=1e-3 if like_tensorflow else 1e-5)

    def forward(self, x: Tensor) -> Tensor:
        """The normalised convolution of `x`."""
        normalised: Tensor = self.norm(self.conv(self._padded(x) if self.same else x))
        return normalised

    def _padded(self, x: Tensor) -> Tensor:
        kernel, stride = self.conv.kernel_size[0], self.conv.stride[0]
        missing = [max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in (x.shape[-1], x.shape[-2])]
        return functional.pad(x, [pad for one in missing for pad in (one // 2, one - one // 2)])


class Block(nn.Module):
    """An inverted residual block: channels are expanded, convolved one by one, and projected."""

    def __init__(self, n_in: int, shape: StageShape, *, stride: int, like_tensorflow: bool) -> None:
        super().__init__()
        inside = n_in * shape.expansion
        self.expand = Convolution(n_in, inside, 1, like_tensorflow=like_tensorflow) if shape.expansion > 1 else None
        self.depthwise = Convolution(inside, inside, shape.kernel, stride=stride, depthwise=True, like_tensorflow=like_tensorflow)
        self.project = Convolution(inside, shape.channels, 1, like_tensorflow=like_tensorflow)
        self.adds = stride == 1 and n_in == shape.channels

    def forward(self, x: Tensor) -> Tensor:
        """The block's output for `x`."""
        inside = x if self.expand is None else functional.relu6(self.expand(x))
        projected: Tensor = self.project(functional.relu6(self.depthwise(inside)))
        return x + projected if self.adds else projected


class EfficientNetLite0(nn.Module):
    """The network up to its pooled features.

    Args:
        channels: of the images.
        like_tensorflow: as `Convolution`; for weights that were trained in TensorFlow.
    """

    def __init__(self, channels: int, *, like_tensorflow: bool = False) -> None:
        super().__init__()
        self.stem = Convolution(channels, STEM, 3, stride=2, like_tensorflow=like_tensorflow)
        self.stages, n_in = nn.ModuleList(), STEM
        for shape in STAGES:
            blocks = nn.ModuleList()
            for number in range(shape.blocks):
                blocks.append(Block(n_in, shape, stride=shape.stride if number == 0 else 1, like_tensorflow=like_tensorflow))
                n_in = shape.channels
            self.stages.append(blocks)
        self.head = Convolution(n_in, HEAD, 1, like_tensorflow=like_tensorflow)

    def forward(self, x: Tensor) -> Tensor:
        """Features `[n, HEAD]` of images `x` `[n, channels, side, side]`."""
        x = functional.relu6(self.stem(x))
        for blocks in self.stages:
            assert isinstance(blocks, nn.ModuleList)
            for block in blocks:
                x = block(x)
        return torch.mean(functional.relu6(self.head(x)), dim=(2, 3))
