"""One private run whose worker is killed (SIGKILL) after a checkpoint and started again: what it spent, and whether noise was reused."""

import warnings
from collections.abc import Iterator

from benchmarks import kills
from benchmarks.device_parts.place import Place

EPSILON = 8.0


def rows(place: Place) -> Iterator[dict[str, object]]:
    """One row: the run, killed once."""
    warnings.filterwarnings("ignore", module="torch|opacus")
    for row in kills.killed_runs((EPSILON,), n_kills=1, n_images=60 if place.small else kills.N_IMAGES, at_checkpoint=True):
        spent, target = row["spent_epsilon"], row["target_epsilon"]
        resumed = row["resumed_at"] not in ("", "0")
        right = row["killed"] == 1 and row["attempts"] == 2 and resumed and row["spent_steps"] == row["planned_steps"] and spent <= target
        once = row["checkpoints_in_order"] and row["results"] == 1 and row["noise_blocks_used_twice"] == 0
        yield row | {"holds": bool(right and once)}
