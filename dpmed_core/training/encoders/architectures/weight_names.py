"""Whose names stored weights have, and which tensor of ours each name means: rules, by architecture and library.

Every tensor of a file must be one that the network has, the layer that classifies or a counter of training steps, and every tensor of the
network must be there, in its shape: weights that fit by chance would give features that nobody trained.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate

from dpmed_core.errors import EncoderError
from dpmed_core.foreign_text import plain_line
from dpmed_core.training.encoders.architectures.efficientnet import STAGES

LONGEST_SHOWN = 80
"""Characters of a tensor's foreign name that a message repeats."""
Shape = tuple[int, ...]
Rule = tuple[str, str | Callable[[re.Match[str]], str]]
_FIRST_BLOCKS = tuple(accumulate((stage.blocks for stage in STAGES), initial=0))


def _numbered(found: re.Match[str]) -> str:
    """The stage and place in it of a block that is numbered through."""
    number = int(found[1])
    stage = max(s for s, first in enumerate(_FIRST_BLOCKS[:-1]) if first <= number)
    return f"stages.{stage}.{number - _FIRST_BLOCKS[stage]}.{_INVERTED[found[2]]}.{_PARTS[found[2]]}"


_INVERTED = {"_expand_conv": "expand", "_bn0": "expand", "_depthwise_conv": "depthwise", "_bn1": "depthwise"}
_INVERTED |= {"_project_conv": "project", "_bn2": "project"}
_PARTS = {name: "norm" if "bn" in name else "conv" for name in _INVERTED}
_SEPARABLE = {"conv_dw": "depthwise.conv", "bn1": "depthwise.norm", "conv_pw": "project.conv", "bn2": "project.norm"}
_EXPANDED = {"conv_pw": "expand.conv", "bn1": "expand.norm", "conv_dw": "depthwise.conv", "bn2": "depthwise.norm"}
_EXPANDED |= {"conv_pwl": "project.conv", "bn3": "project.norm"}
_BOTTLENECK = {"conv1": "reduce", "bn1": "norm_reduced", "conv2": "spatial", "bn2": "norm_spatial", "conv3": "widen", "bn3": "norm_widened"}
_BOTTLENECK |= {"downsample.0": "shortcut", "downsample.1": "norm_shortcut"}
_DENSE = {"norm1": "norm_in", "conv1": "reduce", "norm2": "norm_inner", "conv2": "grow"}
_OF_TIMM_BLOCK = {"norm1": "norm_attention", "attn.qkv": "queries_keys_values", "attn.proj": "attended", "norm2": "norm_tokens"}
_OF_TIMM_BLOCK |= {"mlp.fc1": "widen", "mlp.fc2": "narrow"}
_OF_TORCHVISION_BLOCK = {"ln_1": "norm_attention", "self_attention.in_proj": "queries_keys_values", "self_attention.out_proj": "attended"}
_OF_TORCHVISION_BLOCK |= {"ln_2": "norm_tokens", "mlp.0": "widen", "mlp.linear_1": "widen", "mlp.3": "narrow", "mlp.linear_2": "narrow"}


def _one_of(names: Mapping[str, str]) -> str:
    return "|".join(map(re.escape, names))


_LITE: tuple[tuple[Rule, ...], ...] = (
    (  # timm
        ("conv_stem", "stem.conv"),
        ("bn1", "stem.norm"),
        (rf"blocks\.0\.(\d+)\.({_one_of(_SEPARABLE)})", lambda found: f"stages.0.{found[1]}.{_SEPARABLE[found[2]]}"),
        (rf"blocks\.([1-9])\.(\d+)\.({_one_of(_EXPANDED)})", lambda found: f"stages.{found[1]}.{found[2]}.{_EXPANDED[found[3]]}"),
        ("conv_head", "head.conv"),
        ("bn2", "head.norm"),
        ("classifier", ""),
    ),
    (  # efficientnet-pytorch and what followed it
        ("_conv_stem", "stem.conv"),
        ("_bn0", "stem.norm"),
        (rf"_blocks\.(\d+)\.({_one_of(_INVERTED)})", _numbered),
        ("_conv_head", "head.conv"),
        ("_bn1", "head.norm"),
        ("_fc", ""),
    ),
)
RULES: Mapping[str, tuple[tuple[Rule, ...], ...]] = {
    "efficientnet-lite0": _LITE,
    "tf-efficientnet-lite0": _LITE,
    "densenet-121": (
        (  # torchvision and timm
            (r"features\.conv0", "stem"),
            (r"features\.norm0", "stem_norm"),
            # Older files write a dot before the number.
            (
                r"features\.denseblock(\d+)\.denselayer(\d+)\.(norm|conv)\.?([12])",
                lambda found: f"blocks.{int(found[1]) - 1}.{int(found[2]) - 1}.{_DENSE[found[3] + found[4]]}",
            ),
            (
                r"features\.transition(\d+)\.(norm|conv)",
                lambda found: f"transitions.{int(found[1]) - 1}.{'norm' if found[2] == 'norm' else 'reduce'}",
            ),
            (r"features\.norm5", "norm"),
            ("classifier", ""),
        ),
    ),
    "resnet-50": (
        (  # torchvision and timm
            ("conv1", "stem"),
            ("bn1", "stem_norm"),
            (
                rf"layer(\d)\.(\d+)\.({_one_of(_BOTTLENECK)})",
                lambda found: f"stages.{int(found[1]) - 1}.{found[2]}.{_BOTTLENECK[found[3]]}",
            ),
            ("fc", ""),
        ),
    ),
    "vit-b-16": (
        (  # timm
            (r"patch_embed\.proj", "patches"),
            ("cls_token", "class_token"),
            ("pos_embed", "positions"),
            (rf"blocks\.(\d+)\.({_one_of(_OF_TIMM_BLOCK)})", lambda found: f"blocks.{found[1]}.{_OF_TIMM_BLOCK[found[2]]}"),
            ("norm", "norm"),
            ("head", ""),
        ),
        (  # torchvision
            ("conv_proj", "patches"),
            ("class_token", "class_token"),
            (r"encoder\.pos_embedding", "positions"),
            (
                rf"encoder\.layers\.encoder_layer_(\d+)\.({_one_of(_OF_TORCHVISION_BLOCK)})",
                lambda found: f"blocks.{found[1]}.{_OF_TORCHVISION_BLOCK[found[2]]}",
            ),
            (r"encoder\.ln", "norm"),
            (r"heads\.head", ""),
        ),
    ),
}
"""By architecture, the rules of each library: a layer's foreign name, and ours; empty for the layer that classifies."""
_LEAVES = ("weight", "bias", "running_mean", "running_var")
COUNTER = "num_batches_tracked"


def own_names(architecture: str, stored: Mapping[str, Shape], wanted: Mapping[str, Shape]) -> dict[str, str]:
    """Our name of each tensor -> its name in the file.

    Args:
        architecture: a name of `catalogue.ARCHITECTURES`.
        stored: shapes of the file's tensors, by their names there.
        wanted: shapes of the network's tensors, by our names.

    Raises:
        EncoderError: a tensor is missing, unexpected, or of another shape; names it.
    """
    needed = set(wanted)
    readings = [_read(rules, stored) for rules in RULES[architecture]]
    # The library whose rules know most of the file's names is the one that wrote it.
    known, unexpected = max(readings, key=lambda reading: len(needed & set(reading[0])))
    missing = sorted(needed - set(known))
    unexpected = sorted([*unexpected, *(known[name] for name in set(known) - needed)])
    if missing or unexpected:
        raise EncoderError(f"These are no weights of {architecture}: {_what_is_wrong(missing, unexpected)}.")
    for name in sorted(needed):
        if stored[known[name]] != wanted[name]:
            raise EncoderError(
                f"These are no weights of {architecture} for such images: {_shown([known[name]])} is {_by(stored[known[name]])} and not "
                f"{_by(wanted[name])}."
            )
    return known


def _read(rules: tuple[Rule, ...], stored: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """(our name -> the file's name) for the tensors that `rules` know, and the names that they do not; neither counts what is dropped."""
    known: dict[str, str] = {}
    unexpected = []
    for name in stored:
        layer, _, leaf = name.rpartition(".")
        # torchvision joins the leaf of a packed projection by an underscore; tokens and positions are parameters without a layer.
        if match := re.fullmatch(r"(.*\.in_proj)_(weight|bias)", name):
            layer, leaf = match[1], match[2]
        elif leaf not in (*_LEAVES, COUNTER):
            layer, leaf = name, ""
        own = _layer_of(rules, layer)
        if own is None:
            unexpected.append(name)
        elif own and leaf != COUNTER:
            known[f"{own}.{leaf}" if leaf else own] = name
    return known, unexpected


def _layer_of(rules: tuple[Rule, ...], layer: str) -> str | None:
    """Our name of a layer; empty for the one that classifies, None where no rule knows it."""
    for pattern, ours in rules:
        if found := re.fullmatch(pattern, layer):
            return ours if isinstance(ours, str) else ours(found)
    return None


def _what_is_wrong(missing: list[str], unexpected: list[str]) -> str:
    found = {"the file lacks the tensor for": missing, "it has no place for": unexpected}
    return ", and ".join(f"{what} {_shown(names)}" for what, names in found.items() if names)


def _shown(names: list[str]) -> str:
    more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
    return f"{plain_line(names[0], LONGEST_SHOWN)}{more}"


def _by(shape: Shape) -> str:
    return " x ".join(map(str, shape)) or "a number"
