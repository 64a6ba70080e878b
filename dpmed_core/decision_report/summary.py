"""The sentences of a report, by the functions that word the pages."""

from collections.abc import Mapping
from typing import Any

from dpmed_core.cohort.display_names import IMAGE_WORDS
from dpmed_core.decision_report.gathered import Gathered
from dpmed_core.decision_report.report_tables import of_candidate
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.evaluation.scores.operating_point import OperatingRule
from dpmed_core.phrases import rounded_up
from dpmed_core.privacy.meaning.attack_odds import attack_odds
from dpmed_core.privacy.meaning.mechanism_curve import tradeoff_of
from dpmed_core.privacy.meaning.protected_unit import ProtectedUnit, mechanism_of_target, mu_of
from dpmed_core.reporting.wording.fairness_headline import verdict_headline
from dpmed_core.reporting.wording.first_glance import Tile, finding_tile, group_tile
from dpmed_core.reporting.wording.practice import practice_sentence
from dpmed_core.reporting.wording.utility import REFERENCE, utility_sentence
from dpmed_core.training.accounting.pld import Mechanism
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit

EXACT = "analytic-gaussian"
"""The accountant of a training that is one Gaussian mechanism, which ε and δ name completely."""
ONE_COHORT = "All numbers are of the held-out patients of this cohort. They say nothing of other hospitals, devices or times."
RESEARCH_USE = "Research use only. Not a medical device."


def summary(gathered: Gathered) -> list[str]:
    """What privacy costs, which finding and which group lose most, and the verdict on each attribute of the plan."""
    tables, candidate = gathered.tables, gathered.candidate
    about = {"recipe": candidate["recipe"], "unit": candidate["unit"], "finding": MACRO, "epsilon": candidate["epsilon"]}
    images = IMAGE_WORDS[gathered.cohort.modality].several
    costs, verdicts = of_candidate(gathered, tables.auroc.costs), of_candidate(gathered, tables.verdicts)
    return [
        utility_sentence(tables.auroc.overall, metric=AUROC, **about),
        practice_sentence(tables.practice, tables.practice_differences, images=images, **about),
        _said(finding_tile(costs)),
        _said(group_tile(costs, verdicts, MACRO)),
        *(verdict_headline(verdicts, attribute=attribute, finding=MACRO, epsilon=candidate["epsilon"]) for attribute in tables.by),
    ]


def meaning(gathered: Gathered) -> str:
    """What the guarantee of one model allows an attacker at most."""
    candidate = gathered.candidate
    if not candidate["epsilon_spent"]:
        return "Nothing was learnt from these patients."
    unit, mechanism = PrivacyUnit(candidate["unit"]), _mechanism(candidate)
    if mechanism is None:
        return "What it allows an attacker at most stands on the page Privacy."
    right = rounded_up(attack_odds(tradeoff_of(mechanism), mu_of(mechanism)).guess_right, 3)
    whom = "a patient, with all images," if unit is PrivacyUnit.PATIENT else "a single image, and no patient who has several,"
    return (
        f"Of 100 fifty-fifty guesses at whether {whom} took part in one training, at most {right:g} can be right, whatever the attacker "
        "knows; a coin gets 50. Whoever sees several of the models can be right more often."
    )


def _mechanism(candidate: Mapping[str, Any]) -> Mechanism | None:
    """What was done to a unit in one training; None of sampled steps whose rate was not frozen, as reviews of format 1 did not."""
    if candidate["accountant"] == EXACT:
        target = PrivacyTarget(candidate["epsilon_spent"], candidate["delta"])
        return mechanism_of_target(target, ProtectedUnit(PrivacyUnit(candidate["unit"])))
    # What sampled steps allow does not follow from ε and δ at one point: a Gaussian mechanism of the same target may allow less.
    rate = candidate.get("sample_rate")
    return None if rate is None else Mechanism(candidate["noise_multiplier"], rate, candidate["steps"])


def methods(gathered: Gathered) -> list[str]:
    """How the numbers came about."""
    plan, candidate = gathered.frozen["plan"], gathered.candidate
    runs = gathered.tables.runs
    without = int(runs["epsilon"].isna().sum())
    return [
        f"Recipe {candidate['recipe']}, {candidate['n_trainings']} trainings with privacy and {without} without. {REFERENCE}",
        "The average finding is the mean over those findings for which a number can be estimated: not the same ones for AUROC, missed and "
        "false alarms; the table of findings shows which.",
        f"Operating point: {OperatingRule.parse(plan['fields']['operating_point']).sentence()}.",
        plan["note"],
        "Intervals are of 95 %, over patients and, where there are several trainings, over these; groups are judged together over all "
        "comparisons of the analysis plan. Formulas and simulations: docs/STATISTICS.md of DPMed.",
    ]


def limits(gathered: Gathered) -> list[str]:
    """What the numbers do not say."""
    synthetic = ["The cohort is synthetic: its images show no patient."] if gathered.cohort.synthetic else []
    unknown = (
        [] if gathered.cohort.patients_known else ["It is not known which images are one patient's: only single images are protected."]
    )
    return [
        *synthetic,
        *unknown,
        gathered.frozen["not_covered"],
        f"The guarantee is for training {gathered.candidate['unit']}s and each model alone. Patients of validation and test are not "
        "protected by it, and what several models spend adds up.",
        ONE_COHORT,
        "The largest of several losses was picked for being large.",
        "Measured exposure is about single training patients and stays in the house; its aggregates leave it by a recorded release, and "
        "stand here only where somebody asked for them.",
        RESEARCH_USE,
    ]


def _said(tile: Tile) -> str:
    """A tile of *Overview* as a sentence."""
    number = f" {tile.beside}" if tile.beside else ""
    verdict = f" ({tile.verdict})" if tile.verdict else ""
    return f"{tile.title}: {tile.value}{number}{verdict}. {' '.join(tile.lines)}".rstrip()
