"""Who may measure exposure: its numbers are about single training patients, without any noise."""

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
            f"Exposure tells how findable single training patients are and is off for real cohorts: "
            f"whoever answers for their privacy can set {SETTING}=1."
        )
