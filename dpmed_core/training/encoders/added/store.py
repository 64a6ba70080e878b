"""Added encoders on disk, one folder each; no torch.

NAME/weights.safetensors    of the network, by our names
     reduction.safetensors  standardisation and principal components of its features over synthetic radiographs
     card.json              what it was trained on, and how images are prepared
     digest                 SHA-256 of these three, as `sha256sum --check` reads it

An encoder becomes visible by one rename, when all its files are durable. Nothing in it is ever changed.
"""

import json
import re
import secrets
import shutil
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path

from dpmed_core.cohort.drafts import LOCK, PREFIX, temporary_draft
from dpmed_core.errors import EncoderError
from dpmed_core.files import UnreadableFileError, read_object, read_whole, replacing, sync_file, sync_folder, unchanged_digest, write_json
from dpmed_core.training.encoders.added.card import DIGEST, AddedCard

WEIGHTS, REDUCTION, CARD, DIGESTS = "weights.safetensors", "reduction.safetensors", "card.json", "digest"
FILES = (WEIGHTS, REDUCTION, CARD)
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


@dataclass(frozen=True)
class AddedEncoder:
    """An encoder that a user added.

    Attributes:
        name: chosen by the user.
        card: what it was trained on.
        digest: of everything that its features depend on: architecture, preprocessing, weights and reduction.
        folder: its files.
    """

    name: str
    card: AddedCard
    digest: str
    folder: Path = field(repr=False)

    def check(self) -> None:
        """Check that its files are the ones that were stored.

        Raises:
            EncoderError: names the file that is not.
        """
        for file, digest in _read_digests(self.folder).items():
            try:
                is_whole = unchanged_digest(self.folder / file) == digest
            except OSError:
                is_whole = False
            if not is_whole:
                raise _unusable(self.name, f"its {file} is missing or was changed")

    def facts(self) -> dict[str, object]:
        """The encoder as plain values for JSON."""
        return {"name": self.name, "digest": self.digest, **self.card.to_fields()}


@dataclass(frozen=True)
class AddedEncoders:
    """The added encoders under one folder."""

    root: Path

    def names(self) -> list[str]:
        """The names of all encoders, sorted; of those too that cannot be used."""
        return sorted(path.name for path in self.root.glob("*") if path.is_dir() and NAME.fullmatch(path.name))

    def load(self, name: str) -> AddedEncoder:
        """The encoder called `name`; its large files are looked at by `AddedEncoder.check`.

        Raises:
            EncoderError: there is none, or its card or digests cannot be read.
        """
        if name not in self.names():
            raise EncoderError(f"There is no encoder {name!r}: `encoder list` shows those that were added.")
        folder = self.root / name
        digests = _read_digests(folder)
        try:
            content = read_whole(folder / CARD)
            if sha256(content).hexdigest() != digests[CARD]:
                raise _unusable(name, f"its {CARD} was changed")
            card = AddedCard.from_fields(read_object(folder / CARD))
        except UnreadableFileError as error:
            raise _unusable(name, f"its {CARD} {error}") from None
        return AddedEncoder(name, card, digest_of(card, digests), folder)

    def readable(self) -> list[AddedEncoder]:
        """The encoders that can be read, by name."""
        found = []
        for name in self.names():
            try:
                found.append(self.load(name))
            except EncoderError:
                continue
        return found

    def name_of(self, digest: str) -> str:
        """The name of the encoder with this digest, or, where it is not there, the first digits of the digest."""
        return next((encoder.name for encoder in self.readable() if encoder.digest == digest), f"{digest[:12]}…")

    def with_digest(self, digest: str) -> AddedEncoder:
        """The encoder with this digest, its files checked.

        Raises:
            EncoderError: there is none, or its files were changed.
        """
        for encoder in self.readable():
            if encoder.digest == digest:
                encoder.check()
                return encoder
        raise EncoderError(
            f"The added encoder with the digest {digest[:12]}… is no longer there, or was changed: see `encoder list`, and add it again."
        )

    def refuse_unusable(self, name: str) -> None:
        """Check that a new encoder may have the name `name`.

        Raises:
            EncoderError: it has other characters than these, or is taken.
        """
        if not NAME.fullmatch(name):
            raise EncoderError(f"{name!r} is not a valid name of an encoder: use up to 40 lower-case letters, digits and hyphens.")
        if (self.root / name).exists():
            raise EncoderError(f"There is already an encoder {name!r}: remove it first, or choose another name.")

    def draft(self) -> AbstractContextManager[Path]:
        """A hidden folder to prepare an encoder in; removed when the block ends, unless `publish` renamed it."""
        return temporary_draft(self.root)

    def publish(self, name: str, draft: Path, card: AddedCard) -> AddedEncoder:
        """Turn `draft`, which holds weights and reduction, into the encoder `name`.

        Raises:
            EncoderError: the name cannot be used, or the same encoder is there under another name.
        """
        self.refuse_unusable(name)
        write_json(draft / CARD, card.to_fields())
        digests = {file: unchanged_digest(draft / file) for file in FILES}
        for other in self.readable():
            # Not by the digest: a reduction that is computed twice may differ in its last bits.
            if (other.card.architecture, other.card.preprocessing) == (card.architecture, card.preprocessing) and (
                _read_digests(other.folder)[WEIGHTS] == digests[WEIGHTS]
            ):
                raise EncoderError(f"This encoder is there already, as {other.name!r}: use that, or remove it first.")
        with replacing(draft / DIGESTS) as text:
            text.write_text("".join(f"{digest}  {file}\n" for file, digest in digests.items()))
        (draft / LOCK).unlink(missing_ok=True)
        for file in (*FILES, DIGESTS):
            (draft / file).chmod(0o600)
            sync_file(draft / file)
        try:
            draft.rename(self.root / name)  # fails if the name was taken since it was checked
        except OSError:
            raise EncoderError(f"There is already an encoder {name!r}: remove it first, or choose another name.") from None
        sync_folder(self.root)
        return self.load(name)

    def remove(self, name: str) -> None:
        """Remove the encoder called `name`, also one that cannot be read.

        Raises:
            EncoderError: there is none.
        """
        if name not in self.names():
            raise EncoderError(f"There is no encoder {name!r}: `encoder list` shows those that were added.")
        removed = self.root / f"{PREFIX}{secrets.token_hex(6)}"  # first out of sight, so that no half of one remains
        (self.root / name).rename(removed)
        shutil.rmtree(removed)


def digest_of(card: AddedCard, digests: dict[str, str]) -> str:
    """The digest of everything that features depend on; what a card says in words is not part of it."""
    of_files = {file: digests[file] for file in (WEIGHTS, REDUCTION)}
    facts = {"architecture": card.architecture, "preprocessing": asdict(card.preprocessing), **of_files}
    return sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _read_digests(folder: Path) -> dict[str, str]:
    try:
        lines = [line.split("  ", 1) for line in read_whole(folder / DIGESTS).decode().splitlines()]
        digests = {line[1]: line[0] for line in lines if len(line) == 2 and DIGEST.fullmatch(line[0])}
    except UnreadableFileError as error:
        raise _unusable(folder.name, f"its file {DIGESTS} {error}") from None
    except UnicodeDecodeError:
        digests = {}
    if set(digests) != set(FILES):
        raise _unusable(folder.name, f"its file {DIGESTS} was changed")
    return digests


def _unusable(name: str, why: str) -> EncoderError:
    return EncoderError(f"Encoder {name!r} cannot be used: {why}. Remove it with `encoder remove {name}` and add it again.")
