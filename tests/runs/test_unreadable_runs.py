"""Every small file of a run, damaged in every way: the others go on, what was spent stays counted, and there is a way out."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dpmed_core.engine.training_task import work_on
from dpmed_core.errors import DamagedRunError, LedgerError, RunError
from dpmed_core.evaluation.scores.load_scores import read_scores
from dpmed_core.installation import Installation
from dpmed_core.runs import folder as folder_module
from dpmed_core.runs.status import RunState, RunStatus
from dpmed_core.sealed_files import write_sealed
from dpmed_core.settings import Settings
from dpmed_core.training.accounting.full_batch import guarantee_full_batch
from dpmed_core.training.result import SCORE_COLUMNS, RunResult, TrainedModel
from dpmed_core.training.session import Checkpoint, TrainingSession
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit, RunSpec
from tests.conftest import KEY
from tests.damage import ANY, OBJECT, unsealed
from tests.small_runs import make_cohort

STEPS = 20
FILES = {
    "request.json": ANY | OBJECT,
    "progress.json": ANY | OBJECT,
    "attempts.jsonl": ANY,
    "checksums.json": ANY,
    "result.json": ANY | OBJECT,
    "scores.parquet": ANY,
    "weights.safetensors": ANY,
    "checkpoint.safetensors": ANY,
}
CASES = [(file, damage) for file, damages in FILES.items() for damage in damages]
SEVERE = [(file, how) for file, how in CASES if how in ("emptied", "deleted", "a folder", "another's", "unknown field")]
STATES = ("finished", "cancelled")


@dataclass
class PrivateTrainer:
    """Counts to `STEPS` under a guarantee, with a checkpoint after every fifth step; cancels itself at `stop`."""

    stop: int | None = None

    def __call__(self, installation: Installation, status: RunStatus, session: TrainingSession) -> TrainedModel:
        target = status.spec.privacy
        assert target is not None
        guarantee = guarantee_full_batch(
            target, noise_multiplier=12.0, steps=STEPS, max_grad_norm=0.3, unit=PrivacyUnit.PATIENT, n_units=22
        )
        session.plan(guarantee, STEPS)
        kept = session.latest()
        for done in range(kept.step if kept else 0, STEPS):
            if done == self.stop:
                installation.runs.cancel(status.run_id)
            session.step(done, STEPS)
            if (done + 1) % 5 == 0:
                session.save(Checkpoint(done + 1, {"w": np.full(3, done, np.float32)}, float(done)))
        result = RunResult(status.spec, guarantee, elapsed_seconds=1.0, n_parameters=3, n_train_cases=9, n_train_units=22)
        row = ("0" * 16, "0" * 16, "test", "mass", 1.0, 0.1 * status.spec.seed)
        return TrainedModel(result, pd.DataFrame([row], columns=list(SCORE_COLUMNS)), {"w": np.full(3, status.spec.seed, np.float32)})


@dataclass(frozen=True)
class Runs:
    """An installation with a run of each of `STATES`, the same twice more for seeds that nothing happens to, and the specifications."""

    installation: Installation
    specs: dict[str, RunSpec]

    def run_id(self, name: str) -> str:
        return self.installation.runs.run_id(self.specs[name])

    def file(self, name: str, file: str) -> Path:
        return self.installation.runs.root / self.run_id(name) / file


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, calibrations: Path) -> tuple[Path, dict[str, RunSpec]]:
    folder = tmp_path_factory.mktemp("runs") / "data"
    folder.mkdir(mode=0o700)
    (folder / "secret.key").write_bytes(KEY)
    installation = Installation.open(Settings(data_dir=folder, workers=1))
    cohort = make_cohort(installation)
    specs = {}
    for seed, name in enumerate([*STATES, *(f"other {state}" for state in STATES)]):
        specs[name] = RunSpec(cohort.fingerprint, 0, "probe", 1, PrivacyUnit.PATIENT, PrivacyTarget(2.0 + seed, 1e-5), seed=seed)
        installation.ledger.ask(cohort, [specs[name]])
        work_on(installation.settings, installation.runs.run_id(specs[name]), trainer=PrivateTrainer(12 if "cancelled" in name else None))
    return folder, specs


@pytest.fixture
def runs(template: tuple[Path, dict[str, RunSpec]], tmp_path: Path, calibrations: Path) -> Runs:
    folder = shutil.copytree(template[0], tmp_path / "data")
    (folder / "calibrations").symlink_to(calibrations) if not (folder / "calibrations").exists() else None
    return Runs(Installation.open(Settings(data_dir=folder, workers=1)), template[1])


def where(file: str) -> str:
    """The run that has the file and is damaged."""
    return "cancelled" if file == "checkpoint.safetensors" else "finished"


def damage(runs: Runs, file: str, how: str) -> str:
    """Damage a file and give the run."""
    FILES[file][how](runs.file(where(file), file), runs.file(f"other {where(file)}", file))
    return runs.run_id(where(file))


def finish(runs: Runs, run_id: str) -> None:
    """Train what is queued."""
    work_on(runs.installation.settings, run_id, trainer=PrivateTrainer())


@pytest.mark.parametrize(("file", "how"), CASES)
def test_the_others_go_on_and_nothing_is_counted_less(runs: Runs, file: str, how: str) -> None:
    here, cohort = runs.installation, runs.installation.cohorts.load("images")
    before, states = here.ledger.total(cohort), {s.run_id: s.state for s in here.runs.statuses()}
    content = {path: path.read_bytes() for path in here.runs.root.rglob("*") if path.is_file()}
    run_id = damage(runs, file, how)
    content = {path: path.read_bytes() for path in content if path.is_file()}
    listed = {s.run_id: s.state for s in here.runs.statuses()}
    assert {*listed, *(run.run_id for run in here.runs.unreadable())} == set(states)
    assert all(listed[other] is states[other] for other in states if other != run_id)
    assert all(run_id in run.message and f"its {file}" in run.message for run in here.runs.unreadable())
    scores = read_scores(here.runs, cohort)
    assert runs.run_id("other finished") not in (*scores.damaged, *(run.run_id for run in scores.unreadable))
    if file in ("request.json", "progress.json"):
        assert [run.run_id for run in scores.unreadable] == ([run_id] if run_id not in listed else [])
    elif file in ("checksums.json", "result.json", "scores.parquet"):
        assert scores.damaged == (run_id,) and here.runs.damage(run_id)
    # Every damage is named: by the list, by the check of the result, as a loss of the record, or at the next attempt to go on from it.
    unreadable, damaged = run_id not in listed, file != "checkpoint.safetensors" and here.runs.damage(run_id) is not None
    assert unreadable or damaged or not here.runs.attempts_record(run_id).is_whole or file == "checkpoint.safetensors"
    after = here.ledger.total(cohort)
    assert after.epsilon >= before.epsilon and after.n_draws >= before.n_draws
    assert {path: path.read_bytes() for path in content} == content, "looking changes nothing"


@pytest.mark.parametrize(("file", "how"), SEVERE)
def test_there_is_a_way_back_or_out(runs: Runs, file: str, how: str) -> None:
    here, cohort = runs.installation, runs.installation.cohorts.load("images")
    spent = here.ledger.total(cohort)
    run_id = damage(runs, file, how)
    lost = here.runs.unreadable()
    if lost and lost[0].spec is None:
        with pytest.raises(RunError, match="cannot be trained again"):
            here.runs.retry(run_id)
        here.ledger.ask(cohort, [runs.specs[where(file)]])  # asking for the same restores the request, and asks for nothing new
        assert here.runs.status(run_id).state is RunState.FINISHED
    elif lost or file == "checkpoint.safetensors" or here.runs.is_damaged(run_id):
        here.runs.retry(run_id)
        finish(runs, run_id)
    assert here.runs.status(run_id).state in (RunState.FINISHED, RunState.QUEUED, RunState.CANCELLED)
    if here.runs.status(run_id).state is RunState.FINISHED:
        assert not here.runs.is_damaged(run_id) and here.runs.result(run_id).spec == runs.specs[where(file)]
    total = here.ledger.total(cohort)
    assert total.epsilon >= spent.epsilon * (1 - 1e-9) and total.n_draws >= spent.n_draws
    here.runs.withdraw(run_id)
    assert not any(runs.file(where(file), name).exists() for name in ("scores.parquet", "weights.safetensors", "checkpoint.safetensors"))
    assert here.ledger.total(cohort).epsilon >= spent.epsilon * (1 - 1e-9)


@pytest.mark.parametrize(("file", "how"), [case for case in SEVERE if case[0] in ("request.json", "progress.json")])
def test_a_cohort_is_removed_with_its_unreadable_run(runs: Runs, file: str, how: str) -> None:
    run_id = damage(runs, file, how)
    assert run_id in runs.installation.remove_cohort("images")
    assert not runs.file(where(file), "scores.parquet").exists() and runs.installation.cohorts.names() == []


def test_any_line_of_a_record_that_is_changed_or_lost_is_a_loss_that_stays_known(runs: Runs) -> None:
    run_id, path = runs.run_id("cancelled"), runs.file("cancelled", "attempts.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    store = runs.installation.runs
    assert store.attempts_record(run_id).is_whole and len(lines) == 5
    for place, line in enumerate(lines):
        for changed in (b"", line.replace(b"1", b"2", 1), line.replace(b'"', b"#", 1), line[:-1]):
            if changed == line[:-1] and place == len(lines) - 1:
                continue  # the next line is appended after a line break
            path.write_bytes(b"".join([*lines[:place], changed, *lines[place + 1 :]]))
            assert not store.attempts_record(run_id).is_whole, (place, changed)
    store.record(run_id, "retry-asked")
    store.set_progress(run_id, store.progress(run_id))
    store.record(run_id, "retry-asked")
    assert not store.attempts_record(run_id).is_whole
    assert [event["event"] for event in store.attempts(run_id)].count("record-damaged") == 1


def test_a_record_that_grows_while_it_is_read_is_whole(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    store, run_id = runs.installation.runs, runs.run_id("cancelled")
    read = folder_module.read_whole

    def read_and_grow(path: Path) -> bytes:
        content = read(path)
        if path.name == "attempts.jsonl":
            monkeypatch.setattr(folder_module, "read_whole", read)
            store.record(run_id, "retry-asked")
            store.set_progress(run_id, store.progress(run_id))
        return content

    monkeypatch.setattr(folder_module, "read_whole", read_and_grow)
    assert store.attempts_record(run_id).is_whole
    assert store.attempts_record(run_id).is_whole and store.attempts(run_id)[-1]["event"] == "retry-asked"


def test_a_line_broken_off_by_a_power_cut_loses_nothing(runs: Runs) -> None:
    run_id, path = runs.run_id("finished"), runs.file("finished", "attempts.jsonl")
    content = path.read_bytes()
    last = content.splitlines()[-2]
    for length in range(1, len(last)):
        path.write_bytes(content + last[:length])
        assert runs.installation.runs.attempts_record(run_id).is_whole, last[:length]


def test_a_line_that_was_cut_after_the_progress_noted_it_is_a_loss(runs: Runs) -> None:
    run_id, path = runs.run_id("finished"), runs.file("finished", "attempts.jsonl")
    content = path.read_bytes()
    for length in range(1, len(content.splitlines()[-1])):
        path.write_bytes(content[:-length])
        assert not runs.installation.runs.attempts_record(run_id).is_whole, length


def test_no_flipped_bit_is_taken_for_a_line_that_was_broken_off(runs: Runs) -> None:
    for line in runs.file("finished", "attempts.jsonl").read_bytes().splitlines():
        for bit in range(8 * len(line)):
            changed = bytearray(line)
            changed[bit // 8] ^= 1 << bit % 8
            assert not folder_module._is_broken_off(bytes(changed)), bytes(changed)


def test_locks_that_are_folders_hold_nothing_up(runs: Runs) -> None:
    here, run_id = runs.installation, runs.run_id("cancelled")
    for name in (".training.lock", ".state.lock"):
        runs.file("cancelled", name).unlink(missing_ok=True)
        runs.file("cancelled", name).mkdir()
    here.runs.retry(run_id)
    finish(runs, run_id)
    assert here.runs.status(run_id).state is RunState.FINISHED


def test_runs_of_an_earlier_version_open_with_the_same_numbers(runs: Runs) -> None:
    """Its files have no seals, and its progress does not say how many events there were."""
    here, cohort = runs.installation, runs.installation.cohorts.load("images")
    spent, states = here.ledger.total(cohort), {s.run_id: s.state for s in here.runs.statuses()}
    for path in here.runs.root.glob("*/*.json"):
        path.write_text(json.dumps({name: value for name, value in unsealed(path).items() if name != "recorded_events"}))
    for path in here.runs.root.glob("*/attempts.jsonl"):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps({n: v for n, v in line.items() if n != "seal"}) + "\n" for line in lines))
    for run_id in here.runs.ids():
        (here.runs.root / run_id / "checksums.json").exists() and _without_result_seal(here.runs.root / run_id)
    assert {s.run_id: s.state for s in here.runs.statuses()} == states and not here.runs.unreadable()
    assert all(here.runs.attempts_record(run_id).is_whole for run_id in states)
    assert here.ledger.total(cohort) == spent
    here.runs.retry(runs.run_id("cancelled"))
    finish(runs, runs.run_id("cancelled"))
    assert here.runs.status(runs.run_id("cancelled")).state is RunState.FINISHED


@pytest.mark.parametrize("file", ["progress.json", "checksums.json"])
def test_a_file_that_lost_its_seal_is_not_taken_for_an_earlier_versions(runs: Runs, file: str) -> None:
    """Of a run that was asked for with a seal; its other fields may be as before."""
    here, run_id, path = runs.installation, runs.run_id("finished"), runs.file("finished", file)
    path.write_text(json.dumps(unsealed(path)))
    if file == "progress.json":
        assert [run.run_id for run in here.runs.unreadable()] == [run_id] and "has no seal" in here.runs.unreadable()[0].message
        here.runs.retry(run_id)
    else:
        assert f"{file} was changed" in str(here.runs.damage(run_id))
        here.runs.retry(run_id)
        finish(runs, run_id)
    assert here.runs.status(run_id).state is RunState.FINISHED and here.runs.damage(run_id) is None


def test_a_line_that_lost_its_seal_is_a_loss_of_the_record(runs: Runs) -> None:
    here, cohort, path = runs.installation, runs.installation.cohorts.load("images"), runs.file("finished", "attempts.jsonl")
    spent, lines = here.ledger.total(cohort), path.read_text().splitlines()
    fields = json.loads(lines[-2])
    del fields["seal"]
    path.write_text("\n".join([*lines[:-2], json.dumps(fields), lines[-1]]) + "\n")
    assert not here.runs.attempts_record(runs.run_id("finished")).is_whole
    assert here.ledger.total(cohort) == spent


def test_a_request_written_anew_leaves_the_files_of_an_earlier_version_readable(runs: Runs) -> None:
    here, spec = runs.installation, runs.specs["cancelled"]
    folder, run_id = here.runs.root / runs.run_id("cancelled"), runs.run_id("cancelled")
    lines = [json.loads(line) for line in (folder / "attempts.jsonl").read_text().splitlines()]
    (folder / "attempts.jsonl").write_text("".join(json.dumps({n: v for n, v in line.items() if n != "seal"}) + "\n" for line in lines))
    (folder / "request.json").write_bytes(b"")
    here.runs.ask(spec, cohort_name="images")
    assert here.runs.status(run_id).state is RunState.CANCELLED and here.runs.attempts_record(run_id).is_whole


def _without_result_seal(folder: Path) -> None:
    """result.json was written again by this test, with other spaces: its checksum is made anew, as that version would have."""
    checksums = json.loads((folder / "checksums.json").read_text())
    checksums["result.json"] = sha256((folder / "result.json").read_bytes()).hexdigest()
    (folder / "checksums.json").write_text(json.dumps(checksums))


def test_a_whole_result_is_kept_where_only_the_progress_is_lost(runs: Runs) -> None:
    run_id = damage(runs, "progress.json", "emptied")
    weights = runs.file("finished", "weights.safetensors").read_bytes()
    runs.installation.runs.retry(run_id)
    status = runs.installation.runs.status(run_id)
    assert (status.state, status.step, status.total_steps) == (RunState.FINISHED, STEPS, STEPS)
    assert runs.file("finished", "weights.safetensors").read_bytes() == weights


def test_a_state_of_a_later_version_is_unreadable_and_says_so(runs: Runs) -> None:
    path = runs.file("finished", "progress.json")
    write_sealed(path, {**unsealed(path), "state": "archived"}, path.parent.name)
    [run] = runs.installation.runs.unreadable()
    assert "'archived', which this version of DPMed does not know" in run.message
    with pytest.raises(DamagedRunError, match="archived"):
        runs.installation.runs.status(run.run_id)


@pytest.fixture
def without_ledger(runs: Runs) -> Callable[[], None]:
    """Forgets all entries, as if the runs were of a version that had no ledger."""

    def forget() -> None:
        for path in runs.installation.settings.data_dir.glob("dpmed.db*"):
            path.unlink()
        (runs.installation.settings.data_dir / "ledger-head.json").unlink()

    return forget


@pytest.mark.parametrize("how", list(ANY))
def test_a_lost_record_without_entries_is_charged_whole_from_what_is_left(runs: Runs, without_ledger: Callable[[], None], how: str) -> None:
    here, cohort = runs.installation, runs.installation.cohorts.load("images")
    spent = here.ledger.total(cohort)
    without_ledger()
    damage(runs, "attempts.jsonl", how)
    total = here.ledger.total(cohort)
    assert total.epsilon >= spent.epsilon * (1 - 1e-9) and total.n_draws == spent.n_draws


@pytest.mark.parametrize("progress", ["emptied", "deleted"])
def test_with_no_guarantee_left_the_target_counts_and_without_a_target_nothing_private_is_trained(
    runs: Runs, without_ledger: Callable[[], None], progress: str
) -> None:
    here, cohort = runs.installation, runs.installation.cohorts.load("images")
    without_ledger()
    for name in ("attempts.jsonl", "result.json"):
        damage(runs, name, "emptied")
    damage(runs, "progress.json", progress)
    book = here.ledger.book()
    [draw] = [draw for draw in book.draws if draw.run_id == runs.run_id("finished")]
    assert draw.private and not draw.is_open and book.unknown == ()
    damage(runs, "request.json", "emptied")
    assert here.ledger.book().unknown == (f"run {runs.run_id('finished')}",)
    here.ledger.set_cap(epsilon=100.0, delta=1e-5, name="Officer", reason="test")
    new = replace(runs.specs["finished"], seed=9)
    with pytest.raises(LedgerError, match=r"cannot be told of run .* answer for it with `ledger accept`"):
        here.ledger.ask(cohort, [new])
    unanswered = {"name": "Officer", "reason": "known", "gaps": [], "unknown": [f"run {runs.run_id('finished')}"]}
    here.ledger.append("accepted", lambda book: unanswered)
    assert here.ledger.ask(cohort, [new])[0].state is RunState.QUEUED
    assert here.ledger.total(cohort).unknown, "answered for, it is still said"


@pytest.mark.parametrize("how", ["another's", "one bit flipped"])
def test_another_runs_checkpoint_and_a_changed_one_are_never_continued_from(runs: Runs, how: str) -> None:
    run_id = damage(runs, "checkpoint.safetensors", how)
    assert runs.installation.runs.checkpoint(run_id) is None
    assert runs.installation.runs.attempts(run_id)[-1]["event"] == "checkpoint-unreadable"


def test_a_record_cut_before_its_checkpoints_gives_nothing_back(runs: Runs) -> None:
    """A run was killed after step 12; its record then lost all that follows its plan, and the next attempt resumes at 10."""
    here, spec = runs.installation, replace(runs.specs["finished"], seed=7)
    run_id = here.ledger.ask(here.cohorts.load("images"), [spec])[0].run_id

    class Killed(BaseException):
        pass

    def killed(installation: Installation, status: RunStatus, session: TrainingSession) -> TrainedModel:
        original = session.step
        session.step = lambda done, total: original(done, total) if done < 12 else (_ for _ in ()).throw(Killed)  # type: ignore[method-assign]
        return PrivateTrainer()(installation, status, session)

    with pytest.raises(Killed):
        work_on(here.settings, run_id, trainer=killed)
    path = here.runs.root / run_id / "attempts.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[: next(i for i, line in enumerate(lines) if "planned" in line) + 1]))
    finish(runs, run_id)
    draws = [draw for draw in here.ledger.book().draws if draw.run_id == run_id]
    assert sum(draw.mechanism.steps for draw in draws) >= STEPS + 10
