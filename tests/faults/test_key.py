"""The key goes, or is exchanged, while runs are queued: nothing trains under another one, and all goes on when it is back."""

import pytest

from dpmed_core.engine.training_task import work_on
from dpmed_core.errors import SettingsError
from dpmed_core.installation import Installation
from dpmed_core.privacy.ledger.check import check_ledger
from dpmed_core.runs.status import RunState


@pytest.mark.parametrize("wrong", [None, bytes(32), b"short"], ids=["lost", "another", "too short"])
def test_a_run_waits_for_its_key_and_then_trains(installation: Installation, cohort, spec, trainer, wrong) -> None:
    run_id = installation.ledger.ask(cohort, [spec])[0].run_id
    path = installation.settings.data_dir / "secret.key"
    right, before = path.read_bytes(), {one: one.read_bytes() for one in installation.runs.root.rglob("*") if one.is_file()}
    path.unlink()
    if wrong is not None:
        path.write_bytes(wrong)
    with pytest.raises(SettingsError, match=r"secret\.key"):
        work_on(installation.settings, run_id, trainer=trainer)
    assert {one: one.read_bytes() for one in before} == before and not trainer.started_from
    path.write_bytes(right)
    work_on(installation.settings, run_id, trainer=trainer)
    assert installation.runs.status(run_id).state is RunState.FINISHED
    assert check_ledger(installation.ledger).problems == () and installation.ledger.book().draws[0].run_id == run_id
