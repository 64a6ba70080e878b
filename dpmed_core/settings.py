"""Settings of an installation, read from the environment first."""

import os
from functools import lru_cache
from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from dpmed_core.errors import SettingsError

PRODUCT_DATA_DIR = Path(__file__).resolve().parents[1] / "data"


class Settings(BaseSettings):
    """The installation's settings; every field is an environment variable `DPMED_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix="DPMED_", frozen=True)

    data_dir: Path = Field(PRODUCT_DATA_DIR, description="holds cohorts, runs, keys and the engine's address")
    scheduler: str | None = Field(None, description="address of a Dask scheduler; default: the engine's own")
    database_url: str | None = Field(None, description="SQLAlchemy URL of the database; default: SQLite in the data folder")
    workers: int = Field(2, ge=1, le=256, description="training processes of the engine's own scheduler")
    import_dir: Path | None = Field(None, description="folder on the server whose subfolders the import page offers; none: upload only")
    demo: bool = Field(True, description="make and train the synthetic demo cohort when nothing is there")
    demo_cases: int = Field(1600, ge=60, le=200_000, description="images in the demo cohort that is made by itself")
    show_training_cases: bool = Field(
        False, description="the page Cases offers validation and training cases too; no guarantee covers looking at them"
    )
    engine_idle_seconds: float = Field(300, gt=0, description="the engine ends itself after so long without work")

    @property
    def cohorts_dir(self) -> Path:
        """Where cohorts are stored."""
        return self.data_dir / "cohorts"

    @property
    def runs_dir(self) -> Path:
        """Where runs are stored."""
        return self.data_dir / "runs"

    @property
    def analysis_plans_dir(self) -> Path:
        """Where the families of verdicts are locked."""
        return self.data_dir / "families"

    @property
    def reference_dir(self) -> Path:
        """Where the published figures that ship with the product lie, whatever the data folder."""
        return PRODUCT_DATA_DIR / "reference"

    @property
    def imports_dir(self) -> Path:
        """Where the import page keeps what is being imported; each gone when it is done, or after a day."""
        return self.data_dir / "imports"

    @property
    def database_path(self) -> Path:
        """The SQLite database that is used where no other is named."""
        return self.data_dir / "dpmed.db"

    @property
    def inference_dir(self) -> Path:
        """Where questions wait for the engine; each gone when its answer was fetched, or after some minutes."""
        return self.data_dir / "questions"

    @property
    def uploaded_cases_dir(self) -> Path:
        """Where a reader's own case is written to be read; each gone when it was read."""
        return self.data_dir / "own-cases"

    @property
    def engine_dir(self) -> Path:
        """Where the engine leaves its address, credentials and log."""
        return self.data_dir / "engine"

    @property
    def calibrations_dir(self) -> Path:
        """Where answers of the accountants are kept; safe to lose."""
        return self.data_dir / "calibrations"

    @property
    def encoders_dir(self) -> Path:
        """Where the public encoders that ship with the product lie, whatever the data folder."""
        return PRODUCT_DATA_DIR / "encoders"


@lru_cache(maxsize=1)
def load_settings() -> Settings:
    """The settings of this process, read once.

    Raises:
        SettingsError: a variable has a value that cannot be used.
    """
    try:
        return Settings()  # pyright: ignore[reportCallIssue]
    except ValidationError as error:
        problems = "; ".join(f"DPMED_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
        raise SettingsError(f"The settings cannot be used: {problems}. Correct the variable and start again.") from None


def settings_environment(settings: Settings) -> dict[str, str]:
    """This process's environment with `settings` written into it, the data folder as an absolute path."""
    given = {f"DPMED_{name.upper()}": str(value) for name, value in settings.model_dump().items() if value is not None}
    given["DPMED_DATA_DIR"] = str(settings.data_dir.absolute())
    return {**os.environ, **given}
