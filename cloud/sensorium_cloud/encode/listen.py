"""Clips of windows become words: what was said is one more event of the text slot, marked with who heard it."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Protocol

from sensorium.event import Event, Modality
from sensorium.limits import SPAN_NS
from sensorium.symbol import ModelRef
from sensorium.window import Presence, Slot, Window
from sensorium_cloud.encode.encoders import EncodedWindow, clips_in
from sensorium_cloud.encode.whisper import Floats, Transcript, Unreadable, believed, samples

log = logging.getLogger(__name__)

HEARD_BY: Final = "heard_by"
"""Key of the metadata of an event of words that somebody was heard to say."""


class Hears(Protocol):
    """Turns sound into words."""

    def hear(self, sound: Floats) -> Transcript:
        """What is said in a sound of 16 kHz."""


class Listener:
    """Adds to windows what is said in their clips.

    Attributes:
        unreadable: clips that are none.
        unbelieved: clips in which nobody seems to speak.

    Args:
        network: hears.
        model: which it is, for the symbols' provenance.
        limit: newest clips of a window that are listened to.
        longest_s: beginning of a clip that is listened to.
    """

    def __init__(self, network: Hears, model: ModelRef, *, limit: int, longest_s: float) -> None:
        self.unreadable = 0
        self.unbelieved = 0
        self._network, self._model, self._limit, self._longest_s = network, model, limit, longest_s

    def __call__(self, batch: Sequence[EncodedWindow]) -> list[EncodedWindow]:
        """Each window, with the words of its clips."""
        return [self._listened(encoded) for encoded in batch]

    def _listened(self, encoded: EncodedWindow) -> EncodedWindow:
        began = time.perf_counter()
        audio = encoded.window.slot(Modality.AUDIO).events
        said = [event for n in clips_in(encoded.window, self._limit) if (event := self._said(audio[n])) is not None]
        ms = (time.perf_counter() - began) * 1e3
        if not said:
            return replace(encoded, encode_ms=encoded.encode_ms + ms)
        window = with_words(encoded.window, said)
        return replace(encoded, window=window, encode_ms=encoded.encode_ms + ms, heard_by=self._model)

    def _said(self, event: Event) -> Event | None:
        """What is said in the event's clip; None if nobody says anything."""
        assert event.media is not None, "`clips_in` gives events with clips"
        try:
            transcript = self._network.hear(samples(event.media.data, self._longest_s))
        except Unreadable as error:
            self.unreadable += 1
            log.debug("listen.clip_dropped reason=%s", error)
            return None
        if not believed(transcript):
            self.unbelieved += 1
            return None
        return Event(
            Modality.TEXT,
            f"{Modality.TEXT}_clip_{event.session_id}",
            event.sequence,
            event.session_id,
            event.at_ns,
            span_ns=event.span_ns,
            score=min(math.exp(transcript.log_probability), 1.0),
            quality=event.quality,
            text=transcript.text,
            metadata={HEARD_BY: self._model.name},
        )


def with_words(window: Window, said: Sequence[Event]) -> Window:
    """``window`` with these events in its text slot, in order of event time."""
    text = window.slot(Modality.TEXT)
    known = text.events if text.here else ()
    events = tuple(sorted((*known, *said), key=lambda event: event.at_ns))
    presence = text.presence if text.here else Presence.PRESENT
    first_ns = min((s.events[0].at_ns for s in window.slots if s.here and s.events), default=events[0].at_ns)
    age_ns, offset_ns = (max(ns, 0) for ns in (window.end_ns - events[-1].at_ns, events[0].at_ns - first_ns))
    slot = Slot(Modality.TEXT, presence, events, min(age_ns, SPAN_NS), min(offset_ns, SPAN_NS))
    return replace(window, slots=tuple(slot if s.modality is Modality.TEXT else s for s in window.slots))
