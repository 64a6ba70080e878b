"""The architectures of added encoders: equal to timm's and torchvision's, whose names of weights are read, strictly."""

import re

import pytest
import torch

from dpmed_core.errors import EncoderError
from dpmed_core.training.encoders.architectures.build import network_with, under_own_names
from dpmed_core.training.encoders.architectures.catalogue import ARCHITECTURES
from tests.training.encoders import published


def loaded(architecture, stored):
    image = {"channels": 3, "side": 224}
    return network_with(architecture, under_own_names(architecture, stored, **image), **image)


def test_every_architecture_is_compared():
    assert {case.split("/")[1] for case in published.CASES} == set(ARCHITECTURES)


@pytest.mark.parametrize("case", published.CASES)
@torch.no_grad()
def test_features_are_those_of_the_library(case):
    network = loaded(case.split("/")[1], published.weights(case))
    own, theirs = network(published.images()), published.features(case)
    assert own.shape[1] == ARCHITECTURES[case.split("/")[1]].n_features
    assert float((own[:, :: published.STEP] - theirs).abs().max() / theirs.std()) < 1e-5


@torch.no_grad()
def test_the_names_of_efficientnet_pytorch_are_read():
    """As the package with the weights of EfficientNet-Lite0 has them: blocks numbered through, an underscore before every name."""
    case = "timm/tf-efficientnet-lite0"
    first = {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}
    later = {"conv_pw": "_expand_conv", "bn1": "_bn0", "conv_dw": "_depthwise_conv", "bn2": "_bn1"}
    later |= {"conv_pwl": "_project_conv", "bn3": "_bn2"}
    ends = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1", "classifier": "_fc"}
    places = sorted({tuple(map(int, f.groups())) for n in published.shapes(case) if (f := re.match(r"blocks\.(\d+)\.(\d+)\.", n))})

    def renamed(name):
        if block := re.fullmatch(r"blocks\.(\d+)\.(\d+)\.(\w+)\.(\w+)", name):
            place = int(block[1]), int(block[2])
            return f"_blocks.{places.index(place)}.{(later if place[0] else first)[block[3]]}.{block[4]}"
        layer, leaf = name.rsplit(".", 1)
        return f"{ends[layer]}.{leaf}"

    network = loaded("tf-efficientnet-lite0", {renamed(name): tensor for name, tensor in published.weights(case).items()})
    theirs = published.features(case)
    assert float((network(published.images())[:, :: published.STEP] - theirs).abs().max() / theirs.std()) < 1e-5


@torch.no_grad()
def test_padding_as_tensorflow_does_gives_other_features():
    stored = published.weights("timm/efficientnet-lite0")
    both = [loaded(name, stored)(published.images()) for name in ("efficientnet-lite0", "tf-efficientnet-lite0")]
    assert float((both[0] - both[1]).abs().max()) > 0.1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.pop("layer3.2.conv2.weight"), "the file lacks the tensor for stages.2.2.spatial.weight"),
        (lambda s: s.update({"layer9.0.conv1.weight": s["conv1.weight"]}), "it has no place for layer9.0.conv1.weight"),
        (lambda s: s.update({"attention.weight": s["conv1.weight"]}), "it has no place for attention.weight"),
        (lambda s: s.update({"conv1.weight": s["conv1.weight"][:, :1]}), "conv1.weight is 64 x 1 x 7 x 7 and not 64 x 3 x 7 x 7"),
        (lambda s: s.update({"\x1b[31m[x](http://y)" + "z" * 500: s["fc.bias"]}), "it has no place for �[31m"),
    ],
)
def test_weights_that_do_not_fit_are_refused_in_one_sentence_that_names_the_tensor(change, said):
    stored = published.weights("torchvision/resnet-50")
    change(stored)
    with pytest.raises(EncoderError) as refused:
        loaded("resnet-50", stored)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 250


def test_weights_of_another_architecture_are_refused():
    with pytest.raises(EncoderError, match=r"These are no weights of densenet-121: the file lacks the tensor for .* and 603 more"):
        loaded("densenet-121", published.weights("timm/resnet-50"))
