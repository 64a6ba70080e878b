"""The errors a user can cause; each message says what happened and what to do next.

    DpmedError
    ├── SettingsError         an environment variable or file of the installation is unusable
    ├── CohortError           a cohort cannot be imported, found or used
    │   ├── ImageError        one image cannot be read; the importer reports it and continues
    │   ├── NoUsableRowError  no row of a source can be used (in `cohort.intake.row_table`, with its rows' problems)
    │   └── CancelledImportError  the user cancelled an import; nothing of it is kept
    ├── UploadError           an uploaded archive, or a folder chosen for import, is refused
    ├── EncoderError          an encoder cannot be added, found, used or removed
    ├── SpecError             the requested training run cannot be trained as specified
    ├── RunError              a run is unknown, or not in a state that allows the request
    │   └── DamagedRunError   stored files of a run cannot be read, or fail their check
    ├── LedgerError           the ledger refuses what was asked: it would pass the cap, or may not leave the house
    ├── EngineError           the training engine cannot be started or reached
    ├── StorageError          the data folder takes nothing: its disk is full or read-only, or closed to this account
    ├── ReviewError           a review cannot be opened, found or written to
    ├── NotAllowedError       the person who acts may not do it, or must sign on
    ├── BackupError           a backup cannot be made or put back
    └── ExportError           a figure or table cannot be written as requested

Any other exception is a defect of DPMed. The command line turns a `DpmedError` into one line
and exit status 2; the dashboard's frame shows it as a notice. Messages never hold identifiers, names,
dates or file names taken from patients' data: they name the row and the column instead.
"""


class DpmedError(Exception):
    """A failure whose message tells the user how to correct it."""


class SettingsError(DpmedError):
    """An environment variable or a file of the installation is unusable."""


class CohortError(DpmedError):
    """A cohort cannot be imported, found or used."""


class ImageError(CohortError):
    """One image cannot be read; the importer reports it and continues.

    The message has no subject ("is not a DICOM file: export it again."): whoever reports it puts "the file" or "the scan" before it.
    """


class CancelledImportError(CohortError):
    """The user cancelled an import; nothing of it is kept."""


class UploadError(DpmedError):
    """An uploaded archive, or a folder chosen for import, is refused."""


class EncoderError(DpmedError):
    """An encoder of one's own cannot be added, found, used or removed."""


class SpecError(DpmedError):
    """The requested training run cannot be trained as specified."""


class RunError(DpmedError):
    """A run is unknown, or not in a state that allows the request."""


class DamagedRunError(RunError):
    """Stored files of a run cannot be read, or fail their check."""


class LedgerError(DpmedError):
    """The ledger refuses what was asked: it would pass the cap, or may not leave the house."""


class EngineError(DpmedError):
    """The training engine cannot be started or reached."""


class StorageError(DpmedError):
    """The data folder takes nothing: its disk is full or read-only, or closed to this account."""


class ReviewError(DpmedError):
    """A review cannot be opened, found or written to."""


class NotAllowedError(DpmedError):
    """The person who acts may not do it, or must sign on."""


class BackupError(DpmedError):
    """A backup cannot be made or put back."""


class ExportError(DpmedError):
    """A figure or table cannot be written as requested."""


def in_words(error: BaseException) -> str:
    """`error` for a log or a page: the message of a `DpmedError`, of any other its class and place.

    Never the text of another exception, which may hold values from patients' data.
    """
    return str(error) if isinstance(error, DpmedError) else f"{type(error).__name__} at {place_of(error)}"


def place_of(error: BaseException) -> str:
    """File and line of the innermost frame that raised `error`."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}" if trace else "an unknown place"
