"""Who may measure by shadow trainings: what they show is about single training patients, without any noise."""

from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import SettingsError

SETTING = "DPMED_SHOW_EXPOSURE"
"""The setting that allows it on cohorts of real patients."""


def require_permission(cohort: Cohort, *, allowed: bool) -> None:
    """Refuse a cohort of real patients, unless the installation allows it.

    Raises:
        SettingsError: names the setting.
    """
    if not (cohort.synthetic or allowed):
        raise SettingsError(
            "Shadow trainings tell what models give away of single training patients, and are off for real cohorts: "
            f"whoever answers for their privacy can set {SETTING}=1."
        )
