"""What was spent on a cohort's patients, as every command says it that trains or shows models."""

import math
from dataclasses import dataclass

from dpmed_core.cohort.schema import Cohort
from dpmed_core.installation import Installation
from dpmed_core.privacy.total_sentence import total_sentence


@dataclass(frozen=True)
class SpentOnPatients:
    """The total on a cohort's patients.

    Attributes:
        fields: as JSON values; epsilon is null where no bound is computed.
        sentence: in words.
    """

    fields: dict[str, object]
    sentence: str


def spent_on(installation: Installation, cohort: Cohort) -> SpentOnPatients:
    """The total on the patients of `cohort`, at the default delta."""
    total = installation.ledger.total(cohort)
    epsilon = total.epsilon if math.isfinite(total.epsilon) else None
    fields = {"epsilon": epsilon, "delta": total.delta, "draws": total.n_draws, "non_private": total.n_non_private}
    return SpentOnPatients({**fields, "sentence": total_sentence(total)}, total_sentence(total))
