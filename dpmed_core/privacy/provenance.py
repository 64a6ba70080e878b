"""What an export says of where it comes from, by the ledger as it stands."""

from dpmed_core.cohort.schema import Cohort
from dpmed_core.privacy.ledger.ledger import Ledger
from dpmed_core.privacy.total_sentence import total_in_short
from dpmed_core.reporting.provenance import Provenance


def provenance_of(ledger: Ledger, cohort: Cohort) -> Provenance:
    """What was spent on the patients of `cohort` so far, the seal of the ledger's last entry, and what was planned."""
    total, head = ledger.total(cohort), ledger.chain.head()
    by = f" ({total.accountant})" if total.n_draws else ""
    return Provenance(f"{total_in_short(total)}{by}", head.digest if head else "", ledger.plan_record(cohort))
