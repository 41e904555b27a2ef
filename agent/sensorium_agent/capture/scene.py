"""Photos and videos as what one camera saw."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sensorium.event import Frame, Modality, Sample
from sensorium_agent import chatter
from sensorium_agent.capture.files import BadFile
from sensorium_agent.opencv import opencv

IMAGE_KINDS: Final = frozenset(
    {
        ".jpg",
        ".jpeg",
        ".jfif",
        ".jpe",
        ".png",
        ".bmp",
        ".webp",
        ".tif",
        ".tiff",
        ".ppm",
        ".pgm",
        ".gif",
        ".avif",
        ".jp2",
    }
)
VIDEO_KINDS: Final = frozenset(
    {".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mjpeg", ".mjpg", ".ogv", ".mpg", ".mpeg", ".ts", ".mts", ".3gp"}
    | {".wmv", ".flv"}
)
_CHATTER: Final = (
    b"libpng ",
    b"Corrupt JPEG data",
    b"Premature end of JPEG",
    b"Inconsistent progression",
    b"Invalid SOS parameters",
    b"Unknown Adobe color",
    b"Warning: unknown JFIF",
)
"""What the readers of PNG and JPEG say of a damaged file."""
_CUT_OFF: Final = 0.9
_ENDING_S: Final = 1.0

Pixels = npt.NDArray[np.uint8]
log = logging.getLogger(__name__)


# --- files -------------------------------------------------------------------------------


def read_image(path: Path) -> Pixels:
    """The photo as uint8 [height, width, 3] RGB, turned as its camera was held.

    Raises:
        BadFile: it is damaged, or not a picture.
    """
    cv2 = opencv()
    data = np.frombuffer(path.read_bytes(), np.uint8)
    try:
        with chatter.held_back(*_CHATTER):
            pixels = cv2.imdecode(data, cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise BadFile("it is damaged, or not a picture") from error
    if pixels is None:
        raise BadFile("it is damaged, or not a picture")
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)


@dataclass(frozen=True, slots=True)
class Film:
    """What a video file says of itself."""

    path: Path
    width: int
    height: int
    fps: float
    frames: int

    @property
    def duration_s(self) -> float:
        """By its header."""
        return self.frames / self.fps


def read_film(path: Path) -> Film:
    """What kind of video ``path`` is.

    Raises:
        BadFile: it is damaged, or not a video.
    """
    cv2 = opencv()
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        if not capture.isOpened() or not capture.grab():
            raise BadFile("it is damaged, or not a video")
        fps = capture.get(cv2.CAP_PROP_FPS)
        fps = fps if math.isfinite(fps) and 0 < fps <= 1000 else 25.0
        frames = max(1, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        width, height = (int(capture.get(p)) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        return Film(path, width, height, fps, frames)
    finally:
        capture.release()


def decode(film: Film, from_s: float = 0.0) -> Iterator[tuple[float, Pixels]]:
    """The film's pictures (RGB) with their own times, from 0 at ``from_s``; a warning tells of one that is cut off."""
    cv2 = opencv()
    capture = cv2.VideoCapture(str(film.path), cv2.CAP_FFMPEG)
    try:
        begin_s: float | None = None
        last_s = -math.inf
        while capture.grab():
            at_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            begin_s = at_s if begin_s is None else begin_s
            # Some files repeat a time stamp or lose them all: then the rate of the header counts.
            at_s = at_s - begin_s if at_s - begin_s > last_s else last_s + 1 / film.fps
            last_s = at_s
            if at_s < from_s:
                continue
            taken, pixels = capture.retrieve()
            if not taken:
                break
            yield at_s - from_s, cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
        if last_s + _ENDING_S < _CUT_OFF * film.duration_s:
            log.warning("video.cut_off file=%s has_s=%.1f of_s=%.1f", film.path, max(last_s, 0.0), film.duration_s)
    finally:
        capture.release()


# --- tracks of one file ------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A photo by itself: one picture at 0."""

    pixels: Pixels
    name: str = "camera"
    modality: Modality = Modality.VIDEO
    duration_s: float = 0.0

    @property
    def captured_bytes(self) -> int:
        """Uncompressed."""
        return self.pixels.nbytes

    def samples(self) -> Iterator[Sample]:
        """The one picture; it is the beginning of all time, exactly."""
        yield Sample(self.modality, self.name, 0, 0, Frame(self.pixels))


@dataclass(frozen=True, slots=True)
class Reel:
    """A video by itself: its pictures at their own times."""

    film: Film
    name: str = "camera"
    modality: Modality = Modality.VIDEO

    @property
    def duration_s(self) -> float:
        """By its header."""
        return self.film.duration_s

    @property
    def captured_bytes(self) -> int:
        """Uncompressed, by its header."""
        return self.film.frames * self.film.width * self.film.height * 3

    def samples(self) -> Iterator[Sample]:
        """Its pictures, decoded as they are asked for."""
        error_ns = _exposure_ns(self.film.fps)
        for number, (at_s, pixels) in enumerate(decode(self.film)):
            yield Sample(self.modality, self.name, number, round(at_s * 1e9), Frame(pixels), error_ns)


def _exposure_ns(fps: float) -> int:
    """Half a picture's time: when in it the shutter was open, no file says."""
    return round(0.5e9 / fps)


def read_pictures(path: Path, kind: str) -> Photo | Reel:
    """What is in a file with one of the endings above; a GIF that moves is a video.

    Raises:
        BadFile: it is damaged, or neither picture nor video.
    """
    if kind == ".gif" and (film := read_film(path)).frames > 1:
        return Reel(film)
    return Photo(read_image(path)) if kind in IMAGE_KINDS else Reel(read_film(path))


# --- a camera that sees several ----------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class HeldPhoto:
    """A photo before the camera, moved slowly, as no hand is still; see `story.Image` for the terms."""

    pixels: Pixels
    at_s: float
    for_s: float
    zoom: tuple[float, float] = (1.0, 1.0)
    pan: tuple[float, float, float, float] = (0.5, 0.5, 0.5, 0.5)
    turn_deg: float = 0.0

    def view(self, since_s: float, width: int, height: int) -> Pixels:
        """What the camera sees of it ``since_s`` after it began."""
        cv2 = opencv()
        part = min(1.0, since_s / self.for_s)
        matrix = self._matrix(part, width, height)
        return np.asarray(cv2.warpAffine(self.pixels, matrix, (width, height), flags=cv2.INTER_AREA), np.uint8)

    def _matrix(self, part: float, width: int, height: int) -> npt.NDArray[np.float64]:
        """Photo to picture: fitted whole, then zoomed and turned about the point in the middle."""
        tall, wide = self.pixels.shape[:2]
        scale = min(width / wide, height / tall) * _between(*self.zoom, part)
        x, y = _between(self.pan[0], self.pan[2], part) * wide, _between(self.pan[1], self.pan[3], part) * tall
        cos, sin = scale * math.cos(math.radians(self.turn_deg)), scale * math.sin(math.radians(self.turn_deg))
        return np.array([[cos, sin, width / 2 - cos * x - sin * y], [-sin, cos, height / 2 + sin * x - cos * y]])


def _between(begin: float, end: float, part: float) -> float:
    return begin + (end - begin) * part


@dataclass(frozen=True, slots=True)
class Shown:
    """A video before the camera."""

    film: Film
    at_s: float
    for_s: float
    from_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Scene:
    """One camera with a constant rate; where two things are before it, it sees the later one."""

    things: Sequence[HeldPhoto | Shown]
    duration_s: float
    fps: float = 15.0
    width: int = 640
    height: int = 480
    black_between: bool = True
    name: str = "camera"
    modality: Modality = Modality.VIDEO

    @property
    def captured_bytes(self) -> int:
        """Uncompressed."""
        return self.width * self.height * 3 * sum(1 for _ in self._times())

    def samples(self) -> Iterator[Sample]:
        """Pictures of the same size, drawn as they are asked for."""
        screens: dict[int, _Screen] = {}
        error_ns = _exposure_ns(self.fps)
        black: Pixels = np.zeros((self.height, self.width, 3), np.uint8)
        for number, at_s in self._times():
            index = self._seen(at_s)
            pixels = black
            if index is not None:
                screen = screens.setdefault(index, _Screen(self.things[index], self.width, self.height))
                pixels = screen.at(at_s)
            yield Sample(self.modality, self.name, number, round(at_s * 1e9), Frame(pixels), error_ns)

    def _times(self) -> Iterator[tuple[int, float]]:
        for number in range(math.floor(self.duration_s * self.fps + 1e-9)):
            at_s = number / self.fps
            if self.black_between or self._seen(at_s) is not None:
                yield number, at_s

    def _seen(self, at_s: float) -> int | None:
        """Which thing is before the camera."""
        here = [n for n, thing in enumerate(self.things) if thing.at_s <= at_s < thing.at_s + thing.for_s]
        return max(here, key=lambda n: (self.things[n].at_s, n)) if here else None


class _Screen:
    """One thing, asked for its picture at growing times."""

    def __init__(self, thing: HeldPhoto | Shown, width: int, height: int) -> None:
        self._thing = thing
        self._size = (width, height)
        self._film: Iterator[tuple[float, Any]] = iter(())
        self._now: Pixels = np.zeros((height, width, 3), np.uint8)
        self._next: tuple[float, Any] | None = None
        if isinstance(thing, Shown):
            self._film = decode(thing.film, thing.from_s)
            self._next = next(self._film, None)

    def at(self, at_s: float) -> Pixels:
        """Its picture at ``at_s`` on the time line."""
        since_s = at_s - self._thing.at_s
        if isinstance(self._thing, HeldPhoto):
            return self._thing.view(since_s, *self._size)
        newest = None
        while self._next is not None and self._next[0] <= since_s + 1e-6:
            newest, self._next = self._next[1], next(self._film, None)
        if newest is not None:
            self._now = HeldPhoto(newest, 0.0, 1.0).view(0.0, *self._size)
        return self._now
