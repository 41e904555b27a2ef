"""The service remembers how far a spool has come and what it answered, within bounds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from sensorium.clock import ManualClock
from sensorium_cloud.batch import Overloaded
from sensorium_cloud.state.known import Known
from sensorium_cloud.state.store import Place, Store, StoreError, run_together
from sensorium_cloud.state.trouble import Trouble

PLACE = Place("pi", "spool-a", 7, "kitchen.7/0", "c0ffee")


@pytest.fixture
def store() -> Iterator[Store]:
    with closing(Store(retention_s=100, max_answers=3)) as opened:
        yield opened


def fail(_: Store) -> None:
    raise ZeroDivisionError


def full(_: Store) -> None:
    raise sqlite3.OperationalError("database or disk is full")


def test_a_new_spool_starts_at_the_beginning(store: Store) -> None:
    assert store.resume_after("pi", "spool-a") == 0


def test_a_spool_never_moves_back(store: Store) -> None:
    store.advance("pi", "spool-a", 9, now_s=0)
    store.advance("pi", "spool-a", 4, now_s=1)

    assert store.resume_after("pi", "spool-a") == 9
    assert store.resume_after("pi", "spool-b") == 0
    assert store.resume_after("jetson", "spool-a") == 0


def test_knows_a_window_by_its_content_whatever_its_place(store: Store) -> None:
    store.save(PLACE, b"symbol", now_s=0)

    assert store.find(PLACE) == b"symbol"
    assert store.find(replace(PLACE, spool="spool-b", sequence=1)) == b"symbol"


def test_knows_a_window_by_its_place_and_id(store: Store) -> None:
    store.save(PLACE, b"symbol", now_s=0)

    assert store.find(replace(PLACE, content="repacked")) == b"symbol"


def test_a_spool_that_counts_from_one_again_is_no_duplicate(store: Store) -> None:
    store.save(PLACE, b"symbol", now_s=0)

    assert store.find(replace(PLACE, window="hall.0/0", content="other")) is None


def test_one_device_never_gets_the_answer_of_another(store: Store) -> None:
    store.save(PLACE, b"symbol", now_s=0)

    assert store.find(replace(PLACE, device="jetson")) is None


def test_forgets_what_is_old(store: Store) -> None:
    store.save(PLACE, b"old", now_s=0)
    store.save(replace(PLACE, sequence=8, window="kitchen.8/0", content="beef"), b"new", now_s=90)

    store.forget(now_s=101)

    assert store.find(PLACE) is None
    assert len(store) == 1


def test_keeps_no_more_than_it_may_without_being_asked_to(store: Store) -> None:
    for number in range(512):
        store.save(replace(PLACE, sequence=number, content=str(number)), b"symbol", now_s=0)

    assert len(store) == 3
    assert store.find(replace(PLACE, sequence=511, content="511")) is not None


def test_what_was_never_answered_is_new_without_a_look_at_the_file(store: Store) -> None:
    assert store.new(PLACE)

    store.save(PLACE, b"symbol", now_s=0)

    assert not store.new(replace(PLACE, content="repacked"))
    assert not store.new(replace(PLACE, spool="spool-b", sequence=1))
    assert store.new(replace(PLACE, window="hall.0/0", content="other"))


def test_knows_at_the_next_transaction_what_another_process_answered(tmp_path: Path) -> None:
    with closing(Store(tmp_path)) as one, closing(Store(tmp_path)) as other:
        one.save(PLACE, b"first", now_s=0)
        with other.transaction():
            assert not other.new(PLACE)
            assert other.save(PLACE, b"second", now_s=0) == b"first"


def test_an_answer_that_did_not_become_durable_hides_none_of_another_process(tmp_path: Path) -> None:
    with closing(Store(tmp_path)) as one, closing(Store(tmp_path)) as other:
        with pytest.raises(ZeroDivisionError):
            run_together(one, [lambda s: s.save(PLACE, b"lost", now_s=0), fail])
        elsewhere = replace(PLACE, sequence=8, window="kitchen.8/0", content="beef")
        other.save(elsewhere, b"symbol", now_s=0)

        with one.transaction():
            assert one.find(PLACE) is None
            assert one.find(elsewhere) == b"symbol"


def test_knows_no_more_than_the_newest_answers() -> None:
    known = Known(4)
    for number in range(100):
        known.add((number,), number)

    assert [number for number in range(100) if known.numbers((number,))] == list(range(92, 100))
    assert [number for number in range(100) if known.any((-1, number))] == list(range(92, 100))


def test_operations_that_queued_up_become_durable_together(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(ZeroDivisionError):
        run_together(store, [lambda s: s.advance("pi", "spool-a", 9, now_s=0), fail])
    assert store.resume_after("pi", "spool-a") == 0

    found = run_together(
        store, [lambda s: s.advance("pi", "spool-a", 9, now_s=0), lambda s: s.resume_after("pi", "spool-a")]
    )
    assert found == [None, 9]
    store.close()


def test_what_is_in_the_folder_outlives_the_service(tmp_path: Path) -> None:
    first = Store(tmp_path / "state")
    first.save(PLACE, b"symbol", now_s=0)
    first.advance("pi", "spool-a", 7, now_s=0)
    first.close()

    second = Store(tmp_path / "state")

    assert second.find(PLACE) == b"symbol"
    assert second.resume_after("pi", "spool-a") == 7
    second.close()


def test_a_disk_that_stays_full_is_told_of_once_a_minute_however_often_a_little_fits(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock, said = ManualClock(), []
    with closing(Store(trouble=Trouble(clock.now_ns))) as store:
        for second in (1, 2, 3, 62, 63):
            clock.at_ns = second * 1_000_000_000
            with pytest.raises(Overloaded):
                run_together(store, [full])
            run_together(store, [])
            said.append([message.partition(":")[0] for message in caplog.messages])
            caplog.clear()

    assert said == [["state.away", "state.back"], [], [], ["state.away", "state.back"], []]


def test_the_largest_sequence_of_the_wire_is_no_trouble(store: Store) -> None:
    store.save(replace(PLACE, sequence=2**64 - 1), b"symbol", now_s=0)
    store.advance("pi", "spool-a", 2**64 - 1, now_s=0)

    assert store.find(replace(PLACE, sequence=2**64 - 1, content="repacked")) == b"symbol"


def test_says_what_to_do_where_the_state_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="give another folder with --state"):
        Store(tmp_path / "file")

    (tmp_path / "sensorium-cloud.sqlite3").write_bytes(b"not a database, though long enough to look like one" * 40)
    with pytest.raises(StoreError, match="cannot be opened"):
        Store(tmp_path)


def test_leaves_the_state_of_another_version_alone(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "sensorium-cloud.sqlite3")
    db.execute("PRAGMA user_version = 99")
    db.close()

    with pytest.raises(StoreError, match="written by another version"):
        Store(tmp_path)
