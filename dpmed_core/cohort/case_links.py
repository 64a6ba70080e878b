"""What names a case in an address: a keyed hash that says nothing of the patient, and that only this installation can make or follow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from dpmed_core.cohort.schema import Cohort
from dpmed_core.keyed_hash import keyed_hex


@dataclass(frozen=True, eq=False)
class CaseLinks:
    """The cases of a cohort and what names them in addresses.

    Attributes:
        links: sixteen hexadecimal digits a case, in the cohort's order.
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
    """The links of `cohort`'s cases; another version of the data, or another installation, gives others.

    Args:
        cohort: whose cases.
        key: the installation's secret.
    """
    case_ids = tuple(map(str, cohort.cases["case_id"]))
    return CaseLinks(tuple(keyed_hex(key, "case-link", cohort.fingerprint, case_id) for case_id in case_ids), case_ids)
