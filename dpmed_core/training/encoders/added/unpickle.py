"""A program that turns a pickled file of weights into safetensors, once: `python -m ...unpickle FILE OUT`.

It runs in a process of its own, without the variables of the one that started it, with limits on memory and time: a file of unknown origin
is read as tensors alone (`weights_only`), and whatever it does to the reader ends with this process. Exit status 1: it is no such file.
"""

import resource
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

MEMORY_BYTES = 4 << 30
SECONDS = 300
NESTED = ("state_dict", "model_state_dict", "model", "net")
"""Where checkpoints that hold more than weights keep these."""


def main() -> int:
    """Read the file, write the other, and give the exit status."""
    source, target = map(Path, sys.argv[1:3])
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    try:
        tensors = weights_of(torch.load(source, map_location="cpu", weights_only=True))
        save_file({name: tensor.clone().contiguous() for name, tensor in tensors.items()}, target)
    except Exception:  # noqa: BLE001 (whatever a foreign file causes, the answer is the same)
        return 1
    return 0


def weights_of(loaded: object) -> dict[str, Tensor]:
    """The tensors by name in what was loaded, or nested in it.

    Raises:
        ValueError: it holds none, or other things beside them.
    """
    if isinstance(loaded, Mapping):
        for key in NESTED:
            if isinstance(loaded.get(key), Mapping):
                return weights_of(loaded[key])
        if loaded and all(isinstance(name, str) and isinstance(value, Tensor) for name, value in loaded.items()):
            return dict(loaded)
    raise ValueError("no weights by name")


if __name__ == "__main__":
    sys.exit(main())
