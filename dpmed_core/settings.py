"""Settings of an installation, read from environment variables, and the folders that follow from them."""

import os
import tomllib
from functools import lru_cache
from pathlib import Path

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from dpmed_core.child_environment import bare_environment
from dpmed_core.errors import SettingsError

ENCRYPTED = ("tls://", "wss://")
"""Addresses of Dask whose two sides show certificates."""
PRODUCT_DATA_DIR = Path(__file__).resolve().parents[1] / "data"


class Settings(BaseSettings):
    """The installation's settings; every field is an environment variable `DPMED_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix="DPMED_", frozen=True)

    data_dir: Path = Field(PRODUCT_DATA_DIR, description="holds cohorts, runs, keys and the engine's address")
    scheduler_without_tls: bool = Field(
        False, description="the scheduler's address may be one without TLS: whoever reaches it runs code as DPMed, and reads everything"
    )
    scheduler: str | None = Field(None, description="address of a Dask scheduler, tls://HOST:PORT; default: the engine's own")
    database_url: str | None = Field(None, description="SQLAlchemy URL of the database; default: SQLite in the data folder")
    workers: int = Field(2, ge=1, le=256, description="training processes of the engine's own scheduler")
    import_dir: Path | None = Field(None, description="folder on the server whose subfolders the import page offers; none: upload only")
    upload_mib: int = Field(
        1024, ge=1, le=1 << 20, description="largest archive, in MiB, that can be uploaded; the server holds it in memory while it arrives"
    )
    demo: bool = Field(True, description="create and train the synthetic demo cohort if the data folder is empty")
    demo_cases: int = Field(1600, ge=60, le=200_000, description="images in the demo cohort that is created automatically")
    show_training_cases: bool = Field(
        False, description="the page Cases offers validation and training cases too; no guarantee covers looking at them"
    )
    show_training_counts: bool = Field(
        False, description="pages show exact counts of training images, findings and subgroups too; no guarantee covers them"
    )
    show_exposure: bool = Field(
        False,
        description="how exposed training patients are may be measured on real cohorts too; its numbers are about them, without noise",
    )
    stall_seconds: float = Field(
        300, gt=0, description="seconds after which a worker process that uses no processor time and takes no step is ended"
    )
    hosts: str = Field("", description="names under which the dashboard is reached beside localhost, comma-separated: those of a proxy")
    open_to_network: bool = Field(False, description="the dashboard may listen where other machines reach it, though it speaks no TLS")
    sign_on: bool = Field(False, description="people must sign on, by the provider that Streamlit's secrets name under [auth]")
    identity_claim: str = Field("email", min_length=1, description="the claim of the provider that names people")
    role_claim: str | None = Field(None, description="the claim of the provider that lists roles; none: roles are those granted here alone")
    sign_on_hours: float = Field(12, gt=0, description="hours after which people must sign on again")
    engine_idle_seconds: float = Field(300, gt=0, description="seconds without work after which the engine ends itself")

    @field_validator("scheduler")
    @classmethod
    def _refuse_open_scheduler(cls, address: str | None, others: ValidationInfo) -> str | None:
        """Dask's messages can run code, and only TLS tells who sends them."""
        if address is None or address.startswith(ENCRYPTED) or others.data.get("scheduler_without_tls"):
            return address
        raise ValueError(
            f"{address.partition('://')[0] + '://' if '://' in address else 'An address without tls://'} has neither encryption nor "
            "authentication, and whoever reaches the scheduler can run code and read patients' data; give the scheduler TLS and write "
            "tls://HOST:PORT, or set DPMED_SCHEDULER_WITHOUT_TLS=1 where nobody else reaches that network"
        )

    @property
    def cohorts_dir(self) -> Path:
        """Where cohorts are stored."""
        return self.data_dir / "cohorts"

    @property
    def runs_dir(self) -> Path:
        """Where runs are stored."""
        return self.data_dir / "runs"

    @property
    def reference_dir(self) -> Path:
        """Where the published reference values that ship with the product are, whatever the data folder."""
        return PRODUCT_DATA_DIR / "reference"

    @property
    def starts_dir(self) -> Path:
        """Where public starts are stored."""
        return self.data_dir / "starts"

    @property
    def imports_dir(self) -> Path:
        """Where the import page keeps the files of an import; they are removed when it is done, or after a day."""
        return self.data_dir / "imports"

    @property
    def database_path(self) -> Path:
        """The SQLite database, used if `database_url` is not set."""
        return self.data_dir / "dpmed.db"

    @property
    def inference_dir(self) -> Path:
        """Where inference requests wait for the engine; each is removed when its answer was fetched, or after some minutes."""
        return self.data_dir / "inference"

    @property
    def uploaded_cases_dir(self) -> Path:
        """Where an uploaded case is written while it is read; each is removed as soon as it was read."""
        return self.data_dir / "uploaded-cases"

    @property
    def engine_dir(self) -> Path:
        """Where the engine writes its address, credentials and log."""
        return self.data_dir / "engine"

    @property
    def logs_dir(self) -> Path:
        """Where the server writes its log; the engine and its workers write theirs into `engine_dir`."""
        return self.data_dir / "logs"

    @property
    def calibrations_dir(self) -> Path:
        """Where calibrated noise multipliers are cached; safe to delete."""
        return self.data_dir / "calibrations"

    @property
    def encoders_dir(self) -> Path:
        """Where the public encoders that ship with the product are, whatever the data folder."""
        return PRODUCT_DATA_DIR / "encoders"

    @property
    def added_encoders_dir(self) -> Path:
        """Where encoders that users added are, one folder each."""
        return self.data_dir / "encoders"


@lru_cache(maxsize=1)
def load_settings() -> Settings:
    """The settings of this process, read once.

    Raises:
        SettingsError: an environment variable has an invalid value.
    """
    try:
        return Settings()  # pyright: ignore[reportCallIssue]
    except ValidationError as error:
        problems = "; ".join(f"DPMED_{str(e['loc'][0]).upper()}: {e['msg'].removeprefix('Value error, ')}" for e in error.errors())
        raise SettingsError(f"The settings are invalid: {problems}. Correct the environment variable and start again.") from None


def own_version() -> str:
    """DPMed's version: that in the project's file, which lies beside the package in every installation."""
    with (PRODUCT_DATA_DIR.parent / "pyproject.toml").open("rb") as file:
        return str(tomllib.load(file)["project"]["version"])


def settings_environment(settings: Settings) -> dict[str, str]:
    """This process's environment with `settings` written into it, for child processes.

    The data folder becomes an absolute path, since a child process may run in another working directory.
    """
    return {**os.environ, **_variables(settings)}


def import_environment(settings: Settings) -> dict[str, str]:
    """The environment of a process that imports other people's files: what programs need, and `settings` without the database's address.

    The address may hold a password, and an import never asks the database.
    """
    given = _variables(settings)
    given.pop("DPMED_DATABASE_URL", None)
    return {**bare_environment(), **given}


def _variables(settings: Settings) -> dict[str, str]:
    given = {f"DPMED_{name.upper()}": str(value) for name, value in settings.model_dump().items() if value is not None}
    given["DPMED_DATA_DIR"] = str(settings.data_dir.absolute())
    return given
