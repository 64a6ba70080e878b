"""The imported cohorts on disk: each whole or not at all."""

import json
import re
import secrets
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dpmed_core.cohort.drafts import LOCK, PREFIX, lasting_draft, passing_draft
from dpmed_core.cohort.image_blocks import read_images
from dpmed_core.cohort.report import ImportReport
from dpmed_core.cohort.schema import CASE_COLUMNS, Cohort
from dpmed_core.errors import CohortError
from dpmed_core.files import replacing, sync_file, sync_folder, write_json
from dpmed_core.imaging.modality import Modality
from dpmed_core.imaging.stored_format import FORMS
from dpmed_core.keyed_hash import keyed_hex

FORMAT = 1
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
BLOCK_BYTES = 1 << 22
HASHING_THREADS = 2
LEFT_BEHIND = ("arriving.bin", "journal.jsonl", LOCK)
"""What preparing needs and a cohort does not."""


@dataclass(frozen=True)
class CohortStore:
    """Cohorts by name under one folder.

    Attributes:
        root: the folder; made at the first import.
        key: the installation's secret.
    """

    root: Path
    key: bytes

    def names(self) -> list[str]:
        """The names of the stored cohorts, sorted."""
        return sorted(path.parent.name for path in self.root.glob("*/cohort.json") if NAME.fullmatch(path.parent.name))

    def folder(self, name: str) -> Path:
        """Where cohort `name` lies.

        Raises:
            CohortError: there is no such cohort.
        """
        if not NAME.fullmatch(name) or not (self.root / name / "cohort.json").exists():
            known = ", ".join(self.names())
            advice = f"there are {known}" if known else "there is none yet; import one with `cohort add`"
            raise CohortError(f"There is no cohort {name!r}: {advice}.")
        return self.root / name

    def features_dir(self, name: str) -> Path:
        """Where features computed from cohort `name` are cached; they go when the cohort goes."""
        return self.folder(name) / "features"

    def answers_dir(self, name: str) -> Path:
        """Where answers to questions about cases of cohort `name` are kept; they go when the cohort goes."""
        return self.folder(name) / "answers"

    def load(self, name: str) -> Cohort:
        """Cohort `name`, its images memory-mapped and read-only.

        Raises:
            CohortError: there is no such cohort, or its files are damaged.
        """
        folder = self.folder(name)
        try:
            facts = json.loads((folder / "cohort.json").read_text())
            blocking = self.report(name).blocking
            cases = pd.read_parquet(folder / "cases.parquet")
            images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise CohortError(f"Cohort {name!r} cannot be read ({type(error).__name__}): remove it and import it again.") from None
        if facts.get("format") != FORMAT or len(cases) != len(images) or len(cases) != facts["n_cases"]:
            raise CohortError(f"Cohort {name!r} is damaged or of another version of DPMed: remove it and import it again.")
        return Cohort(
            name=name,
            modality=Modality(facts["modality"]),
            synthetic=facts["synthetic"],
            findings=tuple(facts["findings"]),
            comorbidities=tuple(facts["comorbidities"]),
            cases=cases,
            images=images,
            fingerprint=facts["fingerprint"],
            patients_known=facts.get("patients_known", True),
            blocking=blocking,
            spacing_mm=_spacing(facts),
        )

    def fingerprint(self, name: str) -> str:
        """The fingerprint of cohort `name`, without loading it."""
        return str(json.loads((self.folder(name) / "cohort.json").read_text())["fingerprint"])

    def with_fingerprint(self, fingerprint: str) -> Cohort:
        """A stored cohort with these data.

        Raises:
            CohortError: none of the stored cohorts has them.
        """
        for name in self.names():
            if self.fingerprint(name) == fingerprint:
                return self.load(name)
        raise CohortError("The cohort of this run is no longer here: import it again, then retry the run.")

    def report(self, name: str) -> ImportReport:
        """What the import of cohort `name` found."""
        return ImportReport.from_fields(json.loads((self.folder(name) / "report.json").read_text()))

    def refuse_unusable(self, name: str) -> None:
        """Raise a CohortError unless `name` can be given to a new cohort."""
        if not NAME.fullmatch(name):
            raise CohortError(f"{name!r} cannot name a cohort: use up to 40 small letters, digits and hyphens.")
        if name in self.names():
            raise CohortError(f"There is a cohort {name!r} already: remove it first, or choose another name.")

    def draft(self) -> AbstractContextManager[Path]:
        """A hidden folder to prepare a cohort in; gone when the block ends, unless `publish` took it."""
        return passing_draft(self.root)

    def lasting_draft(self, work: str) -> AbstractContextManager[Path]:
        """The hidden folder of exactly this `work`; an attempt that was cut off is found in it by the next.

        Raises:
            CohortError: another process is at the same work.
        """
        return lasting_draft(self.root, work)

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
    ) -> Cohort:
        """Make `draft`, which holds `images.npy` in the order of `cases`, the cohort `name`.

        Raises:
            CohortError: the name cannot be used.
        """
        self.refuse_unusable(name)
        facts: dict[str, object] = {
            "format": FORMAT,
            "modality": modality.value,
            "synthetic": synthetic,
            "findings": list(findings),
            "comorbidities": list(comorbidities),
            "n_cases": len(cases),
        }
        if not patients_known:
            facts["patients_known"] = False
        if (spacing := FORMS[modality].spacing_mm) is not None:
            facts["spacing_mm"] = list(spacing)
        facts["fingerprint"] = _fingerprint(facts, cases, draft / "images.npy", key=self.key)
        with replacing(draft / "cases.parquet") as table:
            cases.to_parquet(table, index=False)
        write_json(draft / "report.json", report.to_fields())
        write_json(draft / "cohort.json", facts)
        for left in LEFT_BEHIND:
            (draft / left).unlink(missing_ok=True)
        sync_file(draft / "images.npy")
        try:
            draft.rename(self.root / name)
        except OSError:
            raise CohortError(f"There is a cohort {name!r} already: remove it first, or choose another name.") from None
        sync_folder(self.root)
        return self.load(name)

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
    ) -> Cohort:
        """Store a cohort that is held in memory; rows are put into canonical order."""
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
            )

    def remove(self, name: str) -> None:
        """Remove cohort `name` with everything cached for it."""
        folder = self.folder(name)
        going = self.root / f"{PREFIX}{secrets.token_hex(6)}"
        folder.rename(going)
        shutil.rmtree(going)


def _spacing(facts: dict[str, Any]) -> tuple[float, float, float] | None:
    """Millimetres between slices, rows and columns; None where the cohort has none."""
    if (spacing := facts.get("spacing_mm")) is None:
        return None
    slices, rows, columns = map(float, spacing)
    return slices, rows, columns


def _fingerprint(facts: dict[str, object], cases: pd.DataFrame, images: Path, *, key: bytes) -> str:
    """The keyed hash of a cohort's facts and rows; case_ids cover the pixels (see `arranging.case_id`), the array is hashed too."""
    columns = [*CASE_COLUMNS, *sorted(set(cases.columns) - set(CASE_COLUMNS))]
    table = cases[columns].to_csv(index=False, float_format="%.6g", na_rep="")
    with ThreadPoolExecutor(HASHING_THREADS) as pool:  # hashing frees the interpreter's lock
        hashes = [
            one for block in read_images(images, BLOCK_BYTES) for one in pool.map(lambda i: keyed_hex(key, "image", i.tobytes()), block)
        ]
    return keyed_hex(key, "cohort", json.dumps(facts, sort_keys=True), table, keyed_hex(key, "pixels", *hashes))
