"""Recipe `probe` as one differentiable network, from an image's pixels through the public encoder to the private head's logits."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from dpmed_core.training.encoders.added.network import load_added, stored_tensor
from dpmed_core.training.encoders.added.store import AddedEncoders
from dpmed_core.training.encoders.card import ADDED, ADDED_COMPONENTS, COMPONENTS
from dpmed_core.training.encoders.components import SMALLEST_NORM
from dpmed_core.training.encoders.network_input import IMAGE_SIDE
from dpmed_core.training.encoders.phantom_outputs import NETWORK
from dpmed_core.training.encoders.radiograph_encoder import load_encoder
from dpmed_core.training.fitted import Explainable, StoredModel
from dpmed_core.training.recipes.head import Head
from dpmed_core.training.starts.start import HeadStart


class ProbeNetwork(nn.Module):
    """The encoders and a head on their leading components.

    Its logits are those of `Head.probabilities` on `features.leading_components`, to rounding.
    """

    def __init__(
        self,
        features: Callable[[Tensor], Tensor],
        networks: Mapping[str, nn.Module],
        components: Mapping[str, int],
        head: Head,
        start: HeadStart | None = None,
    ) -> None:
        """The network of a head.

        Args:
            features: from inputs to public features, with the outputs behind them that the start reads.
            networks: of the encoders, by name.
            components: how many of each kind of feature the head reads.
            head: the trained head.
            start: the public start; None without one.
        """
        super().__init__()
        self.reads_outputs = start is not None and start.reads_outputs
        self.start = {name: torch.from_numpy(array).float() for name, array in start.to_tensors().items()} if start else None
        self.own = torch.from_numpy(np.array(head.own)).float() if head.own is not None else None
        self.features, self.components = features, dict(components)
        # As a submodule, so that explanation methods find the encoder's layers.
        self.networks = nn.ModuleDict(networks)
        self.centre, self.weights, self.offset = (torch.from_numpy(np.array(a)).float() for a in (head.centre, head.weights, head.offset))

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits `[n, n_findings]` for the input `[n, 1, *positions]`."""
        features = self.features(inputs)
        logits = _linear(_leading_components(features, self.components), self.centre, self.weights) + self.offset
        if self.start is None or self.own is None:
            return logits
        return logits + self.own * (self._own_of_outputs(features) if self.reads_outputs else self._own_features(features))

    def _own_of_outputs(self, features: Tensor) -> Tensor:
        """`PhantomStart.own_features` in PyTorch."""
        assert self.start is not None
        members, spread, middle = self.start["members"], self.start["spread"], self.start["middle"]
        outputs = features[:, -len(members) :, None]
        of_finding = torch.where(members > 0, outputs, torch.full_like(outputs, -torch.inf)).amax(dim=1)
        known = spread > 0
        scaled = (torch.where(known, of_finding, middle) - middle) / (2 * torch.where(known, spread, torch.ones_like(spread)))
        return torch.where(known, torch.tanh(scaled), torch.zeros_like(scaled))

    def _own_features(self, features: Tensor) -> Tensor:
        """`PublicHead.own_features` in PyTorch."""
        assert self.start is not None
        spread, read = self.start["spread"], _leading_components(features, COMPONENTS)
        logits = _linear(read, self.start["centre"], self.start["weights"])
        scaled = (logits - self.start["zero"]) / (2 * torch.where(spread > 0, spread, torch.ones_like(spread)))
        return torch.where(spread > 0, torch.tanh(scaled), torch.zeros_like(scaled))


def _linear(features: Tensor, centre: Tensor, weights: Tensor) -> Tensor:
    """Logits `[n, n_findings]` of features, centred and at norm 1, without an offset."""
    centred = features - centre
    logits: Tensor = centred @ weights / centred.norm(dim=1, keepdim=True).clamp(min=SMALLEST_NORM)
    return logits


def _leading_components(features: Tensor, components: Mapping[str, int]) -> Tensor:
    """`components.leading_components` in PyTorch."""
    kinds, begin = [], 0
    for kind, most in {**COMPONENTS, ADDED: ADDED_COMPONENTS}.items():
        if kind in components:
            kinds.append(nn.functional.normalize(features[:, begin : begin + components[kind]], dim=1))
        begin += most
    leading: Tensor = torch.cat(kinds, dim=1) * float(len(kinds) ** -0.5)
    return leading


def explainable_probe(stored: StoredModel, components: Mapping[str, int], head: Head, start: HeadStart | None = None) -> Explainable:
    """A head with its encoders; without a layer for Grad-CAM, since the head reads several layers of networks and scattering besides."""
    encoder = load_encoder(stored.encoders_dir, stored.modality)

    def with_outputs(inputs: Tensor, features: Tensor) -> Tensor:
        return torch.cat([features, encoder.networks[NETWORK](inputs)], dim=1) if start is not None and start.reads_outputs else features

    if stored.spec.encoder is None:
        network = ProbeNetwork(lambda x: with_outputs(x, encoder.of_inputs(x)), encoder.networks, components, head, start)
        return Explainable(network.eval(), encoder.to_input, cam_layer=None)
    added = load_added(AddedEncoders(stored.added_dir or stored.encoders_dir).with_digest(stored.spec.encoder))

    def features(inputs: Tensor) -> Tensor:
        # Of finer radiographs without the rounding of `radiographs_at_128`, half a grey level at most, which would have no gradient.
        own = nn.functional.interpolate(inputs, size=(IMAGE_SIDE, IMAGE_SIDE), mode="area") if inputs.shape[-1] != IMAGE_SIDE else inputs
        return with_outputs(own, torch.cat([encoder.of_inputs(own), added.of_inputs(inputs)], dim=1))

    # The input is the radiograph as it is stored: the added encoder sees more of it than the public one.
    networks = {**encoder.networks, ADDED: added.pooled.network}
    return Explainable(ProbeNetwork(features, networks, components, head, start).eval(), stored_tensor, cam_layer=None)


def random_head(head: Head, seed: int) -> Head:
    """A head of random weights with the shape and norm of `head`'s, for the sanity check of explanation maps."""
    drawn = np.random.default_rng(seed).normal(size=head.weights.shape)
    return Head(
        drawn * np.linalg.norm(head.weights) / np.linalg.norm(drawn),
        np.zeros_like(head.offset),
        head.centre,
        None if head.own is None else np.zeros_like(head.own),
    )
