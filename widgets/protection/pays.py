"""Who pays, who gains: AUROC that privacy costs each group and finding, beside the exposure that it removes."""

import streamlit as st

from dpmed_core.cohort.groups import ATTRIBUTES
from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import ExportError
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.foreign_text import LONGEST_SENTENCE, plain_with_commands
from dpmed_core.privacy.exposure.measurement import Measurement
from dpmed_core.privacy.exposure.who_pays import who_pays
from dpmed_core.protection import removed_by
from dpmed_core.reporting.figures.who_pays import who_pays_figure
from dpmed_core.reporting.wording.who_pays import who_pays_sentences
from widgets.budget_control.following import show_plot
from widgets.choices import Choices
from widgets.lookup import canvas, installation
from widgets.protection.budget_shown import BudgetShown
from widgets.tables import tables_of


def show_who_pays(cohort: Cohort, found: Measurement, budget: BudgetShown, choices: Choices) -> None:
    """The figure and the sentences to quote at the chosen budget; nothing where it was not measured."""
    removed = removed_by(installation(), cohort, found, budget.unit, budget.target)
    tables = tables_of(cohort, tuple(dict.fromkeys((*ATTRIBUTES, *cohort.comorbidities))))
    if not removed or tables.is_empty:
        return
    costs = tables.with_guarantee(tables.of(AUROC).costs)
    rows = who_pays(
        costs,
        removed,
        recipe=str(choices.recipe),
        unit=budget.unit.value,
        epsilon=budget.target.epsilon,
        findings=cohort.findings,
    )
    st.header("Who pays, who gains")
    for sentence in who_pays_sentences(rows):
        st.markdown(plain_with_commands(sentence, most=LONGEST_SENTENCE))
    try:
        figure = who_pays_figure(rows, cohort, epsilon=budget.target.epsilon, canvas=canvas())
    except ExportError as error:
        st.info(plain_with_commands(str(error)))
        return
    show_plot(figure, key="figure-who-pays", alternative=" ".join(who_pays_sentences(rows)))
    place = st.expander("Table of groups and findings", key="who-pays-open", on_change="rerun")
    if place.open:
        place.dataframe(rows, hide_index=True)
