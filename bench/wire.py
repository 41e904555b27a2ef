"""What the contract's checks cost beside bare protobuf, in thread CPU time: ``python bench/wire.py``."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from sensorium.event import DType, Event, EventStream, Media, Modality, Tensor
from sensorium.v1 import window_pb2
from sensorium.window import Presence, Slot, Window
from sensorium.wire import content_hash, window_from_proto, window_to_proto

MS = 1_000_000
SESSION = "kitchen-3f2a"
EVENTS: Mapping[Modality, int] = MappingProxyType(
    {
        Modality.VIDEO: 1,
        Modality.AUDIO: 2,
        Modality.TEXT: 1,
        Modality.GESTURE: 2,
        Modality.HAPTIC: 1,
        Modality.BIOMETRIC: 1,
    }
)
SIZES = {Modality.AUDIO: 256, Modality.GESTURE: 128, Modality.HAPTIC: 64, Modality.BIOMETRIC: 32}


def a_slot(modality: Modality, rng: np.random.Generator) -> Slot:
    """A modality's events in a half second, with f16 features."""
    stream = EventStream(SESSION, modality)

    def an_event(i: int) -> Event:
        what: dict[str, object] = {"label": "speech", "score": 0.91, "quality": 0.8, "span_ns": 200 * MS}
        if modality in SIZES:
            what["features"] = Tensor.of(rng.normal(size=SIZES[modality]), DType.F16)
        if modality is Modality.TEXT:
            what |= {"label": None, "text": "turn the light on in the kitchen, please"}
        if modality is Modality.VIDEO:
            what |= {"label": None, "media": Media("image/jpeg", rng.bytes(8_000))}
        if modality is Modality.BIOMETRIC:
            what["metadata"] = {"bpm": "72.4"}
        return stream.event(100 * MS * (i + 1), **what)

    events = tuple(an_event(i) for i in range(EVENTS[modality]))
    return Slot(modality, Presence.PRESENT, events, 500 * MS - events[-1].at_ns, 0)


def a_window() -> Window:
    """A full window of all six modalities."""
    rng = np.random.default_rng(0)
    slots = tuple(a_slot(modality, rng) for modality in Modality)
    return Window(f"{SESSION}.0", SESSION, 0, 0, 0, 500 * MS, 560 * MS, slots)


def cost_us(work: Callable[[], object], rounds: int = 30, times: int = 200) -> float:
    """The least CPU time of one call over many rounds: what it takes when nobody disturbs."""
    best = float("inf")
    for _ in range(rounds):
        before = time.thread_time_ns()
        for _ in range(times):
            work()
        best = min(best, (time.thread_time_ns() - before) / times / 1000)
    return best


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    window = a_window()
    data = window_to_proto(window).SerializeToString()
    parse = window_pb2.Window.FromString
    assert window_from_proto(parse(data)) == window
    bare = cost_us(lambda: parse(data))
    print(f"window: {sum(map(len, (s.events for s in window.slots)))} events, {len(data)} bytes")
    print(f"{'bare protobuf parse':34}{bare:8.1f} us      1.0 x")
    for title, work in {
        "parse and check (from_proto)": lambda: window_from_proto(parse(data)),
        "build and serialise (to_proto)": lambda: window_to_proto(window).SerializeToString(),
        "content hash": lambda: content_hash(window),
    }.items():
        cost = cost_us(work)
        print(f"{title:34}{cost:8.1f} us  {cost / bare:7.1f} x")


if __name__ == "__main__":
    main()
