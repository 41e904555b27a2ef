"""A recorded session's samples as a recording like any other: its sensors play again, from 0."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from sensorium.event import Modality, Sample
from sensorium_agent.capture.tracks import Track
from sensorium_agent.record.reader import SessionLog
from sensorium_agent.record.session import RecordError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SessionTrack:
    """One sensor of a recorded session."""

    log: SessionLog
    name: str
    modality: Modality
    duration_s: float

    @property
    def captured_bytes(self) -> int:
        """Unknown without decoding it all: none is claimed."""
        return 0

    def samples(self) -> Iterator[Sample]:
        """Those whose data are kept, in the order they arrived, from the session's start."""
        start_ns = self.log.session.start_ns
        for arrival in self.log.arrivals(self.name):
            yield replace(arrival.sample, at_ns=max(arrival.sample.at_ns - start_ns, 0))


def tracks(path: Path) -> tuple[tuple[Track, ...], float]:
    """A track for each sensor whose samples are kept, and how long the session was, in seconds.

    Raises:
        RecordError: it is no recorded session, or no samples are kept in it.
    """
    recorded = SessionLog(path)
    contents = recorded.contents()
    duration_s = max(contents.end_ns - recorded.session.start_ns, 0) / 1e9
    unkept = [s.name for s in contents.sensors if not s.playable]
    found = tuple(SessionTrack(recorded, s.name, s.modality, duration_s) for s in contents.sensors if s.playable)
    if not found:
        raise RecordError(
            f"{path}: no samples are kept in it; record with --media, or take its events: sensorium replay"
        )
    if unkept:
        log.warning("session.unkept sensors=%s: recorded without --media; the rest plays", ",".join(unkept))
    return found, duration_s
