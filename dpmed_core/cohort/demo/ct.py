"""The CT demo cohort: synthetic abdomens, each written as a DICOM series and read back by the importer."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from dpmed_core.cohort.intake.importer import import_source
from dpmed_core.cohort.report import ImportReport
from dpmed_core.cohort.sources.rows import Source, SourceRow
from dpmed_core.cohort.store import CohortStore
from dpmed_core.imaging.modality import Modality, Sex
from dpmed_core.phantoms.abdomen.population import COMORBIDITIES, FINDINGS, draw_people
from dpmed_core.phantoms.drawn_scan import DrawnScan

DEMO_CT = "demo-ct"
DEFAULT_SCANS, FEWEST_SCANS, MOST_SCANS = 400, 16, 20_000


def add_demo_ct(
    store: CohortStore,
    *,
    name: str = DEMO_CT,
    n_cases: int = DEFAULT_SCANS,
    seed: int = 0,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ImportReport:
    """Draw `n_cases` scans, write each as a DICOM series, and import them as cohort `name`, marked synthetic.

    An attempt that was cut off is gone on with.

    Args:
        store: where the cohort goes.
        name: what to call it.
        n_cases: scans.
        seed: another seed gives other patients.
        workers: processes that draw, write and read; 0 for none, None for what pays.
        progress: called with scans done, of `n_cases`.

    Raises:
        CohortError: the name cannot be used.
    """
    store.refuse_unusable(name)
    people = draw_people(n_cases, seed=seed, variant="demo")
    with store.draft() as scratch:
        rows = _Rows(people, seed, scratch)
        source = Source(rows, FINDINGS, COMORBIDITIES)
        return import_source(store, name, source, modality=Modality.CT, synthetic=True, workers=workers, progress=progress)


@dataclass(frozen=True, eq=False)
class _Rows:
    """The population as rows; age and sex are left to the DICOM headers."""

    people: pd.DataFrame = field(repr=False)
    seed: int
    scratch: Path = field(repr=False)

    def __iter__(self) -> Iterator[SourceRow]:
        for index, (_, person) in enumerate(self.people.iterrows()):
            values = {name: float(person[name]) for name in (*FINDINGS, *COMORBIDITIES)}
            yield SourceRow(
                row=index + 1,
                image=DrawnScan(person, index, self.seed, self.scratch),
                patient=f"phantom-{person['patient']}",
                age=None,
                sex=Sex.UNKNOWN,
                part=None,
                values=values,
            )
