"""The imported cohorts on disk; a cohort appears complete or not at all."""

import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from dpmed_core.cohort.case_table import read_cases
from dpmed_core.cohort.drafts import LOCK, PREFIX, resumable_draft, temporary_draft
from dpmed_core.cohort.facts import (
    CASES,
    DIGESTS,
    DIGESTS_AT_128,
    FACTS,
    FORMAT,
    IMAGES,
    REPORT,
    CohortFacts,
    check_file,
    damaged,
    read_array,
    read_facts,
    read_report,
    seal_of_facts,
)
from dpmed_core.cohort.fingerprint import fingerprint_of
from dpmed_core.cohort.image_digests import finer_facts, write_digests
from dpmed_core.cohort.persons import FILE as PERSONS
from dpmed_core.cohort.persons import persons_of_images, pixel_digests, read_persons, write_persons
from dpmed_core.cohort.report import ImportReport
from dpmed_core.cohort.schema import CASE_COLUMNS, Cohort
from dpmed_core.errors import CohortError
from dpmed_core.files import read_object, replacing, sync_file, sync_folder, unchanged_digest, write_json
from dpmed_core.imaging.modality import Modality
from dpmed_core.imaging.stored_format import FORMS
from dpmed_core.people.actor import ACCOUNT, Actor
from dpmed_core.people.roles import Action

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
DRAFT_FILES = ("arriving.bin", "journal.jsonl", LOCK)
"""Files of a draft that a finished cohort does not need."""


@dataclass(frozen=True)
class CohortStore:
    """Cohorts by name under one folder.

    Attributes:
        root: the folder, created by the first import.
        key: the installation's secret.
        actor: who looks, imports and removes.
    """

    root: Path
    key: bytes
    actor: Actor = ACCOUNT

    def names(self) -> list[str]:
        """The names of the stored cohorts, sorted; of those too that cannot be read."""
        return sorted(path.name for path in self.root.glob("*") if NAME.fullmatch(path.name) and _is_cohort(path))

    def folder(self, name: str) -> Path:
        """The folder of cohort `name`.

        Raises:
            CohortError: there is no such cohort.
        """
        # The pattern also keeps names such as ".." from leading out of the root.
        if not NAME.fullmatch(name) or not _is_cohort(self.root / name):
            known = ", ".join(self.names())
            advice = f"choose one of {known}" if known else "import one with `cohort add`"
            raise CohortError(f"There is no cohort {name!r}: {advice}.")
        return self.root / name

    def features_dir(self, name: str) -> Path:
        """Where features computed from cohort `name` are cached; removed together with the cohort."""
        return self.folder(name) / "features"

    def answers_dir(self, name: str) -> Path:
        """Where answers to inference requests about cases of cohort `name` are kept; removed together with the cohort."""
        return self.folder(name) / "answers"

    def protection_dir(self, name: str) -> Path:
        """Where what was measured of the protection of the patients of cohort `name` is kept; removed together with the cohort."""
        return self.folder(name) / "protection"

    def load(self, name: str) -> Cohort:
        """Cohort `name`, its images memory-mapped and read-only.

        Raises:
            CohortError: there is no such cohort, or its files are damaged.
            NotAllowedError: whoever looks may not.
        """
        folder = self.folder(name)
        self.actor.require(Action.SEE_RESULTS, name)
        facts, report = read_facts(folder), read_report(folder)
        for file in (REPORT, CASES, DIGESTS, DIGESTS_AT_128):
            check_file(folder, facts, file)
        cases, images = read_cases(folder, facts), read_array(folder, IMAGES)
        missing = [column for column in (*CASE_COLUMNS, *facts.findings, *facts.comorbidities) if column not in cases.columns]
        if missing or len(cases) != facts.n_cases:
            raise damaged(folder, CASES, "is not the table that belongs to the cohort")
        if len(images) != facts.n_cases or images.ndim < 3 or facts.pixels not in (None, images.shape[-1]):
            raise damaged(folder, IMAGES, "does not hold the images that belong to the cohort")
        cohort = Cohort(
            name=name,
            modality=facts.modality,
            synthetic=facts.synthetic,
            findings=facts.findings,
            comorbidities=facts.comorbidities,
            cases=cases,
            images=images,
            fingerprint=facts.fingerprint,
            patients_known=facts.patients_known,
            blocking=report.blocking,
            source=facts.source,
            spacing_mm=facts.spacing_mm,
            image_digests=read_array(folder, DIGESTS) if DIGESTS in facts.files else None,
            digests_at_128=read_array(folder, DIGESTS_AT_128) if DIGESTS_AT_128 in facts.files else None,
        )
        cohort.check_images([0])  # of an array that is another cohort's; whoever uses an image has it checked
        return cohort

    def readable(self) -> Iterator[Cohort]:
        """The cohorts that can be read, by name."""
        for name in self.names():
            with suppress(CohortError):
                yield self.load(name)

    def fingerprint(self, name: str) -> str:
        """The fingerprint of cohort `name`, without loading it.

        Raises:
            CohortError: there is no such cohort, or it cannot be read.
        """
        return read_facts(self.folder(name)).fingerprint

    def is_intact(self, name: str) -> bool:
        """Whether table and images of cohort `name` are those that were imported: all are read and hashed again.

        Raises:
            CohortError: there is no such cohort, or it cannot be read.
        """
        folder = self.folder(name)
        read_facts(folder)  # refuses what cannot be read
        facts = dict(read_object(folder / FACTS))
        expected = facts.pop("fingerprint")
        for beside in ("files", "source"):  # written once the fingerprint is known
            facts.pop(beside, None)
        return fingerprint_of(facts, self.load(name).cases, folder / IMAGES, key=self.key) == str(expected)

    def with_fingerprint(self, fingerprint: str) -> Cohort:
        """A stored cohort with this fingerprint, i.e. with exactly these data.

        Raises:
            CohortError: there is none that can be read.
        """
        unreadable = []
        for name in self.names():
            try:
                if self.fingerprint(name) == fingerprint:
                    return self.load(name)
            except CohortError:
                unreadable.append(name)
        if unreadable:
            raise CohortError(
                f"The cohort of this run has been removed, or is one that cannot be read ({', '.join(unreadable)}): `cohort list` says "
                "what to do; then retry the run."
            )
        raise CohortError("The cohort of this run has been removed: import it again, then retry the run.")

    def report(self, name: str) -> ImportReport:
        """The import report of cohort `name`.

        Raises:
            CohortError: there is no such cohort, or the report cannot be read.
            NotAllowedError: whoever looks may not.
        """
        self.actor.require(Action.SEE_RESULTS, name)
        return read_report(self.folder(name))

    def persons(self, name: str) -> dict[str, str]:
        """patient_id -> person for every patient of cohort `name`, both as keyed hashes of 16 hexadecimal digits.

        Two patients with the same person, in this cohort or in two, are the same patient as far as the source's identifiers say,
        however they are written (`comparable`). Where identifiers say nothing, because the source does not know its patients or the
        cohort is synthetic, a person is a hash of the image with the smallest digest among the patient's: the same image imported
        again is the same person. The two kinds never meet.

        A cohort that an earlier version stored has no such file, and its identifiers are gone: there, patient_id is taken for the
        person, which is right where identifiers were in the comparable form. Whoever adds up uses over versions therefore looks for a
        patient of a later cohort under its person and under its patient_id. Persons by image are computed from the stored images.

        Raises:
            CohortError: there is no such cohort, or its files are damaged.
        """
        folder = self.folder(name)
        facts = read_facts(folder)
        by_image = facts.synthetic or not facts.patients_known
        if not by_image or (folder / PERSONS).exists():  # persons by image can be computed again
            check_file(folder, facts, PERSONS)
        try:
            patients = pd.read_parquet(folder / "cases.parquet", columns=["patient_id"])["patient_id"]
            persons = read_persons(folder) or self._persons_without_file(folder, facts, patients)
            # What cannot be charged to its patient would be lost, so gaps in the file are refused.
            complete = persons.keys() == set(patients.tolist())
        except (OSError, ValueError):
            complete = False
        if not complete:
            raise CohortError(f"Who the patients of cohort {name!r} are cannot be read: remove the cohort and import it again.")
        return persons

    def _persons_without_file(self, folder: Path, facts: CohortFacts, patients: "pd.Series[str]") -> dict[str, str]:
        if facts.patients_known and not facts.synthetic:
            return {patient: patient for patient in patients.unique()}
        if DIGESTS_AT_128 in facts.files:
            check_file(folder, facts, DIGESTS_AT_128)
            return persons_of_images(patients, map(bytes, read_array(folder, DIGESTS_AT_128)), key=self.key)
        return persons_of_images(patients, pixel_digests(folder / IMAGES), key=self.key)

    def refuse_unusable(self, name: str) -> None:
        """Check that a new cohort may have the name `name`.

        Raises:
            CohortError: the name has other characters than these, or is taken.
        """
        if not NAME.fullmatch(name):
            raise CohortError(f"{name!r} is not a valid name of a cohort: use up to 40 lower-case letters, digits and hyphens.")
        if name in self.names():
            raise CohortError(f"There is already a cohort {name!r}: remove it first, or choose another name.")

    def draft(self) -> AbstractContextManager[Path]:
        """A hidden folder to prepare a cohort in; removed when the block ends, unless `publish` renamed it."""
        return temporary_draft(self.root)

    def resumable_draft(self, work: str) -> AbstractContextManager[Path]:
        """The hidden folder of exactly this `work`, with what an interrupted attempt left in it.

        Raises:
            CohortError: another process is doing the same work.
        """
        return resumable_draft(self.root, work)

    def publish(
        self,
        name: str,
        draft: Path,
        *,
        modality: Modality,
        synthetic: bool,
        findings: tuple[str, ...],
        comorbidities: tuple[str, ...],
        cases: pd.DataFrame,
        report: ImportReport,
        patients_known: bool = True,
        persons: Mapping[str, str] | None = None,
        source: str | None = None,
        digests_at_128: np.ndarray | None = None,
    ) -> Cohort:
        """Turn `draft`, which holds `images.npy` in the order of `cases`, into the cohort `name`.

        Args:
            name: of the new cohort.
            draft: the prepared folder; it is renamed.
            modality: of the images.
            synthetic: the images were drawn by DPMed's phantoms.
            findings: columns of the labels.
            comorbidities: columns of the co-morbidities.
            cases: the table, as `Cohort.cases`.
            report: of the import.
            patients_known: the source says which images are one patient's.
            persons: patient_id -> person, as `CohortStore.persons`; not part of the fingerprint. None to store none.
            source: as `Cohort.source`; not part of the fingerprint.
            digests_at_128: as `Cohort.digests_at_128`, used of finer radiographs alone; None to compute them from those.

        Raises:
            CohortError: the name cannot be used.
            NotAllowedError: whoever imports may not.
        """
        self.actor.require(Action.IMPORT, name)
        self.refuse_unusable(name)
        facts: dict[str, object] = {
            "format": FORMAT,
            "modality": modality.value,
            "synthetic": synthetic,
            "findings": list(findings),
            "comorbidities": list(comorbidities),
            "n_cases": len(cases),
        }
        # Facts that are not the rule are written only where they hold: the fingerprints of older cohorts stay valid.
        if not patients_known:
            facts["patients_known"] = False
        if (spacing := FORMS[modality].spacing_mm) is not None:
            facts["spacing_mm"] = list(spacing)
        facts |= finer_facts(draft, modality, digests_at_128)
        facts["fingerprint"] = fingerprint_of(facts, cases, draft / IMAGES, key=self.key)
        facts |= {"source": source} if source else {}  # not part of the fingerprint, which is known by now
        _write_tables(draft, facts, cases, report, persons)
        self._make_visible(draft, name)
        return self.load(name)

    def _make_visible(self, draft: Path, name: str) -> None:
        for file in DRAFT_FILES:
            (draft / file).unlink(missing_ok=True)
        for file in (IMAGES, DIGESTS, DIGESTS_AT_128):
            if (draft / file).exists():
                sync_file(draft / file)
        # The rename is the one step that makes the cohort visible, after all its files are durable. It fails if the name was taken
        # since it was checked.
        try:
            draft.rename(self.root / name)
        except OSError:
            raise CohortError(f"There is already a cohort {name!r}: remove it first, or choose another name.") from None
        sync_folder(self.root)

    def write(
        self,
        name: str,
        *,
        modality: Modality,
        synthetic: bool,
        findings: tuple[str, ...],
        comorbidities: tuple[str, ...],
        cases: pd.DataFrame,
        images: np.ndarray,
        report: ImportReport,
        persons: Mapping[str, str] | None = None,
    ) -> Cohort:
        """Store a cohort that is held in memory, as `publish`; rows are put into canonical order."""
        order = cases.reset_index(drop=True).sort_values(["patient_id", "case_id"]).index.to_numpy()
        with self.draft() as draft:
            np.save(draft / "images.npy", images[order])
            return self.publish(
                name,
                draft,
                modality=modality,
                synthetic=synthetic,
                findings=findings,
                comorbidities=comorbidities,
                cases=cases.iloc[order].reset_index(drop=True),
                report=report,
                persons=persons,
            )

    def remove(self, name: str) -> None:
        """Remove cohort `name` with everything cached for it.

        Raises:
            NotAllowedError: whoever removes it may not.
        """
        self.actor.require(Action.IMPORT, name)
        folder = self.folder(name)
        # Renamed to a draft first: if removing is interrupted, no half cohort remains, and the draft is cleared a day later.
        removed = self.root / f"{PREFIX}{secrets.token_hex(6)}"
        folder.rename(removed)
        shutil.rmtree(removed)


def _write_tables(
    draft: Path, facts: dict[str, object], cases: pd.DataFrame, report: ImportReport, persons: Mapping[str, str] | None
) -> None:
    """Write all that a cohort holds beside its images, with what shows damage to it.

    Args:
        draft: of the cohort; holds its images.
        facts: content of `cohort.json`.
        cases: the table of cases.
        report: of the import.
        persons: patient_id -> person; None to store none.
    """
    with replacing(draft / "cases.parquet") as table:
        cases.to_parquet(table, index=False)
    if persons is not None:
        write_persons(draft, persons)
    write_json(draft / REPORT, report.to_fields())
    # Not part of the fingerprint, which is known by now: it is of what the tables hold, this of their files.
    write_digests(draft)
    names = (CASES, PERSONS, REPORT, DIGESTS, DIGESTS_AT_128)
    facts["files"] = files = {name: unchanged_digest(draft / name) for name in names if (draft / name).exists()}
    files[FACTS] = seal_of_facts(facts)
    write_json(draft / FACTS, facts)


def _is_cohort(folder: Path) -> bool:
    """Whether a folder is a cohort's, as any of its files shows; a cache of features alone is none."""
    return any((folder / name).exists() for name in (FACTS, CASES, IMAGES, REPORT, PERSONS))
