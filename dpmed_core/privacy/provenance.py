"""What an export says of where it comes from, by the ledger as it stands and by the encoders that its runs read."""

from collections.abc import Iterable

from dpmed_core.cohort.schema import Cohort
from dpmed_core.privacy.ledger.ledger import Ledger
from dpmed_core.privacy.total_sentence import total_in_short
from dpmed_core.reporting.provenance import Provenance
from dpmed_core.runs.status import RunState, RunStatus
from dpmed_core.training.encoders.added.store import AddedEncoders


def provenance_of(ledger: Ledger, cohort: Cohort, encoders: AddedEncoders) -> Provenance:
    """What was spent on the patients of `cohort` so far, the ledger's last seal, what was planned, and which added encoders were read."""
    total, head = ledger.total(cohort), ledger.chain.head()
    by = f" ({total.accountant})" if total.n_draws else ""
    said = encoder_sentences(ledger.runs.of_cohort(cohort.fingerprint), encoders)
    return Provenance(f"{total_in_short(total)}{by}", head.digest if head else "", ledger.plan_record(cohort), tuple(said))


def encoder_sentences(runs: Iterable[RunStatus], encoders: AddedEncoders) -> list[str]:
    """One sentence on each added encoder that finished `runs` read: its name, and the data that it was trained on; foreign text."""
    used = {run.spec.encoder: run.spec.variant for run in runs if run.spec.encoder and run.state is RunState.FINISHED}
    there = {encoder.digest: encoder for encoder in encoders.readable()} if used else {}
    sentences = []
    for digest, variant in sorted(used.items()):
        if (encoder := there.get(digest)) is None:
            sentences.append(f"Recipe {variant} reads an added encoder that is no longer there, or was changed.")
        else:
            sentences.append(
                f"Recipe {variant} reads the added encoder {encoder.name}, trained on {encoder.card.data} ({encoder.card.licence})."
            )
    return sentences
