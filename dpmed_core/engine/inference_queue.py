"""Handing open questions to the scheduler, ahead of all training."""

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dpmed_core.inference.status import Stage
from dpmed_core.inference.store import InferenceRequests
from dpmed_core.installation import Installation
from dpmed_core.settings import Settings

if TYPE_CHECKING:
    from distributed import Client, Future

log = logging.getLogger(__name__)

FIRST = 1_000_000
"""Dask priority above every training's."""
INFERENCE = "attendant"
"""The Dask resource of workers that are kept free for questions; where no worker offers it, a question takes the next free worker."""


def answer_request(settings: Settings, name: str) -> None:
    """What is sent to a worker: answer one question."""
    from dpmed_core.engine.inference_task import answer

    answer(settings, name)


@dataclass(eq=False)
class InferenceQueue:
    """The questions that were handed over.

    Attributes:
        installation: whose questions.
        client: of the scheduler.
        futures: by question.
    """

    installation: Installation
    client: "Client"
    futures: "dict[str, Future[None]]" = field(default_factory=dict)

    def submit_new(self) -> bool:
        """Hand over what is new; whether anything is open."""
        requests = InferenceRequests(self.installation)
        for name, future in list(self.futures.items()):
            if future.done():
                self._end(requests, name, self.futures.pop(name))
        names = [name for name in requests.open_names() if name not in self.futures]
        resources = self._resources() if names else {}
        for name in names:
            self.futures[name] = self.client.submit(
                answer_request, self.installation.settings, name, pure=False, priority=FIRST, resources=resources
            )
        return bool(self.futures)

    def _resources(self) -> dict[str, float]:
        workers = self.client.scheduler_info(n_workers=-1)["workers"].values()
        return {INFERENCE: 1.0} if any(worker["resources"].get(INFERENCE) for worker in workers) else {}

    def _end(self, requests: InferenceRequests, name: str, future: "Future[None]") -> None:
        if future.status == "error":
            kind = type(future.exception()).__name__
            log.error("a question was not answered: %s", kind)
            requests.set_state(name, Stage.FAILED, message=f"The answer could not be computed ({kind}): ask again, or report this line.")
