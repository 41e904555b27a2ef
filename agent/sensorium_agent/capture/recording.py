"""Plays files as sensors: as fast as they are asked for, or in their own time as if live.

    for sample in open_recording(Path("hand.jpg")).samples(): ...

What the files look like is said in docs/recording.md.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from sensorium.clock import Clock
from sensorium.event import Modality, Sample
from sensorium_agent.capture import scene, story, tracks, wristband
from sensorium_agent.capture.ahead import Ahead
from sensorium_agent.capture.body import read_body
from sensorium_agent.capture.files import BadFile, read_lines, read_table, read_text, read_touches
from sensorium_agent.capture.landmarks import Landmarks, read_landmarks
from sensorium_agent.capture.packed import read_sound
from sensorium_agent.capture.sensor import Sensor, Sleep
from sensorium_agent.capture.staging import RecordingError, stage, worn
from sensorium_agent.capture.tracks import Track
from sensorium_agent.capture.wav import BadWav

__all__ = ["PlayedSensor", "Recording", "RecordingError", "open_landmarks", "open_recording"]

_AHEAD: Final = 8
"""Pictures decoded ahead: 7 MB at 640 x 480."""
_LATE_NS: Final = 250_000_000
"""Pictures that could be given only later than this are dropped, as a live camera drops them."""
_KINDS: Final[Mapping[Modality, str]] = {
    Modality.VIDEO: "pictures (.jpg .png .webp ...), videos (.mp4 .avi .mkv ...)",
    Modality.AUDIO: "sound (.wav .flac .ogg .mp3 ...)",
    Modality.TEXT: "text (.txt)",
    Modality.HAPTIC: "touches (.jsonl)",
    Modality.BIOMETRIC: "heart and skin (.csv, a wristband's folder)",
}
_SHOWN: Final[Mapping[Modality, tuple[str, ...]]] = {
    Modality.VIDEO: ("pictures",),
    Modality.AUDIO: ("sound",),
    Modality.TEXT: ("text",),
    Modality.HAPTIC: ("touches",),
    Modality.BIOMETRIC: ("heart", "skin"),
}
"""What a recording of a sense has in it."""
_SOUND_OUT: Final = "convert it, as in: ffmpeg -i FILE out.wav"
_FOREIGN: Final = frozenset({".m4a", ".aac", ".wma", ".amr", ".ac3"})
"""Sound that nothing here reads."""
_WAYS_OUT: Final[Mapping[str, str]] = {
    **dict.fromkeys(scene.IMAGE_KINDS, "save it anew as .jpg or .png"),
    **dict.fromkeys(scene.VIDEO_KINDS, "convert it, as in: ffmpeg -i FILE out.mp4"),
    **dict.fromkeys(tracks.SOUND_KINDS, _SOUND_OUT),
    ".txt": "write what is said, a line each",
    ".jsonl": 'a touch is down, move or up: {"t_s": 0.1, "pointer": 0, "phase": "down", "x": 0.5, "y": 0.5}',
    ".csv": "a file begins with names, as t_s,ppg,eda_us or rr_ms, and has a line for each moment",
}


class UnknownKind(BadFile):
    """The file's name does not say what is in it."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Something to play.

    Attributes:
        path: where it came from.
        tracks: one for each sensor.
        duration_s: from 0 to its end.
        expect: what a person would say is shown, if it says so.
    """

    path: Path
    tracks: tuple[Track, ...]
    duration_s: float
    expect: tuple[story.Expect, ...] = ()

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The senses of its sensors, in the order of `Modality`."""
        return tuple(m for m in Modality if any(track.modality is m for track in self.tracks))

    @property
    def captured_bytes(self) -> int:
        """Size of all samples as sensors would have given them, uncompressed."""
        return sum(track.captured_bytes for track in self.tracks)

    def samples(self) -> Iterator[Sample]:
        """Every sample in order of time, from 0 ns, as fast as they are asked for; the same each time."""
        return heapq.merge(*map(_played, self.tracks), key=lambda sample: sample.at_ns)

    def sensors(self, start_ns: int) -> list[Sensor]:
        """Sensors that give the samples at their times after ``start_ns``, one for each track."""
        return [PlayedSensor(track, start_ns) for track in self.tracks]


def open_recording(path: Path, senses: Sequence[Modality] = ()) -> Recording:
    """The recording in ``path``: a file of a known kind, a ``recording.toml`` or a folder with one.

    Raises:
        RecordingError: there is no such file, it is of no known kind, damaged, or has none of the ``senses`` asked for.
        SensoriumError: a ``recording.toml`` has a mistake, or names a sample that was not fetched.
    """
    try:
        recording = _opened(told if (told := path / "recording.toml").is_file() else path)
    except UnknownKind as error:
        instead = _SOUND_OUT if path.suffix.lower() in _FOREIGN else f"give {_kinds(senses)}"
        raise RecordingError(f"{path}: {error}; {instead}") from error
    except (BadFile, BadWav) as error:
        way_out = None if path.is_dir() else _WAYS_OUT.get(path.suffix.lower())
        raise RecordingError(f"{path}: {error}; {way_out or 'give a file, or a folder with one of these'}") from error
    except OSError as error:
        raise RecordingError(f"{path}: {error.strerror}; check the path") from error
    if senses and not set(senses) & set(recording.modalities):
        if Modality.AUDIO in senses and path.suffix.lower() in scene.VIDEO_KINDS:
            raise RecordingError(f"{path}: of a video only the pictures are read; {_SOUND_OUT}")
        *first, last = [word for sense in senses for word in _SHOWN[sense]]
        wanted = f"{', '.join(first)} or {last}" if first else last
        raise RecordingError(f"{path}: it has no {wanted}; give {_kinds(senses)}")
    return recording


def _kinds(senses: Sequence[Modality]) -> str:
    """The files in which there may be one of ``senses``, or any."""
    return ", ".join([*(_KINDS[sense] for sense in senses or _KINDS), "a session (.mcap) or a recording.toml"])


def open_landmarks(path: Path) -> Landmarks:
    """The hands in a ``.npz`` file of measured joints.

    Raises:
        RecordingError: there is no such file, or it has no such arrays of numbers.
    """
    try:
        return read_landmarks(path)
    except BadFile as error:
        raise RecordingError(f"{path}: {error}; write it with numpy.savez(file, x=joints)") from error
    except OSError as error:
        raise RecordingError(f"{path}: {error.strerror}; check the path") from error


def _opened(path: Path) -> Recording:
    path.stat()  # OpenCV does not say whether a file is missing or damaged
    if path.is_dir():
        band = tracks.PulseTrack([worn(one.series, one.after_s) for one in wristband.read_folder(path)])
        return Recording(path, (band,), band.duration_s)
    if path.suffix.lower() == ".toml":
        told = story.read_story(read_text(path), str(path))
        staged, duration_s = stage(path, told)
        return Recording(path, staged, duration_s, told.expect)
    if path.suffix.lower() == ".mcap":
        from sensorium_agent.capture import session

        return Recording(path, *session.tracks(path))
    track = _track(path, path.suffix.lower())
    return Recording(path, (track,), track.duration_s)


def _track(path: Path, kind: str) -> Track:
    """A file by itself."""
    if kind in scene.IMAGE_KINDS | scene.VIDEO_KINDS:
        return scene.read_pictures(path, kind)
    if kind in tracks.SOUND_KINDS:
        clip = tracks.Clip(read_sound(path))
        return tracks.SoundTrack((clip,), clip.length_s)
    if kind == ".txt":
        return tracks.TextTrack(read_lines(read_text(path)))
    if kind == ".jsonl":
        return tracks.TouchTrack(read_touches(path.read_bytes()))
    if kind == ".csv":
        return tracks.PulseTrack(_body(path, read_table(path)))
    raise UnknownKind(f"{kind or 'a name without an ending'} is no kind of file that is known here")


def _body(path: Path, text: str) -> list[tracks.PulseRun | tracks.BeatRun]:
    """What a file of heart and skin holds, as anybody writes it or as a wristband exports it."""
    if wristband.is_export(text):
        return [worn(wristband.read_export(text, wristband.signal_of(path))[1])]
    return [worn(series) for series in read_body(text)]


def _played(track: Track) -> Iterator[Sample]:
    """The track's samples; pictures are decoded ahead, in a thread."""
    if track.modality is Modality.VIDEO and track.duration_s > 0:
        return _ahead(track)
    return track.samples()


def _ahead(track: Track) -> Iterator[Sample]:
    with closing(Ahead(track.samples, _AHEAD)) as ahead:
        yield from ahead


class PlayedSensor:
    """A track as a live sensor: its samples come at ``start_ns`` plus their own times.

    Pictures that come too late are dropped and leave a gap in the numbers, as with a camera.
    """

    def __init__(self, track: Track, start_ns: int, *, sleep: Sleep = asyncio.sleep) -> None:
        self.name: Final = track.name
        self.modality: Final = track.modality
        self._track = track
        self._start_ns = start_ns
        self._sleep = sleep

    async def samples(self, clock: Clock) -> AsyncGenerator[Sample, None]:
        """The samples, dated on ``clock``."""
        async with aclosing(self._in_order()) as samples:
            async for sample in samples:
                at_ns = self._start_ns + sample.at_ns
                early_ns = at_ns - clock.now_ns()
                if early_ns > 0:
                    await self._sleep(early_ns / 1e9)
                elif early_ns < -_LATE_NS and self.modality is Modality.VIDEO:
                    continue
                yield replace(sample, at_ns=at_ns)

    async def _in_order(self) -> AsyncGenerator[Sample, None]:
        """The track's samples; pictures are decoded in a thread, all else is at hand."""
        if self.modality is not Modality.VIDEO:
            for sample in self._track.samples():
                yield sample
            return
        with closing(Ahead(self._track.samples, _AHEAD)) as ahead:
            while (picture := ahead.take_now() or await asyncio.to_thread(next, ahead, None)) is not None:
                yield picture
