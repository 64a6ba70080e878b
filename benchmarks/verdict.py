"""The fairness verdict on simulated cohorts: how often "widened" is false, and how often a true extra loss is found."""

import sys

import numpy as np
import pandas as pd

from benchmarks.cohorts import Cohort, separation
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.evaluation.metrics.measured import measure
from dpmed_core.evaluation.scores.panel_design import PanelDesign
from dpmed_core.evaluation.tables.fairness_verdict import WIDENED, verdict_rows

BY = ("sex", "age")
N_PATIENTS, N_FINDINGS, PREVALENCE, CORRELATION = 264, 3, 0.3, 0.3
MARGIN = 0.05
SHARED = 0.8
"""Share of a score's noise that all training runs have in common on an image."""


def verdicts(rng: np.random.Generator, *, n_seeds: int, auroc: float, loss: float, extra: float, shift_sd: float) -> pd.DataFrame:
    """The verdicts on one cohort.

    Args:
        rng: of the cohort and the scores.
        n_seeds: training runs of each arm.
        auroc: without privacy.
        loss: of AUROC through privacy, in all patients.
        extra: loss of women beyond that.
        shift_sd: standard deviation, over training runs, of the AUROC of each group by sex and age.
    """
    cohort = Cohort.draw(rng, n_patients=N_PATIENTS, n_findings=N_FINDINGS, correlation=CORRELATION, prevalence=PREVALENCE)
    female = rng.random(N_PATIENTS) < 0.5
    age = rng.uniform(20, 95, N_PATIENTS)
    who = pd.DataFrame({"sex": np.where(female, "female", "male"), "age": age})
    strata = (female * 5 + np.digitize(age, [30, 60, 70, 80]))[cohort.patients]
    common = cohort.noise(N_FINDINGS)
    scores, epsilons = [], []
    for private in (False, True):
        for _ in range(n_seeds):
            true = auroc - private * (loss + extra * female[cohort.patients])
            shift = rng.normal(scale=shift_sd, size=(N_FINDINGS, 10))[:, strata]
            noise = np.sqrt(SHARED) * common + np.sqrt(1 - SHARED) * cohort.noise(N_FINDINGS)
            scores.append(separation(np.clip(true + shift, 0.5, 0.995)) * cohort.labels + noise)
            epsilons.append(1.0 if private else np.nan)
    panel = cohort.panel(np.array(scores), epsilons, who.iloc[cohort.patients].reset_index(drop=True))
    return verdict_rows([measure(AUROC, PanelDesign(panel, tuple(BY)))], BY, margin=MARGIN)


def shares(n_cohorts: int, **truth: float) -> dict[str, object]:
    """How often any subgroup, and how often women, are called widened; with a 95 % Monte-Carlo reach."""
    any_widened, women, detectable = 0, 0, []
    for number in range(n_cohorts):
        table = verdicts(np.random.default_rng([7, number]), **truth)  # type: ignore[arg-type]
        widened = table[table["verdict"] == WIDENED]
        any_widened += len(widened) > 0
        women += bool((widened["subgroup"] == "female").any())
        detectable.append(table.loc[table["subgroup"] == "female", "detectable"].median())
    share = any_widened / n_cohorts
    reach = 1.96 * np.sqrt(max(share * (1 - share), 1 / n_cohorts) / n_cohorts)
    return {**truth, "any widened": share, "+-": reach, "women widened": women / n_cohorts, "detectable": float(np.median(detectable))}


NOTHING = [
    {"n_seeds": n_seeds, "auroc": auroc, "loss": loss, "extra": 0.0, "shift_sd": shift_sd}
    for n_seeds in (2, 3, 5)
    for auroc, loss, shift_sd in ((0.85, 0.0, 0.0), (0.95, 0.20, 0.0), (0.85, 0.0, 0.02), (0.85, 0.0, 0.05))
]
"""Truths in which no subgroup loses more: nothing changed, all lose alike, only chance in training differs."""
POWER = [{"n_seeds": n, "auroc": 0.85, "loss": 0.02, "extra": extra, "shift_sd": 0.01} for n in (3, 5) for extra in (0.05, 0.10, 0.15)]
"""Truths in which women lose more."""


def main() -> None:
    """Print the table; `python -m benchmarks.verdict 1000`, and `python -m benchmarks.verdict 1000 3` for the row of index 3 alone."""
    n_cohorts = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    truths = [*NOTHING, *POWER]
    for truth in truths if len(sys.argv) < 3 else [truths[int(sys.argv[2])]]:
        row = shares(n_cohorts, **truth)
        sys.stdout.write("| " + " | ".join(f"{name} {value:.3g}" for name, value in row.items()) + " |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
