"""Several readers and arms on the page *Cases*."""

from dpmed_core.cohort.schema import Cohort
from widgets.cases.arms.all_studies import ContextOf, show_all_studies
from widgets.cases.arms.current import current_study
from widgets.cases.arms.one_study import show_study


def show_arm_studies(cohort: Cohort, finding: str, context_of: ContextOf) -> None:
    """The study that is read or looked at, or all of them and the form that plans another."""
    study = current_study(cohort)
    if study is None:
        show_all_studies(cohort, finding, context_of)
    else:
        show_study(cohort, study)
