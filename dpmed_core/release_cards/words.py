"""The sentences that several cards share, as Markdown that shows foreign text as it is; every ε with δ, unit, accountant and neighbours."""

import time
from collections.abc import Iterator

import pandas as pd

from dpmed_core.cohort.display_names import IMAGE_WORDS, attribute_phrase, finding_phrase, finding_title, subgroup_title, version_alias
from dpmed_core.decision_report.report_tables import interval, number
from dpmed_core.decision_report.summary import ONE_COHORT, RESEARCH_USE
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.foreign_text import plain
from dpmed_core.imaging.modality import Modality
from dpmed_core.phrases import counted
from dpmed_core.privacy.ledger.release import WITHOUT_BOUND
from dpmed_core.release_cards.facts import CardFacts
from dpmed_core.training.recipes.catalogue import RecipeCard, recipe_card
from dpmed_core.training.result import NO_TRAINING
from dpmed_core.training.spec import PrivacyUnit

DRAFT = "Draft: no release of this model stands in the ledger."
NO_COMPARISON = (
    "Nothing here compares it with a model without privacy: such a model has no guarantee, and what privacy costs stands in the report of "
    "a review."
)
METRIC = "AUROC, with intervals of 95 % over patients"


def recipe_of(facts: CardFacts) -> RecipeCard:
    """The card of the recipe."""
    return recipe_card(facts.spec.recipe)


def model_id(facts: CardFacts) -> str:
    """A name without foreign text."""
    return f"dpmed-{facts.spec.recipe}-{facts.run_id}"


def findings(facts: CardFacts) -> str:
    """The findings within a sentence."""
    return ", ".join(plain(finding_phrase(finding)) for finding in facts.cohort.findings)


def kind_of_images(facts: CardFacts) -> str:
    """The images within a sentence."""
    return "CT volumes" if facts.cohort.modality is Modality.CT else "chest radiographs"


def summary(facts: CardFacts) -> str:
    """What the model is."""
    spec, privacy = facts.spec, "with" if facts.guarantee else "without"
    return (
        f"A classifier of {kind_of_images(facts)} that gives the probability of {findings(facts)}. Trained {privacy} differential privacy "
        f"by DPMed {facts.version}, recipe {spec.recipe} version {spec.recipe_version}, seed {spec.seed}, run {facts.run_id}, on the "
        f"cohort {plain(facts.cohort.name)}, version {version_alias(facts.cohort)}."
        + (" The cohort is synthetic." if facts.cohort.synthetic else "")
    )


def architecture(facts: CardFacts) -> str:
    """What is trained."""
    card = recipe_of(facts)
    return f"{card.title}, {card.normalisation.value}, {counted(facts.n_parameters, 'trained parameter', 'trained parameters')}."


def not_trained_here(facts: CardFacts) -> str:
    """What the model holds that was learnt elsewhere."""
    spec = facts.spec
    encoder = ["The public encoder, trained on synthetic images only."] if recipe_of(facts).uses_encoder else []
    added = [f"An added encoder, without which the model scores no image: the one with the digest {spec.encoder}."] if spec.encoder else []
    start = [f"The public start {plain(spec.start.name)}, with the digest {spec.start.digest}."] if spec.start else []
    return " ".join([*encoder, *added, *start]) or "None."


def development_data(facts: CardFacts) -> str:
    """Whom it was trained and measured on."""
    images = IMAGE_WORDS[facts.cohort.modality]
    trained = [counted(facts.guarantee.n_units, f"training {facts.unit}", f"training {facts.unit}s")] if facts.guarantee else []
    held_out = [
        f"{part['part']}: {images.counted(part['n_cases'])} of {counted(part['n_patients'], 'patient', 'patients')}"
        for part in facts.held_out
    ]
    return f"{'; '.join([*trained, *held_out])}. Source: {plain(facts.cohort.source or 'not known')}."


def privacy(facts: CardFacts) -> list[str]:
    """The guarantee of the model alone, what its release is charged, what neighbours are, and who is not covered."""
    if facts.guarantee is None:
        return [plain(WITHOUT_BOUND.split(" Release it")[0])]
    alone, released = facts.guarantee.sentence(), facts.charge.sentence()
    # What a release is charged is of patients, whatever was clipped as one.
    units = dict.fromkeys([facts.spec.unit, charged_unit(facts)])
    return [f"This model alone: {alone}.", f"This release: {released}", *map(neighbours, units), not_covered(facts)]


def charged_unit(facts: CardFacts) -> PrivacyUnit:
    """Of what the release's ε is: patients, or images where nobody knows which are one patient's."""
    return PrivacyUnit.PATIENT if facts.cohort.patients_known else PrivacyUnit.IMAGE


def neighbours(unit: PrivacyUnit) -> str:
    """The neighbouring relation, of a guarantee for `unit`."""
    whole = ", with all of its images," if unit is PrivacyUnit.PATIENT else ""
    return (
        f"Zero-out neighbours of a guarantee for each {unit.value}: two data sets in one of which the record of one {unit.value}{whole} is "
        "empty; the number of records is the same and public."
    )


def not_covered(facts: CardFacts) -> str:
    """Whom the guarantee does not cover."""
    whom = "Patients of validation and test, on whom accuracy was measured,"
    return f"The guarantee is for training {facts.unit}s. {whom} are not protected by it."


def mechanism(facts: CardFacts) -> str:
    """Clipping, noise, sampling and steps, as they are accounted for."""
    alone = facts.guarantee
    if alone is None:
        return "Without clipping and without noise."
    if alone.accountant == NO_TRAINING:
        return "Nothing was learnt from this cohort."
    whole = ", over all of its images," if facts.unit == PrivacyUnit.PATIENT.value else ""
    chance = "" if alone.sample_rate == 1 else f" with probability {alone.sample_rate:g}"
    return (
        f"Gaussian mechanism, in DPMed's own code: the gradient of each {facts.unit}{whole} is clipped once to a norm of "
        f"{alone.max_grad_norm:g}, and Gaussian noise with a standard deviation of {alone.noise_multiplier:g} times that bound is added to "
        f"the sum. {counted(alone.steps, 'noisy step', 'noisy steps')}; each {facts.unit} enters each step{chance}. Sampling and noise "
        "come from ChaCha20 under a key of the operating system, and are never stored."
    )


def composition(facts: CardFacts) -> str:
    """The accountants: of the training, and of all that the release is charged for."""
    alone = facts.guarantee
    if alone is None or alone.accountant == NO_TRAINING:
        return "There is nothing to account for."
    return (
        f"The training: {alone.accountant} accountant, zero-out neighbours; beside it {alone.check_accountant} was computed for "
        f"comparison. All that the release is charged for: {facts.charge.accountant}."
    )


def limits(facts: CardFacts) -> list[str]:
    """What the numbers do not say."""
    synthetic = ["The cohort is synthetic: its images show no patient."] if facts.cohort.synthetic else []
    return [RESEARCH_USE, *synthetic, ONE_COHORT, "All numbers are of this one training. " + NO_COMPARISON]


def stage(facts: CardFacts) -> str:
    """Whether it was released, by whom and why, with the ledger's seal; and how a review ended."""
    release, review = facts.release, facts.review
    reviewed = [f"Review {review.review_id}: {facts.outcome}."] if review else []
    if release is None:
        return " ".join([DRAFT, *reviewed])
    return " ".join(
        [f"Released on {day(facts)} by {plain(release.name)}: {plain(release.reason)}. Seal in the ledger: {release.seal}.", *reviewed]
    )


def day(facts: CardFacts) -> str:
    """The day of the release in UTC; blank of a draft."""
    return time.strftime("%Y-%m-%d", time.gmtime(facts.release.at)) if facts.release else ""


def accuracy(facts: CardFacts) -> Iterator[str]:
    """What the model reaches on test patients, a sentence a finding; the mean first."""
    for _, row in facts.utility.sort_values("finding", key=lambda names: names != MACRO, kind="stable").iterrows():
        title = plain(finding_title(row["finding"]))
        if pd.isna(row["auroc"]):
            yield f"{title}: not estimable ({plain(row['reason'])})."
        else:
            yield f"{title}: {number(row['auroc'])} ({interval(row, 'auroc_low', 'auroc_high')})."


def gap_label(row: pd.Series) -> str:
    """Of which finding, attribute and groups a gap is."""
    groups = " minus ".join(plain(subgroup_title(row["attribute"], row[name])) for name in ("largest", "smallest"))
    return f"{plain(finding_title(row['finding']))}, by {plain(attribute_phrase(row['attribute']))}: {groups}"


def gaps(facts: CardFacts) -> list[str]:
    """The estimable gaps between groups, a sentence each; the largest groups were picked for being so."""
    known = facts.gaps[facts.gaps["gap"].notna()]
    found = [f"{gap_label(row)}: {number(row['gap'])} ({interval(row, 'gap_low', 'gap_high')})." for _, row in known.iterrows()]
    return found or ["No gap between groups is estimable: fewer than two groups of an attribute are."]


GAPS_ARE = (
    "AUROC of the group in which it is largest minus that in which it is smallest, with intervals of 95 %; groups were picked by that, so "
    "that a gap describes and does not test."
)
