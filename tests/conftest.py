"""What several test folders share."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dpmed_core.evaluation.scores.scored_runs import RUN_COLUMNS
from dpmed_core.keyed_hash import KEY_BYTES, KEY_FILE
from tests.scored import CASE_SCORE_COLUMNS

pytest_plugins = ("tests.figure_words", "tests.image_files", "tests.postgres")

KEY = bytes(range(KEY_BYTES))
"""An installation's secret that never changes, so that every run of a test has the same patients in the test part."""


@pytest.fixture(scope="session")
def fixed_key() -> bytes:
    """An installation's secret that never changes, so that every run of a test has the same patients in the test part."""
    return KEY


@pytest.fixture(scope="session")
def real_cohorts() -> Path:
    """The folder of real cohorts, or a skip that says how to name it."""
    named = os.environ.get("DPMED_REAL_COHORTS")
    if not named or not Path(named).is_dir():
        pytest.skip("DPMED_REAL_COHORTS does not name the folder of real cohorts")
    return Path(named)


@pytest.fixture
def data_dir(tmp_path: Path, fixed_key: bytes, calibrations: Path) -> Path:
    """An empty data folder, but for its key; calibrations are kept for the whole test run, not for this folder."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    (folder / KEY_FILE).write_bytes(fixed_key)
    (folder / KEY_FILE).chmod(0o600)
    (folder / "calibrations").symlink_to(calibrations)
    return folder


@pytest.fixture
def make_scored() -> Callable[..., pd.DataFrame]:
    """Test cases of `runs` (run_id -> epsilon), each patient with one to four images, scores better the larger `skill`."""

    def make(
        runs: dict[str, float],
        *,
        n_patients: int = 120,
        findings: tuple[str, ...] = ("mass", "nodule"),
        skill: float = 1.0,
        validation: bool = False,
    ) -> pd.DataFrame:
        tables = []
        for number, (run_id, epsilon) in enumerate(runs.items()):
            rng = np.random.default_rng(7)  # the same patients in every run
            patients = np.repeat(np.arange(n_patients), rng.integers(1, 5, n_patients))
            n_cases = len(patients)
            sex = np.array(["female", "male", "unknown"])[rng.choice(3, n_patients, p=[0.5, 0.45, 0.05])][patients]
            age = rng.integers(20, 95, n_patients)[patients].astype(float)
            copd = rng.choice([0.0, 1.0], n_patients)[patients]
            for finding in findings:
                label = rng.choice([0.0, 1.0, np.nan], n_cases, p=[0.6, 0.3, 0.1])
                noise = np.random.default_rng([number, len(finding)]).normal(size=n_cases)
                table = pd.DataFrame(
                    {
                        "run_id": run_id,
                        "recipe": "probe",
                        "epsilon": epsilon,
                        "epsilon_spent": epsilon,
                        "delta": np.nan if np.isnan(epsilon) else 1e-5,
                        "unit": "patient",
                        "accountant": None if np.isnan(epsilon) else "analytic-gaussian",
                        "start": None,
                        "seed": number,
                        "case_id": [f"{i:04x}" for i in range(n_cases)],
                        "patient_id": [f"p{p}" for p in patients],
                        "split": np.where((patients % 3 == 0) & validation, "validation", "test"),
                        "finding": finding,
                        "label": label,
                        "score": np.round(skill * np.nan_to_num(label) + noise, 1),
                        "sex": sex,
                        "age": age,
                        "copd": copd,
                    }
                )
                tables.append(table)
        scored = pd.concat(tables, ignore_index=True)
        assert set(scored.columns) >= {*RUN_COLUMNS, *CASE_SCORE_COLUMNS}
        return scored

    return make
