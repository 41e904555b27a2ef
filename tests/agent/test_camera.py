"""Cameras: what comes over HTTP, at which rate, and what happens when it stops."""

from __future__ import annotations

import asyncio
import itertools
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from services import mjpeg_camera

from sensorium.clock import DeviceClock, ManualClock
from sensorium.event import Frame, Sample
from sensorium_agent.capture.camera import Camera, Pace, _drain, _live, _public
from sensorium_agent.capture.sensor import SensorFailed

RED = (255, 0, 0)
BLUE = (0, 0, 255)


def a_jpeg(rgb: tuple[int, int, int]) -> bytes:
    pixels = np.full((120, 160, 3), rgb[::-1], np.uint8)
    done, data = cv2.imencode(".jpg", pixels)
    assert done
    return data.tobytes()


async def take(camera: Camera, count: int) -> list[Sample]:
    samples = camera.samples(DeviceClock())
    taken = [await anext(samples) for _ in range(count)]
    await samples.aclose()
    return taken


def colour(sample: Sample) -> tuple[int, ...]:
    assert isinstance(sample.data, Frame)
    return tuple(int(v) for v in sample.data.pixels.mean(axis=(0, 1)).round(-1))


# --- a camera over HTTP ------------------------------------------------------------------


async def test_pictures_come_in_rgb_with_growing_times() -> None:
    async with mjpeg_camera([a_jpeg(RED)], fps=60) as address:
        taken = await take(Camera(address, max_fps=60), 10)

    assert {colour(s)[0] > 240 and colour(s)[2] < 20 for s in taken} == {True}
    assert all(later.at_ns > earlier.at_ns for earlier, later in itertools.pairwise(taken))


async def test_a_fast_camera_is_thinned_to_the_rate_asked_for() -> None:
    async with mjpeg_camera([a_jpeg(RED)], fps=60) as address:
        taken = await take(Camera(address, max_fps=15), 20)

    rate = 19 / ((taken[-1].at_ns - taken[0].at_ns) / 1e9)
    assert 11 < rate < 16.5


async def test_a_camera_that_hangs_has_failed_after_its_patience() -> None:
    async with mjpeg_camera([a_jpeg(BLUE)] * 30, fps=200, then_hang=True) as address:
        with pytest.raises(SensorFailed, match=r"no picture for 0\.5 s"):
            await take(Camera(address, max_fps=200, stall_s=0.5), 10_000)


async def test_a_camera_that_is_off_says_so_in_one_line() -> None:
    with pytest.raises(SensorFailed, match="check the address") as failure:
        await take(Camera("http://127.0.0.1:9/stream"), 1)

    assert "\n" not in str(failure.value)


async def test_a_device_that_is_not_there_says_where_to_look() -> None:
    with pytest.raises(SensorFailed, match="sensorium devices"):
        await take(Camera("/dev/video97"), 1)


def test_a_password_in_an_address_is_never_told() -> None:
    assert _public("rtsp://me:secret@10.0.0.5/stream") == "rtsp://***@10.0.0.5/stream"


# --- a file as a camera ------------------------------------------------------------------


async def test_a_video_file_plays_in_its_own_time_and_ends(tmp_path: Path) -> None:
    path = tmp_path / "v.avi"
    film = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30, (160, 120))
    for number in range(15):
        film.write(np.full((120, 160, 3), number * 10, np.uint8))
    film.release()
    clock = DeviceClock()

    async with asyncio.timeout(10):
        taken = [sample async for sample in Camera(str(path), max_fps=60).samples(clock)]

    assert len(taken) >= 12
    assert taken[-1].at_ns - taken[0].at_ns > 0.35e9


# --- what FFmpeg does around a pause -----------------------------------------------------


class Grabs:
    """A capture whose pictures take so long, each, on a clock of their own."""

    def __init__(self, clock: ManualClock, *waits_s: float) -> None:
        self._clock = clock
        self._waits_s = list(waits_s)

    def grab(self) -> bool:
        self._clock.at_ns += round(self._waits_s.pop(0) * 1e9)
        return True


def test_pictures_that_come_only_after_the_read_timeout_are_from_the_past() -> None:
    clock = ManualClock()
    pictures = _live(Grabs(clock, 0.03, 3.0), "rtsp://camera", clock, threading.Event())

    assert next(pictures) == (30_000_000, 530_000_000)
    with pytest.raises(SensorFailed, match="no more pictures"):
        next(pictures)


def test_the_pictures_a_server_had_kept_are_passed_over() -> None:
    clock = ManualClock()
    kept = Grabs(clock, *[0.001] * 30, 0.033, 0.033)

    _drain(kept, clock, threading.Event())

    assert kept._waits_s == [0.033]


# --- pace --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("camera_fps", "max_fps", "seen"), [(30, 15, 150), (30, 30, 300), (25, 10, 100), (30, 60, 300)]
)
def test_pace_keeps_the_rate_and_never_exceeds_it(camera_fps: int, max_fps: int, seen: int) -> None:
    pace = Pace(max_fps)

    due = [pace.due(round(n / camera_fps * 1e9)) for n in range(camera_fps * 10)]

    assert abs(sum(due) - seen) <= 2


def test_pace_bears_jitter() -> None:
    random = np.random.default_rng(3)
    pace = Pace(15)

    due = [pace.due(round((n / 30 + random.normal(0, 0.004)) * 1e9)) for n in range(300)]

    assert abs(sum(due) - 150) <= 3


def test_pace_does_not_catch_up_after_a_pause() -> None:
    pace = Pace(10)
    assert pace.due(0)

    after_pause = [pace.due(60_000_000_000 + n * 10_000_000) for n in range(7)]

    assert sum(after_pause) == 1
