"""The CT demo cohort: synthetic abdominal CT scans, each written as a DICOM series and read back by the importer."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from dpmed_core.cohort.intake.importer import import_source
from dpmed_core.cohort.report import ImportReport
from dpmed_core.cohort.sources.rows import Source, SourceRow
from dpmed_core.cohort.store import CohortStore
from dpmed_core.imaging.modality import Modality, Sex
from dpmed_core.phantoms.abdomen.population import COMORBIDITIES, FINDINGS, Variant, draw_scans
from dpmed_core.phantoms.drawn_scan import SyntheticScan

DEMO_CT, DEMO_CT_ADVANCED = "demo-ct", "demo-ct-advanced"
DEFAULT_SCANS, FEWEST_SCANS, MOST_SCANS = 400, 16, 20_000


def add_demo_ct(
    store: CohortStore,
    *,
    name: str = DEMO_CT,
    variant: Variant = "demo",
    n_cases: int = DEFAULT_SCANS,
    seed: int = 0,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ImportReport:
    """Draw `n_cases` scans, write each as a DICOM series, and import them as cohort `name`, marked as synthetic.

    An interrupted attempt is resumed.

    Args:
        store: of the new cohort.
        name: of the new cohort.
        variant: "demo", or "advanced" for patients whose disease the public encoder's phantoms never show.
        n_cases: number of scans.
        seed: each seed gives other patients.
        workers: processes that draw, write and read; 0 for this process alone, None for as many as save time.
        progress: called with the number of scans done and `n_cases`.

    Raises:
        CohortError: the name cannot be used.
    """
    store.refuse_unusable(name)
    scans = draw_scans(n_cases, seed=seed, variant=variant)
    with store.draft() as scratch:
        rows = _Rows(scans, seed, scratch, variant)
        source = Source(rows, FINDINGS, COMORBIDITIES)
        return import_source(store, name, source, modality=Modality.CT, synthetic=True, workers=workers, progress=progress)


@dataclass(frozen=True, eq=False)
class _Rows:
    """The scans as rows of a source; age and sex are left to the DICOM headers."""

    scans: pd.DataFrame = field(repr=False)
    seed: int
    scratch: Path = field(repr=False)
    variant: Variant

    def __iter__(self) -> Iterator[SourceRow]:
        for index, (_, case) in enumerate(self.scans.iterrows()):
            values = {name: float(case[name]) for name in (*FINDINGS, *COMORBIDITIES)}
            yield SourceRow(
                row=index + 1,
                image=SyntheticScan(case, index, self.seed, self.scratch, self.variant),
                patient=f"phantom-{case['patient']}",
                age=None,
                sex=Sex.UNKNOWN,
                part=None,
                values=values,
            )
