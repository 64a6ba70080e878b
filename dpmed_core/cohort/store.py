"""The imported cohorts on disk: each whole or not at all."""

import json
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from dpmed_core.cohort.report import ImportReport
from dpmed_core.cohort.schema import CASE_COLUMNS, Cohort, Modality
from dpmed_core.errors import CohortError
from dpmed_core.files import sync_folder, write_json
from dpmed_core.keyed import keyed_hex

FORMAT = 1
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
DRAFT_PREFIX = ".draft-"
DRAFT_LIFETIME_SECONDS = 24 * 3600


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

    def load(self, name: str) -> Cohort:
        """Cohort `name`, its images memory-mapped and read-only.

        Raises:
            CohortError: there is no such cohort, or its files are damaged.
        """
        folder = self.folder(name)
        try:
            facts = json.loads((folder / "cohort.json").read_text())
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

    @contextmanager
    def draft(self) -> Iterator[Path]:
        """A hidden folder to prepare a cohort in; gone when the block ends, unless `publish` took it."""
        self._clear_old_drafts()
        folder = self.root / f"{DRAFT_PREFIX}{secrets.token_hex(6)}"
        folder.mkdir(parents=True, mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

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
        images = np.load(draft / "images.npy", mmap_mode="r", allow_pickle=False)
        facts["fingerprint"] = _fingerprint(facts, cases, images, key=self.key)
        cases.to_parquet(draft / "cases.parquet", index=False)
        write_json(draft / "report.json", report.to_fields())
        write_json(draft / "cohort.json", facts)
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
        going = self.root / f"{DRAFT_PREFIX}{secrets.token_hex(6)}"
        folder.rename(going)
        shutil.rmtree(going)

    def _clear_old_drafts(self) -> None:
        for path in self.root.glob(f"{DRAFT_PREFIX}*"):
            if time.time() - path.stat().st_mtime > DRAFT_LIFETIME_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def _fingerprint(facts: dict[str, object], cases: pd.DataFrame, images: np.ndarray, *, key: bytes) -> str:
    """The keyed hash of a cohort's facts and rows; case_ids cover the pixels (see `importer.case_id`), the array is hashed too."""
    columns = [*CASE_COLUMNS, *sorted(set(cases.columns) - set(CASE_COLUMNS))]
    table = cases[columns].to_csv(index=False, float_format="%.6g", na_rep="")
    pixels = keyed_hex(key, "pixels", *(keyed_hex(key, "image", np.ascontiguousarray(image).tobytes()) for image in images))
    return keyed_hex(key, "cohort", json.dumps(facts, sort_keys=True), table, pixels)
