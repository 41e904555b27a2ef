"""Feels files: heart, skin and touches, each through the lane of its sense, as fast as it goes."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, median
from typing import Final

from sensorium.event import Event, EventStream, Modality
from sensorium.lines import Line, event_line
from sensorium_agent._app.files.each import each
from sensorium_agent.capture.recording import Recording, open_recording
from sensorium_agent.infer import lanes
from sensorium_agent.infer.biometric import Arousal, BiometricPerceiver

_FELT: Final = (Modality.BIOMETRIC, Modality.HAPTIC)
_APART_NS: Final = 1_000_000_000
"""Between the rest and what is compared with it: no beat spans the two files."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a file says of a person as a whole.

    Attributes:
        seconds: that were felt.
        bpm: median of the heart rates that were told.
        arousal: mean probability over the judgements, one every 5 s; None where there were none.
        judgements: how many.
    """

    seconds: float
    bpm: float | None
    arousal: float | None
    judgements: int

    def line(self, file: str) -> Line:
        """As a line for ``--summary``."""
        label = None if self.arousal is None else "arousal_high" if self.arousal >= 0.5 else "arousal_low"
        known = {"bpm": self.bpm, "arousal": self.arousal}
        told = {name: None if value is None else round(value, 4) for name, value in known.items()}
        return {
            "type": "summary",
            "file": file,
            "label": label,
            "seconds": round(self.seconds, 2),
            **told,
            "judgements": self.judgements,
        }


@dataclass(frozen=True, slots=True)
class Feeling:
    """A file's events, the probabilities of arousal of all its judgements, and its length."""

    events: tuple[Event, ...]
    arousals: tuple[float, ...]
    seconds: float

    def summary(self) -> Summary:
        """All of it in four numbers."""
        bpms = [float(e.metadata["bpm"]) for e in self.events if (e.label or "").startswith("heart_rate")]
        bpm = median(bpms) if bpms else None
        return Summary(self.seconds, bpm, mean(self.arousals) if self.arousals else None, len(self.arousals))


def feel_files(files: Sequence[Path], rest: Path | None, write: Callable[[Line], None], *, summary: bool) -> int:
    """Write a line for each event of each file, or one for each file; returns how many files could not be read.

    Raises:
        RecordingError: the rest cannot be read, or has neither heart nor skin.
    """
    usual = None if rest is None else open_recording(rest, [Modality.BIOMETRIC])

    def tell(number: int, file: Path) -> None:
        found = feel(file, number, usual)
        if summary:
            write(found.summary().line(str(file)))
        else:
            for event in found.events:
                write(event_line(event, str(file)))

    return each(files, tell)


def feel(file: Path, number: int, rest: Recording | None = None) -> Feeling:
    """What is felt in the file at that place of the command line, by a person whose ``rest`` was felt before.

    Raises:
        RecordingError: it cannot be read, or has nothing to feel.
    """
    session = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{number}:{file.name}"))  # the same files, the same lines
    recording = open_recording(file, _FELT)
    feeling = lanes.build(set(_FELT) & set(recording.modalities), session)
    begin_ns = _learn(feeling, rest)
    events, judged = list[Event](), [_judgement(feeling)]
    for sample in recording.samples():
        later = replace(sample, at_ns=sample.at_ns + begin_ns)
        events += [event for lane in feeling if lane.hears(sample) for event in lane.perceive([later])]
        if (newest := _judgement(feeling)) is not judged[-1]:
            judged.append(newest)
    end_ns = begin_ns + round(recording.duration_s * 1e9)
    events += [event for lane in feeling for event in [*lane.tick(end_ns), *lane.perceiver.finish(end_ns)]]
    found = tuple(replace(event, at_ns=event.at_ns - begin_ns) for event in events)
    if not found:
        found = (EventStream(session, recording.modalities[0]).event(end_ns - begin_ns, label=None),)
    return Feeling(found, tuple(one.probability for one in judged[1:] if one), recording.duration_s)


def _judgement(feeling: Sequence[lanes.Lane]) -> Arousal | None:
    """The newest one of whoever feels heart and skin; another object where it is another one."""
    bodies = (lane.perceiver for lane in feeling if isinstance(lane.perceiver, BiometricPerceiver))
    return next((body.arousal for body in bodies), None)


def _learn(feeling: Sequence[lanes.Lane], rest: Recording | None) -> int:
    """Let the lanes feel the person at rest; gives when what is compared with it begins."""
    if rest is None:
        return 0
    for sample in rest.samples():
        if sample.modality is Modality.BIOMETRIC:
            for lane in feeling:
                lane.perceive([sample] if lane.hears(sample) else [])
    return round(rest.duration_s * 1e9) + _APART_NS
