"""A symbol leaves with its latencies, and the bytes that are stored are the bytes that are sent."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cloud.doubles import a_symbol, a_window

from sensorium import wire
from sensorium.delivery import Ack, SequencedSymbol
from sensorium.symbol import Stage
from sensorium.v1 import fusion_pb2
from sensorium_cloud import publish
from sensorium_cloud.publish import Timing, symbol_bytes, symbol_message, timed

MS = 1_000_000


def test_what_is_no_stage_of_work_is_queueing() -> None:
    timing = Timing(received_ns=0, accepted_ns=2 * MS, finished_ns=20 * MS, encode_ms=5.0, fuse_ms=3.0)

    assert {s.name: pytest.approx(s.ms) for s in timing.stages()} == {
        "accept": 2.0,
        "queue": 10.0,
        "encode": 5.0,
        "fuse": 3.0,
        "total": 20.0,
    }


def test_no_stage_is_negative_where_two_clocks_disagree_by_a_hair() -> None:
    stages = Timing(received_ns=0, accepted_ns=0, finished_ns=8 * MS, encode_ms=5.0, fuse_ms=3.1).stages()

    assert min(stage.ms for stage in stages) == 0.0


def test_keeps_the_stages_the_service_knows_nothing_of() -> None:
    symbol = replace(a_symbol(a_window()), latency=(Stage("align", 60.0), Stage("fuse", 99.0)))

    done = timed(symbol, Timing(0, 0, 4 * MS, 0.0, 3.0))

    assert [(s.name, s.ms) for s in done.latency if s.name in ("align", "fuse")] == [("align", 60.0), ("fuse", 3.0)]


def test_a_stored_symbol_is_the_one_that_is_sent() -> None:
    symbol = a_symbol(a_window(4))

    message = fusion_pb2.FuseResponse.FromString(symbol_message(7, symbol_bytes(symbol)))

    assert wire.response_from_proto(message) == SequencedSymbol(7, symbol)


def test_several_messages_in_one_say_what_each_says() -> None:
    symbol = a_symbol(a_window(4))
    said = [symbol_message(7, symbol_bytes(symbol)), publish.message(Ack(7))]

    together = fusion_pb2.FuseResponse.FromString(publish.together(said))

    assert wire.responses_from_proto(together) == (SequencedSymbol(7, symbol), Ack(7))
    assert together == wire.responses_to_proto([SequencedSymbol(7, symbol), Ack(7)])
    assert publish.together(said[:1]) == said[0]
