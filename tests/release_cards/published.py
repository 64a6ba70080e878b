"""What the published schemas of the cards ask for: names, order, types, allowed words and what is required, without their texts."""

import re
from collections.abc import Iterator, Mapping
from xml.etree.ElementTree import Element

import jsonschema

TEXT = {"type": "string"}


def _object(required: tuple[str, ...] = (), **fields: object) -> dict[str, object]:
    return {"type": "object", "additionalProperties": False, "required": list(required), "properties": fields}


def _one_of(*words: str) -> dict[str, object]:
    return {"type": "string", "enum": list(words)}


def _texts(*names: str) -> dict[str, object]:
    return dict.fromkeys(names, TEXT)


DEPLOYMENT = _object(
    ("url_slug", "deployment"),
    url_slug=TEXT,
    deployment=_object(
        ("basic", "administrative"),
        basic=_object(
            (
                *("name", "data_curators", "description", "intended_use", "data_product_type", "data_product_region"),
                "publication_date",
            ),
            **_texts("name", "description", "intended_use", "data_product_region"),
            data_curators={
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": ["data_curator_name", "data_curator_type"],
                    "properties": {"data_curator_name": TEXT, "data_curator_type": _one_of("Government", "Industry", "Nonprofit")},
                },
            },
            data_product_type=_one_of(
                *("Summary statistics", "Machine learning model", "Dataset", "Synthetic data", "Interactive API", "SQL queries")
            ),
            data_product_sector=_one_of("Technology", "Healthcare", "Education", "Government", "Energy", "Finance"),
            publication_date={"type": "string", "format": "date"},
        ),
        dp_variant=_object(
            variant_name=_one_of("Pure DP", "Approximate DP", "Zero-concentrated DP", "Renyi DP", "Custom"),
            **_texts("data_domain", "unprotected_quantities"),
        ),
        privacy_loss=_object(
            **_texts("privacy_unit", "privacy_unit_details"),
            number_of_privacy_units={"type": "integer"},
            privacy_parameters=_object(epsilon={"type": "number"}, delta={"type": ["number", "string"]}, rho={"type": "number"}),
            privacy_parameters_details={},
        ),
        deployment_model=_object(
            model_name=_one_of("Local", "Central", "Shuffle", "Federated", "Varies"),
            **_texts("model_name_details", "trust_assumptions", "release_type_details", "data_source_type_details", "access_type_details"),
            actors={},
            release_type=_one_of("One release", "Many releases"),
            data_source_type=_one_of("Static", "Dynamic"),
            access_type=_one_of("Interactive", "Non-interactive"),
        ),
        implementation=_object(
            **_texts("preprocessing_and_hyperparameter_tuning", "mechanisms", "composition", "post_processing", "justification"),
            utility={},
            additional_information={},
        ),
        administrative=_object(
            ("status", "registry_authors", "tier"),
            evidence_sources={"type": "object"},
            status=_one_of(
                *("Converted", "Draft", "Pending", "Changes Required", "Approved", "Approved (Update Requested)", "Approved (Pending)")
            ),
            registry_authors={"type": "array", "minItems": 1, "items": TEXT},
            tier={"type": "integer", "enum": [1, 2, 3]},
        ),
    ),
)
"""An entry in OpenDP's registry of deployments.

Source: schemas/deployments-schema.yaml of https://github.com/opendp/deployments-registry-data at 057e5d8.
"""

HUB_METADATA = {
    "type": "object",
    "properties": {
        "license": TEXT,
        "library_name": TEXT,
        "pipeline_tag": TEXT,
        "tags": {"type": "array", "items": TEXT},
        "metrics": {"type": "array", "items": TEXT},
        "model-index": {
            "type": "array",
            "minItems": 1,
            "items": _object(
                ("name", "results"),
                name=TEXT,
                results={
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        **_object(
                            ("task", "dataset", "metrics"),
                            task=_object(("type",), **_texts("type", "name")),
                            dataset=_object(
                                ("type", "name"), **_texts("type", "name", "config", "split", "revision"), args={"type": "object"}
                            ),
                            metrics={
                                "type": "array",
                                "minItems": 1,
                                "items": _object(
                                    ("type", "value"),
                                    **_texts("type", "name", "config"),
                                    value={"type": ["number", "string"]},
                                    args={"type": "object"},
                                    verified={"type": "boolean"},
                                ),
                            },
                        )
                    },
                },
            ),
        },
    },
}
"""The metadata of a model card on the Hub.

Source: modelcard.md of https://github.com/huggingface/hub-docs at 0d37e0c; `pipeline_tag`: https://huggingface.co/docs/hub/model-cards.
"""

_RESULT = {"Label": "", "ValueJson": ""}
_METRIC = {
    "MetricGoal": "",
    "Results": {"MetricResult+": _RESULT},
    **dict.fromkeys(("Interpretation", "TestType", "TestingDataDescription", "ValidationProcessAndJustification"), ""),
}
HEALTH = {
    "BasicInfo": dict.fromkeys(("ModelName", "ModelDeveloper", "DeveloperContact"), ""),
    "ReleaseInfo": {
        **dict.fromkeys(("ReleaseStage", "ReleaseDate", "ReleaseVersion", "GlobalAvailability"), ""),
        "EHRCompatibility?": {"EHR*": ""},
        "RegulatoryApproval?": "",
    },
    "ModelSummary": {"Summary": "", "Keywords": {"Keyword*": ""}},
    "UsesAndDirections": dict.fromkeys(
        ("IntendedUseAndWorkflow", "PrimaryIntendedUsers", "HowToUse", "TargetedPatientPopulation", "CautionedOutOfScopeSettings"), ""
    ),
    "Warnings": dict.fromkeys(("KnownRisksAndLimitations", "KnownBiasesOrEthicalConsiderations", "ClinicalRiskLevel"), ""),
    "TrustIngredients": {
        "AISystemFacts": dict.fromkeys(
            (
                *("OutcomesAndOutputs", "ModelType", "FoundationModels?", "InputDataSource", "OutputAndInputDataTypes"),
                *("DevelopmentDataCharacterization", "BiasMitigationApproaches", "OngoingMaintenance", "Security?", "Transparency?"),
            ),
            "",
        ),
        "TransparencyInformation": dict.fromkeys(("FundingSource", "ThirdPartyInformation?", "StakeholdersConsulted"), ""),
    },
    "KeyMetrics": dict.fromkeys(("UsefulnessUsabilityEfficacy", "FairnessEquity", "SafetyReliability"), _METRIC),
    "Resources": dict.fromkeys(
        (
            *("EvaluationReferences?", "ClinicalTrial?", "PeerReviewedPublications", "ReimbursementStatus?"),
            "PatientConsentOrDisclosure",
        ),
        "",
    ),
    "Bibliography": "",
}
"""The elements of CHAI's applied model card in order; ? may be missing, * may be missing or repeat, + may repeat; all others stand once.

Source: v0.2/schema.xsd of https://github.com/coalition-for-health-ai/mc-schema at 2ae5a91.
"""
HEALTH_NAMESPACE = "https://mc.chai.org/v0.2/schema.xsd"


def problems_of_entry(document: object, schema: Mapping[str, object]) -> list[str]:
    """What a JSON schema does not allow, each as path and message."""
    checker = jsonschema.Draft7Validator(schema, format_checker=jsonschema.Draft7Validator.FORMAT_CHECKER)
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in checker.iter_errors(document)]


def problems_of_element(element: Element, fields: Mapping[str, object] | str) -> Iterator[str]:
    """What the list of elements does not allow of an element and all in it."""
    if isinstance(fields, str):
        if len(element):
            yield f"{element.tag} is a text, and holds elements"
        return
    names = [child.tag.removeprefix(f"{{{HEALTH_NAMESPACE}}}") for child in element]
    pattern = "".join(f"(?:{name.rstrip('?*+')} ){name[-1] if name[-1] in '?*+' else ''}" for name in fields)
    if not re.fullmatch(pattern, "".join(f"{name} " for name in names)):
        yield f"{element.tag} holds {names}"
    inside = {name.rstrip("?*+"): value for name, value in fields.items()}
    for name, child in zip(names, element, strict=True):
        if name in inside:
            yield from problems_of_element(child, inside[name])
