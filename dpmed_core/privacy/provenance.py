"""What an export says of where it comes from, by the ledger as it stands."""

from dpmed_core.cohort.schema import Cohort
from dpmed_core.privacy.ledger.ledger import Ledger
from dpmed_core.privacy.total_sentence import total_in_short
from dpmed_core.reporting.provenance import Provenance
from dpmed_core.runs.plan import n_train_units
from dpmed_core.training.spec import PrivacyUnit, default_delta


def provenance_of(ledger: Ledger, cohort: Cohort) -> Provenance:
    """What was spent on the patients of `cohort` so far, and the seal of the ledger's last entry."""
    delta = default_delta(n_train_units(cohort, key=ledger.runs.key, unit=PrivacyUnit.PATIENT))
    head = ledger.chain.head()
    return Provenance(total_in_short(ledger.total(cohort, delta=delta)), head.digest if head else "")
