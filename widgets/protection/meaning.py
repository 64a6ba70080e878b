"""What the chosen guarantee means: a tile with a hundred guesses, and the odds in full."""

import math

import pandas as pd
import streamlit as st

from dpmed_core.cohort.schema import Cohort
from dpmed_core.foreign_text import plain, plain_csv
from dpmed_core.phrases import counted, delta_text, epsilon_text, rounded_up
from dpmed_core.privacy.ledger.totals import EXACT, PatientTotals
from dpmed_core.privacy.meaning.attack_odds import AttackOdds, attack_odds, gaussian_odds
from dpmed_core.privacy.meaning.mechanism_curve import tradeoff_of
from dpmed_core.privacy.meaning.protected_unit import ProtectedUnit, mechanism_of_target, mu_of
from dpmed_core.privacy.meaning.sentences import chance, odds_sentences
from dpmed_core.reporting.figures.attack_odds import attack_curve_figure, guesses_figure
from dpmed_core.reporting.wording.first_glance import Tile
from dpmed_core.training.accounting.pld import Mechanism
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit
from widgets.budget_control.following import show_plot
from widgets.lookup import canvas
from widgets.protection.audit import audit_of
from widgets.protection.budget_shown import BudgetShown
from widgets.spending import total_of

LARGEST_EPSILON = 1000.0
FULL_TITLE = "What this guarantee means, in full"


@st.cache_data(max_entries=100, show_spinner="Computing what the guarantee means")
def odds_of(mechanism: Mechanism) -> AttackOdds:
    """What any attacker can reach against `mechanism`."""
    return attack_odds(tradeoff_of(mechanism), mu_of(mechanism))


def show_meaning_tile(budget: BudgetShown, cohort: Cohort, most_images: int) -> None:
    """The tile: how many of a hundred guesses at who took part are right at most, of one model and of all together.

    Where the unit is the image, for whom that holds.
    """
    total, together = total_of(cohort), all_together(cohort)
    images = most_images if budget.unit is PrivacyUnit.IMAGE else 1
    said, odds = meaning_words(budget, images), odds_of(budget.mechanism(images))
    st.metric(
        said.title,
        guesses_right(odds),
        help="No attacker, whatever they know, can do better. Half of those guessed at took part; tossing a coin gets 50 of 100 right. A "
        f"smaller ε protects more. {plain(_together_in_words(total, together)) if together else ''}",
    )
    what, *more = said.lines
    st.markdown(f":material/warning: {plain(what)} **{plain(said.verdict)}** {plain(' '.join(more))}" if said.verdict else plain(what))
    if together and total.n_draws > 1:
        st.markdown(f"All {total.n_draws:,} models together: **{rounded_up(together.guess_right, 3):g}**")
    alternative = f"{guesses_right(odds)} guesses are right at most; tossing a coin gets 50."
    show_plot(guesses_figure(odds.guess_right, canvas()), key="figure-guesses", alternative=alternative, mode_bar=False)


def guesses_right(odds: AttackOdds) -> str:
    """How many of a hundred guesses are right at most."""
    return f"{rounded_up(odds.guess_right, 3):g} of 100"


def meaning_words(budget: BudgetShown, images: int) -> Tile:
    """How many of a hundred guesses at who took part are right at most; of the patient with so many images, where the unit is the image."""
    odds = odds_of(budget.mechanism(images))
    title, value = f"What ε = {epsilon_text(budget.target.epsilon)} means", guesses_right(odds)
    if images == 1:
        return Tile(title, value, lines=("guesses at who took part are right, at best; a coin gets 50.",))
    what = f"guesses at whether the patient with {images:d} images took part can be right; a coin gets 50."
    of_one = f"of guesses at one image, at most {rounded_up(odds_of(budget.mechanism()).guess_right, 3):g}."
    return Tile(title, value, verdict="Only single images are protected:", lines=(what, of_one))


def show_meaning_in_full(budget: BudgetShown, cohort: Cohort, most_images: int) -> None:
    """The odds in sentences, by prior, and as a curve; closed, they cost nothing."""
    place = st.expander(FULL_TITLE, key="meaning-open", on_change="rerun")
    if not place.open:
        return
    with place:
        images = most_images if budget.unit is PrivacyUnit.IMAGE else 1
        odds, one_image = odds_of(budget.mechanism(images)), odds_of(budget.mechanism())
        if images > 1:
            st.markdown(f"Of the patient with most images ({images:d}); the guarantee itself is for one image.")
        for sentence in odds_sentences(odds):
            st.markdown(f"- {plain(sentence)}")
        st.dataframe(_by_prior(odds), hide_index=True)
        of_whom = f"a patient with {counted(images, 'image', 'images')}" if images > 1 else f"one {budget.unit.value}"
        curves = [(f"allowed for {of_whom}", odds.curve), *([("allowed for one image", one_image.curve)] if images > 1 else [])]
        if (audit := audit_of(budget)) is not None and audit.found.lower_bound_mu > 0:
            curves.append(("proven by the audit's attack, at least", gaussian_odds(audit.found.lower_bound_mu).curve))
        figure = attack_curve_figure(
            curves, facts=[guarantee_words(budget), "No attack on one model can lie above its curve."], canvas=canvas()
        )
        show_plot(figure, key="figure-attack-curve", alternative=" ".join(odds_sentences(odds)))
        st.download_button(
            "Download the curve and the odds (CSV)",
            bytes(plain_csv(_curve_table(budget, odds, images)), "utf-8"),
            f"meaning-{cohort.name}-epsilon-{budget.target.epsilon:g}-{budget.unit.value}.csv",
            "text/csv",
            on_click="ignore",
            key="download-meaning",
        )
        st.caption("For one model; several that are looked at together protect less, see the tile above.")


def all_together(cohort: Cohort) -> AttackOdds | None:
    """What all private models on the patients allow whoever sees all of them; None where they do not compose exactly."""
    total = total_of(cohort)
    if total.accountant != EXACT or not total.n_draws or not math.isfinite(total.epsilon):
        return None
    # Already there every guess is right.
    target = PrivacyTarget(min(total.epsilon, LARGEST_EPSILON), total.delta)
    return odds_of(mechanism_of_target(target, ProtectedUnit(PrivacyUnit.PATIENT)))


def _together_in_words(total: PatientTotals, odds: AttackOdds) -> str:
    """What is allowed to whoever sees all private models, with the guarantee that it follows from."""
    return (
        f"Whoever sees all {counted(total.n_draws, 'private model', 'private models')} that were trained on these patients is right in at "
        f"most {rounded_up(odds.guess_right, 3):g} of 100 guesses about the patient with the most (ε = {epsilon_text(total.epsilon)} at "
        f"δ = {delta_text(total.delta)} for each patient; {total.accountant})."
    )


def guarantee_words(budget: BudgetShown) -> str:
    """ε with its δ, unit and accountant."""
    target = budget.target
    whom = f"for each {budget.unit.value} ({budget.accountant} accountant)"
    return f"ε = {epsilon_text(target.epsilon)} at δ = {delta_text(target.delta)} {whom}"


def _by_prior(odds: AttackOdds) -> pd.DataFrame:
    """For each prior: success with the model, and what being named means."""
    named = {(p.prior, p.false_positives): p.at_most for p in odds.posterior}
    rates = sorted({p.false_positives for p in odds.posterior}, reverse=True)
    return pd.DataFrame(
        [
            {
                "Chance without the model": chance(r.prior),
                "With it at most, in 100": rounded_up(100 * r.at_most, 3),
                **{f"Of those named, {chance(rate)} of the others accused": rounded_up(100 * named[r.prior, rate], 3) for rate in rates},
            }
            for r in odds.reconstruction
        ]
    )


def _curve_table(budget: BudgetShown, odds: AttackOdds, images: int) -> pd.DataFrame:
    """The curve's points, with the guarantee that they follow from."""
    return pd.DataFrame(odds.curve, columns=["false_positives", "missed_at_least"]).assign(
        epsilon=budget.target.epsilon,
        delta=budget.target.delta,
        unit=budget.unit.value,
        images=images,
        mu=odds.mu,
        guess_right=odds.guess_right,
    )
