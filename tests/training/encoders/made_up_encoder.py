"""A small added encoder for tests: EfficientNet-Lite0 with made-up weights on images of 32 pixels."""

import json
import zipfile
from hashlib import sha256
from pathlib import Path

import numpy as np
from safetensors.torch import save_file

from dpmed_core.training.encoders.added.add import add_encoder
from dpmed_core.training.encoders.added.card import AddedCard
from dpmed_core.training.encoders.added.store import AddedEncoder, AddedEncoders
from tests.training.encoders import published

ARCHITECTURE = "tf-efficientnet-lite0"


def card_fields(file: Path | None = None, **changed: object) -> dict[str, object]:
    """A card's fields, for `file`."""
    return {
        "title": "Made up",
        "data": "random numbers",
        "public": True,
        "data_sources": ["random-numbers"],
        "licence": "none",
        "source": "a test",
        "revision": "1",
        "sha256": sha256(file.read_bytes()).hexdigest() if file else "0" * 64,
        "architecture": ARCHITECTURE,
        "preprocessing": {"input_size": 32, "crop": 0.8, "interpolation": "bicubic", "mean": [0.5] * 3, "std": [0.25] * 3},
        **changed,
    }


def public_images(n: int = 40) -> np.ndarray:
    """Made-up public radiographs."""
    return np.random.default_rng(3).integers(0, 255, (n, 32, 32), dtype=np.uint8)


def write_weights(folder: Path, tensors: dict | None = None) -> Path:
    """A file of made-up weights by timm's names."""
    file = folder / "weights.safetensors"
    save_file(published.weights(f"timm/{ARCHITECTURE}") if tensors is None else tensors, file)
    return file


def write_card(folder: Path, file: Path, **changed: object) -> Path:
    """A card of `file` as a user writes it."""
    card = folder / "card.json"
    card.write_text(json.dumps(card_fields(file, **changed)))
    return card


def add(root: Path, weights: Path, name: str = "made-up", **changed: object) -> AddedEncoder:
    """The encoder `name` under `root`, added from the file `weights`."""
    card = AddedCard.from_fields({**card_fields(weights), **changed})
    return add_encoder(AddedEncoders(root), weights, name=name, card=card, public_images=public_images())


def zipped(folder: Path, *files: tuple[str, bytes]) -> Path:
    """A wheel with these files."""
    wheel = folder / "some_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return wheel
