"""The Applied Model Card of the Coalition for Health AI (CHAI), as XML by its published schema.

The coalition publishes the card's schema as an XML Schema Definition, and none in JSON: version 0.2, v0.2/schema.xsd of
https://github.com/coalition-for-health-ai/mc-schema at 2ae5a91. All of its texts may be Markdown. How a number is written in `ValueJson`
the schema leaves open; here it is as in the examples that stand beside it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from dpmed_core.cohort.display_names import finding_title
from dpmed_core.foreign_text import plain
from dpmed_core.phrases import delta_text, rounded_up
from dpmed_core.release_cards import words
from dpmed_core.release_cards.facts import CardFacts

NAMESPACE = "https://mc.chai.org/v0.2/schema.xsd"
Content = str | Mapping[str, "Content"] | Sequence["Content"]
PAPER = """@misc{arasteh2023,
  author = {Tayebi Arasteh, Soroosh and others},
  title = {Private, fair and accurate: Training large-scale, privacy-preserving {AI} models in medical imaging},
  year = {2023},
  eprint = {2302.01622},
  archivePrefix = {arXiv},
  note = {Commun Med 2024, doi 10.1038/s43856-024-00462-6}
}"""
"""The study that the method follows."""


def health_card(facts: CardFacts) -> bytes:
    """The card as an XML document."""
    said = facts.statements.text
    card = Element("AppliedModelCard", {"xmlns": NAMESPACE})
    _fill(
        card,
        {
            "BasicInfo": {"ModelName": words.model_id(facts), "ModelDeveloper": said("developer"), "DeveloperContact": said("contact")},
            "ReleaseInfo": {
                "ReleaseStage": words.stage(facts),
                "ReleaseDate": words.day(facts) or words.DRAFT,
                "ReleaseVersion": f"Run {facts.run_id}, recipe {facts.spec.recipe} version {facts.spec.recipe_version}",
                "GlobalAvailability": said("region"),
            },
            "ModelSummary": {"Summary": words.summary(facts), "Keywords": {"Keyword": _keywords(facts)}},
            "UsesAndDirections": {
                "IntendedUseAndWorkflow": said("intended_use"),
                "PrimaryIntendedUsers": said("users"),
                "HowToUse": said("how_to_use"),
                "TargetedPatientPopulation": said("population"),
                "CautionedOutOfScopeSettings": said("out_of_scope"),
            },
            "Warnings": {
                "KnownRisksAndLimitations": "\n\n".join(words.limits(facts)),
                "KnownBiasesOrEthicalConsiderations": said("ethics"),
                "ClinicalRiskLevel": said("clinical_risk"),
            },
            "TrustIngredients": {"AISystemFacts": _system(facts), "TransparencyInformation": _transparency(facts)},
            "KeyMetrics": {
                "UsefulnessUsabilityEfficacy": _usefulness(facts),
                "FairnessEquity": _fairness(facts),
                "SafetyReliability": _safety(facts),
            },
            "Resources": {"PeerReviewedPublications": said("publications"), "PatientConsentOrDisclosure": said("consent")},
            "Bibliography": PAPER,
        },
    )
    indent(card)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(card, encoding="unicode").encode() + b"\n"


def _fill(parent: Element, content: Mapping[str, Content]) -> None:
    """Put elements into `parent`, in order; of a list each item is an element of that name."""
    for name, value in content.items():
        for item in [value] if isinstance(value, str | Mapping) else value:
            child = SubElement(parent, name)
            if isinstance(item, str):
                child.text = item
            elif isinstance(item, Mapping):
                _fill(child, item)


def _keywords(facts: CardFacts) -> list[str]:
    private = ["differential privacy"] if facts.guarantee else []
    return [words.kind_of_images(facts), *(plain(finding_title(finding)) for finding in facts.cohort.findings), *private]


def _system(facts: CardFacts) -> dict[str, str]:
    """`AISystemFacts`."""
    return {
        "OutcomesAndOutputs": f"For each image the probability of {words.findings(facts)}.",
        "ModelType": words.architecture(facts),
        "FoundationModels": words.not_trained_here(facts),
        "InputDataSource": words.development_data(facts),
        "OutputAndInputDataTypes": f"Input: {words.kind_of_images(facts)}. Output: a number from 0 to 1 for each finding.",
        "DevelopmentDataCharacterization": words.development_data(facts),
        "BiasMitigationApproaches": facts.statements.text("bias_mitigation"),
        "OngoingMaintenance": facts.statements.text("maintenance"),
        "Security": "\n\n".join(words.privacy(facts)),
        "Transparency": words.mechanism(facts),
    }


def _transparency(facts: CardFacts) -> dict[str, str]:
    said = facts.statements.text
    return {"FundingSource": said("funding"), "StakeholdersConsulted": said("stakeholders")}


def _metric(facts: CardFacts, goal: str, results: Sequence[tuple[str, Mapping[str, object]]], says: str) -> dict[str, Content]:
    """A `KeyMetric`; the schema wants one result at least."""
    shown = results or [("No number", {"kind": "single", "value": "not estimable"})]
    return {
        "MetricGoal": goal,
        "Results": {"MetricResult": [{"Label": label, "ValueJson": json.dumps(value, ensure_ascii=False)} for label, value in shown]},
        "Interpretation": says,
        "TestType": "Retrospective, on held-out patients of the cohort on which it was trained.",
        "TestingDataDescription": words.development_data(facts),
        "ValidationProcessAndJustification": "Definitions and simulations: docs/STATISTICS.md and docs/privacy.md of DPMed.",
    }


def _estimate(value: float, low: float, high: float) -> dict[str, object]:
    """A number with its interval, at three digits."""
    return {"kind": "estimate_ci", "estimate": round(value, 3), "lower": round(low, 3), "upper": round(high, 3), "level": 95, "unit": ""}


def _usefulness(facts: CardFacts) -> dict[str, Content]:
    known = facts.utility[facts.utility["auroc"].notna()]
    results = [
        (f"AUROC: {plain(finding_title(row['finding']))}", _estimate(row["auroc"], row["auroc_low"], row["auroc_high"]))
        for _, row in known.iterrows()
    ]
    return _metric(facts, f"{words.METRIC}, of each finding in test patients.", results, " ".join(words.accuracy(facts)))


def _fairness(facts: CardFacts) -> dict[str, Content]:
    known = facts.gaps[facts.gaps["gap"].notna()]
    results = [(words.gap_label(row), _estimate(row["gap"], row["gap_low"], row["gap_high"])) for _, row in known.iterrows()]
    return _metric(facts, "Gaps between groups of patients.", results, f"{words.GAPS_ARE} {' '.join(words.gaps(facts))}")


def _safety(facts: CardFacts) -> dict[str, Content]:
    """The guarantee: its numbers are bounds, rounded up."""
    return _metric(
        facts, "What a reader of the model can learn of one training record.", list(_bounds(facts)), " ".join(words.privacy(facts))
    )


def _bounds(facts: CardFacts) -> Iterator[tuple[str, Mapping[str, object]]]:
    alone, charge = facts.guarantee, facts.charge
    if alone:
        by = f"{alone.accountant} accountant, {alone.neighboring_relation} neighbours"
        terms = f"at δ = {delta_text(alone.delta)} for each {facts.unit} ({by})"
        yield f"ε of this model alone {terms}", {"kind": "single", "value": rounded_up(alone.epsilon, 3)}
    if alone:
        by = f"{charge.accountant}, {alone.neighboring_relation} neighbours"
        terms = f"at δ = {delta_text(charge.delta)} for the patient with the most ({by})"
        yield f"ε that the release is charged {terms}", {"kind": "single", "value": rounded_up(charge.epsilon, 3)}
