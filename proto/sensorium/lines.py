"""Everything that is understood, as JSON lines: the way to script and to check it.

The schema is documented in ``docs/jsonl.md``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from sensorium.episode import Episode
from sensorium.event import Event
from sensorium.symbol import Symbol
from sensorium.window import Window

Line = dict[str, Any]

_ENCODER = msgspec.json.Encoder(enc_hook=str)


def event_line(event: Event, file: str | None) -> Line:
    """What one perceiver understood."""
    return {
        "type": "event",
        "file": file,
        "modality": event.modality,
        "label": event.label,
        "score": round(event.score, 4),
        "at_ns": event.at_ns,
        "at_error_ns": event.at_error_ns,
        "span_ns": event.span_ns,
        "quality": round(event.quality, 4),
        "text": event.text,
        "stream": event.stream_id,
        "sequence": event.sequence,
        "session": event.session_id,
        "features": list(event.features.shape) if event.features else None,
        "media_bytes": len(event.media.data) if event.media else 0,
        "metadata": dict(event.metadata),
    }


def window_line(window: Window, file: str | None) -> Line:
    """Which modalities met; ``score`` is the share of them that were there."""
    here = sum(slot.here for slot in window.slots)
    return {
        "type": "window",
        "file": file,
        "modality": None,
        "label": None,
        "score": round(here / len(window.slots), 4) if window.slots else 0.0,
        "at_ns": window.start_ns,
        "start_ns": window.start_ns,
        "end_ns": window.end_ns,
        "closed_at_ns": window.closed_at_ns,
        "id": window.id,
        "session": window.session_id,
        "revision": window.revision,
        "slots": {
            slot.modality: {
                "presence": slot.presence,
                "events": len(slot.events),
                "age_ns": slot.age_ns,
                "offset_ns": slot.offset_ns,
            }
            for slot in window.slots
        },
    }


def symbol_line(symbol: Symbol, file: str | None, after_close_ms: float | None) -> Line:
    """What a window meant; ``after_close_ms`` is how long after the window closed it was there."""
    present = symbol.modalities
    return {
        "type": "symbol",
        "file": file,
        "modality": present[0] if len(present) == 1 else None,
        "label": symbol.concept,
        "score": round(symbol.confidence, 4),
        "at_ns": symbol.start_ns,
        "start_ns": symbol.start_ns,
        "end_ns": symbol.end_ns,
        "id": symbol.id,
        "session": symbol.session_id,
        "boot_id": symbol.boot_id or None,
        "revision": symbol.revision,
        "window_revision": symbol.window_revision,
        "after_close_ms": None if after_close_ms is None else round(after_close_ms, 2),
        "content": symbol.content,
        "abstained": symbol.abstained,
        "modalities": list(present),
        "domains": list(symbol.domains),
        "alternatives": {h.concept: round(h.probability, 4) for h in symbol.alternatives},
        "shares": {share.modality: _plain(share, skip=("modality",)) for share in symbol.shares},
        "entropy": _plain(symbol.entropy),
        "latency_ms": {stage.name: round(stage.ms, 3) for stage in symbol.latency},
        "timeline": [_plain(evidence) for evidence in symbol.timeline],
        "provenance": _plain(symbol.provenance),
    }


def episode_line(episode: Episode, file: str | None) -> Line:
    """What a person meant, over all its windows: it begins, changes and ends under one id."""
    return {
        "type": "episode",
        "file": file,
        "modality": episode.modalities[0] if len(episode.modalities) == 1 else None,
        "label": episode.concept,
        "score": round(episode.confidence, 4),
        "at_ns": episode.start_ns,
        "end_ns": episode.end_ns,
        "phase": episode.phase,
        "id": episode.id,
        "session": episode.session_id,
        "revision": episode.revision,
        "content": episode.content,
        "modalities": list(episode.modalities),
        "windows": episode.windows,
        "withdrawn": episode.withdrawn,
    }


def episode_told(episode: Episode) -> Line:
    """An episode by the names of its own fields: for MQTT and webhooks, where no file is played."""
    return {
        "id": episode.id,
        "session": episode.session_id,
        "phase": episode.phase,
        "concept": episode.concept,
        "content": episode.content,
        "confidence": round(episode.confidence, 4),
        "revision": episode.revision,
        "modalities": list(episode.modalities),
        "start_ns": episode.start_ns,
        "end_ns": episode.end_ns,
        "windows": episode.windows,
        "withdrawn": episode.withdrawn,
    }


def status_line(kind: str, **what: Any) -> Line:
    """What happened to the agent itself: a sensor failed, the link came back, the run ended."""
    return {"type": kind, "file": None, "modality": None, "label": None, "score": None, "at_ns": None} | what


def _plain(value: Any, skip: tuple[str, ...] = ()) -> Any:
    plain = msgspec.to_builtins(value)
    return {k: round(v, 6) if isinstance(v, float) else v for k, v in plain.items() if k not in skip}


def encoded(line: Line) -> bytes:
    """The line as it is written, with its newline."""
    return _ENCODER.encode(line) + b"\n"


def writer(write: Callable[[bytes], object]) -> Callable[[Line], None]:
    """Writes each line at once."""
    return lambda line: void(write(encoded(line)))


def void(_: object) -> None:
    """Drops a result nobody needs."""
