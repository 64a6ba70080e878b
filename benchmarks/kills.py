"""Private runs whose workers are killed (SIGKILL) at random times until each has finished: what they spent, and whether noise was reused.

A worker is started for a run, killed after a random time, and started again, until the number of kills is reached; checkpoints are
frequent, so that some kills happen while one is written. Reuse is checked by wrapping the worker's source of Gaussian variates: it records
a digest of every block that it returns, and two equal digests, within a run or between runs, would mean that noise was used twice. (The
product itself never records noise.)
"""

import hashlib
import json
import multiprocessing
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.running_installation import IMAGES_A_PATIENT, N_IMAGES, write_cohort
from dpmed_core.engine.training_task import work_on
from dpmed_core.installation import Installation
from dpmed_core.runs.plan import plan_runs
from dpmed_core.runs.status import OPEN_STATES, RunState
from dpmed_core.settings import Settings
from dpmed_core.training.spec import PrivacyUnit

N_KILLS = 30
EPSILONS = (1.0, 2.0, 4.0, 8.0)
CHECKPOINT_SECONDS = 0.3
LONGEST_LIFE_SECONDS = 9.0


def rows() -> list[dict[str, object]]:
    """One row per run: how often it was killed, what it planned and spent, and the number of noise blocks used twice."""
    return killed_runs(EPSILONS, n_kills=N_KILLS, n_images=N_IMAGES)


def killed_runs(epsilons: Sequence[float], *, n_kills: int, n_images: int, at_checkpoint: bool = False) -> list[dict[str, object]]:
    """The rows of `rows`, for runs of `epsilons` on `n_images` images that are killed `n_kills` times together.

    Args:
        epsilons: of the runs.
        n_kills: how often a worker is killed.
        n_images: of the cohort.
        at_checkpoint: kill a worker once its attempt has recorded a checkpoint, not at a random time.
    """
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder))
        installation = Installation.open(settings)
        run_ids = ask_on_random_images(installation, epsilons, n_images)
        kills = _kill_and_restart(installation, run_ids, Path(folder) / "noise", n_kills=n_kills, at_checkpoint=at_checkpoint)
        digests = Counter(line for path in (Path(folder) / "noise").glob("*") for line in path.read_text().splitlines())
        return [_row(installation, run_id, kills[run_id], digests) for run_id in run_ids]


def _kill_and_restart(installation: Installation, run_ids: list[str], noise: Path, *, n_kills: int, at_checkpoint: bool) -> Counter[str]:
    noise.mkdir()
    times, kills = random.Random(0), Counter[str]()
    while open_runs := [r for r in run_ids if installation.runs.status(r).state in OPEN_STATES]:
        run_id = times.choice(open_runs)
        worker = multiprocessing.get_context("spawn").Process(target=_work, args=(installation.settings, run_id, noise))
        worker.start()
        seen = len(installation.runs.attempts(run_id))
        began = _wait_for_attempt(installation, run_id, worker)
        if sum(kills.values()) < n_kills:
            if at_checkpoint:
                _wait_for_checkpoint(installation, run_id, worker, seen)
            else:
                worker.join(max(0.0, began + times.uniform(0, LONGEST_LIFE_SECONDS) - time.monotonic()))
            if worker.is_alive():
                worker.kill()
                kills[run_id] += 1
        worker.join()
    return kills


def _wait_for_attempt(installation: Installation, run_id: str, worker: multiprocessing.process.BaseProcess) -> float:
    """The time at which the worker had recorded its plan: before that there is nothing to lose."""
    seen = len(installation.runs.attempts(run_id))
    while worker.is_alive() and len(installation.runs.attempts(run_id)) < seen + 2:
        time.sleep(0.02)
    return time.monotonic()


def _wait_for_checkpoint(installation: Installation, run_id: str, worker: multiprocessing.process.BaseProcess, seen: int) -> None:
    """Wait until an event after the first `seen` tells of a checkpoint, and until another is about to follow."""
    while worker.is_alive() and not any(event["event"] == "checkpoint" for event in installation.runs.attempts(run_id)[seen:]):
        time.sleep(0.02)
    worker.join(CHECKPOINT_SECONDS / 2)


def _work(settings: Settings, run_id: str, noise: Path) -> None:
    """What a worker process does: train the run, with frequent checkpoints and a digest of every block of noise in folder `noise`."""
    import torch

    from dpmed_core.training import loop
    from dpmed_core.training.dpsgd import lattice_noise as source

    torch.set_num_threads(1)
    loop.CHECKPOINT_SECONDS = CHECKPOINT_SECONDS
    draw, log = source.gaussian, (noise / f"{run_id}-{os.getpid()}").open("a", buffering=1)

    def recorded(n: int, entropy: source.SecureRandom, device: torch.device | None = None) -> torch.Tensor:
        drawn = draw(n, entropy, device)
        log.write(hashlib.sha256(drawn.cpu().numpy().tobytes()).hexdigest() + "\n")
        return drawn

    source.gaussian = recorded
    work_on(settings, run_id)


def _row(installation: Installation, run_id: str, n_kills: int, digests: Counter[str]) -> dict[str, object]:
    """One run's row, once it has finished."""
    status, events = installation.runs.status(run_id), installation.runs.attempts(run_id)
    assert status.state is RunState.FINISHED, json.dumps(events[-1])
    guarantee = installation.runs.result(run_id).guarantee
    assert guarantee is not None and status.spec.privacy is not None
    checkpoints = [int(event["step"]) for event in events if event["event"] == "checkpoint"]
    return {
        "target_epsilon": status.spec.privacy.epsilon,
        "spent_epsilon": guarantee.epsilon,
        "delta": guarantee.delta,
        "unit": status.spec.unit.value,
        "accountant": guarantee.accountant,
        "killed": n_kills,
        "attempts": sum(event["event"] == "started" for event in events),
        "resumed_at": " ".join(str(event["step"]) for event in events if event["event"] == "resumed"),
        "planned_steps": guarantee.steps,
        "spent_steps": next(event["steps"] for event in events if event["event"] == "finished"),
        "checkpoints_in_order": checkpoints == sorted(set(checkpoints)),
        "results": sum(event["event"] == "finished" for event in events),
        "noise_blocks": sum(digests.values()),
        "noise_blocks_used_twice": sum(count > 1 for count in digests.values()),
    }


def ask_on_random_images(
    installation: Installation, epsilons: Sequence[float], n_images: int, *, recipe: str = "paper", images_a_patient: int = IMAGES_A_PATIENT
) -> list[str]:
    """Write a cohort of random images and request one run per epsilon; their run_ids."""
    cohort = write_cohort(installation, f"{recipe}-images", n_images=n_images, images_a_patient=images_a_patient)
    specs = plan_runs(
        cohort,
        key=installation.key,
        recipe=recipe,
        epsilons=epsilons,
        n_seeds=1,
        delta=None,
        unit=PrivacyUnit.PATIENT,
        non_private=False,
    )
    return [installation.runs.ask(spec, cohort_name=cohort.name).run_id for spec in specs]
