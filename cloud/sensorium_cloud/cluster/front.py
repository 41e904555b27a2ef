"""Asking replicas, as the lanes ask engines of their own: batches of windows in, vectors or symbols out.

Work has no effects, so what a replica that ended had in hand is given once to another. What nobody could do in time is
refused with a time to come back, and its device keeps it: no window is lost, and none is answered twice.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

import numpy as np

from sensorium.event import Modality
from sensorium.symbol import Symbol
from sensorium_cloud.batch import Overloaded
from sensorium_cloud.cluster.parcel import Blobs, Floats, heard, packed
from sensorium_cloud.encode.encoders import EncodedWindow, pictures_in, words_in
from sensorium_cloud.encode.whisper import Transcript

log = logging.getLogger(__name__)

R = TypeVar("R")

_AGAIN_MS: Final = 1_000
"""A replica that ended takes seconds to come back; another may have room sooner."""


class ReplicaEnded(Exception):
    """A replica was gone before it answered."""


class NobodyAnswers(Exception):
    """No replica answered in time, or there is no cluster any more."""


Call = Callable[[Any, float], Any]
"""Asks any replica, for at most so many seconds; raises one of the above, or what the work raised."""


class Undone:
    """Counts what replicas did not do; lanes have several threads.

    Attributes:
        windows: those that no replica did in time.
        pictures: those that could not be decoded; their windows went on without.
    """

    def __init__(self) -> None:
        self.windows = 0
        self.pictures = 0
        self._lock = threading.Lock()

    def add(self, *, windows: int = 0, pictures: int = 0) -> None:
        """Count more."""
        with self._lock:
            self.windows += windows
            self.pictures += pictures


@dataclass(frozen=True, slots=True)
class Deployment:
    """Replicas of one kind.

    Attributes:
        name: of the deployment.
        call: asks one of them.
        patience_s: how long they may take, a second attempt included.
        undone: counts what they do not do.
    """

    name: str
    call: Call
    patience_s: float
    undone: Undone = field(default_factory=Undone)

    def ask(self, payload: object, *, windows: int = 1) -> Any:
        """What a replica makes of ``payload``, which is of so many windows.

        Raises:
            Overloaded: no replica could do it in time.
        """
        until_s = time.monotonic() + self.patience_s
        for attempt in (1, 2):
            try:
                return self.call(payload, until_s - time.monotonic())
            except ReplicaEnded as error:
                log.warning("ray.replica_ended deployment=%s attempt=%d reason=%s", self.name, attempt, error)
                reason = "replicas end before they answer"
            except NobodyAnswers as error:
                log.warning("ray.no_answer deployment=%s reason=%s", self.name, error)
                reason = str(error)
                break
        self.undone.add(windows=windows)
        raise Overloaded(self.name, reason, _AGAIN_MS)


# --- what lanes call -------------------------------------------------------------------


def add_pictures(video_audio: Deployment, batch: Sequence[EncodedWindow], *, limit: int) -> list[EncodedWindow]:
    """Each window with the vectors of its newest ``limit`` pictures; raises as `Deployment.ask` does."""
    began = time.perf_counter()
    places = [(p, i) for p, e in enumerate(batch) for i in pictures_in(e.window, limit)]
    media = [batch[p].window.slot(Modality.VIDEO).events[i].media for p, i in places]
    rows, seen = video_audio.ask(Blobs.of([m.data for m in media if m is not None]), windows=len(batch))
    video_audio.undone.add(pictures=len(places) - len(seen))
    found = _by_window(rows, [places[number] for number in seen])
    return _timed([_with_frames(e, *found.get(p, _NOTHING)) for p, e in enumerate(batch)], began)


def add_words(text_gesture: Deployment, batch: Sequence[EncodedWindow], *, limit: int) -> list[EncodedWindow]:
    """Each window with the vectors of its newest ``limit`` texts; raises as `Deployment.ask` does."""
    began = time.perf_counter()
    places = [(p, i) for p, e in enumerate(batch) for i in words_in(e.window, limit)]
    said = [(batch[p].window.slot(Modality.TEXT).events[i].text or "").strip() for p, i in places]
    distinct = list(dict.fromkeys(said))
    rows = text_gesture.ask(distinct, windows=len(batch))[[distinct.index(text) for text in said]]
    found = _by_window(rows, places)
    return _timed([_with_text(e, *found.get(p, _NOTHING)) for p, e in enumerate(batch)], began)


def fuse(fusion: Deployment, batch: Sequence[EncodedWindow]) -> list[Symbol]:
    """A symbol for each window, in order; raises as `Deployment.ask` does."""
    return heard(fusion.ask(packed(batch), windows=len(batch)))


@dataclass(frozen=True, slots=True)
class RemoteEar:
    """Hears words in a sound, elsewhere."""

    video_audio: Deployment

    def hear(self, sound: Floats) -> Transcript:
        """What is said in a sound of 16 kHz; raises as `Deployment.ask` does."""
        transcript: Transcript = self.video_audio.ask(sound)
        return transcript


_NOTHING: Final[tuple[None, tuple[int, ...]]] = (None, ())


def _by_window(rows: Floats, places: Sequence[tuple[int, int]]) -> dict[int, tuple[Floats, tuple[int, ...]]]:
    """The rows and event numbers of each window."""
    windows = np.asarray([p for p, _ in places], np.intp)
    return {p: (rows[windows == p], tuple(i for own, i in places if own == p)) for p in dict.fromkeys(windows.tolist())}


def _with_frames(encoded: EncodedWindow, rows: Floats | None, numbers: tuple[int, ...]) -> EncodedWindow:
    return encoded if rows is None else replace(encoded, frames=rows, frame_events=numbers)


def _with_text(encoded: EncodedWindow, rows: Floats | None, numbers: tuple[int, ...]) -> EncodedWindow:
    return encoded if rows is None else replace(encoded, text=rows, text_events=numbers)


def _timed(batch: Sequence[EncodedWindow], began: float) -> list[EncodedWindow]:
    """With the time that they took together, which each of them waited for."""
    ms = (time.perf_counter() - began) * 1e3
    return [replace(encoded, encode_ms=encoded.encode_ms + ms) for encoded in batch]
