"""The inference queue: submits open inference requests to the scheduler, ahead of all training."""

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dpmed_core.engine.worker_tasks import TaskKind, watched
from dpmed_core.files import keep_files_to_owner
from dpmed_core.inference.status import Stage
from dpmed_core.inference.store import InferenceRequests
from dpmed_core.installation import Installation
from dpmed_core.settings import Settings

if TYPE_CHECKING:
    from distributed import Client, Future

log = logging.getLogger(__name__)

PRIORITY = 1_000_000
"""Dask priority above that of every training run."""
INFERENCE = "inference"
"""The Dask resource of workers that are kept free for inference requests; where no worker offers it, a request takes the next free one."""


def answer_request(settings: Settings, name: str) -> None:
    """Answer one inference request; what is sent to a worker, and imports torch only there."""
    from dpmed_core.engine.inference_task import answer

    keep_files_to_owner()  # a worker of one's own cluster was not started by the engine
    with watched(settings, TaskKind.REQUEST, name):
        answer(settings, name)


@dataclass(eq=False)
class InferenceQueue:
    """The inference requests that are at the scheduler.

    Attributes:
        installation: whose requests.
        client: of the scheduler.
        futures: by name of the request.
    """

    installation: Installation
    client: "Client"
    futures: "dict[str, Future[None]]" = field(default_factory=dict)

    def submit_new(self) -> bool:
        """Submit new requests; whether any request is at the scheduler."""
        requests = InferenceRequests(self.installation)
        for name, future in list(self.futures.items()):
            if future.done():
                self._end(requests, name, self.futures.pop(name))
        names = [name for name in requests.open_names() if name not in self.futures]
        resources = self._resources() if names else {}
        for name in names:
            self.futures[name] = self.client.submit(
                answer_request, self.installation.settings, name, pure=False, priority=PRIORITY, resources=resources
            )
        return bool(self.futures)

    def _resources(self) -> dict[str, float]:
        """What a request demands of its worker; looked up each time, because workers of an external cluster come and go."""
        workers = self.client.scheduler_info(n_workers=-1)["workers"].values()
        return {INFERENCE: 1.0} if any(worker["resources"].get(INFERENCE) for worker in workers) else {}

    def _end(self, requests: InferenceRequests, name: str, future: "Future[None]") -> None:
        if future.status == "error":
            kind = type(future.exception()).__name__
            log.error("an inference request failed: %s", kind)
            requests.set_state(name, Stage.FAILED, message=f"The computation failed ({kind}): try again, or report this message.")
