"""The public encoder for CT: what it reads, and that it learns from phantoms of its own variant."""

import numpy as np
import pytest
import torch

from dpmed_core.imaging.volume_grid import SHAPE
from dpmed_core.phantoms.abdomen.population import PDAC, draw_people
from dpmed_core.phantoms.abdomen.volume import render_lesion_mask, render_volume
from dpmed_core.training.encoders.network_input import windowed
from dpmed_core.training.encoders.organ_masks import DISEASE, MARKS, through_marks
from dpmed_core.training.encoders.pancreas_crop import BOX, FINE_CELL, CloseNetwork, boxes_at, gland_centres
from dpmed_core.training.encoders.pretrain_volumes import close_loss_of, loss_of, pretrained, pretrained_close
from dpmed_core.training.encoders.synthetic_volumes import FINE_CELLS, draw_abdomens, varied_volumes
from dpmed_core.training.encoders.volume_encoder import CELL, MEASURES, SCAN_MEASURES, VolumeNetwork, in_blocks

pytestmark = pytest.mark.usefixtures("one_torch_thread")
N = 8


@pytest.fixture(scope="module")
def abdomens():
    return draw_abdomens(N, seed=3, workers=1)


@pytest.fixture(scope="module")
def people():
    return draw_people(N, seed=3, variant="encoder")


def test_blocks_keep_every_voxel_in_its_place():
    volume = torch.arange(8 * 12 * 16, dtype=torch.float32).reshape(1, 1, 8, 12, 16)
    blocks = in_blocks(volume)
    assert blocks.shape == (1, CELL**3, 2, 3, 4)
    for channel, (z, y, x) in enumerate(np.ndindex(CELL, CELL, CELL)):
        assert torch.equal(blocks[0, channel], volume[0, 0, z::CELL, y::CELL, x::CELL])


def test_a_window_cuts_off_what_lies_beyond_it():
    assert torch.allclose(windowed(np.array([[[[-1000, -160, 40, 240, 1000]]]])).flatten(), torch.tensor([-2.0, -2, 0, 2, 2]))


def test_features_are_seen_where_the_marks_are():
    """Of a map that is 1 in one cell and 0 elsewhere, the mean over the gland is 1 where that cell alone is marked."""
    seen, marks = torch.zeros(1, 2, 4, 4, 4), torch.full((1, len(MARKS), 4, 4, 4), -20.0)
    seen[0, 0, 1, 2, 3] = 1.0
    marks[0, 0, 1, 2, 3] = 20.0
    gland = through_marks(seen, marks)[0, :2]
    assert gland[0] == pytest.approx(1.0, abs=0.01) and gland[1] == 0
    marks = marks.roll(1, dims=2)
    assert through_marks(seen, marks)[0, 0] == pytest.approx(0.0, abs=0.01)


def test_a_reading_has_the_shapes_it_says():
    reading = VolumeNetwork()(torch.zeros(1, 1, *SHAPE))
    assert reading.marks.shape == (1, len(MARKS), *(length // CELL for length in SHAPE))
    assert reading.disease.shape == (1, len(DISEASE)) and reading.measures.shape == (1, len(MEASURES) + len(SCAN_MEASURES))


def test_a_close_reading_has_the_shapes_it_says():
    network = CloseNetwork()
    reading = network(torch.zeros(2, 1, *BOX))
    assert reading.marks.shape == (2, len(MARKS), *(length // FINE_CELL for length in BOX))
    assert reading.disease.shape == (2, len(DISEASE)) and reading.features.shape[0] == 2


def test_a_box_lies_around_the_gland_and_its_marks_in_the_same_place():
    marks = torch.zeros(2, 1, *FINE_CELLS)
    marks[0, 0, 10, 20, 30] = 1.0
    marks[1, 0, 0, 0, 47] = 1.0  # in a corner: the box is moved to lie within
    volumes = marks.repeat_interleave(FINE_CELL, 2).repeat_interleave(FINE_CELL, 3).repeat_interleave(FINE_CELL, 4)
    centres = gland_centres(marks[:, 0], cell=FINE_CELL)
    assert centres[0].tolist() == pytest.approx([21, 41, 61], abs=0.2)
    boxes, marked = boxes_at(volumes, centres), boxes_at(marks, centres, cell=FINE_CELL)
    assert boxes.shape == (2, 1, *BOX) and boxes.sum(dim=(1, 2, 3, 4)).tolist() == [FINE_CELL**3] * 2
    middle = torch.nonzero(boxes[0, 0]).float().mean(dim=0)
    assert (middle - torch.tensor([length / 2 for length in BOX])).abs().max() <= FINE_CELL
    assert torch.equal(torch.nn.functional.avg_pool3d(boxes, FINE_CELL), marked)


def test_without_a_gland_the_middle_is_looked_at():
    assert gland_centres(torch.zeros(1, 4, 6, 6), cell=16)[0].tolist() == pytest.approx([32, 48, 48])


def test_marks_lie_where_the_phantom_planted_them(abdomens, people):
    for index, person in people.iterrows():
        marked = abdomens.marks[index].astype(float) / 255
        assert 10 < marked[0].sum() * FINE_CELL**3 < 4000  # voxels of gland
        mask = render_lesion_mask(person, index, seed=3, variant="encoder")
        assert marked[1].sum() * FINE_CELL**3 == pytest.approx(mask.sum(), abs=3)
        assert bool(marked[1].any()) == bool(person[PDAC]) and bool(marked[2].any()) == bool(person["duct_mm"] > 0)


def test_volumes_to_learn_from_are_the_phantoms_in_the_window(abdomens, people):
    hu = render_volume(people.iloc[2], 2, seed=3, variant="encoder")
    batch, _ = abdomens.batch(torch.tensor([2]))
    assert torch.allclose(batch, windowed(hu[None]), atol=0.01)


def test_a_volume_is_shown_otherwise_each_time_and_its_marks_go_with_it(abdomens):
    torch.manual_seed(0)
    volumes, marks = abdomens.batch(torch.arange(2))
    shown = [varied_volumes(volumes, marks) for _ in range(6)]
    assert all(s.shape == volumes.shape and torch.isfinite(s).all() for s, _ in shown)
    assert (shown[0][0] - shown[1][0]).abs().mean() > 0.02
    moved = [m for _, m in shown if not torch.equal(m, marks)]
    assert moved and all(torch.isclose(m.sum(), marks.sum()) for _, m in shown)


def test_training_lowers_what_is_missed(abdomens):
    torch.manual_seed(0)
    volumes, marks = abdomens.batch(torch.arange(N))

    def missed(network):
        with torch.no_grad():
            return float(loss_of(network(volumes), marks, abdomens.disease, abdomens.measures))

    trained = pretrained(abdomens, epochs=6)
    assert missed(trained) < 0.8 * missed(VolumeNetwork().eval())


def test_training_lowers_what_the_close_look_misses(abdomens):
    torch.manual_seed(0)
    volumes, marks = abdomens.batch(torch.arange(N))
    centres = gland_centres(marks[:, 0], cell=FINE_CELL)
    boxes, marked = boxes_at(volumes, centres), boxes_at(marks, centres, cell=FINE_CELL)

    def missed(network):
        with torch.no_grad():
            return float(close_loss_of(network(boxes), marked, abdomens.disease))

    trained = pretrained_close(abdomens, epochs=40)
    assert missed(trained) < 0.8 * missed(CloseNetwork().eval())
