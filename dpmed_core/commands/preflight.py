"""What every command says before runs are asked for."""

from collections.abc import Sequence
from functools import partial

from dpmed_core.cohort.schema import Cohort
from dpmed_core.commands.output import tell
from dpmed_core.engine.inline_training import foreseen_guarantee
from dpmed_core.installation import Installation
from dpmed_core.privacy.preflight import checked_line, preflight, preflight_facts
from dpmed_core.training.spec import RunSpec


def tell_preflight(installation: Installation, cohort: Cohort, specs: Sequence[RunSpec]) -> list[dict[str, object]]:
    """The checks of the private runs among `specs` as JSON values, after they were told: what speaks against them, one line on the rest."""
    noise = partial(foreseen_guarantee, installation, cohort)
    facts = preflight_facts(installation.ledger, installation.encoders, cohort, specs, noise=noise)
    checks = preflight(facts) if facts else ()
    for check in checks:
        if not check.ok:
            tell(f"Note: {check.sentence()}")
    if line := checked_line(checks):
        tell(line)
    return [check.to_fields() for check in checks]
