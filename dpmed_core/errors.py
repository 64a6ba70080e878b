"""The errors a user can cause; each message says what happened and what to do next.

    DpmedError
    ├── SettingsError         an environment variable or file of the installation is unusable
    ├── CohortError           a cohort cannot be imported, found or used
    │   ├── ImageError        one image cannot be read; the importer notes it and goes on
    │   └── CancelledImportError  somebody asked an import to stop and to leave nothing
    ├── UploadError           an archive or a folder that was offered for import is refused
    ├── SpecError             a run was asked for that cannot be trained as asked
    ├── RunError              a run is unknown, or not in a state that allows the request
    │   └── DamagedRunError   the stored files of a run fail their check
    ├── EngineError           the training engine cannot be started or reached
    └── ExportError           a figure or table cannot be written as asked

Anything else that is raised is a defect of DPMed. The command line turns a `DpmedError` into one line
and exit status 2; the dashboard's frame shows it as a notice. Messages never hold identifiers, names,
dates or file names taken from patients' data: they name the row and the column instead.
"""


class DpmedError(Exception):
    """A failure that the message explains to the person who can mend it."""


class SettingsError(DpmedError):
    """An environment variable or a file of the installation is unusable."""


class CohortError(DpmedError):
    """A cohort cannot be imported, found or used."""


class ImageError(CohortError):
    """One image cannot be read; the importer notes it and goes on."""


class CancelledImportError(CohortError):
    """Somebody asked an import to stop and to leave nothing."""


class UploadError(DpmedError):
    """An archive or a folder that was offered for import is refused."""


class SpecError(DpmedError):
    """A run was asked for that cannot be trained as asked."""


class RunError(DpmedError):
    """A run is unknown, or not in a state that allows the request."""


class DamagedRunError(RunError):
    """The stored files of a run fail their check."""


class EngineError(DpmedError):
    """The training engine cannot be started or reached."""


class ExportError(DpmedError):
    """A figure or table cannot be written as asked."""
