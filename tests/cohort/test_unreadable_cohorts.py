"""Every file of a cohort, damaged in every way: the others go on, and the damaged one is named and can be removed."""

import json
import shutil
from pathlib import Path

import pytest

from dpmed_core.cohort.facts import seal_of_facts
from dpmed_core.cohort.persons import write_persons
from dpmed_core.cohort.schema import Cohort
from dpmed_core.engine.inference_task import stored_image
from dpmed_core.errors import CohortError
from dpmed_core.files import unchanged_digest
from dpmed_core.installation import Installation
from dpmed_core.runs.status import RunState
from dpmed_core.settings import Settings
from dpmed_core.training.encoders.features import public_features
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit, RunSpec
from tests.conftest import KEY
from tests.damage import ANY, OBJECT, unsealed
from tests.small_runs import make_cohort

FILES = {
    "cohort.json": ANY | OBJECT,
    "report.json": ANY | OBJECT,
    "cases.parquet": ANY,
    "images.npy": ANY,
    "image-digests.npy": ANY,
    "persons.parquet": ANY,
}
LATER = {("images.npy", "one bit flipped"), *(("persons.parquet", how) for how in ANY)}
"""Found when it is used: an image among many, and who the patients are."""
CASES = [(file, how) for file, damages in FILES.items() for how in damages if (file, how) not in LATER]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with two cohorts of the same columns and sizes, and a queued run on each."""
    folder = tmp_path_factory.mktemp("cohorts") / "data"
    folder.mkdir(mode=0o700)
    (folder / "secret.key").write_bytes(KEY)
    installation = Installation.open(Settings(data_dir=folder, workers=1))
    for seed, name in enumerate(("damaged", "other")):
        cohort = make_cohort(installation, name, seed)
        _store_further(installation.cohorts.root / name, cohort, one=f"{seed:016x}")
        spec = RunSpec(cohort.fingerprint, 0, "probe", 1, PrivacyUnit.PATIENT, PrivacyTarget(2.0, 1e-5), seed=0)
        installation.ledger.ask(cohort, [spec])
    return folder


def _store_further(folder: Path, cohort: Cohort, *, one: str) -> None:
    """Store who the patients are, as an import does, and another report: the patients of both cohorts are the same, but for `one`."""
    patients = cohort.cases["patient_id"].unique()
    write_persons(folder, {patient: patient for patient in patients[1:]} | {patients[0]: one})
    facts = json.loads((folder / "cohort.json").read_text())
    report = json.loads((folder / "report.json").read_text())
    (folder / "report.json").write_text(json.dumps({**report, "warnings": [one]}))
    facts["files"] |= {name: unchanged_digest(folder / name) for name in ("persons.parquet", "report.json")}
    facts["files"]["cohort.json"] = seal_of_facts(facts)
    (folder / "cohort.json").write_text(json.dumps(facts))


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
    wrong = "report.json" if (file, how) == ("cohort.json", "another's") else file  # facts and report do not belong together
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
    facts = unsealed(path)
    del facts["files"]["persons.parquet"]
    facts["files"]["persons.parquet"] = "0" * 64
    facts["files"]["cohort.json"] = seal_of_facts(facts)
    path.write_text(json.dumps(facts))
    (path.parent / "persons.parquet").unlink()
    with pytest.raises(CohortError, match=r"its persons\.parquet is missing"):
        installation.cohorts.persons("damaged")


@pytest.mark.parametrize("how", list(ANY))
def test_damaged_persons_are_refused_where_they_are_used(installation: Installation, how: str) -> None:
    damage(installation, "persons.parquet", how)
    with pytest.raises(CohortError, match=r"persons\.parquet"):
        installation.cohorts.persons("damaged")


def test_one_flipped_bit_of_an_image_is_refused_where_the_image_is_used(installation: Installation) -> None:
    damage(installation, "images.npy", "one bit flipped")
    cohort = installation.cohorts.load("damaged")
    wrong = []
    for row in range(len(cohort.images)):
        try:
            cohort.check_images([row])
        except CohortError as error:
            assert "its images.npy was changed" in str(error) and "`cohort remove damaged`" in str(error)
            wrong.append(row)
    assert len(wrong) == 1
    with pytest.raises(CohortError, match=r"images\.npy was changed"):
        stored_image(cohort, str(cohort.cases["case_id"][wrong[0]]))
    with pytest.raises(CohortError, match=r"images\.npy was changed"):
        public_features(cohort, features_dir=installation.cohorts.features_dir("damaged"), encoders_dir=installation.settings.encoders_dir)


def test_facts_that_lost_all_digests_are_not_taken_for_an_earlier_versions(installation: Installation) -> None:
    path = installation.cohorts.root / "damaged" / "cohort.json"
    path.write_text(json.dumps({name: value for name, value in json.loads(path.read_text()).items() if name != "files"}))
    with pytest.raises(CohortError, match=r"its cohort\.json was changed"):
        installation.cohorts.load("damaged")


def test_a_cohort_of_an_earlier_version_opens_as_before(installation: Installation) -> None:
    """It has no digests but those of its tables, or none at all, and no seal."""
    folder = installation.cohorts.root / "other"
    before = installation.cohorts.load("other")
    for kept in (("cases.parquet", "persons.parquet"), ()):
        facts = unsealed(folder / "cohort.json")
        facts["files"] = {name: digest for name, digest in facts["files"].items() if name in kept}
        (folder / "cohort.json").write_text(json.dumps(facts))
        (folder / "image-digests.npy").unlink(missing_ok=True)
        cohort = installation.cohorts.load("other")
        assert (cohort.fingerprint, len(cohort.images)) == (before.fingerprint, len(before.images))
        assert cohort.image_digests is None and installation.cohorts.is_intact("other")
        cohort.check_images(range(len(cohort.images)))
