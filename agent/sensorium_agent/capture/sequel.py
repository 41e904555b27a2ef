"""Several recordings one after another on one time line, as one session of the same sensors; or a part of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import Final

from sensorium.event import Modality, Sample
from sensorium_agent.capture.recording import Recording
from sensorium_agent.capture.tracks import Track

_PAUSE_S: Final = 1.0
"""Between two recordings: what was said at the end of one is not answered by the next."""


@dataclass(frozen=True, slots=True)
class _Sequel:
    """One sensor's tracks, each from its own time on."""

    parts: tuple[tuple[float, Track], ...]

    @property
    def name(self) -> str:
        return self.parts[0][1].name

    @property
    def modality(self) -> Modality:
        return self.parts[0][1].modality

    @property
    def duration_s(self) -> float:
        at_s, last = self.parts[-1]
        return at_s + last.duration_s

    @property
    def captured_bytes(self) -> int:
        return sum(track.captured_bytes for _, track in self.parts)

    def samples(self) -> Iterator[Sample]:
        """In order of time; numbers go on from one part to the next."""
        number = 0
        for at_s, track in self.parts:
            first = number
            for sample in track.samples():
                number = first + sample.sequence + 1
                yield replace(sample, sequence=number - 1, at_ns=sample.at_ns + round(at_s * 1e9))


def one_after_another(recordings: Sequence[Recording]) -> Recording:
    """``recordings`` (at least one) as one, with a second between them."""
    if len(recordings) == 1:
        return recordings[0]
    parts: dict[str, list[tuple[float, Track]]] = {}
    at_s = 0.0
    for recording in recordings:
        for track in recording.tracks:
            parts.setdefault(track.name, []).append((at_s, track))
        at_s += recording.duration_s + _PAUSE_S
    sequels = tuple(_Sequel(tuple(some)) for some in parts.values())
    names = Path(", ".join(str(recording.path) for recording in recordings))
    return Recording(names, sequels, at_s - _PAUSE_S)


@dataclass(frozen=True, slots=True)
class _Beginning:
    """A track up to a time."""

    track: Track
    for_s: float

    @property
    def name(self) -> str:
        return self.track.name

    @property
    def modality(self) -> Modality:
        return self.track.modality

    @property
    def duration_s(self) -> float:
        return min(self.track.duration_s, self.for_s)

    @property
    def captured_bytes(self) -> int:
        return self.track.captured_bytes

    def samples(self) -> Iterator[Sample]:
        """Those up to the time."""
        ends_ns = round(self.for_s * 1e9)
        return takewhile(lambda sample: sample.at_ns <= ends_ns, self.track.samples())


def beginning(recording: Recording, for_s: float) -> Recording:
    """The first ``for_s`` seconds of it."""
    tracks = tuple(_Beginning(track, for_s) for track in recording.tracks)
    return replace(recording, tracks=tracks, duration_s=min(recording.duration_s, for_s))
