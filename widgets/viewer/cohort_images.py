"""The images of a cohort's cases, for whoever may see that part of it."""

from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from dpmed_core.cohort.case_links import CaseLinks
from dpmed_core.cohort.schema import Cohort, Part, Split
from dpmed_core.errors import CohortError
from dpmed_core.installation import Installation


@dataclass(frozen=True, eq=False)
class CohortImages:
    """Images by the links of their cases, of one part of a cohort; none once the cohort was removed.

    Attributes:
        cohort: whose.
        links: of all its cases.
        split: which part each case is in.
        part: the one that may be seen.
        installation: where the cohort is stored.
    """

    cohort: Cohort
    links: CaseLinks = field(repr=False)
    split: Split = field(repr=False)
    part: Part
    installation: Installation = field(repr=False)

    @property
    def name(self) -> str:
        """Equal for equal sets."""
        return f"{self.cohort.name}-{self.cohort.fingerprint}-{self.part.value}"

    def read(self, link: str) -> NDArray[Any] | None:
        """The image of the case that `link` names; None where it is of another part, or its cohort is no longer here."""
        row = self.links.rows.get(link)
        if row is None or self.split.parts[row] != self.part.value or not self._is_stored():
            return None
        image: NDArray[Any] = self.cohort.images[row]
        return image

    def _is_stored(self) -> bool:
        try:
            return self.installation.cohorts.fingerprint(self.cohort.name) == self.cohort.fingerprint
        except CohortError:
            return False
