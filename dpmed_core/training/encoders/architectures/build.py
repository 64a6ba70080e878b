"""Building an architecture by its name, and loading weights into it."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from dpmed_core.training.encoders.architectures.densenet import DenseNet121
from dpmed_core.training.encoders.architectures.efficientnet import EfficientNetLite0
from dpmed_core.training.encoders.architectures.resnet import ResNet50
from dpmed_core.training.encoders.architectures.vision_transformer import VisionTransformerB16
from dpmed_core.training.encoders.architectures.weight_names import own_names

_BUILDERS: dict[str, Callable[[int, int], nn.Module]] = {
    "efficientnet-lite0": lambda channels, side: EfficientNetLite0(channels),
    "tf-efficientnet-lite0": lambda channels, side: EfficientNetLite0(channels, like_tensorflow=True),
    "densenet-121": lambda channels, side: DenseNet121(channels),
    "resnet-50": lambda channels, side: ResNet50(channels),
    "vit-b-16": lambda channels, side: VisionTransformerB16(channels, side),
}


def network_with(architecture: str, tensors: Mapping[str, Tensor], *, channels: int, side: int) -> nn.Module:
    """The network that gives pooled features `[n, n_features]` of images `[n, channels, side, side]`, in evaluation mode.

    Args:
        architecture: a name of `catalogue.ARCHITECTURES`.
        tensors: weights by our names, as `under_own_names` gives them.
        channels: of its input.
        side: of its input, in pixels; a transformer's positions depend on it.
    """
    network = _without_weights(architecture, channels, side)
    # Not strict: PyTorch itself adds the counters that were taken out; that all weights are there, `under_own_names` saw to.
    network.load_state_dict(dict(tensors), assign=True, strict=False)
    return network.eval().requires_grad_(False)


def shapes_of(architecture: str, *, channels: int, side: int) -> dict[str, tuple[int, ...]]:
    """The shape of each of the network's weights, by our names."""
    return {name: tuple(tensor.shape) for name, tensor in _without_weights(architecture, channels, side).state_dict().items()}


def under_own_names(architecture: str, stored: Mapping[str, Tensor], *, channels: int, side: int) -> dict[str, Tensor]:
    """The network's weights, single precision, by our names, of a file's tensors by timm's, torchvision's or efficientnet-pytorch's names.

    Raises:
        EncoderError: a tensor is missing, unexpected, of another shape, or holds what is not a number.
    """
    wanted = shapes_of(architecture, channels=channels, side=side)
    names = own_names(architecture, {name: tuple(tensor.shape) for name, tensor in stored.items()}, wanted)
    return {own: stored[names[own]].float().contiguous() for own in sorted(wanted)}


def _without_weights(architecture: str, channels: int, side: int) -> nn.Module:
    # On the meta device nothing is allocated or drawn: a transformer's 86 million numbers are replaced anyway.
    with torch.device("meta"):
        network = _BUILDERS[architecture](channels, side)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.num_batches_tracked = None  # counts steps of a training, of which there is none
    return network
