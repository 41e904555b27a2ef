"""A camera through OpenCV: a device, RTSP, MJPEG over HTTP, or a video file as if it were one."""

from __future__ import annotations

import re
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sensorium.clock import Clock
from sensorium.event import Frame, Modality, Sample
from sensorium_agent.capture.sensor import SensorFailed, threaded
from sensorium_agent.opencv import NoOpenCV, opencv

_KEPT: Final = 2
"""Pictures that may wait for the loop; an older one is worth nothing."""
_OPEN_TIMEOUT_S: Final = 5.0
_READ_TIMEOUT_S: Final = 3.0
_STALL_S: Final = 8.0
"""FFmpeg's own read timeout is in the way of nobody who hangs up, but took 9 s on a silent stall."""
_BACKLOG_S: Final = 2.0
"""An RTSP server opens with about a second of pictures from before."""
_NETWORK_NS: Final = 500_000_000
"""By so much a network camera's picture may be older than its arrival: encoder, network and decoder keep some."""
_HELD_NS: Final = 1_000_000
_QUICK_S: Final = 0.005
"""A picture that came quicker than this had been waiting."""


class Pace:
    """Which pictures are looked at, for at most so many a second, whatever the camera's own rate.

    Due times stand on a grid, so that 30 pictures a second thinned to 15 are every second one; half a
    period of jitter is forgiven.
    """

    def __init__(self, max_fps: float) -> None:
        self._period_ns = 1e9 / max_fps
        self._due_ns: float | None = None

    def due(self, at_ns: int) -> bool:
        """Whether the picture taken at ``at_ns`` is one to look at."""
        if self._due_ns is None or at_ns - self._due_ns > 2 * self._period_ns:
            self._due_ns = float(at_ns)
        if at_ns < self._due_ns - 0.25 * self._period_ns:
            return False
        self._due_ns += self._period_ns
        return True


@dataclass(frozen=True, slots=True)
class _Picture:
    number: int
    at_ns: int
    error_ns: int
    pixels: Any


class Camera:
    """One camera; its pictures are RGB, dated when they were grabbed.

    Args:
        source: a number, /dev/video*, a file, or an rtsp://, http:// or https:// address.
        max_fps: more pictures a second than this are passed over without being decoded further.
        name: the source of the samples.
        stall_s: without a picture for so long the camera counts as lost.
    """

    modality: Final = Modality.VIDEO

    def __init__(
        self, source: str = "0", *, max_fps: float = 15.0, name: str = "camera", stall_s: float = _STALL_S
    ) -> None:
        self.name: Final = name
        self._source = source
        self._max_fps = max_fps
        self._stall_s = stall_s

    async def samples(self, clock: Clock) -> AsyncGenerator[Sample, None]:
        """Pictures as they come; numbers count the pictures that were due, so a gap is a loss."""

        def produce(put: Callable[[_Picture], None], stop: threading.Event) -> None:
            _grab(self._source, self._max_fps, clock, put, stop)

        stalled = f"camera {_public(self._source)}: no picture for {self._stall_s:g} s; check its power and its network"
        taken = threaded(produce, name=self.name, depth=_KEPT, stall_s=self._stall_s, stalled=stalled)
        async with aclosing(taken) as pictures:
            async for p in pictures:
                yield Sample(self.modality, self.name, p.number, p.at_ns, Frame(p.pixels), p.error_ns)


# --- in the camera's thread --------------------------------------------------------------


def _grab(source: str, max_fps: float, clock: Clock, put: Callable[[_Picture], None], stop: threading.Event) -> None:
    """Take pictures until there are no more (a file), the camera is lost, or ``stop`` is set."""
    try:
        cv2 = opencv()
    except NoOpenCV as error:
        raise SensorFailed(str(error)) from error
    capture = _opened(cv2, source)
    try:
        if "://" in source:
            _drain(capture, clock, stop)
        grabs = _live(capture, source, clock, stop) if not _is_file(source) else _filed(cv2, capture, clock, stop)
        pace, number = Pace(max_fps), 0
        for at_ns, error_ns in grabs:
            if pace.due(at_ns):
                taken, pixels = capture.retrieve()
                if taken:
                    put(_Picture(number, at_ns, error_ns, cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)))
                number += 1
    finally:
        capture.release()


def _live(capture: Any, source: str, clock: Clock, stop: threading.Event) -> Iterator[tuple[int, int]]:
    """When each picture was grabbed, and by how much that may be wrong: it was exposed after the one before."""
    before_ns, on_the_way_ns = clock.now_ns(), _NETWORK_NS if "://" in source else 0
    while not stop.is_set():
        grabbed, at_ns = capture.grab(), clock.now_ns()
        # After its read timeout FFmpeg still gives the pictures its decoder had kept: they are from the past.
        if not grabbed or ("://" in source and at_ns - before_ns > 0.9e9 * _READ_TIMEOUT_S):
            raise SensorFailed(f"camera {_public(source)}: gives no more pictures; {_way_out(source)}")
        yield at_ns, at_ns - before_ns + on_the_way_ns
        before_ns = at_ns


def _filed(cv2: Any, capture: Any, clock: Clock, stop: threading.Event) -> Iterator[tuple[int, int]]:
    """The same for a file, which has no pace of its own: each picture is held back until its time."""
    began_ns = clock.now_ns()
    while not stop.is_set() and capture.grab():
        due_ns = began_ns + capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6
        stop.wait(max(0.0, (due_ns - clock.now_ns()) / 1e9))
        now_ns = clock.now_ns()
        yield now_ns, round(abs(now_ns - due_ns)) + _HELD_NS


def _opened(cv2: Any, source: str) -> Any:
    timeouts = [
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
        int(_OPEN_TIMEOUT_S * 1000),
        cv2.CAP_PROP_READ_TIMEOUT_MSEC,
        int(_READ_TIMEOUT_S * 1000),
    ]
    device = _device_number(source)
    try:
        if device is not None:
            capture = cv2.VideoCapture(device, cv2.CAP_V4L2)
        else:
            capture = cv2.VideoCapture(source, cv2.CAP_FFMPEG, [] if _is_file(source) else timeouts)
    except cv2.error as error:
        raise SensorFailed(f"camera {_public(source)}: {str(error).splitlines()[0]}; {_way_out(source)}") from error
    if not capture.isOpened():
        capture.release()
        raise SensorFailed(f"camera {_public(source)}: cannot be opened; {_way_out(source)}")
    return capture


def _drain(capture: Any, clock: Clock, stop: threading.Event) -> None:
    """Pass over what the server had kept: pictures that come at once are from the past."""
    began_ns = before_ns = clock.now_ns()
    while not stop.is_set() and before_ns - began_ns < _BACKLOG_S * 1e9 and capture.grab():
        now_ns = clock.now_ns()
        if now_ns - before_ns > _QUICK_S * 1e9:
            return
        before_ns = now_ns


def _is_file(source: str) -> bool:
    return "://" not in source and _device_number(source) is None


def _device_number(source: str) -> int | None:
    found = re.fullmatch(r"(?:/dev/video)?(\d+)", source)
    if found is None and source.startswith("/dev/"):
        # /dev/v4l/by-id/... keeps its name when cameras are plugged in another order.
        found = re.fullmatch(r"/dev/video(\d+)", str(Path(source).resolve()))
    return int(found[1]) if found else None


def _public(source: str) -> str:
    """The source without the password an address may hold."""
    return re.sub(r"://[^/@]*@", "://***@", source)


def _way_out(source: str) -> str:
    if "://" in source:
        return "check the address, the password and that the camera is on"
    if _is_file(source):
        return "check the path; " + ("it is not a video OpenCV knows" if Path(source).exists() else "there is no file")
    return "see `sensorium devices`, and that this user is in the group video"
