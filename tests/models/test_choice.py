"""Which version of a model is used: what may follow what, and how it lies on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from models.shelf import Shelf, taken

from sensorium_models import blobs, choice, store
from sensorium_models.choice import SHIPPED, Choice, ChoiceDamaged, VersionRefused
from sensorium_models.fetch import fetch

A, B = "a" * 64 + ".tflite", "b" * 64 + ".tflite"


def test_without_a_word_the_manifests_version_is_used(tmp_path: Path) -> None:
    assert choice.read(tmp_path, "palm") == Choice()
    assert Choice().chosen == SHIPPED


def test_a_failure_leads_back_to_what_was_used_before() -> None:
    after = Choice().using(A).using(B).refusing(B, "it crashes")

    assert (after.chosen, dict(after.refused)) == (A, {B: "it crashes"})
    assert after.refusing(A, "it disagrees").chosen == SHIPPED


def test_a_failure_never_leads_back_to_another_failure() -> None:
    after = Choice(chosen=A, previous=B, refused={B: "slow"}).refusing(A, "slow too")

    assert after.chosen == SHIPPED


def test_what_failed_is_not_taken_again_unless_it_is_forgiven() -> None:
    refused = Choice().trying(A).refusing(A, "its answers are no numbers")

    for step in (refused.using, refused.trying):
        with pytest.raises(VersionRefused, match=r"^aaaaaaaaaaaa was refused before .*no numbers.*--again$"):
            step(A)
    assert refused.forgiving(A).using(A).chosen == A


def test_a_candidate_changes_nothing_until_it_is_promoted() -> None:
    tried = Choice().trying(A)

    assert (tried.chosen, tried.candidate) == (SHIPPED, A)
    assert (tried.promoting(A).chosen, tried.promoting(A).candidate) == (A, "")
    assert tried.promoting(B) == tried


@given(
    st.lists(st.tuples(st.sampled_from(["using", "trying", "promoting", "refusing"]), st.sampled_from([A, B, SHIPPED])))
)
def test_no_order_of_steps_uses_a_refused_version(steps: list[tuple[str, str]]) -> None:
    now = Choice()
    for verb, blob in steps:
        if verb == "refusing":
            now = now.refusing(blob, "why") if blob else now
        elif blob not in now.refused:
            now = getattr(now, verb)(blob)
    assert now.chosen not in now.refused
    assert now.candidate not in now.refused


def test_a_step_is_on_disk_when_it_returns(tmp_path: Path) -> None:
    after = choice.change(tmp_path, "palm", lambda c: c.trying(A).refusing(A, "slow").using(B))

    assert choice.read(tmp_path, "palm") == after
    assert [p.name for p in (tmp_path / "names").iterdir() if not p.name.startswith(".")] == ["palm.json"]


def test_a_damaged_pointer_is_named_with_the_way_out(tmp_path: Path) -> None:
    place = choice.place(tmp_path, "palm")
    place.parent.mkdir()
    wrong = ('{"chosen": 5}', '{"refused": null}', '{"unended": []}', '{"unended": {"a": 1}}', '{"proven": {"a": 1}}')
    for content in ("", "{", "[]", '{"chosen": "a", "extra": 1}', *wrong):
        place.write_text(content)
        with pytest.raises(ChoiceDamaged, match=r"palm\.json: .*delete it"):
            choice.read(tmp_path, "palm")


def test_versions_lie_side_by_side_under_their_hash(tmp_path: Path) -> None:
    for content in (b"one", b"two", b"one"):
        (tmp_path / "file.tflite").write_bytes(content)
        blobs.add(tmp_path / "store", tmp_path / "file.tflite")
    first = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed.tflite"

    assert len(list((tmp_path / "store").iterdir())) == 2
    assert blobs.find(tmp_path / "store", "7692c3") == [first]
    assert blobs.find(tmp_path / "store", "ffff") == []


# --- in the store ------------------------------------------------------------------------


def test_fetching_leaves_a_chosen_version_alone(shelf: Shelf) -> None:
    shelf.use(shelf.wheel("pack", {"p/one.tflite": b"one"}) + taken("one", "pack", "p/one.tflite", b"one"))
    fetch(say=shelf.say)
    (shelf.folder / "other.tflite").write_bytes(b"other")
    blob = store.add("one", shelf.folder / "other.tflite")
    store.choose("one", lambda now: now.using(blob))
    shelf.said.clear()

    (state,) = fetch(say=shelf.say)

    assert (state.path.read_bytes(), state.note) == (b"other", f"version {blob[:12]} was chosen")
    assert shelf.said == []


def test_a_chosen_version_that_is_gone_is_mended_by_choosing_again(shelf: Shelf) -> None:
    shelf.use(taken("one", "pack", "p/one.tflite", b"one"))
    (shelf.folder / "other.tflite").write_bytes(b"other")
    blob = store.add("one", shelf.folder / "other.tflite")
    store.choose("one", lambda now: now.using(blob))
    (store.root() / blob).unlink()

    with pytest.raises(store.ModelMissing, match=r"run: sensorium models use one shipped$"):
        store.path("one")


def test_a_version_is_found_by_the_beginning_of_its_hash_if_there_is_only_one(shelf: Shelf) -> None:
    shelf.use(taken("one", "pack", "p/one.tflite", b"one"))
    (shelf.folder / "other.tflite").write_bytes(b"other")
    blob = store.add("one", shelf.folder / "other.tflite")

    assert store.find_version("one", blob[:6]) == blob
    assert store.find_version("one", store.entry("one").sha256[:6]) == SHIPPED
    with pytest.raises(store.ModelUnknown, match="no versions begin with 'zz'"):
        store.find_version("one", "zz")
