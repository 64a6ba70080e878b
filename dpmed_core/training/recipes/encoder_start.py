"""The start of recipe `finetune`: the public encoder's weights, most of which stay frozen."""

from pathlib import Path

import torch
from torch import nn

from dpmed_core.imaging.modality import Modality
from dpmed_core.training.encoders.radiograph_encoder import load_encoder
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
    tuned = {name for name, layer in model.named_modules() if isinstance(layer, GroupNormMish) and name.startswith(TUNED_STAGE)}
    for name, parameter in model.named_parameters():
        owner = name.rpartition(".")[0]
        parameter.requires_grad_(owner == "head" or owner in tuned)
        if owner == "head":
            parameter.zero_()
