"""The entry for the public registry of private deployments, as YAML in its fields.

The registry is OpenDP's, after Dwork, Kohli & Mulligan 2019, "Differential privacy in practice: expose your epsilons!". Its fields, their
tiers and the words that some allow: schemas/deployments-schema.yaml of https://github.com/opendp/deployments-registry-data at 057e5d8. Its
texts are Markdown.
"""

from dpmed_core.phrases import delta_text, epsilon_text, rounded_up
from dpmed_core.release_cards import words
from dpmed_core.release_cards.facts import CardFacts
from dpmed_core.release_cards.yaml_text import yaml_text

OF_TIER_1 = ("intended_use", "region", "curator", "curator_type", "registry_authors")
"""What people must say before an entry is complete at the first tier; the program answers all of the second."""
OF_TIER_3 = ("justification",)


def deployment_card(facts: CardFacts) -> str:
    """The entry; of a model without privacy there is none.

    What must be one of the registry's words, or a date, and is not known, is left out: the registry refuses the entry until it is there.
    """
    entry = {
        "url_slug": words.model_id(facts),
        "deployment": {
            "basic": _basic(facts),
            "dp_variant": _variant(facts),
            "privacy_loss": _privacy_loss(facts),
            "deployment_model": _deployment_model(facts),
            "implementation": _implementation(facts),
            "administrative": {
                "status": "Draft",
                "registry_authors": [facts.statements.text("registry_authors")],
                "tier": tier(facts),
            },
        },
    }
    return yaml_text(entry)


def tier(facts: CardFacts) -> int:
    """How complete the entry is, in the registry's tiers."""
    still_open = set(facts.statements.open)
    if facts.release is None or still_open & set(OF_TIER_1):
        return 1
    return 2 if still_open & set(OF_TIER_3) else 3


def _basic(facts: CardFacts) -> dict[str, object]:
    statements = facts.statements
    kind = {"data_curator_type": kind} if (kind := statements.line("curator_type")) else {}
    return {
        "name": words.model_id(facts),
        "data_curators": [{"data_curator_name": statements.text("curator"), **kind}],
        "description": words.summary(facts),
        "intended_use": statements.text("intended_use"),
        "data_product_type": "Machine learning model",
        "data_product_region": statements.text("region"),
        "data_product_sector": "Healthcare",
        **({"publication_date": words.day(facts)} if facts.release else {}),
    }


def _variant(facts: CardFacts) -> dict[str, object]:
    alone = facts.guarantee
    units = f"{alone.n_units:,} {facts.unit}s" if alone else f"{facts.unit}s"
    beside = " Models without privacy were trained on the same patients for comparison; they are not released with it."
    return {
        "variant_name": "Approximate DP",
        "data_domain": f"Records of {units}: {words.kind_of_images(facts)} with labels of {words.findings(facts)}; a record may be empty.",
        "unprotected_quantities": (
            f"The number of training {facts.unit}s, and the settings of the training. Learnt elsewhere: {words.not_trained_here(facts)} "
            f"Patients of validation and test: accuracy was measured on them without noise."
            + (beside if facts.charge.n_non_private else "")
        ),
    }


def _privacy_loss(facts: CardFacts) -> dict[str, object]:
    """What the release is charged, which is of patients whatever was clipped as one; what the model spends alone stands in the details."""
    charge, unit = facts.charge, words.charged_unit(facts)
    # Of trainings by image the number of images alone is public.
    counted = {"number_of_privacy_units": facts.guarantee.n_units} if facts.guarantee and facts.spec.unit is unit else {}
    return {
        "privacy_unit": unit.value,
        "privacy_unit_details": words.neighbours(unit),
        **counted,
        "privacy_parameters": {"epsilon": rounded_up(charge.epsilon, 3), "delta": rounded_up(charge.delta, 2)},
        "privacy_parameters_details": " ".join(words.privacy(facts)),
    }


def _deployment_model(facts: CardFacts) -> dict[str, object]:
    """Who is trusted with what, and how often the data are asked."""
    charge = facts.charge
    before = (
        f"With all that was released before, what this release is charged for comes to ε = {epsilon_text(charge.released_epsilon)} at "
        f"δ = {delta_text(charge.delta)} for the patient with the most ({charge.accountant}, zero-out neighbours)."
    )
    return {
        "model_name": "Central",
        "trust_assumptions": (
            "The installation that trains holds images and labels, and is trusted with them. Whoever receives the model is not trusted, "
            "and may know every other record."
        ),
        "actors": "The installation that trains; everybody who receives the model or this card.",
        "release_type": "One release",
        "release_type_details": f"The weights of one training leave once. {before}",
        "data_source_type": "Static",
        "access_type": "Non-interactive",
        "access_type_details": "Recipients have the weights, and ask the training data nothing.",
    }


def _implementation(facts: CardFacts) -> dict[str, object]:
    return {
        "preprocessing_and_hyperparameter_tuning": (
            "Each image is processed by itself. Normalisation, features and settings do not depend on training data outside of the "
            f"mechanism. {facts.charge.sentence()}"
        ),
        "mechanisms": words.mechanism(facts),
        "composition": words.composition(facts),
        "post_processing": "None of what leaves: the weights follow from noisy sums and public settings.",
        "justification": facts.statements.text("justification"),
        "utility": f"{words.METRIC}, of test patients: {' '.join(words.accuracy(facts))}",
        "additional_information": f"{words.stage(facts)} {' '.join(words.limits(facts))}",
    }
