"""Puts the files of a `recording.toml` on one time line: one sensor for each sense."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from sensorium.errors import SensoriumError
from sensorium.event import Touch
from sensorium_agent.capture import scene, story, tracks
from sensorium_agent.capture.body import BeatSeries, Series, Signal, read_body
from sensorium_agent.capture.files import BadFile, read_lines, read_table, read_text, read_touches
from sensorium_agent.capture.packed import read_sound
from sensorium_agent.capture.tracks import Track
from sensorium_agent.capture.wav import BadWav

T = TypeVar("T")

PHOTO_HELD_S: Final = 3.0
"""How long a photo is held that does not say."""

AnyTrack = story.Image | story.Video | story.Sound | story.Words | story.Strokes | story.Heart


class RecordingError(SensoriumError):
    """A file that cannot be played; one line with its name and the reason."""


@dataclass(slots=True)
class _Stage:
    """What each sensor will have before it, as the tracks are read."""

    things: list[scene.HeldPhoto | scene.Shown] = field(default_factory=list)
    clips: list[tracks.Clip] = field(default_factory=list)
    lines: list[tuple[float, str]] = field(default_factory=list)
    touches: list[tuple[float, Touch]] = field(default_factory=list)
    pulses: list[tracks.PulseRun | tracks.BeatRun] = field(default_factory=list)

    def ends(self) -> Iterator[float]:
        """When each thing is over."""
        yield from (thing.at_s + thing.for_s for thing in self.things)
        yield from (clip.at_s + clip.length_s for clip in self.clips)
        yield from (at_s for at_s, _ in [*self.lines, *self.touches])
        yield from (run.end_s for run in self.pulses)

    def tracks(self, camera: story.Stage, duration_s: float) -> Iterator[Track]:
        """A track for each sensor that has something before it."""
        if self.things:
            black = camera.between == "black"
            yield scene.Scene(self.things, duration_s, camera.fps, camera.width, camera.height, black)
        if self.clips:
            yield tracks.SoundTrack(tuple(self.clips), duration_s)
        if self.lines:
            yield tracks.TextTrack(_until(self.lines, duration_s))
        if self.touches:
            yield tracks.TouchTrack(_until(self.touches, duration_s))
        if self.pulses:
            yield tracks.PulseTrack(tuple(self.pulses))


def stage(path: Path, told: story.Story) -> tuple[tuple[Track, ...], float]:
    """The tracks of the story in ``path``, and how long it is in seconds.

    Raises:
        RecordingError: a file of it is missing or damaged; says which.
        SensoriumError: a fetched sample is missing; says how to fetch it.
    """
    if not told.track:
        raise RecordingError(f"{path}: it has no [[track]]; see docs/recording.md")
    stage = _Stage()
    for number, track in enumerate(told.track):
        file = _resolved(path, track.file)
        try:
            _put(stage, track, file)
        except (BadFile, BadWav, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise RecordingError(f"{path}: track[{number}]: {file}: {reason}") from error
    duration_s = told.for_s or max(stage.ends())
    return tuple(stage.tracks(told.camera, duration_s)), duration_s


def _resolved(path: Path, file: str) -> Path:
    if not file.startswith("media:"):
        return path.parent / file
    from sensorium_models import media

    return media.path(file.removeprefix("media:"))


def _put(stage: _Stage, track: AnyTrack, file: Path) -> None:
    """Read one track's file and put it before its sensor."""
    match track:
        case story.Image():
            held_s = track.for_s or PHOTO_HELD_S
            pixels = scene.read_image(file)
            photo = scene.HeldPhoto(pixels, track.at_s, held_s, track.zoom, track.pan, track.turn_deg)
            stage.things.append(photo)
        case story.Video():
            film = scene.read_film(file)
            shown_s = track.for_s or max(0.0, film.duration_s - track.from_s)
            stage.things.append(scene.Shown(film, track.at_s, shown_s, track.from_s))
        case story.Sound():
            stage.clips.append(tracks.Clip(read_sound(file), track.at_s, track.from_s, track.for_s, track.gain))
        case story.Words():
            stage.lines += _placed(track, read_lines(read_text(file)))
        case story.Strokes():
            stage.touches += _placed(track, read_touches(file.read_bytes()))
        case story.Heart():
            found = read_body(read_table(file), track.rate_hz, Signal(track.signal))
            stage.pulses += [worn(series, track.at_s, track.from_s, track.for_s) for series in found]


def _placed(track: story.Words | story.Strokes, found: Iterable[tuple[float, T]]) -> Iterator[tuple[float, T]]:
    """The part of ``found`` that is played, at its times on the time line."""
    end_s = track.from_s + (track.for_s or math.inf)
    return ((track.at_s + at_s - track.from_s, what) for at_s, what in found if track.from_s <= at_s < end_s)


def worn(
    series: Series | BeatSeries, at_s: float = 0.0, from_s: float = 0.0, for_s: float | None = None
) -> tracks.PulseRun | tracks.BeatRun:
    """The part of ``series`` from ``from_s`` on that is played, beginning at ``at_s`` on the time line."""
    if isinstance(series, BeatSeries):
        kept = (series.ends_s > from_s) & (series.ends_s <= from_s + (for_s or math.inf))
        return tracks.BeatRun(series.ms[kept], series.ends_s[kept] - from_s + at_s)
    begin = round(from_s * series.rate_hz)
    end = None if for_s is None else begin + round(for_s * series.rate_hz)
    kind = tracks.SkinRun if series.signal is Signal.SKIN else tracks.PulseRun
    return kind(series.values[begin:end], series.rate_hz, at_s)


def _until(found: Iterable[tuple[float, T]], end_s: float) -> tuple[tuple[float, T], ...]:
    return tuple(sorted((pair for pair in found if pair[0] <= end_s), key=lambda pair: pair[0]))
