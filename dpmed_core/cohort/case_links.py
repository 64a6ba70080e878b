"""Links that name a case in an address: keyed hashes that reveal nothing about the patient and are valid in this installation only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from dpmed_core.cohort.schema import Cohort
from dpmed_core.keyed_hash import keyed_hex


@dataclass(frozen=True, eq=False)
class CaseLinks:
    """The links of a cohort's cases.

    Attributes:
        links: sixteen hexadecimal digits per case, in the cohort's order.
        case_ids: in the same order.
    """

    links: tuple[str, ...] = field(repr=False)
    case_ids: tuple[str, ...] = field(repr=False)

    @cached_property
    def rows(self) -> Mapping[str, int]:
        """The row of each link."""
        return {link: row for row, link in enumerate(self.links)}

    @cached_property
    def of_case(self) -> Mapping[str, str]:
        """The link of each case_id."""
        return dict(zip(self.case_ids, self.links, strict=True))


def case_links(cohort: Cohort, key: bytes) -> CaseLinks:
    """The links of the cases of `cohort`; they change with the data and differ between installations.

    Args:
        cohort: the cohort.
        key: the installation's secret.
    """
    case_ids = tuple(map(str, cohort.cases["case_id"]))
    # The fingerprint takes part, so an old link to changed data leads nowhere instead of to another case.
    return CaseLinks(tuple(keyed_hex(key, "case-link", cohort.fingerprint, case_id) for case_id in case_ids), case_ids)
