"""Two processes on one training, over gloo."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import multiprocessing

from dpmed_core.runs.plan import n_train_units, plan_runs
from dpmed_core.runs.status import RunState
from dpmed_core.training.dpsgd.secure_random import SecureRandom
from dpmed_core.training.dpsgd.stepper import make_stepper
from dpmed_core.training.loop import LoopSettings, TrainingData, take_step
from dpmed_core.training.networks.models import ResNet9, initial_weights
from dpmed_core.training.recipes.networks import NETWORKS
from dpmed_core.training.recipes.train_network import plan_network
from dpmed_core.training.spec import PrivacyUnit

ROOT = Path(__file__).resolve().parents[2]
N_UNITS = 5
NOISE = 3.0
pytestmark = pytest.mark.slow


def step_update(noise_multiplier, images):
    """What one step of everybody's images changes, flat."""
    model = initial_weights(0, ResNet9, width=0.0625, n_out=2)
    before = torch.cat([p.detach().flatten() for p in model.parameters()]).clone()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    stepper = make_stepper(model, optimizer, noise_multiplier=noise_multiplier, max_grad_norm=0.5, expected_units=2.0)
    labels = torch.arange(2 * len(images)).view(-1, 2).remainder(2).float()
    data = TrainingData(images, labels, np.array_split(np.arange(len(images)), N_UNITS))
    settings = LoopSettings(1, 1.0, 2.0, 9, 0.5, noise_multiplier, 1.0)
    take_step(stepper, data, settings, SecureRandom())
    return torch.cat([p.detach().flatten() for p in model.parameters()]) - before


def images_of_units():
    return torch.randn(9, 1, 16, 16, generator=torch.Generator().manual_seed(0))


def on_a_rank(rank, folder):
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    updates = {name: step_update(noise, images_of_units()) for name, noise in (("private", 0.0), ("reference", None), ("noised", NOISE))}
    torch.save(updates, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


def test_two_ranks_take_the_step_of_one_with_noise_added_once(tmp_path):
    multiprocessing.spawn(on_a_rank, args=(str(tmp_path),), nprocs=2)
    one, other = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    for name, noise in (("private", 0.0), ("reference", None)):
        assert torch.equal(one[name], other[name])
        assert torch.allclose(one[name], step_update(noise, images_of_units()), atol=1e-6)
    assert torch.equal(one["noised"], other["noised"])
    noise = one["noised"] - one["private"]
    n, expected = noise.numel(), NOISE * 0.5 / 2.0
    assert abs(float(noise.std()) / expected - 1) < 7 / (2 * n) ** 0.5, "noise of one process, not of two"


def test_a_run_trained_by_two_ranks_finishes_with_the_plan_of_one(installation, settings, cohort):
    options = {"recipe": "paper", "epsilons": [8.0], "n_seeds": 1, "delta": None, "unit": PrivacyUnit.PATIENT, "non_private": False}
    spec = plan_runs(cohort, key=installation.key, **options)[0]
    run_id = installation.runs.ask(spec, cohort_name=cohort.name).run_id
    n_units = n_train_units(cohort, key=installation.key, unit=spec.unit)
    plan_network(NETWORKS["paper"], spec, n_units=n_units)  # calibrates the noise once here, not once on each rank
    environment = {**os.environ, "DPMED_DATA_DIR": str(settings.data_dir), "OMP_NUM_THREADS": "1"}
    launch = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "dpmed_core.engine.distributed_training",
        run_id,
    ]
    ended = subprocess.run(launch, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert installation.runs.status(run_id).state is RunState.FINISHED
    guarantee, events = installation.runs.result(run_id).guarantee, installation.runs.attempts(run_id)
    assert guarantee.epsilon <= 8
    assert [event["event"] for event in events if event["event"] != "checkpoint"] == ["started", "planned", "charged", "finished"]
    assert events[-1]["steps"] == guarantee.steps
    again = subprocess.run(launch, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert again.returncode == 0, "a finished run is not trained again, and no rank waits for it"
    assert installation.runs.attempts(run_id) == events
