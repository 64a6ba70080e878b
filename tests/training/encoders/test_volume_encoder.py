"""The public encoder for CT: its outputs, and its training data, phantoms of their own variant."""

import numpy as np
import pytest
import torch

from dpmed_core.imaging.volume_grid import SHAPE
from dpmed_core.phantoms.abdomen.population import PDAC, draw_scans
from dpmed_core.phantoms.abdomen.volume import render_volume
from dpmed_core.training.encoders.network_input import windowed
from dpmed_core.training.encoders.organ_masks import DISEASE_TARGETS, STRUCTURES, masked_features
from dpmed_core.training.encoders.pancreas_crop import CROP_SHAPE, FINE_CELL, CropNetwork, crops_at, pancreas_centres
from dpmed_core.training.encoders.pretrain_volumes import crop_loss, pretrain_crop_network, pretrain_volume_network, volume_loss
from dpmed_core.training.encoders.synthetic_volumes import FINE_CELLS, augment_volumes, draw_synthetic_volumes
from dpmed_core.training.encoders.volume_encoder import CELL, MEASURES, SCAN_MEASURES, VolumeNetwork, space_to_depth
from tests.image_files import render_lesion_mask

pytestmark = pytest.mark.usefixtures("one_torch_thread")
N = 8


@pytest.fixture(scope="module")
def data():
    return draw_synthetic_volumes(N, seed=3, workers=1)


@pytest.fixture(scope="module")
def people():
    return draw_scans(N, seed=3, variant="encoder")


def test_blocks_keep_every_voxel_in_its_position():
    volume = torch.arange(8 * 12 * 16, dtype=torch.float32).reshape(1, 1, 8, 12, 16)
    blocks = space_to_depth(volume)
    assert blocks.shape == (1, CELL**3, 2, 3, 4)
    for channel, (z, y, x) in enumerate(np.ndindex(CELL, CELL, CELL)):
        assert torch.equal(blocks[0, channel], volume[0, 0, z::CELL, y::CELL, x::CELL])


def test_values_beyond_the_window_are_cut_off():
    assert torch.allclose(windowed(np.array([[[[-1000, -160, 40, 240, 1000]]]])).flatten(), torch.tensor([-2.0, -2, 0, 2, 2]))


def test_features_are_pooled_where_the_masks_are():
    """Of a map that is 1 in one cell and 0 elsewhere, the mean over the pancreas is 1 where the mask is that cell alone."""
    activations, masks = torch.zeros(1, 2, 4, 4, 4), torch.full((1, len(STRUCTURES), 4, 4, 4), -20.0)
    activations[0, 0, 1, 2, 3] = 1.0
    masks[0, 0, 1, 2, 3] = 20.0
    pancreas = masked_features(activations, masks)[0, :2]
    assert pancreas[0] == pytest.approx(1.0, abs=0.01) and pancreas[1] == 0
    masks = masks.roll(1, dims=2)
    assert masked_features(activations, masks)[0, 0] == pytest.approx(0.0, abs=0.01)


def test_the_volume_network_has_outputs_of_the_documented_shapes():
    output = VolumeNetwork()(torch.zeros(1, 1, *SHAPE))
    assert output.mask_logits.shape == (1, len(STRUCTURES), *(length // CELL for length in SHAPE))
    assert output.disease.shape == (1, len(DISEASE_TARGETS)) and output.measures.shape == (1, len(MEASURES) + len(SCAN_MEASURES))


def test_the_crop_network_has_outputs_of_the_documented_shapes():
    network = CropNetwork()
    output = network(torch.zeros(2, 1, *CROP_SHAPE))
    assert output.mask_logits.shape == (2, len(STRUCTURES), *(length // FINE_CELL for length in CROP_SHAPE))
    assert output.disease.shape == (2, len(DISEASE_TARGETS)) and output.features.shape[0] == 2


def test_a_crop_lies_around_the_pancreas_and_that_of_its_mask_coincides():
    masks = torch.zeros(2, 1, *FINE_CELLS)
    masks[0, 0, 10, 20, 30] = 1.0
    masks[1, 0, 0, 0, 47] = 1.0  # in a corner: the crop is moved to lie within
    volumes = masks.repeat_interleave(FINE_CELL, 2).repeat_interleave(FINE_CELL, 3).repeat_interleave(FINE_CELL, 4)
    centres = pancreas_centres(masks[:, 0], cell=FINE_CELL)
    assert centres[0].tolist() == pytest.approx([21, 41, 61], abs=0.2)
    crops, mask_crop = crops_at(volumes, centres), crops_at(masks, centres, cell=FINE_CELL)
    assert crops.shape == (2, 1, *CROP_SHAPE) and crops.sum(dim=(1, 2, 3, 4)).tolist() == [FINE_CELL**3] * 2
    middle = torch.nonzero(crops[0, 0]).float().mean(dim=0)
    assert (middle - torch.tensor([length / 2 for length in CROP_SHAPE])).abs().max() <= FINE_CELL
    assert torch.equal(torch.nn.functional.avg_pool3d(crops, FINE_CELL), mask_crop)


def test_without_a_pancreas_the_crop_is_in_the_middle():
    assert pancreas_centres(torch.zeros(1, 4, 6, 6), cell=16)[0].tolist() == pytest.approx([32, 48, 48])


def test_masks_lie_where_the_phantom_has_its_structures(data, people):
    for index, patient in people.iterrows():
        shares = data.masks[index].astype(float) / 255
        assert 10 < shares[0].sum() * FINE_CELL**3 < 4000  # voxels of pancreas
        lesion = render_lesion_mask(patient, index, seed=3, variant="encoder")
        assert shares[1].sum() * FINE_CELL**3 == pytest.approx(lesion.sum(), abs=3)
        assert bool(shares[1].any()) == bool(patient[PDAC]) and bool(shares[2].any()) == bool(patient["duct_mm"] > 0)


def test_training_volumes_are_the_phantoms_in_the_window(data, people):
    hu = render_volume(people.iloc[2], 2, seed=3, variant="encoder")
    batch, _ = data.batch(torch.tensor([2]))
    assert torch.allclose(batch, windowed(hu[None]), atol=0.01)


def test_augmentation_differs_each_time_and_moves_masks_with_the_volume(data):
    torch.manual_seed(0)
    volumes, masks = data.batch(torch.arange(2))
    shown = [augment_volumes(volumes, masks) for _ in range(6)]
    assert all(s.shape == volumes.shape and torch.isfinite(s).all() for s, _ in shown)
    assert (shown[0][0] - shown[1][0]).abs().mean() > 0.02
    moved = [m for _, m in shown if not torch.equal(m, masks)]
    assert moved and all(torch.isclose(m.sum(), masks.sum()) for _, m in shown)


@pytest.mark.slow
def test_training_lowers_the_loss_of_the_volume_network(data):
    torch.manual_seed(0)
    volumes, masks = data.batch(torch.arange(N))

    def loss(network):
        with torch.no_grad():
            return float(volume_loss(network(volumes), masks, data.disease, data.measures))

    trained = pretrain_volume_network(data, epochs=3)
    assert loss(trained) < 0.8 * loss(VolumeNetwork().eval())


@pytest.mark.slow
def test_training_lowers_the_loss_of_the_crop_network(data):
    torch.manual_seed(0)
    volumes, masks = data.batch(torch.arange(N))
    centres = pancreas_centres(masks[:, 0], cell=FINE_CELL)
    crops, mask_crop = crops_at(volumes, centres), crops_at(masks, centres, cell=FINE_CELL)

    def loss(network):
        with torch.no_grad():
            return float(crop_loss(network(crops), mask_crop, data.disease))

    trained = pretrain_crop_network(data, epochs=14)
    assert loss(trained) < 0.8 * loss(CropNetwork().eval())
