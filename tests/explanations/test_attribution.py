"""Explanation maps against models whose map is known: a model that depends on one region must be shown to depend on it."""

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.averaged_grad_cam import averaged_grad_cam
from dpmed_core.errors import SpecError
from dpmed_core.explanations.attribution import attribution, blurred
from dpmed_core.explanations.map_similarity import rank_correlation, sanity_sentence, shared_scale
from dpmed_core.explanations.methods import METHODS, methods_of
from dpmed_core.training.fitted import Explainable
from dpmed_core.training.recipes.networks import NETWORKS


class CornerNetwork(nn.Module):
    """Logit 0 is the sum of the upper left quarter of a convolution that copies its input; logit 1 that of the lower right quarter."""

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        self.layer = {2: nn.Conv2d, 3: nn.Conv3d}[dimensions](1, 1, 1, bias=False)
        nn.init.ones_(self.layer.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.layer(x)[:, 0]
        first, second = (tuple(slice(*ends) for _ in y.shape[1:]) for ends in ((0, y.shape[-1] // 2), (y.shape[-1] // 2, None)))
        return torch.stack([y[(slice(None), *first)].flatten(1).sum(1), y[(slice(None), *second)].flatten(1).sum(1)], dim=1)


def corner_model(dimensions=2):
    network = CornerNetwork(dimensions)
    return Explainable(network, lambda images: torch.from_numpy(np.asarray(images, dtype=np.float32)).unsqueeze(1), network.layer)


@pytest.fixture
def bright():
    """One radiograph with a bright spot in the upper left and one in the lower right quarter."""
    radiograph = np.zeros((1, 16, 16), np.float32)
    radiograph[0, 4, 4] = radiograph[0, 12, 12] = 8
    return radiograph


@pytest.mark.parametrize("method", ["occlusion", "integrated-gradients"])
@pytest.mark.parametrize(("finding_index", "spot"), [(0, 4), (1, 12)])
def test_a_map_points_at_what_the_score_rests_on(bright, method, finding_index, spot):
    signed = attribution(corner_model(), bright, finding_index=finding_index, method=method)[0]
    row, column = np.unravel_index(np.argmax(signed), signed.shape)
    assert abs(row - spot) <= 2 and abs(column - spot) <= 2
    assert abs(signed[16 - spot, 16 - spot]) < 0.05 * signed.max()


def test_integrated_gradients_sum_to_the_difference_of_the_logits(bright):
    model = corner_model()
    signed = attribution(model, bright, finding_index=0, method="integrated-gradients")
    x = model.to_input(bright)
    with torch.no_grad():
        difference = (model.network(x) - model.network(blurred(x)))[0, 0].item()
    assert signed.sum() == pytest.approx(difference, rel=1e-4)


def test_occlusion_gives_the_fall_of_the_logit(bright):
    """The patch over the bright spot removes the spot's whole part of the sum, less what its blurred copy adds."""
    model = corner_model()
    lost = attribution(model, bright, finding_index=0, method="occlusion")[0]
    x = model.to_input(bright)
    patch = x.clone()
    patch[..., 4:6, 4:6] = blurred(x)[..., 4:6, 4:6]
    with torch.no_grad():
        expected = (model.network(x) - model.network(patch))[0, 0].item()
    assert lost[4:6, 4:6] == pytest.approx(expected, rel=1e-5)


def test_grad_cam_is_activation_times_its_own_gradient_and_not_the_mean_gradient(bright):
    model = corner_model()
    signed = attribution(model, bright, finding_index=0, method="grad-cam")[0]
    own_corner = np.zeros((16, 16), np.float32)
    own_corner[:8, :8] = bright[0, :8, :8]
    assert signed == pytest.approx(own_corner)
    averaged = averaged_grad_cam(model, model.to_input(bright), 0)[0, 0].detach().numpy()
    assert averaged == pytest.approx(bright[0] / 4)  # the published form also marks the corner that this logit does not depend on


def test_volumes_are_explained_like_images():
    volume = np.zeros((1, 8, 8, 8), np.float32)
    volume[0, 2, 2, 2] = 5
    for method in METHODS:
        signed = attribution(corner_model(3), volume, finding_index=0, method=method)[0]
        assert signed.shape == (8, 8, 8)
        assert all(abs(index - 2) <= 1 for index in np.unravel_index(np.argmax(signed), signed.shape))


def test_grad_cam_is_refused_where_no_single_layer_decides(bright):
    model = corner_model()
    with pytest.raises(SpecError, match="no single layer"):
        attribution(Explainable(model.network, model.to_input, None), bright, finding_index=0, method="grad-cam")
    assert "grad-cam" not in [card.name for card in methods_of("probe")]
    for name, recipe in NETWORKS.items():
        assert ("grad-cam" in [card.name for card in methods_of(name)]) == (recipe.cam_layer is not None)


def test_rank_correlation_is_spearmans(bright):
    from scipy.stats import spearmanr

    first, second = np.random.default_rng(0).normal(size=(2, 12, 12)).round(1)
    assert rank_correlation(first, second) == pytest.approx(spearmanr(np.abs(first).ravel(), np.abs(second).ravel()).statistic)
    assert np.isnan(rank_correlation(first, np.zeros((12, 12))))


def test_the_sanity_check_distinguishes_a_map_of_the_image_from_a_map_of_the_model():
    rng = np.random.default_rng(1)
    image = rng.normal(size=(16, 16))
    similar, different = (rank_correlation(image, one) for one in (image + 0.1 * rng.normal(size=(16, 16)), rng.normal(size=(16, 16))))
    assert "An untrained model gives a similar map" in sanity_sentence(similar)
    assert "depends on what the model has learnt" in sanity_sentence(different)
    assert "same value everywhere" in sanity_sentence(rank_correlation(np.zeros((4, 4)), rng.normal(size=(4, 4))))


def test_the_common_scale_of_all_maps_is_the_largest_and_not_that_of_a_single_pixel():
    maps = np.zeros((2, 40, 40))
    maps[0, :4] = 3.0
    maps[1, 0, 0] = 1000.0
    assert shared_scale(maps) == 3.0
    assert shared_scale(np.zeros((2, 4, 4))) == 0.0
