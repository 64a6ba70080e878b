"""The starts of recipes `finetune` and `finetune3d`: the public encoder's weights, most of which stay frozen."""

from pathlib import Path

import torch
from torch import nn

from dpmed_core.imaging.modality import Modality
from dpmed_core.training.encoders.radiograph_encoder import load_encoder
from dpmed_core.training.encoders.volume_tail import TailOfKind, VolumeTail
from dpmed_core.training.encoders.volume_trunk import VolumeTrunk, trunk_of
from dpmed_core.training.networks.layers import GroupNormMish

SOURCE = "narrow"
"""The network of the public encoder that is fine-tuned: the one trained on the phantoms' variant "encoder"."""
TUNED_STAGE = "stages.3."
"""The last stage; its normalisation is trained."""


@torch.no_grad()
def start_from_encoder(model: nn.Module, encoders_dir: Path) -> None:
    """Load the public encoder's weights into `model`, set its head to 0, and freeze all but the head and the last stage's normalisation.

    The norm of the noise grows with the square root of the number of trained parameters. Scale and shift of a normalisation are few, and
    convolutions, which are many, stay public.

    Raises:
        SettingsError: the encoder is missing or not known to be public.
    """
    public = load_encoder(encoders_dir, Modality.RADIOGRAPH).networks[SOURCE].state_dict()
    # Not strict: the encoder's head predicts other targets and is left out.
    model.load_state_dict({name: tensor for name, tensor in public.items() if not name.startswith("head.")}, strict=False)
    _train_normalisation_and_head(model, TUNED_STAGE)


def public_trunk(encoders_dir: Path) -> VolumeTrunk:
    """What stands before the trained layers of recipe `finetune3d`, with the public encoder's weights.

    Raises:
        SettingsError: the encoder is missing or not known to be public.
    """
    return trunk_of(load_encoder(encoders_dir, Modality.CT))


@torch.no_grad()
def start_from_volume_encoder(model: nn.Module, encoders_dir: Path) -> None:
    """Load the last layers of the public encoder's networks for CT into the tail `model`, set its head to 0, and freeze all but the head
    and these layers' normalisation; see `start_from_encoder`.

    Raises:
        SettingsError: the encoder is missing or not known to be public.
    """
    assert isinstance(model, VolumeTail)
    encoder = load_encoder(encoders_dir, Modality.CT)
    public = trunk_of(encoder)
    for tail, source in zip(model.kinds, (public.close.coarse.inner, public.volume.last_stage.inner), strict=True):
        assert isinstance(tail, TailOfKind)
        tail.inner.load_state_dict(source.state_dict())
        tail.load_reduction(encoder.reduction)
    _train_normalisation_and_head(model, "kinds.")


def _train_normalisation_and_head(model: nn.Module, within: str) -> None:
    """Set the head of `model` to 0; freeze all but it and the normalisation of the layers whose names begin with `within`."""
    tuned = {name for name, layer in model.named_modules() if isinstance(layer, GroupNormMish) and name.startswith(within)}
    for name, parameter in model.named_parameters():
        owner = name.rpartition(".")[0]
        parameter.requires_grad_(owner == "head" or owner in tuned)
        if owner == "head":
            parameter.zero_()
