"""The public starts of an installation: a folder each, with weights, card, and keyed hashes of whom and what it was trained on."""

import re
import shutil
from dataclasses import dataclass, replace
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pandas as pd
from safetensors import SafetensorError
from safetensors.numpy import load, save

from dpmed_core.errors import SpecError
from dpmed_core.files import UnreadableFileError, make_way, read_object, read_whole, replacing, unchanged_digest, write_json
from dpmed_core.training.starts.phantom_start import NAME as PHANTOMS
from dpmed_core.training.starts.phantom_start import phantom_card, phantom_start
from dpmed_core.training.starts.public_head import PublicHead
from dpmed_core.training.starts.public_network import PublicNetwork
from dpmed_core.training.starts.seen import Seen
from dpmed_core.training.starts.start import Start
from dpmed_core.training.starts.start_card import OF_HEADS, SCRATCH, StartCard

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
WEIGHTS, CARD, SEEN = "head.safetensors", "card.json", "seen.parquet"


@dataclass(frozen=True)
class StartStore:
    """Public starts by name under one folder, and the one that ships with the public encoder.

    Attributes:
        root: the folder, created by the first start.
        encoders_dir: folder of the public encoders; None where the start of the phantoms is not at hand.
    """

    root: Path
    encoders_dir: Path | None = None

    def offered(self) -> list[str]:
        """The names of all starts: that of the phantoms, then the stored ones."""
        return [*([PHANTOMS] if self.encoders_dir else []), *self.names()]

    def names(self) -> list[str]:
        """The names of the stored starts, sorted; of those too that cannot be read."""
        return sorted(path.name for path in self.root.glob("*") if NAME.fullmatch(path.name) and (path / CARD).exists())

    def names_for(self, recipe: str) -> list[str]:
        """The names of the stored starts at which models of `recipe` can begin, sorted; of those too that cannot be read."""
        return [name for name in self.names() if self._recipe_of(name) in (recipe, None)]

    def _recipe_of(self, name: str) -> str | None:
        """The recipe of a stored start; None where its card cannot be read."""
        try:
            return self.card(name).recipe
        except SpecError:
            return None

    def card(self, name: str) -> StartCard:
        """The card of start `name`.

        Raises:
            SpecError: there is no such start, its card is damaged, or does not state that its data are public.
            SettingsError: the file of the phantoms' start is missing, or made for another encoder.
        """
        if name == PHANTOMS and self.encoders_dir:
            return phantom_card(self.encoders_dir)
        if name not in self.names():
            known = ", ".join(self.offered())
            advice = f"choose one of {known}" if known else "make one with `pretrain`"
            raise SpecError(f"There is no start {name!r}: {advice}.")
        try:
            card = StartCard.from_fields(read_object(self.root / name / CARD))
        except (UnreadableFileError, ValueError, TypeError):
            raise _damaged(name) from None
        if card.name != name or len(card.findings) != len(card.auroc) or len(card.findings) != len(card.n_positive):
            raise _damaged(name)
        card.require_public()
        return card

    def load(self, name: str) -> Start:
        """What start `name` consists of, for all of its findings.

        Raises:
            SpecError: there is no such start, or its files are damaged.
        """
        card = self.card(name)
        if name == PHANTOMS and self.encoders_dir:
            return phantom_start(self.encoders_dir)
        try:
            kind = PublicHead if card.recipe == OF_HEADS else PublicNetwork
            start = kind.from_tensors(load(self._checked(name, WEIGHTS, card.digest)))
        except (SafetensorError, KeyError, ValueError):
            raise _damaged(name) from None
        if len(start.begins) != len(card.findings):
            raise _damaged(name)
        return start

    def seen(self, name: str) -> Seen:
        """Whom and what start `name` was trained on.

        Raises:
            SpecError: there is no such start, or its files are damaged.
        """
        if name == PHANTOMS:
            return Seen(frozenset(), frozenset())
        # A start that lost a row would pass for one that never saw that image or patient.
        stored = self._checked(name, SEEN, self.card(name).seen_digest)
        try:
            table = pd.read_parquet(BytesIO(stored))
            kinds, hashes = table["kind"].to_numpy(str), table["hash"].to_numpy(str)
        except (OSError, ValueError, KeyError):
            raise _damaged(name) from None
        return Seen(*(frozenset(hashes[kinds == kind].tolist()) for kind in ("image", "person")))

    def add(self, card: StartCard, start: PublicHead | PublicNetwork, seen: Seen) -> StartCard:
        """Store a start, complete or not at all; the card with its digest.

        Raises:
            SpecError: the name cannot be used, or is taken; or the card does not state that its data are public.
        """
        card.require_public()
        self.require_free(card.name)
        stored, folder = save(start.to_tensors()), self.root / card.name
        with replacing(folder / WEIGHTS) as draft:
            draft.write_bytes(stored)
        kinds = ["image"] * len(seen.images) + ["person"] * len(seen.persons)
        with replacing(folder / SEEN) as draft:
            pd.DataFrame({"kind": kinds, "hash": [*sorted(seen.images), *sorted(seen.persons)]}).to_parquet(draft, index=False)
        card = replace(card, digest=sha256(stored).hexdigest(), seen_digest=unchanged_digest(folder / SEEN))
        write_json(folder / CARD, card.to_fields())  # last: its presence means a complete start
        return card

    def require_free(self, name: str) -> None:
        """Refuse a name for a new start that cannot be used.

        Raises:
            SpecError: it is taken, or no name.
        """
        if not NAME.fullmatch(name):
            raise SpecError("The name of a start has up to 40 lower-case letters, digits and hyphens, and begins with a letter or digit.")
        if name == PHANTOMS:
            raise SpecError(f"Start {name!r} is part of DPMed: choose another name.")
        if name == SCRATCH:
            raise SpecError(f"{name!r} stands for no start: choose another name.")
        if name in self.names():
            raise SpecError(f"There is a start {name!r} already: choose another name, or remove it with `starts remove {name}`.")

    def _checked(self, name: str, file: str, digest: str) -> bytes:
        """The content of a start's file.

        Raises:
            SpecError: it is not the one that the card names.
        """
        try:
            stored = read_whole(self.root / name / file)
        except UnreadableFileError:
            raise _damaged(name) from None
        if sha256(stored).hexdigest() != digest:
            raise _damaged(name)
        return stored

    def remove(self, name: str) -> None:
        """Remove start `name`; runs that began at it keep their own copy of it.

        Raises:
            SpecError: there is no such start, or it is part of DPMed.
        """
        if name == PHANTOMS:
            raise SpecError(f"Start {name!r} is part of DPMed and cannot be removed.")
        if name not in self.names():
            raise SpecError(f"There is no start {name!r}.")
        # The card first: what is left after an interruption is no start, and the next one of its name writes over it.
        make_way(self.root / name / CARD)
        (self.root / name / CARD).unlink(missing_ok=True)
        shutil.rmtree(self.root / name)


def _damaged(name: str) -> SpecError:
    return SpecError(f"The files of start {name!r} are damaged: remove it with `starts remove {name}`, and make it again with `pretrain`.")
