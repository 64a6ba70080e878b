"""The images of one part of a cohort, as the viewer may fetch them."""

from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from dpmed_core.cohort.case_links import CaseLinks
from dpmed_core.cohort.schema import Cohort, Part, Split
from dpmed_core.errors import CohortError, NotAllowedError
from dpmed_core.installation import Installation
from dpmed_core.people.roles import Action


@dataclass(frozen=True, eq=False)
class CohortImages:
    """The images of one part of a cohort, by the links of their cases; no images once the cohort is removed.

    Attributes:
        cohort: the cohort.
        links: of all its cases.
        split: which part each case is in.
        part: the part that may be seen.
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
        """The image of the case that `link` names; None where the case is in another part, whoever fetches it may
        not see cases any more, or the image is damaged or gone."""
        try:  # the page that gave the token was drawn a while ago
            self.installation.actor.require(Action.SEE_CASES, f"{self.cohort.name}, case {link}", at_once=True)
        except NotAllowedError:
            return None
        row = self.links.rows.get(link)
        if row is None or self.split.parts[row] != self.part.value or not self._is_stored():
            return None
        try:
            self.cohort.check_images([row])
        except CohortError:
            return None
        image: NDArray[Any] = self.cohort.images[row]
        return image

    def _is_stored(self) -> bool:
        """Whether the cohort is still stored: a session may hold a removed cohort's images, mapped into memory."""
        try:
            return self.installation.cohorts.fingerprint(self.cohort.name) == self.cohort.fingerprint
        except CohortError:
            return False
