"""Whom and what a public start was trained on, as keyed hashes, so that a cohort that holds any of it is refused."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from dpmed_core.keyed_hash import keyed_hex


@dataclass(frozen=True, eq=False)
class Seen:
    """Whom and what a start was trained on, as keyed hashes.

    Attributes:
        images: of the pixels of each image.
        persons: the patients, as they are compared over cohorts.
    """

    images: frozenset[str] = field(repr=False)
    persons: frozenset[str] = field(repr=False)


def seen_of(digests: Iterable[bytes], persons: Iterable[str], *, key: bytes) -> Seen:
    """What a cohort with these images and patients is compared by.

    Args:
        digests: SHA-256 of the pixels of each image.
        persons: `CohortStore.persons`.
        key: the installation's secret.
    """
    return Seen(frozenset(keyed_hex(key, "image of a start", digest) for digest in digests), frozenset(persons))
