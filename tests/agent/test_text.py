"""Lines that are typed or written to a file that grows, and a pulse written the same way."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from sensorium.clock import ManualClock
from sensorium.event import Conductance, Intervals, Modality, Pulse, Text
from sensorium_agent.capture import text as text_module
from sensorium_agent.capture.pulse import PulseSource, Signal, UniformSeries, parse
from sensorium_agent.capture.sensor import SensorFailed
from sensorium_agent.capture.tail import Lines, Tail, follow
from sensorium_agent.capture.text import TextSource


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def meanwhile(*steps: Callable[[], object]) -> Callable[[float], Awaitable[None]]:
    """A sleep during which somebody does the next step."""
    left = iter(steps)

    async def sleep(_: float) -> None:
        next(left)()

    return sleep


# --- lines -------------------------------------------------------------------------------


def test_lines_are_whole_however_the_bytes_come() -> None:
    lines = Lines()

    found = [line for byte in "hällo\r\nwörld\nlast".encode() for line in lines.feed(bytes([byte]))]

    assert found == ["hällo", "wörld"]
    assert lines.finish() == ["last"]
    assert lines.finish() == []


def test_a_line_without_end_is_cut_and_not_kept_for_ever() -> None:
    lines = Lines(longest=10)

    assert lines.feed(b"x" * 25) == ["x" * 10]
    assert lines.feed(b"short\n") == ["short"]


# --- a file that grows -------------------------------------------------------------------


async def test_only_what_is_written_from_now_on_is_read(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    append(path, "old\n")
    sleep = meanwhile(lambda: append(path, "turn on"), lambda: append(path, " the light\nand\n"))

    lines = follow(str(path), sleep=sleep)
    assert await anext(lines) == ["turn on the light", "and"]
    await lines.aclose()


async def test_a_rotated_file_is_followed_under_its_name(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    append(path, "")

    def rotate() -> None:
        append(path, "before\n")
        path.rename(tmp_path / "notes.txt.1")
        append(path, "after\n")

    lines = follow(str(path), sleep=meanwhile(rotate, lambda: None))
    assert await anext(lines) == ["before"]
    assert await anext(lines) == ["after"]
    await lines.aclose()


def test_a_file_that_is_emptied_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    append(path, "a long line\n")
    tail = Tail(str(path))

    path.write_text("new\n")

    assert tail.poll() + tail.poll() == ["new"]
    tail.close()


def test_a_file_that_is_gone_for_a_moment_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    append(path, "")
    tail = Tail(str(path))

    path.unlink()
    assert tail.poll() == []
    path.write_text("back\n")

    assert tail.poll() + tail.poll() == ["back"]
    tail.close()


def test_a_file_that_never_was_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SensorFailed, match="create it"):
        Tail(str(tmp_path / "nothing.txt"))


async def test_lines_become_samples_and_empty_ones_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    source = TextSource(str(pipe)).samples(ManualClock(5_000_000_000))
    writer = os.open(pipe, os.O_RDWR)
    os.write(writer, b"hello\n\n  \nthere \n")

    first, second = await anext(source), await anext(source)
    await source.aclose()
    os.close(writer)

    assert [first.data, second.data] == [Text("hello"), Text("there")]
    assert (first.sequence, second.sequence) == (0, 1)
    assert first.at_ns == 5_000_000_000
    assert first.at_error_ns == 150_000_000


async def test_standard_input_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"one\ntwo")
    os.close(writing)
    with os.fdopen(reading) as stdin:
        monkeypatch.setattr(text_module.sys, "stdin", stdin)

        said = [s.data async for s in TextSource("-").samples(ManualClock())]

    assert said == [Text("one"), Text("two")]


# --- pulse -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("512", (None, 512)),
        ("1.5,512", (1.5, 512)),
        ("1.5\t512", (1.5, 512)),
        ("hr", None),
        ("nan", None),
        ("1,2,3", None),
    ],
)
def test_a_line_of_a_pulse_is_a_value_or_time_and_value(line: str, meant: object) -> None:
    assert parse(line) == meant


def test_uneven_times_become_even_ones() -> None:
    series = UniformSeries(10)

    _, first = series.feed([0.0, 0.05, 0.26], [0, 5, 26])
    end_s, second = series.feed([0.5], [50])

    assert first.tolist() == pytest.approx([0, 10, 20])
    assert second.tolist() == pytest.approx([30, 40, 50])
    assert end_s == pytest.approx(0.5)


def test_no_values_are_invented_for_a_gap() -> None:
    series = UniformSeries(10)
    series.feed([0.0, 0.1], [0, 1])

    _, after = series.feed([60.0, 60.1], [5, 6])

    assert after.tolist() == [5, 6]


async def test_a_pulse_sensor_gives_runs_dated_by_their_count(tmp_path: Path) -> None:
    pipe = tmp_path / "pulse"
    os.mkfifo(pipe)
    writer = os.open(pipe, os.O_RDWR)
    clock = ManualClock(10_000_000_000)
    source = PulseSource(str(pipe), rate_hz=100).samples(clock)
    os.write(writer, b"value\n" + b"".join(b"%d\n" % n for n in range(50)))
    first = await anext(source)
    clock.at_ns += 505_000_000
    os.write(writer, b"".join(b"%d\n" % n for n in range(50)))
    second = await anext(source)
    await source.aclose()
    os.close(writer)

    assert isinstance(first.data, Pulse)
    assert first.data.values.tolist() == list(range(50))
    assert first.at_ns == 10_000_000_000
    assert 10_500_000_000 <= second.at_ns <= 10_505_000_000


@pytest.mark.parametrize(("signal", "kind"), [("rr", Intervals), ("skin", Conductance)])
async def test_a_strap_gives_intervals_and_a_skin_sensor_conductance(
    tmp_path: Path, signal: Signal, kind: type[Intervals | Conductance]
) -> None:
    pipe = tmp_path / signal
    os.mkfifo(pipe)
    writer = os.open(pipe, os.O_RDWR)
    source = PulseSource(str(pipe), rate_hz=4, signal=signal, name=signal).samples(ManualClock(5 * 10**9))
    os.write(writer, b"812\n799\n")
    first = await anext(source)
    await source.aclose()
    os.close(writer)

    assert isinstance(first.data, kind)
    assert (first.source, first.modality, first.at_ns) == (signal, Modality.BIOMETRIC, 5 * 10**9)
