"""Starts on disk: whole or not at all, and refused where something of them was changed."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dpmed_core.errors import SpecError
from dpmed_core.imaging.modality import Modality
from dpmed_core.training.encoders.card import COMPONENTS
from dpmed_core.training.starts.public_head import PublicHead
from dpmed_core.training.starts.seen import Seen
from dpmed_core.training.starts.start_card import StartCard
from dpmed_core.training.starts.start_store import CARD, SEEN, WEIGHTS, StartStore

SEEN_BY = Seen(frozenset({"aa", "bb"}), frozenset({"cc"}))


@pytest.fixture
def card():
    return StartCard(
        "one", Modality.RADIOGRAPH, "a public set", "CC0", False, ("effusion", "mass"), (0.8, 0.7), (5, 6), 30, 40, True, "e" * 64
    )


@pytest.fixture
def head():
    rng = np.random.default_rng(0)
    n_features = sum(COMPONENTS.values())
    return PublicHead(rng.normal(size=(n_features, 2)), rng.normal(size=n_features), *rng.uniform(0.5, 1, (3, 2)))


@pytest.fixture
def store(tmp_path, card, head):
    store = StartStore(tmp_path / "starts")
    store.add(card, head, SEEN_BY)
    return store


def test_a_start_is_read_as_it_was_stored(store, card, head):
    assert store.names() == ["one"]
    assert replace(store.card("one"), digest="", seen_digest="") == card
    assert all(np.array_equal(a, b) for a, b in zip(store.load("one").to_tensors().values(), head.to_tensors().values(), strict=True))
    assert store.seen("one") == SEEN_BY or (store.seen("one").images, store.seen("one").persons) == (SEEN_BY.images, SEEN_BY.persons)


def test_a_name_is_used_once_and_is_a_name(store, card, head):
    with pytest.raises(SpecError, match="There is a start 'one' already"):
        store.add(card, head, SEEN_BY)
    for name in ("../out", "", "Big", "a b", "x" * 41):
        with pytest.raises(SpecError, match="name of a start"):
            store.add(replace(card, name=name), head, SEEN_BY)
        with pytest.raises(SpecError, match="There is no start"):
            store.card(name)


def test_a_card_must_state_that_its_data_are_public(store, card, head):
    for changes in ({"public": False}, {"source": " "}, {"licence": ""}):
        with pytest.raises(SpecError, match="does not say which public data"):
            store.add(replace(card, name="two", **changes), head, SEEN_BY)
    path = store.root / "one" / CARD
    path.write_text(json.dumps({**json.loads(path.read_text()), "public": False}))
    with pytest.raises(SpecError, match="does not say which public data"):
        store.load("one")


@pytest.mark.parametrize("name", [WEIGHTS, CARD, SEEN])
@pytest.mark.parametrize("damage", ["emptied", "flipped", "deleted", "folder"])
def test_a_damaged_start_is_refused_in_a_sentence_and_can_be_removed(store, card, head, name, damage):
    path = store.root / "one" / name
    content = path.read_bytes()
    path.unlink()
    if damage == "emptied":
        path.write_bytes(b"")
    elif damage == "flipped":
        path.write_bytes(bytes(byte ^ 0x55 for byte in content))
    elif damage == "folder":
        path.mkdir()
    with pytest.raises(SpecError, match=r"remove it with `starts remove one`|There is no start"):
        store.load("one"), store.seen("one")
    if not (name == CARD and damage == "deleted"):
        assert store.names() == ["one"]
        store.remove("one")
    assert store.names() == []
    if damage != "folder":
        store.add(card, head, SEEN_BY)
        assert store.names() == ["one"]


def test_a_start_that_lost_what_it_has_seen_is_damaged(store):
    path = store.root / "one" / SEEN
    table = pd.read_parquet(path)
    table[table["kind"] == "image"].to_parquet(path, index=False)
    with pytest.raises(SpecError, match="damaged"):
        store.seen("one")


def test_two_weights_files_with_the_same_card_are_told_apart(store, head):
    other = replace(head, zero=head.zero + 1)
    from safetensors.numpy import save

    (store.root / "one" / WEIGHTS).write_bytes(save(other.to_tensors()))
    with pytest.raises(SpecError, match="damaged"):
        store.load("one")
