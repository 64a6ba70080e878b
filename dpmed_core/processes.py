"""Starting our own processes so that they see the settings of whoever starts them."""

import os

from dpmed_core.settings import Settings


def settings_environment(settings: Settings) -> dict[str, str]:
    """This process's environment with `settings` written into it, the data folder as an absolute path."""
    given = {f"DPMED_{name.upper()}": str(value) for name, value in settings.model_dump().items() if value is not None}
    given["DPMED_DATA_DIR"] = str(settings.data_dir.absolute())
    return {**os.environ, **given}
