"""All files of a release: what the ledger records, and the cards; or the cards of a draft, of which nothing leaves the house."""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import replace

from dpmed_core.installation import Installation
from dpmed_core.people.roles import Action
from dpmed_core.privacy.ledger.release import Released, release_run
from dpmed_core.release_cards.deployment_card import deployment_card
from dpmed_core.release_cards.facts import CardFacts, Recorded, facts_of
from dpmed_core.release_cards.health_card import health_card
from dpmed_core.release_cards.hub_card import hub_json, hub_markdown
from dpmed_core.release_cards.statements import Statements

HUB, HUB_JSON, HEALTH, DEPLOYMENT = "README.md", "model-card.json", "applied-model-card.xml", "deployment_card.yaml"


def card_files(facts: CardFacts) -> dict[str, bytes]:
    """The cards by file name; a model without privacy has none for the registry of private deployments."""
    private = {DEPLOYMENT: deployment_card(facts).encode()} if facts.guarantee else {}
    return {HUB: hub_markdown(facts).encode(), HUB_JSON: hub_json(facts).encode(), HEALTH: health_card(facts), **private}


def release_with_cards(
    here: Installation,
    run_id: str,
    *,
    name: str,
    reason: str,
    statements: Statements,
    scores: bool = False,
    without_guarantee: bool = False,
    review_id: str | None = None,
) -> tuple[Released, dict[str, bytes]]:
    """Record the release of a run (`release_run`), and give it with all of its files, the cards among them.

    Args:
        here: the installation.
        run_id: a finished run.
        name: who decides.
        reason: why.
        statements: what people say on the cards.
        scores: with the scores of validation and test cases, whose patients no guarantee covers.
        without_guarantee: release a model that has none.
        review_id: a review whose frozen numbers the cards show.

    Raises:
        LedgerError: it would pass the cap, or has no guarantee and nobody said so.
        RunError, CohortError, ReviewError: as of `facts_of`.
    """
    # Before anything is recorded: what leaves must not lack its cards.
    here.actor.admit(Action.RELEASE, run_id)
    name = here.actor.signs_as(name)
    facts = facts_of(here, run_id, statements, review_id)
    card_files(facts)
    released = release_run(here.ledger, run_id, name=name, reason=reason, scores=scores, without_guarantee=without_guarantee)
    recorded = Recorded(name, reason, released.seal, released.at)
    return released, {**released.files, **card_files(replace(facts, charge=released.charge, release=recorded))}


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Files as one archive."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()
