"""What `plan --at` predicts for a CPU against a training at a hundredth of a large cohort: 1,933 images of random pixels, one a patient.

The runs are the product's own, from the request to the stored scores, on one thread. Seconds are the processor's, as those of the
measured rates; the clock's stand beside them, as other programs may share the machine. The prediction leaves out what the accountant
takes to calibrate the noise.
"""

import tempfile
import time
from pathlib import Path

import torch

from benchmarks.kills import ask_on_random_images
from dpmed_core.engine.training_task import work_on
from dpmed_core.errors import RunError
from dpmed_core.installation import Installation
from dpmed_core.runs.status import RunState
from dpmed_core.settings import Settings
from dpmed_core.training.measured_rates import read_rates
from dpmed_core.training.scale import scale_rows

LARGE, HUNDREDTH, PIXELS = 193_311, 1_933, 64
RECIPES = ("probe", "paper")
EPSILON = 8.0


def rows() -> list[dict[str, object]]:
    """One row per recipe: hours as predicted and as taken."""
    torch.set_num_threads(1)
    for recipe in RECIPES:
        _predicted(recipe, HUNDREDTH)  # refused before anything is trained
    observed = {recipe: _observed(recipe) for recipe in RECIPES}
    return [_row(recipe, *hours) for recipe, hours in observed.items()]


def _observed(recipe: str) -> tuple[float, float]:
    """Hours of one private run, by the processor and by the clock."""
    with tempfile.TemporaryDirectory() as folder:
        installation = Installation.open(Settings(data_dir=Path(folder)))
        (run_id,) = ask_on_random_images(installation, (EPSILON,), HUNDREDTH, recipe=recipe, images_a_patient=1)
        began, clock = time.process_time(), time.monotonic()
        work_on(installation.settings, run_id)
        taken, by_clock = time.process_time() - began, time.monotonic() - clock
        assert installation.runs.status(run_id).state is RunState.FINISHED, installation.runs.attempts(run_id)[-1]
    return taken / 3600, by_clock / 3600


def _row(recipe: str, observed: float, by_clock: float) -> dict[str, object]:
    small, large = (_predicted(recipe, n_images) for n_images in (HUNDREDTH, LARGE))
    return {
        "recipe": recipe,
        "n_images": HUNDREDTH,
        "pixels": PIXELS,
        "predicted_hours": small,
        "observed_hours": observed,
        "observed_clock_hours": by_clock,
        "observed_over_predicted": observed / small,
        "predicted_hours_at_193311": large,
    }


def _predicted(recipe: str, n_images: int) -> float:
    found = scale_rows(n_images, PIXELS, read_rates())
    hours = next(r["hours"] for r in found if (r["recipe"], r["device"], r["modality"]) == (recipe, "cpu", "radiograph"))
    if hours is None:
        raise RunError("No CPU was measured: run `python -m benchmarks device --out docs/measured` first.")
    return float(str(hours))
