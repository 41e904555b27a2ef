"""One event, window and symbol that use most of the contract; for tests that bend one thing at a time."""

from __future__ import annotations

from typing import Any

from sensorium.event import DType, Event, Media, Modality, Tensor
from sensorium.symbol import Entropy, Evidence, Hypothesis, ModelRef, Provenance, Revision, Share, Stage, Symbol
from sensorium.window import Presence, Slot, Window

SESSION = "kitchen"
MS = 1_000_000


def an_event(modality: Modality = Modality.GESTURE, number: int = 0, **what: Any) -> Event:
    what = {"label": "thumb_up", "score": 0.9, "features": Tensor.of([0.25, -1.5, 3.0], DType.F16)} | what
    return Event(modality, f"{modality}_{SESSION}", number, SESSION, 100 * MS + number, **what)


def a_window() -> Window:
    """Gestures and words here, an old sound, no touch."""
    slots = (
        Slot(Modality.AUDIO, Presence.STALE, (an_event(Modality.AUDIO),), 900 * MS),
        Slot(Modality.TEXT, Presence.LATE, (an_event(Modality.TEXT, text="off", features=None),), 400 * MS, 0),
        Slot(
            Modality.GESTURE,
            Presence.PRESENT,
            (an_event(), an_event(number=1, media=Media("image/jpeg", b"\xff\xd8"), metadata={"hand": "left"})),
            400 * MS,
            0,
        ),
        Slot(Modality.HAPTIC, Presence.ABSENT),
    )
    return Window(f"{SESSION}.7", SESSION, 7, 0, 0, 500 * MS, 560 * MS, slots)


def a_symbol() -> Symbol:
    return Symbol(
        id=f"{SESSION}.7",
        session_id=SESSION,
        revision=Revision.CLOUD,
        window_revision=0,
        start_ns=0,
        end_ns=500 * MS,
        concept="approve",
        content="Someone agrees.",
        abstained=None,
        confidence=0.93,
        alternatives=(Hypothesis("approve", 0.93), Hypothesis("stop", 0.04)),
        domains=("TEXT", "GESTURE", "MULTIMODAL"),
        shares=(Share(Modality.TEXT, Presence.LATE), Share(Modality.GESTURE, Presence.PRESENT, "thumb_up", 0.8, 1.0)),
        entropy=Entropy(0.4, 2.1, 0.0, 0.9, 51.6),
        latency=(Stage("join", 1.5),),
        timeline=(Evidence(Modality.GESTURE, "thumb_up", 0.9, 100 * MS, 0),),
        provenance=Provenance("cloud-1", "sensorium 0.1.0", (ModelRef("fusion", "ab" * 32),)),
    )
