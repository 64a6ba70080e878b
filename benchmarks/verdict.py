"""The fairness verdict on simulated cohorts, over nine budgets and three attributes: how often it errs, and how often it finds a true extra
loss."""

import sys

import numpy as np
import pandas as pd

from benchmarks.cohorts import Cohort, separation
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.evaluation.metrics.measured import measure
from dpmed_core.evaluation.scores.panel_design import PanelDesign
from dpmed_core.evaluation.tables.fairness_verdict import NOT_WIDENED, WIDENED, verdict_rows

BY = ("sex", "age", "copd")
BUDGETS = (0.3, 0.5, 1.0, 1.5, 2.0, 4.0, 6.0, 8.0, 10.0)
N_PATIENTS, N_FINDINGS, PREVALENCE, CORRELATION = 264, 3, 0.3, 0.3
MARGIN = 0.05
SHARED = 0.8
"""Share of a score's noise that all training runs have in common on an image."""


def verdicts(
    rng: np.random.Generator, *, n_seeds: int, auroc: float, loss: float, extra: float, shift_sd: float, women: float = 0.5
) -> pd.DataFrame:
    """The verdicts on one cohort.

    Args:
        rng: of the cohort and the scores.
        n_seeds: training runs of each arm.
        auroc: without privacy.
        loss: of AUROC through privacy, in all patients, at every budget.
        extra: loss of women beyond that.
        shift_sd: standard deviation, over training runs, of the AUROC of each group by sex and age.
        women: share of the patients.
    """
    cohort = Cohort.draw(rng, n_patients=N_PATIENTS, n_findings=N_FINDINGS, correlation=CORRELATION, prevalence=PREVALENCE)
    female = rng.random(N_PATIENTS) < women
    age = rng.uniform(20, 95, N_PATIENTS)
    who = pd.DataFrame({"sex": np.where(female, "female", "male"), "age": age, "copd": (rng.random(N_PATIENTS) < 0.3).astype(float)})
    strata = (female * 5 + np.digitize(age, [30, 60, 70, 80]))[cohort.patients]
    common = cohort.noise(N_FINDINGS)
    scores, epsilons = [], []
    for epsilon in (np.nan, *BUDGETS):
        for _ in range(n_seeds):
            true = auroc - ~np.isnan(epsilon) * (loss + extra * female[cohort.patients])
            shift = rng.normal(scale=shift_sd, size=(N_FINDINGS, 10))[:, strata]
            noise = np.sqrt(SHARED) * common + np.sqrt(1 - SHARED) * cohort.noise(N_FINDINGS)
            scores.append(separation(np.clip(true + shift, 0.5, 0.998)) * cohort.labels + noise)
            epsilons.append(epsilon)
    panel = cohort.panel(np.array(scores), epsilons, who.iloc[cohort.patients].reset_index(drop=True))
    return verdict_rows([measure(AUROC, PanelDesign(panel, tuple(BY)))], BY, margin=MARGIN)


def shares(n_cohorts: int, **truth: float) -> dict[str, object]:
    """How often a verdict is wrong for any comparison, and how often women are called widened at one budget; with a Monte-Carlo reach."""
    any_widened, any_not_widened, found, detectable = 0, 0, [], []
    for number in range(n_cohorts):
        table = verdicts(np.random.default_rng([7, number]), **truth)  # type: ignore[arg-type]
        women = table[(table["subgroup"] == "female") & table["verdict"].ne("not estimable")]
        # Where nobody loses more, every "widened" is wrong; where women lose the margin or more, every "not widened" of them is.
        any_widened += bool((table["verdict"] == WIDENED).any())
        any_not_widened += bool((women["verdict"] == NOT_WIDENED).any())
        found.append(float((women["verdict"] == WIDENED).mean()) if len(women) else 0.0)
        detectable.append(pd.to_numeric(women["detectable"]).median())

    def reach(share: float) -> float:
        return float(1.96 * np.sqrt(max(share * (1 - share), 1 / n_cohorts) / n_cohorts))

    widened, not_widened = any_widened / n_cohorts, any_not_widened / n_cohorts
    low, middle, high = np.nanquantile(detectable, [0.05, 0.5, 0.95])
    return {
        **truth,
        "any widened": widened,
        "+-": reach(widened),
        "women not widened": not_widened,
        "women widened, each": float(np.mean(found)),
        "detectable": middle,
        "5 %": low,
        "95 %": high,
    }


NOTHING = [
    {"n_seeds": n_seeds, "auroc": auroc, "loss": loss, "extra": 0.0, "shift_sd": shift_sd}
    for n_seeds in (2, 3, 5)
    for auroc, loss, shift_sd in ((0.85, 0.0, 0.0), (0.95, 0.20, 0.0), (0.85, 0.0, 0.02), (0.85, 0.0, 0.05))
]
"""Truths in which no subgroup loses more: nothing changed, all lose alike, only chance in training differs."""
AT_MARGIN = [
    {"n_seeds": n_seeds, "auroc": auroc, "loss": 0.0, "extra": MARGIN, "shift_sd": shift_sd, "women": women}
    for n_seeds in (2, 3, 5)
    for auroc, shift_sd, women in ((0.85, 0.0, 0.5), (0.85, 0.05, 0.5), (0.99, 0.0, 0.1), (0.99, 0.005, 0.1))
]
"""Truths in which women lose more by just the margin, so that they must not be called "not widened"."""
POWER = [{"n_seeds": n, "auroc": 0.85, "loss": 0.02, "extra": extra, "shift_sd": 0.01} for n in (2, 3, 5) for extra in (0.05, 0.10, 0.15)]
"""Truths in which women lose more."""


def main() -> None:
    """Print the table; `python -m benchmarks.verdict 1000`, and `python -m benchmarks.verdict 1000 3 8` for the rows of index 3 and 8."""
    n_cohorts = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    truths = [*NOTHING, *AT_MARGIN, *POWER]
    for truth in truths if len(sys.argv) < 3 else [truths[int(index)] for index in sys.argv[2:]]:
        row = shares(n_cohorts, **truth)
        sys.stdout.write("| " + " | ".join(f"{name} {value:.3g}" for name, value in row.items()) + " |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
