"""Open questions on disk, where page and engine meet: the store, not the engine, is the truth of what was asked.

QUESTION_ID/request.json   the question, when it was asked and how long it may take
            pixels.npy     a case from outside, where the question brings one
            state.json     where it stands; replaced
            cancel         present when nobody wants the answer any more
            answer.npz     an answer that does not last; goes with the question

An answer that lasts lies beside its cohort (`CohortStore.answers_dir`) under the question's name, and goes when the cohort goes.
"""

import json
import secrets
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dpmed_core.errors import CohortError
from dpmed_core.files import replacing, write_json
from dpmed_core.inference.requests import InferenceRequest, from_json, to_json
from dpmed_core.inference.status import NO_ANSWER, RequestState, Stage
from dpmed_core.installation import Installation
from dpmed_core.keyed_hash import keyed_hex

LIMIT_SECONDS = 120.0
LIFETIME_SECONDS = 240.0
"""InferenceRequests that nobody fetched the answer of are removed after so long, with whatever came beside them."""

Answer = Mapping[str, NDArray[np.generic]]


class _Request(NamedTuple):
    request: InferenceRequest
    asked_at: float
    limit_seconds: float


@dataclass(frozen=True)
class InferenceRequests:
    """The questions of an installation; every method may be called by several processes at once."""

    installation: Installation

    @property
    def root(self) -> Path:
        """The folder of open questions."""
        return self.installation.settings.inference_dir

    def request_id(self, request: InferenceRequest) -> str:
        """The keyed name of a question whose answer lasts; another one each time for the others."""
        return keyed_hex(self.installation.key, "question", to_json(request)) if request.is_kept else secrets.token_hex(8)

    def ask(self, request: InferenceRequest, *, pixels: NDArray[np.generic] | None = None, limit_seconds: float = LIMIT_SECONDS) -> str:
        """Write the question down, unless the same is open or answered; the question's name. `engine.inference_client` starts an engine.

        Args:
            question: what is asked.
            pixels: a case from outside.
            limit_seconds: after so long nobody wants the answer any more.
        """
        self.clear_old()
        name = self.request_id(request)
        if self.known_answer(request) is not None or (self._folder(name).exists() and self.state(name).is_open):
            return name
        self._write(name, request, pixels, limit_seconds)
        return name

    def open_names(self) -> list[str]:
        """The names of the questions that wait for an answer or are worked on, oldest first."""
        requests = sorted(self.root.glob("*/request.json"), key=_changed_at)
        return [path.parent.name for path in requests if self.state(path.parent.name).is_open]

    def request(self, name: str) -> InferenceRequest:
        """The open question called `name`."""
        return self._request(name).request

    def pixels(self, name: str) -> NDArray[np.generic]:
        """What came beside the question."""
        return np.asarray(np.load(self._folder(name) / "pixels.npy", allow_pickle=False))

    def state(self, name: str) -> RequestState:
        """Where a question stands; one that is gone was cancelled, or nobody fetched its answer for long."""
        try:
            request = self._request(name)
            fields = json.loads((self._folder(name) / "state.json").read_text())
        except FileNotFoundError:
            return RequestState(Stage.CANCELLED, message="The question was withdrawn.")
        waited = time.time() - request.asked_at
        state = RequestState(**{**fields, "stage": Stage(fields["stage"]), "waited_seconds": waited})
        if state.is_open and waited > request.limit_seconds:
            return RequestState(Stage.EXPIRED, message=NO_ANSWER, waited_seconds=waited)
        return state

    def drop_pixels(self, name: str) -> None:
        """Remove what came beside the question: it is answered, or will not be."""
        (self._folder(name) / "pixels.npy").unlink(missing_ok=True)

    def set_state(self, name: str, stage: Stage, *, done: int = 0, total: int = 0, message: str = "") -> None:
        """Say where a question stands; nothing where it was withdrawn meanwhile."""
        if self._folder(name).exists():
            with suppress(FileNotFoundError):
                write_json(self._folder(name) / "state.json", {"stage": stage.value, "done": done, "total": total, "message": message})

    def cancel(self, name: str) -> None:
        """Nobody wants the answer any more: what waits is dropped, what is worked on stops at its next part."""
        if self.state(name).is_open:
            (self._folder(name) / "cancel").touch()
            self.drop_pixels(name)
            self.set_state(name, Stage.CANCELLED)

    def is_wanted(self, name: str) -> bool:
        """Whether somebody still waits for the answer."""
        folder = self._folder(name)
        return folder.exists() and not (folder / "cancel").exists() and self.state(name).stage is not Stage.EXPIRED

    def store_answer(self, name: str, request: InferenceRequest, answer: Answer) -> None:
        """Keep the answer where it belongs, and say that it is there."""
        if not self._folder(name).exists():
            return
        with replacing(self._answer_path(name, request)) as draft, draft.open("wb") as file:
            np.savez(file, **{key: np.asarray(value) for key, value in answer.items()})  # type: ignore[arg-type]
        self.set_state(name, Stage.ANSWERED)

    def known_answer(self, request: InferenceRequest) -> Answer | None:
        """The answer that lasts, where the same was asked before."""
        if not request.is_kept:
            return None
        try:
            return _load(self._answer_path(self.request_id(request), request))
        except CohortError:
            return None

    def fetch(self, name: str) -> Answer | None:
        """The answer, if it is there; the question is then gone, and with it an answer that does not last."""
        if self.state(name).stage is not Stage.ANSWERED:
            return None
        answer = _load(self._answer_path(name, self.request(name)))
        self.withdraw(name)
        return answer

    def withdraw(self, name: str) -> None:
        """Remove a question with everything that came with it."""
        shutil.rmtree(self._folder(name), ignore_errors=True)

    def clear_old(self) -> None:
        """Remove questions whose answer nobody fetched in time."""
        for folder in self.root.glob("*"):
            if time.time() - _changed_at(folder) > LIFETIME_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)

    def _write(self, name: str, request: InferenceRequest, pixels: NDArray[np.generic] | None, limit_seconds: float) -> None:
        folder = self._folder(name)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        if pixels is not None:
            np.save(folder / "pixels.npy", pixels)
        self.set_state(name, Stage.WAITING)
        write_json(folder / "request.json", {"question": to_json(request), "asked_at": time.time(), "limit_seconds": limit_seconds})

    def _answer_path(self, name: str, request: InferenceRequest) -> Path:
        folder = self.installation.cohorts.answers_dir(request.cohort) if request.is_kept else self._folder(name)
        return folder / (f"{name}.npz" if request.is_kept else "answer.npz")

    def _folder(self, name: str) -> Path:
        return self.root / name

    def _request(self, name: str) -> _Request:
        fields = json.loads((self._folder(name) / "request.json").read_text())
        return _Request(from_json(fields["question"]), fields["asked_at"], fields["limit_seconds"])


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()


def _load(path: Path) -> Answer | None:
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
