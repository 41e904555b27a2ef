"""The spool's bytes are believed only where they are whole."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sensorium_agent.spool.format import (
    CURSOR_BYTES,
    HEADER_BYTES,
    Cursor,
    Header,
    Record,
    decode,
    decode_cursor,
    decode_header,
    encode,
    encode_cursor,
    encode_header,
    scan,
)

ID = bytes(range(16))
U64 = st.integers(0, 2**64 - 1)
RECORDS = st.builds(
    Record, st.binary(max_size=200), st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**32 - 1), st.integers(0, 255)
)


def a_segment(records: list[Record]) -> bytes:
    header = encode_header(Header(1 << 16, 1, ID, "boot"))
    return header + b"".join(encode(record, 1 + i, ID) for i, record in enumerate(records))


@given(RECORDS, U64)
def test_a_record_comes_back_as_it_was(record: Record, sequence: int) -> None:
    assert decode(b"before" + encode(record, sequence, ID), 6, ID) == (sequence, record)


@given(RECORDS, U64, st.data())
def test_a_changed_bit_is_noticed(record: Record, sequence: int, data: st.DataObject) -> None:
    block = bytearray(encode(record, sequence, ID))
    block[data.draw(st.integers(0, len(block) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert decode(bytes(block), 0, ID) is None


@given(RECORDS, U64)
def test_a_record_of_another_spool_is_none(record: Record, sequence: int) -> None:
    assert decode(encode(record, sequence, ID), 0, bytes(16)) is None


@given(st.lists(RECORDS, max_size=6), st.integers(0, 100))
def test_finds_everything_before_the_zeros(records: list[Record], zeros: int) -> None:
    found = scan(a_segment(records) + bytes(zeros), ID, 1)
    assert [sequence for sequence, _ in found.found] == list(range(1, len(records) + 1))
    assert (found.end, found.lost, found.torn) == (len(a_segment(records)), 0, False)


@given(st.lists(RECORDS, min_size=1, max_size=6), st.data())
def test_damage_never_invents_a_record_and_spares_those_it_did_not_hit(
    records: list[Record], data: st.DataObject
) -> None:
    whole = a_segment(records)
    begin = data.draw(st.integers(HEADER_BYTES, len(whole) - 1))
    rubbish = data.draw(st.binary(min_size=1, max_size=60))[: len(whole) - begin]
    spoilt = whole[:begin] + rubbish + whole[begin + len(rubbish) :]
    found = dict(scan(spoilt, ID, 1).found)

    for sequence, offset in scan(whole, ID, 1).found:
        block = encode(records[sequence - 1], sequence, ID)
        if spoilt[offset : offset + len(block)] == block:
            assert found.pop(sequence) == offset
    assert found == {}


@given(st.binary(max_size=300))
def test_rubbish_holds_no_records_header_or_cursor(rubbish: bytes) -> None:
    assert scan(rubbish, ID, 1).found == ()
    assert decode_header(rubbish) is None
    assert decode_cursor(rubbish) is None


@given(
    st.builds(Header, U64, U64, st.binary(min_size=16, max_size=16), st.from_regex(r"[0-9a-f-]{0,36}", fullmatch=True))
)
def test_a_header_comes_back_as_it_was(header: Header) -> None:
    assert decode_header(encode_header(header) + b"after") == header


@given(st.lists(st.builds(Cursor, U64, U64, U64, st.just(ID)), min_size=1, max_size=4))
def test_the_newest_whole_cursor_wins(cursors: list[Cursor]) -> None:
    file = bytearray(CURSOR_BYTES)
    for cursor in sorted(cursors, key=lambda c: c.generation):
        offset, slot = encode_cursor(cursor)
        file[offset : offset + len(slot)] = slot
    found = decode_cursor(bytes(file))
    assert found is not None
    assert found.generation == max(c.generation for c in cursors)
