"""Every file of a cohort, damaged in every way: the others go on, and the damaged one is named and can be removed."""

import json
import shutil
from pathlib import Path

import pytest

from dpmed_core.errors import CohortError
from dpmed_core.installation import Installation
from dpmed_core.runs.status import RunState
from dpmed_core.settings import Settings
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit, RunSpec
from tests.conftest import KEY
from tests.damage import ANY, OBJECT
from tests.small_runs import make_cohort

FILES = {"cohort.json": ANY | OBJECT, "report.json": ANY | OBJECT, "cases.parquet": ANY, "images.npy": ANY}
UNSEEN = {("report.json", "another's"), ("images.npy", "another's")}
"""Nothing stored with a cohort tells these from its own; the fingerprint does, which is computed at the import."""
CASES = [(file, how) for file, damages in FILES.items() for how in damages if (file, how) not in UNSEEN]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with two cohorts of the same columns and sizes, and a queued run on each."""
    folder = tmp_path_factory.mktemp("cohorts") / "data"
    folder.mkdir(mode=0o700)
    (folder / "secret.key").write_bytes(KEY)
    installation = Installation.open(Settings(data_dir=folder, workers=1))
    for seed, name in enumerate(("damaged", "other")):
        cohort = make_cohort(installation, name, seed)
        spec = RunSpec(cohort.fingerprint, 0, "probe", 1, PrivacyUnit.PATIENT, PrivacyTarget(2.0, 1e-5), seed=0)
        installation.ledger.ask(cohort, [spec])
    return folder


@pytest.fixture
def installation(template: Path, tmp_path: Path) -> Installation:
    return Installation.open(Settings(data_dir=shutil.copytree(template, tmp_path / "data"), workers=1))


def damage(installation: Installation, file: str, how: str) -> None:
    FILES[file][how](installation.cohorts.root / "damaged" / file, installation.cohorts.root / "other" / file)


@pytest.mark.parametrize(("file", "how"), CASES)
def test_the_others_go_on_and_the_damaged_one_is_named_and_removed(installation: Installation, file: str, how: str) -> None:
    store, ids = installation.cohorts, installation.runs.ids()
    of_other = next(s.run_id for s in installation.runs.statuses() if s.cohort_name == "other")
    damage(installation, file, how)
    assert store.names() == ["damaged", "other"] and [one.name for one in store.readable()] == ["other"]
    with pytest.raises(CohortError) as refused:
        store.load("damaged")
    wrong = "cases.parquet" if (file, how) == ("cohort.json", "another's") else file  # facts and table do not belong together
    assert f"its {wrong}" in str(refused.value) and "`cohort remove damaged`" in str(refused.value)
    assert store.with_fingerprint(store.fingerprint("other")).name == "other"
    assert installation.ledger.total(store.load("other")).n_draws == 2, "the same patients stand in both"
    if (file, how) != ("cohort.json", "another's"):
        [withdrawn] = installation.remove_cohort("damaged")
        assert withdrawn in set(ids) - {of_other} and installation.runs.status(withdrawn).state is RunState.WITHDRAWN
    else:  # it names the other cohort's data, whose runs must stay
        assert installation.remove_cohort("damaged") == []
    assert store.names() == ["other"] and installation.runs.status(of_other).state is RunState.QUEUED


def test_a_run_on_a_cohort_that_cannot_be_read_says_so(installation: Installation) -> None:
    fingerprint = installation.cohorts.fingerprint("damaged")
    damage(installation, "cohort.json", "emptied")
    with pytest.raises(CohortError, match=r"one that cannot be read \(damaged\)"):
        installation.cohorts.with_fingerprint(fingerprint)


def test_a_table_of_persons_that_is_missing_or_anothers_is_not_replaced_by_a_guess(installation: Installation) -> None:
    """`write` stores none, so that the facts name one that is not there."""
    path = installation.cohorts.root / "damaged" / "cohort.json"
    facts = json.loads(path.read_text())
    facts["files"]["persons.parquet"] = "0" * 64
    path.write_text(json.dumps(facts))
    with pytest.raises(CohortError, match=r"its persons\.parquet is missing"):
        installation.cohorts.persons("damaged")
