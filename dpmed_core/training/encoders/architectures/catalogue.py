"""The architectures that an added encoder may have, as facts that cards, pages and the command line can read without torch."""

from dataclasses import dataclass

from dpmed_core.errors import EncoderError


@dataclass(frozen=True)
class Architecture:
    """A published architecture.

    Attributes:
        name: on cards and the command line.
        title: in words.
        n_features: length of its pooled features.
        multiple_of: the side of its input is a multiple of this many pixels.
        seconds_per_image: a first estimate of the time that its features of an image take on one core, at 224 pixels.
        source: the paper.
    """

    name: str
    title: str
    n_features: int
    multiple_of: int
    seconds_per_image: float
    source: str


_LITE = "Tan & Le 2019, arXiv 1905.11946; its lite variant without squeeze-and-excitation, with ReLU6"
ARCHITECTURES = {
    one.name: one
    for one in (
        Architecture("efficientnet-lite0", "EfficientNet-Lite0", 1280, 32, 0.05, _LITE),
        # TensorFlow pads only where a stride leaves a remainder, at the lower right, and adds 1e-3 to variances: other features.
        Architecture("tf-efficientnet-lite0", "EfficientNet-Lite0 as TensorFlow computes it", 1280, 32, 0.05, _LITE),
        Architecture("densenet-121", "DenseNet-121", 1024, 32, 0.12, "Huang et al. 2017, arXiv 1608.06993"),
        Architecture(
            "resnet-50", "ResNet-50", 2048, 32, 0.14, "He et al. 2016, arXiv 1512.03385; with the stride in the 3 x 3 convolution"
        ),
        Architecture("vit-b-16", "ViT-B/16", 768, 16, 0.5, "Dosovitskiy et al. 2021, arXiv 2010.11929"),
    )
}


def architecture_called(name: str) -> Architecture:
    """The architecture called `name`.

    Raises:
        EncoderError: there is none.
    """
    if name not in ARCHITECTURES:
        raise EncoderError(f"There is no architecture {name!r}: choose one of {', '.join(ARCHITECTURES)}.")
    return ARCHITECTURES[name]
