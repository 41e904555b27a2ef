"""The spool keeps what it said it kept, in order, and says what it lost."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from sensorium_agent.spool import format as spool_format
from sensorium_agent.spool.log import Record, Spool, SpoolBusy, SpoolError, SpoolFull

SEGMENT = 4096


def opened(directory: Path, **settings) -> Spool:
    return Spool.open(directory, **{"segment_bytes": SEGMENT, "max_bytes": 16 * SEGMENT, "boot_id": "boot"} | settings)


def crash(spool: Spool) -> None:
    """Let go of the directory as a killed process does: nothing more is written."""
    for segment in spool._segments:
        segment.close()
    spool._files.close()


def records(*payloads: bytes, **more) -> list[Record]:
    return [Record(payload, **more) for payload in payloads]


def payloads(spool: Spool, after: int = 0) -> list[bytes]:
    return [stored.payload for stored in spool.read(after, 10_000)]


def segments(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.segment"))


# --- what everybody expects ------------------------------------------------------------------


def test_gives_back_in_order_what_was_appended(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        assert spool.append(records(b"a", b"b", at_ns=7)) == range(1, 3)
        assert spool.append(records(b"c")) == range(3, 4)

        assert [(s.sequence, s.payload) for s in spool.read(0, 10)] == [(1, b"a"), (2, b"b"), (3, b"c")]
        assert spool.read(0, 10)[0].at_ns == 7
        assert [s.sequence for s in spool.read(1, 1)] == [2]
        assert (spool.pending, spool.last) == (3, 3)


def test_keeps_everything_over_a_restart_and_a_crash(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        spool.append(records(b"a", b"b"))
        name = spool.spool_id
    again = opened(tmp_path)
    again.append(records(b"c"))
    again.acknowledge(1)
    crash(again)

    with opened(tmp_path) as third:
        assert third.spool_id == name
        assert payloads(third) == [b"b", b"c"]
        assert (third.pending, third.acknowledged) == (2, 1)


def test_two_spools_have_different_names(tmp_path: Path) -> None:
    with opened(tmp_path / "a") as a, opened(tmp_path / "b") as b:
        assert a.spool_id != b.spool_id


def test_acknowledged_segments_leave_the_disk(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        for _ in range(8):
            spool.append(records(bytes(SEGMENT // 2)))
        assert len(segments(tmp_path)) == 8
        spool.acknowledge(7)
        assert len(segments(tmp_path)) == 1
        assert spool.pending == 1


def test_sequences_are_never_used_again_even_after_everything_was_acknowledged(tmp_path: Path) -> None:
    for expected in (1, 2, 3):
        with opened(tmp_path) as spool:
            assert spool.append(records(b"x"))[0] == expected
            spool.acknowledge(expected)
        for path in segments(tmp_path):  # not even if somebody tidies up
            path.unlink()


def test_an_acknowledgement_of_what_was_never_stored_goes_no_further_than_what_was(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        spool.append(records(b"a"))
        spool.acknowledge(99)
        spool.acknowledge(0)
        assert (spool.acknowledged, spool.pending) == (1, 0)
        assert spool.append(records(b"b")) == range(2, 3)


def test_a_record_larger_than_a_segment_gets_a_segment_of_its_size(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        spool.append(records(b"a", bytes(3 * SEGMENT), b"b"))
        assert list(map(len, payloads(spool))) == [1, 3 * SEGMENT, 1]


def test_refuses_a_group_that_would_take_half_the_spool(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        with pytest.raises(SpoolError, match="over half"):
            spool.append(records(bytes(9 * SEGMENT)))
        assert spool.counts.refused == 1
        spool.append(records(b"a"))


def test_one_read_stays_small(tmp_path: Path) -> None:
    with opened(tmp_path, max_bytes=64 << 20, segment_bytes=1 << 20) as spool:
        for _ in range(8):
            spool.append(records(bytes(1 << 20)))
        assert len(spool.read(0, 1000)) == 4


# --- bounds ----------------------------------------------------------------------------------


def test_the_oldest_give_way_and_are_counted(tmp_path: Path) -> None:
    with opened(tmp_path, max_bytes=4 * SEGMENT) as spool:
        for i in range(10):
            spool.append(records(bytes([i]) * (SEGMENT // 2)))
        assert [p[0] for p in payloads(spool)] == [6, 7, 8, 9]
        assert (spool.counts.evicted, spool.pending) == (6, 4)
        assert sum(path.stat().st_size for path in segments(tmp_path)) <= 4 * SEGMENT


def test_what_outlived_its_time_is_not_given_and_is_counted_once(tmp_path: Path) -> None:
    second = 1_000_000_000
    with opened(tmp_path) as spool:
        spool.append(
            [Record(b"old", at_ns=0, ttl_s=5), Record(b"ever", at_ns=0), Record(b"new", at_ns=6 * second, ttl_s=5)]
        )
        for _ in range(2):
            assert [s.payload for s in spool.read(0, 10, now_ns=10 * second)] == [b"ever", b"new"]
        assert (spool.counts.expired, spool.pending) == (1, 2)
        spool.acknowledge(3)
        assert (spool.counts.acknowledged, spool.pending) == (2, 0)


def test_a_record_of_an_earlier_boot_is_at_least_as_old_as_this_boot(tmp_path: Path) -> None:
    second = 1_000_000_000
    with opened(tmp_path, boot_id="before") as spool:
        spool.append([Record(b"x", at_ns=900 * second, ttl_s=60)])
    with opened(tmp_path, boot_id="now") as spool:
        assert [s.boot_id for s in spool.read(0, 10, now_ns=60 * second)] == ["before"]
        assert spool.read(0, 10, now_ns=61 * second) == []


# --- damage ----------------------------------------------------------------------------------


def test_a_torn_tail_is_left_out_and_its_sequences_are_not_used_again(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.append(records(b"first"))
    spool.append(records(b"second"))
    crash(spool)
    path = segments(tmp_path)[0]
    data = bytearray(path.read_bytes())
    at = data.index(b"second")
    data[at + 3 : at + 6] = bytes(3)
    path.write_bytes(data)

    with opened(tmp_path) as spool:
        assert payloads(spool) == [b"first"]
        assert spool.counts.torn == 1
        assert spool.append(records(b"third"))[0] > 2
        assert payloads(spool) == [b"first", b"third"]
    with opened(tmp_path) as spool:
        assert payloads(spool) == [b"first", b"third"]
        assert spool.counts.torn == 0, "what was mended is not reported again"


@pytest.mark.parametrize("left", [0, 1, 60, spool_format.HEADER_BYTES, 200, 1000])
def test_a_truncated_segment_gives_what_is_left_and_its_sequences_are_not_used_again(tmp_path: Path, left: int) -> None:
    spool = opened(tmp_path)
    for i in range(20):
        spool.append(records(b"%020d" % i))
    crash(spool)
    os.truncate(segments(tmp_path)[0], left)

    with opened(tmp_path) as spool:
        kept = payloads(spool)
        assert kept == [b"%020d" % i for i in range(len(kept))]
        assert len(kept) == max(left - spool_format.HEADER_BYTES, 0) // (20 + spool_format.RECORD_BYTES)
        assert spool.append(records(b"new"))[0] > 20
        assert payloads(spool) == [*kept, b"new"]


def test_a_tail_of_zeros_is_the_unused_part(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.append(records(b"a"))
    crash(spool)
    with opened(tmp_path) as spool:
        assert (spool.counts.torn, spool.counts.damaged) == (0, 0)
        assert spool.append(records(b"b")) == range(2, 3)
        assert len(segments(tmp_path)) == 1, "it is written on"


@pytest.mark.parametrize("what", ["head", "payload", "zeros"])
def test_damage_in_the_middle_costs_only_what_it_hit(tmp_path: Path, what: str) -> None:
    spool = opened(tmp_path)
    spool.append(records(*(bytes([65 + i]) * 40 for i in range(10))))
    crash(spool)
    path = segments(tmp_path)[0]
    data = bytearray(path.read_bytes())
    at = data.index(b"D" * 40)
    if what == "head":
        data[at - 30] ^= 1
    elif what == "payload":
        data[at + 20] ^= 1
    else:
        data[at - 10 : at + 40] = bytes(50)
    path.write_bytes(data)

    with opened(tmp_path) as spool:
        assert b"".join(p[:1] for p in payloads(spool)) == b"ABCEFGHIJ"
        assert (spool.counts.damaged, spool.counts.torn, spool.pending) == (1, 0, 9)


def test_damage_after_opening_is_found_when_read(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        spool.append(records(b"good", b"to be damaged", b"fine"))
        data = segments(tmp_path)[0].read_bytes()
        with segments(tmp_path)[0].open("r+b") as file:
            file.seek(data.index(b"damaged"))
            file.write(b"D")
        assert payloads(spool) == payloads(spool) == [b"good", b"fine"]
        assert (spool.counts.damaged, spool.pending) == (1, 2)


def test_a_record_inside_a_payload_is_not_taken_for_one(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.append(records(b"outer"))
    other = spool_format.encode(Record(b"inner"), 2, b"another spool id")
    spool.append(records(other))
    crash(spool)
    path = segments(tmp_path)[0]
    data = bytearray(path.read_bytes())
    data[data.index(other) - 5] ^= 1  # its frame breaks, what it carried does not
    path.write_bytes(data)
    with opened(tmp_path) as spool:
        assert payloads(spool) == [b"outer"]


@pytest.mark.parametrize("slot", [0, spool_format.SLOT_BYTES])
def test_a_torn_cursor_falls_back_to_its_other_slot(tmp_path: Path, slot: int) -> None:
    with opened(tmp_path) as spool:
        spool.append(records(b"a", b"b", b"c"))
        spool.acknowledge(1)
        spool.acknowledge(2)
        name = spool.spool_id
    with (tmp_path / "cursor").open("r+b") as file:
        file.seek(slot + 10)
        file.write(b"\xff" * 8)
    with opened(tmp_path) as spool:
        assert spool.spool_id == name
        assert spool.acknowledged in (1, 2)
        assert payloads(spool)[-1] == b"c"


def test_a_lost_cursor_costs_only_what_was_acknowledged(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        spool.append(records(b"a", b"b"))
        spool.acknowledge(1)
        name = spool.spool_id
    (tmp_path / "cursor").write_bytes(b"")
    with opened(tmp_path) as spool:
        assert spool.spool_id == name, "the segments know it too"
        assert payloads(spool) == [b"a", b"b"]
        assert spool.append(records(b"c")) == range(3, 4)


# --- disks and neighbours --------------------------------------------------------------------


def test_a_full_disk_stops_new_records_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path) as spool:
        spool.append(records(bytes(SEGMENT // 2)))
        with monkeypatch.context() as full:
            full.setattr(os, "posix_fallocate", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
            with pytest.raises(SpoolFull, match=r"^spool .*: the disk is full; free some space [^\n]*$"):
                spool.append(records(bytes(SEGMENT // 2), b"x"))
            assert len(payloads(spool)) == 1
            spool.acknowledge(1)
        assert spool.counts.refused == 2
        assert spool.append(records(b"again")) == range(2, 3)
        assert payloads(spool) == [b"again"]


def test_a_write_that_failed_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = opened(tmp_path)
    spool.append(records(b"kept"))
    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", lambda _: (_ for _ in ()).throw(OSError(errno.EIO, "Input/output error")))
        with pytest.raises(SpoolError, match="Input/output error"):
            spool.append(records(b"refused", b"refused too"))
    assert payloads(spool) == [b"kept"]
    crash(spool)
    with opened(tmp_path) as spool:
        assert payloads(spool) == [b"kept"]
        spool.append(records(b"later"))
        assert payloads(spool) == [b"kept", b"later"]


def test_works_where_space_cannot_be_reserved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "posix_fallocate", lambda *_: (_ for _ in ()).throw(OSError(errno.EOPNOTSUPP, "no")))
    with opened(tmp_path) as spool:
        spool.append(records(b"a"))
    with opened(tmp_path) as spool:
        assert payloads(spool) == [b"a"]
        assert spool.append(records(b"b")) == range(2, 3)


def test_two_agents_cannot_share_a_spool(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(SpoolBusy, match=r"another agent uses it; give each its own directory$"):
        opened(tmp_path)
    opened(tmp_path).close()


def test_says_in_one_line_that_a_directory_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match=r"^spool [^\n]*Not a directory; [^\n]*$"):
        opened(tmp_path / "file" / "spool")


def test_refuses_a_spool_of_less_than_two_segments(tmp_path: Path) -> None:
    with pytest.raises(SpoolError, match=r"raise spool\.max_mb$"):
        opened(tmp_path, max_bytes=SEGMENT)


def test_other_files_in_the_directory_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.segment").write_text("mine")
    with opened(tmp_path) as spool:
        spool.append(records(b"a"))
        spool.acknowledge(1)
    assert (tmp_path / "notes.segment").read_text() == "mine"
