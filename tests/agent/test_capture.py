"""Sensors fail alone, come back alone, and never lose count of what was lost."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Sequence
from itertools import pairwise

import numpy as np
import pytest

from sensorium.clock import Clock, ManualClock
from sensorium.event import Modality, Sample, Text
from sensorium_agent.capture.dating import ClockOffset, RunDater
from sensorium_agent.capture.resample import Resampler
from sensorium_agent.capture.sensor import (
    Backoff,
    Handoff,
    Health,
    SensorFailed,
    SensorState,
    supervise,
    threaded,
)

MS = 1_000_000


class Scripted:
    """A sensor whose lives are written down: numbers are samples, an exception ends a life."""

    name = "scripted"
    modality = Modality.TEXT

    def __init__(self, *lives: Sequence[int | Exception]) -> None:
        self._lives = list(lives)
        self.opened = 0
        self.closed = 0

    async def samples(self, clock: Clock) -> AsyncGenerator[Sample, None]:
        life = self._lives[self.opened]
        self.opened += 1
        try:
            for step in life:
                if isinstance(step, Exception):
                    raise step
                yield Sample(self.modality, self.name, step, clock.now_ns(), Text(str(step)))
        finally:
            self.closed += 1


class Naps:
    """A sleep that only writes down how long it was asked for, and moves the clock."""

    def __init__(self, clock: ManualClock | None = None) -> None:
        self.asked: list[float] = []
        self._clock = clock

    async def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)
        if self._clock is not None:
            self._clock.at_ns += round(seconds * 1e9)


GONE = SensorFailed("unplugged; plug it in")


# --- supervision -------------------------------------------------------------------------


async def test_a_sensor_that_fails_starts_again_and_its_numbers_go_on() -> None:
    sensor = Scripted([0, 1, GONE], [0, 1])
    numbers: list[int] = []

    await supervise(sensor, ManualClock(), lambda s: numbers.append(s.sequence), sleep=Naps())

    assert numbers == [0, 1, 2, 3]
    assert sensor.closed == sensor.opened == 2


async def test_waits_double_up_to_the_limit() -> None:
    naps = Naps()
    sensor = Scripted(*[[GONE]] * 9, [])

    await supervise(sensor, ManualClock(), lambda _: None, sleep=naps)

    assert naps.asked == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


async def test_a_long_life_makes_the_next_wait_short_again() -> None:
    clock, naps = ManualClock(), Naps()

    class LongLived(Scripted):
        async def samples(self, clock: Clock) -> AsyncGenerator[Sample, None]:
            async for sample in super().samples(clock):
                assert isinstance(clock, ManualClock)
                clock.at_ns += 31_000_000_000
                yield sample

    await supervise(LongLived([GONE], [GONE], [0, GONE], []), clock, lambda _: None, sleep=naps)

    assert naps.asked == [0.5, 1, 0.5]


async def test_each_change_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    states: list[SensorState] = []
    sensor = Scripted([0, GONE], [GONE], [GONE], [0, 1])

    with caplog.at_level(logging.INFO):
        await supervise(sensor, ManualClock(), lambda _: None, on_state=states.append, sleep=Naps())

    assert [s.health for s in states] == [Health.UP, Health.DOWN, Health.UP, Health.ENDED]
    assert states[1].reason == str(GONE)
    assert len(caplog.records) == 4


async def test_gaps_in_the_numbers_are_counted_as_losses() -> None:
    lost: list[int] = []

    await supervise(Scripted([0, 3, 4, 9]), ManualClock(), lambda _: None, on_loss=lost.append, sleep=Naps())

    assert lost == [2, 4]


async def test_a_fault_of_ours_is_not_mended_by_starting_again() -> None:
    with pytest.raises(ZeroDivisionError):
        await supervise(Scripted([0, ZeroDivisionError()]), ManualClock(), lambda _: None, sleep=Naps())


async def test_cancelling_closes_the_device() -> None:
    sensor = Scripted([0])
    forever = asyncio.Event()

    class Endless(Scripted):
        async def samples(self, clock: Clock) -> AsyncGenerator[Sample, None]:
            try:
                yield Sample(self.modality, self.name, 0, 0, Text(""))
                await forever.wait()
            finally:
                self.closed += 1

    sensor = Endless([])
    task = asyncio.get_running_loop().create_task(supervise(sensor, ManualClock(), lambda _: None))
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert sensor.closed == 1


def test_a_backoff_of_a_thousand_failures_is_still_a_number() -> None:
    assert Backoff(most_s=30).wait_s(1000) == 30


# --- from a thread to the loop -----------------------------------------------------------


async def test_a_full_handoff_drops_the_oldest_and_counts_it() -> None:
    handoff: Handoff[int] = Handoff(3)
    for number in range(5):
        handoff.put(number)
    handoff.close()

    assert [item async for item in handoff.items()] == [2, 3, 4]
    assert handoff.dropped == 2
    assert (handoff.take_dropped(), handoff.take_dropped()) == (2, 0)


async def test_what_goes_wrong_in_the_thread_is_raised_after_what_it_gave() -> None:
    def produce(put, stop):
        put(1)
        raise GONE

    items = threaded(produce, name="t", depth=4)

    assert await anext(items) == 1
    with pytest.raises(SensorFailed, match="unplugged"):
        await anext(items)


async def test_a_thread_that_says_nothing_is_a_failure() -> None:
    def produce(put, stop):
        stop.wait(10)

    with pytest.raises(SensorFailed, match="silent"):
        await anext(threaded(produce, name="t", depth=4, stall_s=0.01, stalled="silent"))


async def test_closing_stops_the_thread() -> None:
    ended = threading.Event()

    def produce(put, stop):
        put(1)
        stop.wait(10)
        ended.set()

    items = threaded(produce, name="t", depth=4)
    assert await anext(items) == 1
    await items.aclose()

    assert ended.is_set()


# --- dating ------------------------------------------------------------------------------


def test_jitter_of_arrival_hardly_moves_the_dates_of_sound() -> None:
    random = np.random.default_rng(1)
    dater = RunDater(16_000)
    late_ms = random.exponential(8.0, 1000)

    errors = [dater.end_ns(320, round((n * 20 + late_ms[n]) * MS)) / MS - n * 20 for n in range(1000)]

    assert np.std(errors[500:]) < 1.0
    assert abs(np.mean(errors[500:]) - 8.0) < 1.0


def test_a_crystal_that_is_off_is_followed() -> None:
    dater = RunDater(16_000)
    run_ns = 20 * MS * (1 + 200e-6)

    errors = [dater.end_ns(320, round(n * run_ns)) - n * run_ns for n in range(30_000)]

    assert max(map(abs, errors)) < 3 * MS


def test_lost_samples_set_the_dates_anew_and_never_back() -> None:
    dater = RunDater(16_000)
    for n in range(1, 10):
        dater.end_ns(320, n * 20 * MS)

    assert dater.end_ns(320, 1000 * MS, lost=True) == 1000 * MS
    assert dater.end_ns(320, 500 * MS, lost=True) >= 1000 * MS


def test_one_wild_reading_is_ignored_and_three_are_believed() -> None:
    dater = RunDater(16_000)
    for n in range(1, 100):
        dater.end_ns(320, n * 20 * MS)

    assert dater.end_ns(320, 9000 * MS) == 2000 * MS
    assert dater.end_ns(320, 9020 * MS) == 2020 * MS
    assert dater.end_ns(320, 9040 * MS) == 9040 * MS


@pytest.mark.parametrize("wrong_ms", [-120, -30, 30, 120])
def test_a_wrong_first_date_is_set_right_at_once_and_never_goes_back(wrong_ms: int) -> None:
    dater = RunDater(16_000)
    measured = [(100 + n * 20 + (wrong_ms if n == 0 else 0)) * MS for n in range(60)]

    ends = [dater.end_ns(320, at_ns) for at_ns in measured]

    right = [end == 100 * MS + n * 20 * MS for n, end in enumerate(ends)]
    assert not right[0]
    assert all(right[2 + max(0, wrong_ms // 19) :])
    assert min(b - a for a, b in pairwise(ends)) > 0
    assert sum(b - a != 20 * MS for a, b in pairwise(ends)) <= 8


def test_the_bound_is_wide_until_measurements_agree() -> None:
    dater, errors = RunDater(16_000), []
    for n in range(20):
        end_ns = dater.end_ns(320, (100 + n * 20 + (60 if n == 0 else 0)) * MS)
        assert abs(end_ns - (100 + n * 20) * MS) <= dater.error_ns
        errors.append(dater.error_ns)

    assert errors[0] > 100 * MS
    assert errors[-1] == 1 * MS


def test_the_truest_pair_of_clock_readings_counts() -> None:
    offset = ClockOffset()

    assert offset.observe(1000, 6000) == 5000
    assert offset.observe(2000, 2900) == 900
    assert offset.observe(3000, 9000) == 900


# --- resampling --------------------------------------------------------------------------


@pytest.mark.parametrize("from_hz", [8000, 11025, 22050, 44100, 48000])
def test_a_tone_keeps_its_pitch_and_its_time(from_hz: int) -> None:
    tone = np.rint(10_000 * np.sin(2 * np.pi * 1000 * np.arange(from_hz) / from_hz)).astype(np.int16)
    resampler = Resampler(from_hz)

    blocks = [resampler.feed(tone[begin : begin + 441]) for begin in range(0, len(tone), 441)]
    heard = np.concatenate([*blocks, resampler.finish()])

    assert len(heard) == 16_000
    expected = 10_000 * np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000)
    assert np.abs(heard - expected)[200:-200].max() < 3


def test_what_is_too_high_to_be_kept_is_removed_and_not_folded() -> None:
    whistle = np.rint(10_000 * np.sin(2 * np.pi * 15_000 * np.arange(48_000) / 48_000)).astype(np.int16)

    heard = Resampler(48_000).feed(whistle)

    assert np.abs(heard[200:]).max() < 30


def test_sound_that_has_the_right_rate_is_left_alone() -> None:
    pcm = np.arange(100, dtype=np.int16)
    resampler = Resampler(16_000)

    assert resampler.feed(pcm) is pcm
    assert len(resampler.finish()) == 0
    assert resampler.delay_ns == 0


# --- what is not used is not loaded ------------------------------------------------------


@pytest.mark.parametrize("module", ["microphone", "camera", "recording", "text", "touch", "pulse"])
def test_no_sensor_loads_a_library_before_it_is_opened(module: str) -> None:
    heavy = {"cv2", "sounddevice", "onnxruntime", "ai_edge_litert", "grpc"}
    code = f"import sys, sensorium_agent.capture.{module}; print({heavy} & set(sys.modules) or '')"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == ""
