"""Open inference requests on disk, where pages and engine exchange them: requests survive an engine that dies.

NAME/request.json   the request, when it was stored and how long it may take
     pixels.npy     the image of an uploaded case
     state.json     how far it is; replaced
     cancel         present when the answer is no longer wanted
     answer.npz     an answer that is not kept; removed with the request

An answer that is kept is stored with its cohort (`CohortStore.answers_dir`) under the request's name, and is removed with the cohort.

state.json and pixels.npy are written before request.json, which makes a request visible, and an answer before the state that announces it.
A page may remove a request at any moment, so a worker treats a missing folder as a request that was withdrawn, never as an error.
"""

import secrets
import shutil
import time
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dpmed_core.errors import CohortError, EngineError
from dpmed_core.files import UnreadableFileError, age_seconds, check_fields, lock_at, replacing
from dpmed_core.inference.requests import AuditOfRun, InferenceRequest, action_of, from_json, to_json
from dpmed_core.inference.status import NO_ANSWER, RequestState, Stage
from dpmed_core.installation import Installation
from dpmed_core.keyed_hash import keyed_hex
from dpmed_core.sealed_files import read_sealed, write_sealed

LIMIT_SECONDS = 120.0
LOCK_SECONDS = 30.0
LIFETIME_SECONDS = 240.0
"""A request whose answer has not been fetched after this time, or its own limit if that is longer, is removed, with everything stored with
it."""

UNREADABLE = "What the server stored of this request cannot be read: ask again."
_UNREADABLE = RequestState(Stage.FAILED, message=UNREADABLE)
Answer = Mapping[str, NDArray[np.generic]]


class _Request(NamedTuple):
    request: InferenceRequest
    asked_at: float
    limit_seconds: float


@dataclass(frozen=True)
class InferenceRequests:
    """The inference requests of an installation; every method may be called by several processes at once."""

    installation: Installation

    @property
    def root(self) -> Path:
        """The folder of open requests."""
        return self.installation.settings.inference_dir

    def request_id(self, request: InferenceRequest) -> str:
        """The keyed name of a request whose answer is kept, so that equal requests share it; a random name for the others."""
        # "question" names stored answers: with another word here, no stored explanation would be found again.
        return keyed_hex(self.installation.key, "question", to_json(request)) if request.is_kept else secrets.token_hex(8)

    def ask(self, request: InferenceRequest, *, pixels: NDArray[np.generic] | None = None, limit_seconds: float = LIMIT_SECONDS) -> str:
        """The name of `request`, which is stored now unless the same is open or answered; `engine.inference_client` starts an engine.

        Args:
            request: what to compute.
            pixels: the image of an uploaded case.
            limit_seconds: the time after which an open request expires.

        Raises:
            NotAllowedError: whoever asks may not.
        """
        action, about = action_of(request)
        self.installation.actor.require(action, about)
        self.clear_old()
        name = self.request_id(request)
        # Two readers who ask for the same explanation at once share one name: without the lock each would remove the other's folder.
        # The lock is not in `root`, where every entry is a request.
        with lock_at(self.installation.settings.data_dir / ".inference.lock", timeout=LOCK_SECONDS):
            if self.known_answer(request) is None and not self.state(name).is_open:
                self._write(name, request, pixels, limit_seconds)
        return name

    def open_names(self) -> list[str]:
        """The names of the requests that wait for an answer or are worked on, oldest first."""
        requests = sorted(self.root.glob("*/request.json"), key=_changed_at)
        return [path.parent.name for path in requests if self.state(path.parent.name).is_open]

    def request(self, name: str) -> InferenceRequest:
        """The request called `name`.

        Raises:
            EngineError: it is gone, or cannot be read.
        """
        try:
            return self._request(name).request
        except (ValueError, TypeError, KeyError):
            raise EngineError(UNREADABLE) from None

    def pixels(self, name: str) -> NDArray[np.generic]:
        """The uploaded image that belongs to the request."""
        return np.asarray(np.load(self._folder(name) / "pixels.npy", allow_pickle=False))

    def state(self, name: str) -> RequestState:
        """How far a request is; one that is not there was cancelled, or its answer was not fetched in time."""
        try:
            request = self._request(name)
            fields = read_sealed(self._folder(name) / "state.json", name)
            waited = age_seconds(request.asked_at)
            state = RequestState(**{**fields, "stage": Stage(fields["stage"]), "waited_seconds": waited})
        except UnreadableFileError as error:
            return RequestState(Stage.CANCELLED, message="The request was cancelled.") if error.is_missing else _UNREADABLE
        except (ValueError, TypeError, KeyError):
            return _UNREADABLE
        # Expiry is computed, not stored: an engine that is not running cannot write it.
        if state.is_open and waited > request.limit_seconds:
            return RequestState(Stage.EXPIRED, message=NO_ANSWER, waited_seconds=waited)
        return state

    def drop_pixels(self, name: str) -> None:
        """Remove the uploaded image of a request that is answered, or will not be."""
        (self._folder(name) / "pixels.npy").unlink(missing_ok=True)

    def set_state(self, name: str, stage: Stage, *, done: int = 0, total: int = 0, message: str = "") -> None:
        """Replace the state of a request; does nothing where the request was withdrawn meanwhile."""
        if self._folder(name).exists():
            with suppress(FileNotFoundError):
                state = {"stage": stage.value, "done": done, "total": total, "message": message}
                write_sealed(self._folder(name) / "state.json", state, name)

    def cancel(self, name: str) -> None:
        """Cancel an open request: one that waits is dropped, one that is worked on stops before its next part."""
        if self.state(name).is_open:
            (self._folder(name) / "cancel").touch()
            self.drop_pixels(name)
            self.set_state(name, Stage.CANCELLED)

    def is_wanted(self, name: str) -> bool:
        """Whether the answer is still wanted: the request is there, not cancelled and not expired."""
        folder = self._folder(name)
        return folder.exists() and not (folder / "cancel").exists() and self.state(name).stage is not Stage.EXPIRED

    def store_answer(self, name: str, request: InferenceRequest, answer: Answer) -> None:
        """Store the answer and set the state to `ANSWERED`; does nothing where the request was withdrawn meanwhile.

        Args:
            name: of the request.
            request: the request.
            answer: arrays by name.
        """
        if not self._folder(name).exists():
            return
        with replacing(self._answer_path(name, request)) as draft, draft.open("wb") as file:
            np.savez(file, **{key: np.asarray(value) for key, value in answer.items()})  # type: ignore[arg-type]
        self.set_state(name, Stage.ANSWERED)

    def known_answer(self, request: InferenceRequest) -> Answer | None:
        """The kept answer to an equal request; None where there is none, or where the cohort is not there."""
        if not request.is_kept:
            return None
        try:
            return _load(self._answer_path(self.request_id(request), request))
        except CohortError:
            return None

    def fetch(self, name: str) -> Answer | None:
        """The answer, or None where there is none yet; the request is then removed, with an answer that is not kept."""
        if self.state(name).stage is not Stage.ANSWERED:
            return None
        # Loaded into memory before the request is removed, with which an answer that is not kept is removed too.
        answer = _load(self._answer_path(name, self.request(name)))
        self.withdraw(name)
        return answer

    def withdraw(self, name: str) -> None:
        """Remove a request with everything stored with it, except an answer that is kept."""
        shutil.rmtree(self._folder(name), ignore_errors=True)

    def clear_old(self) -> None:
        """Remove requests whose answer was not fetched in time; one that may take longer, as an audit, has that long."""
        for folder in self.root.glob("*"):
            if age_seconds(_changed_at(folder)) > max(LIFETIME_SECONDS, self._limit_seconds(folder.name)):
                shutil.rmtree(folder, ignore_errors=True)

    def _write(self, name: str, request: InferenceRequest, pixels: NDArray[np.generic] | None, limit_seconds: float) -> None:
        folder = self._folder(name)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        if pixels is not None:
            np.save(folder / "pixels.npy", pixels)
        self.set_state(name, Stage.WAITING)
        asked = {"request": to_json(request), "asked_at": time.time(), "limit_seconds": limit_seconds}
        write_sealed(folder / "request.json", asked, name)

    def _answer_path(self, name: str, request: InferenceRequest) -> Path:
        if isinstance(request, AuditOfRun) or not request.is_kept:
            return self._folder(name) / "answer.npz"
        return self.installation.cohorts.answers_dir(request.cohort) / f"{name}.npz"

    def _folder(self, name: str) -> Path:
        return self.root / name

    def _limit_seconds(self, name: str) -> float:
        """How long the request may take, in seconds; 0 where that cannot be read."""
        try:
            return self._request(name).limit_seconds
        except (ValueError, TypeError, KeyError):
            return 0.0

    def _request(self, name: str) -> _Request:
        fields = read_sealed(self._folder(name) / "request.json", name)
        check_fields(fields, {"request": str, "asked_at": float, "limit_seconds": float})
        return _Request(from_json(fields["request"]), fields["asked_at"], fields["limit_seconds"])


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()


def _load(path: Path) -> Answer | None:
    """The stored answer; None where there is none, or where it cannot be read, so that it is computed again."""
    try:
        with np.load(path, allow_pickle=False) as arrays:  # a pickle could run code
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, EOFError, KeyError, TypeError, AttributeError, zipfile.BadZipFile, zlib.error):
        return None
