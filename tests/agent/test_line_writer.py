"""A reader of the lines who is slow, stalls or goes away never holds the agent up."""

from __future__ import annotations

import json
import logging
import os

import pytest

from sensorium.lines import encoded, status_line, writer
from sensorium_agent._app.line_writer import LineWriter

FAR_MORE_THAN_A_PIPE_HOLDS = 5000


def a_line(number: int) -> bytes:
    return encoded({"number": number, "padding": "x" * 100})


def lost(lines: int) -> bytes:
    return encoded(status_line("lines", dropped=lines))


def read_all(pipe: int) -> list[dict]:
    with os.fdopen(pipe, "rb") as reader:
        return [json.loads(line) for line in reader.read().splitlines()]


def test_a_pipe_that_nobody_reads_costs_the_oldest_lines_and_no_time(caplog: pytest.LogCaptureFixture) -> None:
    out, into = os.pipe()
    lines = LineWriter(into, lost=lost, room=100)
    with lines:
        for number in range(FAR_MORE_THAN_A_PIPE_HOLDS):
            lines(a_line(number))  # a blocking write would never come back: nobody reads
        lines.close(patience_s=0)
    os.close(out)
    lines._thread.join()
    os.close(into)

    assert lines.dropped > FAR_MORE_THAN_A_PIPE_HOLDS / 2
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert warnings[0] == "lines.reader_slow waiting=100"


def test_a_reader_that_comes_back_gets_whole_lines_in_order_and_hears_how_many_are_missing() -> None:
    out, into = os.pipe()
    lines = LineWriter(into, lost=lost, room=100)
    for number in range(250):  # nothing is written yet: the thread starts below
        lines(a_line(number))
    with lines:
        pass
    os.close(into)

    said = read_all(out)

    assert said[0]["type"] == "lines"
    assert said[0]["dropped"] == 150
    assert [line["number"] for line in said[1:]] == list(range(150, 250))


def test_a_reader_that_keeps_up_gets_everything() -> None:
    out, into = os.pipe()
    with LineWriter(into, lost=lost, room=1000) as lines:
        write = writer(lines)
        for number in range(300):
            write({"number": number})
    os.close(into)

    assert [line["number"] for line in read_all(out)] == list(range(300))


def test_a_reader_that_went_away_is_an_error_for_who_writes() -> None:
    out, into = os.pipe()
    os.close(out)
    lines = LineWriter(into)
    with lines:
        lines(a_line(0))
        lines._thread.join()
        with pytest.raises(BrokenPipeError):
            lines(a_line(1))
    os.close(into)
