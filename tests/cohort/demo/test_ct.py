"""The CT demo: every scan is written as DICOM and read back with the same voxels, and its files are removed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from dpmed_core.cohort.demo.ct import DEMO_CT_ADVANCED, add_demo_ct
from dpmed_core.cohort.store import CohortStore
from dpmed_core.commands import cohort as commands
from dpmed_core.errors import CohortError
from dpmed_core.imaging.modality import Modality
from dpmed_core.installation import Installation
from dpmed_core.keyed_hash import keyed_hex
from dpmed_core.phantoms.abdomen.population import COMORBIDITIES, PDAC, draw_scans
from dpmed_core.phantoms.abdomen.volume import render_volume
from dpmed_core.settings import Settings

KEY = bytes(range(32))
N_SCANS = 3


def test_the_demo_holds_the_drawn_volumes_with_age_and_sex_from_the_headers(tmp_path: Path) -> None:
    store = CohortStore(tmp_path / "store", KEY)
    report = add_demo_ct(store, n_cases=N_SCANS, workers=0)
    cohort = store.load("demo-ct")
    scans = draw_scans(N_SCANS, seed=0)
    assert report.n_imported == N_SCANS and report.n_patients == scans["patient"].nunique()
    assert cohort.synthetic and cohort.modality is Modality.CT and cohort.comorbidities == COMORBIDITIES
    stored = {image.tobytes(): row for row, image in enumerate(cohort.images)}
    for index in range(N_SCANS):
        drawn = scans.iloc[index]
        case = cohort.cases.iloc[stored[render_volume(drawn, index, seed=0).tobytes()]]
        assert case["patient_id"] == keyed_hex(KEY, "patient", f"phantom-{drawn['patient']}")
        assert (case["age"], case["sex"][0].upper(), case[PDAC]) == (drawn["age"], drawn["sex"], drawn[PDAC])
        assert all(case[name] == drawn[name] for name in COMORBIDITIES)
    assert [path.name for path in store.root.iterdir()] == ["demo-ct"]


def test_the_advanced_demo_is_another_cohort_of_its_own_scans(tmp_path: Path) -> None:
    store = CohortStore(tmp_path / "store", KEY)
    add_demo_ct(store, name=DEMO_CT_ADVANCED, n_cases=N_SCANS, workers=0, variant="advanced")
    cohort, scans = store.load("demo-ct-advanced"), draw_scans(N_SCANS, seed=0, variant="advanced")
    drawn = {render_volume(scans.iloc[index], index, seed=0, variant="advanced").tobytes() for index in range(N_SCANS)}
    assert {image.tobytes() for image in cohort.images} == drawn and cohort.synthetic and cohort.findings == (PDAC,)


@pytest.mark.slow
def test_an_interrupted_demo_is_resumed_with_the_same_result(tmp_path: Path) -> None:
    stopped, whole = CohortStore(tmp_path / "stopped", KEY), CohortStore(tmp_path / "whole", KEY)
    add_demo_ct(whole, n_cases=N_SCANS, workers=0)
    seen: list[int] = []

    def stop(done: int, total: int) -> None:
        seen.append(done)
        if len(seen) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        add_demo_ct(stopped, n_cases=N_SCANS, workers=0, progress=stop)
    add_demo_ct(stopped, n_cases=N_SCANS, workers=0, progress=stop)
    assert seen == [2, N_SCANS]
    assert stopped.fingerprint("demo-ct") == whole.fingerprint("demo-ct")
    assert np.array_equal(stopped.load("demo-ct").images, whole.load("demo-ct").images)


def test_the_command_draws_it_under_a_name_of_its_own_and_of_ct_alone(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}
    installation = Installation.open(Settings(data_dir=data_dir))
    monkeypatch.setattr(Installation, "open", classmethod(lambda cls: installation))
    monkeypatch.setattr(commands, "ADVANCED", replace(commands.ADVANCED, add=lambda store, **given: asked.update(given)))
    monkeypatch.setattr(commands, "_say_imported", lambda *_, **__: None)
    assert CliRunner().invoke(commands.cohort, ["add-demo", "ct", "--advanced", "--cases", "16"]).exit_code == 0
    assert (asked["name"], asked["n_cases"]) == (DEMO_CT_ADVANCED, 16)
    refused = CliRunner().invoke(commands.cohort, ["add-demo", "radiograph", "--advanced"]).exception
    assert isinstance(refused, CohortError) and "--advanced is an option of the CT demo" in str(refused)
