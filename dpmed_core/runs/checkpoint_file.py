"""The file of a run's last checkpoint, with its run's name and a digest: another run's, or a damaged one, is never continued from."""

from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from dpmed_core.files import UnreadableFileError, make_way, replacing
from dpmed_core.training.session import Checkpoint


def read_checkpoint(path: Path, run_id: str) -> Checkpoint:
    """The checkpoint of run `run_id` in `path`.

    Raises:
        UnreadableFileError: it cannot be read, or is another run's.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            facts = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        if facts.get("run", run_id) != run_id:
            raise UnreadableFileError("is another run's")
        if facts.get("digest", digest := _digest(facts, tensors)) != digest:
            raise UnreadableFileError("was changed")
        return Checkpoint(step=int(facts["step"]), tensors=tensors, elapsed_seconds=float(facts["elapsed_seconds"]))
    except (SafetensorError, OSError, KeyError, ValueError, TypeError):
        raise UnreadableFileError("cannot be read") from None


def write_checkpoint(path: Path, run_id: str, checkpoint: Checkpoint) -> None:
    """Replace the checkpoint in `path`, durably."""
    facts = {"run": run_id, "step": str(checkpoint.step), "elapsed_seconds": repr(checkpoint.elapsed_seconds)}
    tensors = contiguous(checkpoint.tensors)
    make_way(path)
    with replacing(path) as draft:
        save_file(tensors, draft, metadata={**facts, "digest": _digest(facts, tensors)})


def _digest(facts: Mapping[str, str], tensors: Mapping[str, np.ndarray]) -> str:
    """The SHA-256 of what a checkpoint holds."""
    digest = sha256(repr([(name, facts[name]) for name in ("run", "step", "elapsed_seconds") if name in facts]).encode())
    for name, value in sorted(tensors.items()):
        digest.update(repr((name, value.shape, value.dtype.str)).encode())
        digest.update(np.ascontiguousarray(value).data)
    return digest.hexdigest()


def contiguous(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """`tensors` as safetensors can store them."""
    return {name: np.ascontiguousarray(value) for name, value in tensors.items()}


def checkpoint_bytes(path: Path) -> int:
    """The size of the checkpoint in `path`, in bytes; 0 where there is none."""
    with suppress(OSError):
        return path.stat().st_size
    return 0
