"""What is fused again, and what is not: never where an answer could be another."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from cloud.doubles import MS, FakeFusion, a_picture, a_symbol, a_window, an_event, connected, settings, words
from services import redis_server

from sensorium.delivery import SequencedSymbol
from sensorium.event import Event, Modality, Tensor
from sensorium.symbol import Hypothesis, Symbol
from sensorium.window import Presence, Slot, Window
from sensorium_cloud._app.settings import Cache
from sensorium_cloud.cache import Cached, Similar, key
from sensorium_cloud.encode.encoders import EncodedWindow
from sensorium_cloud.state.redis_cache import RedisCache
from sensorium_cloud.state.redis_link import impatient

VECTOR = np.random.default_rng(7).standard_normal(128).astype(np.float32)


class Fusion:
    """Counts, and is sure of what it says."""

    def __init__(self, lead: float = 0.9) -> None:
        self.fused: list[str] = []
        self.lead = lead

    def __call__(self, windows: Sequence[EncodedWindow]) -> list[Symbol]:
        self.fused += [encoded.window.id for encoded in windows]
        best = (Hypothesis("approve", (1 + self.lead) / 2), Hypothesis("reject", (1 - self.lead) / 2))
        return [replace(a_symbol(encoded.window), alternatives=best) for encoded in windows]


def encoded(window: Window) -> EncodedWindow:
    return EncodedWindow(window, None, None, 0.0)


def a_hand(index: int = 0, noise: float = 0.0, session: str = "kitchen", **what: object) -> EncodedWindow:
    """A window with a hand whose vector is noisy."""
    features = Tensor.of(VECTOR + noise * np.random.default_rng(index).standard_normal(128).astype(np.float32))
    event = an_event("thumb_up", session=session, at_ns=(500 * index + 400) * MS, features=features)
    return encoded(a_window(index, replace(event, **what), session=session))  # type: ignore[arg-type]


# --- the same evidence -----------------------------------------------------------------


def test_the_same_evidence_is_fused_once_in_whichever_session_at_whatever_time() -> None:
    cached = Cached(fusion := Fusion(), most=10)
    first, again = cached([a_hand(3)])[0], cached([replace(a_hand(0), window=a_hand(3).window)])[0]
    other = cached([encoded(moved(a_hand(3).window, 7, "hall"))])[0]

    assert fusion.fused == ["kitchen.3"]
    assert first.latency == ()
    assert [stage.name for stage in again.latency] == ["align", "reuse"]
    assert (other.id, other.session_id, other.start_ns) == ("hall.7", "hall", 3_500 * MS)
    assert [evidence.at_ns for evidence in other.timeline] == [3_900 * MS]
    assert (other.concept, other.confidence) == (first.concept, first.confidence)


def moved(window: Window, index: int, session: str) -> Window:
    """The same evidence in another place."""
    by_ns = 500 * MS * (index - window.index)

    def later(event: Event) -> Event:
        return replace(event, at_ns=event.at_ns + by_ns, session_id=session, stream_id="other")

    slots = tuple(replace(slot, events=tuple(map(later, slot.events))) for slot in window.slots)
    end_ns = window.end_ns + by_ns
    return Window(f"{session}.{index}", session, index, 0, end_ns - 500 * MS, end_ns, end_ns + 100 * MS, slots)


@pytest.mark.parametrize(
    "what",
    [
        {"label": "thumb_down"},
        {"score": 0.8},
        {"quality": 0.5},
        {"at_ns": 499 * MS},
        {"span_ns": 5},
        {"features": None},
        {"features": Tensor.of(VECTOR * 1.0001)},
        {"metadata": {"moving": "yes"}},
        {"metadata": {"aside": "yes"}},
    ],
)
def test_whatever_fusion_looks_at_makes_other_evidence(what: dict[str, object]) -> None:
    assert key(a_hand(0, **what)) != key(a_hand(0))


def test_pictures_count_by_their_vectors_and_words_as_they_are() -> None:
    rows = np.ones((1, 1280), np.float32)
    seen = [EncodedWindow(a_window(0, a_picture(data)), None, rows, 0.0, (), (0,)) for data in (b"one", b"two")]

    assert key(seen[0]) == key(seen[1])
    assert key(replace(seen[0], frames=2 * rows)) != key(seen[0])
    assert key(encoded(a_window(0, words("yes")))) != key(encoded(a_window(0, words("no"))))


def test_what_is_remembered_is_bounded_and_the_oldest_goes() -> None:
    fusion = Fusion()
    cached = Cached(fusion, most=2)
    for score in (0.1, 0.2, 0.3, 0.1):
        cached([a_hand(0, score=score)])

    assert len(fusion.fused) == 4


# --- nearly the same evidence ----------------------------------------------------------


def sparing(fusion: Fusion, counts: Counter[str] | None = None) -> Cached:
    told = counts if counts is not None else Counter[str]()
    return Cached(fusion, similar=Similar(0.98), count=lambda outcome, many: told.update({outcome: many}))


def test_a_window_that_is_nearly_the_last_is_not_fused_and_says_so() -> None:
    cached = sparing(fusion := Fusion(), counts := Counter[str]())
    symbols = [cached([a_hand(index, noise=0.05)])[0] for index in range(4)]

    assert fusion.fused == ["kitchen.0"]
    assert [symbol.id for symbol in symbols] == [f"kitchen.{index}" for index in range(4)]
    assert [stage.name for stage in symbols[1].latency] == ["align", "reuse"]
    assert counts == {"miss": 1, "similar": 3}


def test_an_answer_is_repeated_for_two_seconds_and_then_made_anew() -> None:
    cached = sparing(fusion := Fusion())
    for index in range(11):
        cached([a_hand(index)])

    assert fusion.fused == ["kitchen.0", "kitchen.5", "kitchen.10"]


@pytest.mark.parametrize(
    "other",
    [
        a_hand(1, noise=0.5),
        a_hand(1, label="thumb_down"),
        a_hand(1, score=0.7),
        a_hand(1, quality=0.5),
        a_hand(1, features=None),
        a_hand(1, session="hall"),
        a_hand(0),
        encoded(a_window(1, an_event("thumb_up", at_ns=900 * MS), words("stop"))),
    ],
)
def test_what_differs_is_fused(other: EncodedWindow) -> None:
    cached = sparing(fusion := Fusion())
    cached([a_hand(0)])
    cached([other])

    assert len(fusion.fused) == 2


def test_words_are_read_though_they_are_the_same_again() -> None:
    cached = sparing(fusion := Fusion())
    for index in range(2):
        cached([encoded(a_window(index, words("stop")))])

    assert len(fusion.fused) == 2


def test_an_answer_on_the_fence_is_not_repeated() -> None:
    cached = sparing(fusion := Fusion(lead=0.2))
    for index in range(2):
        cached([a_hand(index)])

    assert len(fusion.fused) == 2


def test_who_is_here_and_who_only_was_is_not_the_same() -> None:
    window = a_hand(1).window
    slots = tuple(
        Slot(s.modality, Presence.STALE, s.events, age_ns=0) if s.modality is Modality.GESTURE else s
        for s in window.slots
    )
    cached = sparing(fusion := Fusion())
    cached([a_hand(0)])
    cached([encoded(replace(window, slots=slots))])

    assert len(fusion.fused) == 2


# --- in Redis --------------------------------------------------------------------------


def test_another_replica_finds_it_and_a_redis_that_is_gone_costs_nothing_else(tmp_path: Path) -> None:
    counts: Counter[str] = Counter()
    with redis_server(tmp_path) as server:

        def replica(fusion: Fusion, identity: str = "models") -> Cached:
            shared = RedisCache(impatient(server.url, 1.0), identity, count=lambda outcome: counts.update([outcome]))
            return Cached(fusion, most=10, shared=shared)

        fusions = [Fusion() for _ in range(3)]
        one, other, stranger = replica(fusions[0]), replica(fusions[1]), replica(fusions[2], "other models")
        first = one([a_hand(0)])[0]
        one([a_hand(1, noise=1.0)])  # brings what the first batch made
        found = other([encoded(moved(a_hand(0).window, 5, "hall"))])[0]
        stranger([a_hand(0)])
        server.kill()
        for index in range(2, 6):
            other([a_hand(index, noise=1.0)])

    assert (found.id, found.concept, found.alternatives) == ("hall.5", first.concept, first.alternatives)
    assert [len(fusion.fused) for fusion in fusions] == [2, 4, 1]
    assert counts["away"] >= 1
    assert counts["skipped"] >= 1


async def test_a_service_repeats_itself_only_when_it_is_told_to(fusion: FakeFusion) -> None:
    for cache, fused in ((Cache(), 2), (Cache(entries=10), 1)):
        fusion.batches.clear()
        chosen = msgspec.structs.replace(settings(), cache=cache)
        async with asyncio.timeout(20), connected(chosen, fusion.engines()) as client:
            device = client.device()
            await device.greet()
            for index, window in enumerate((a_hand(0).window, moved(a_hand(0).window, 1, "kitchen"))):
                await device.send(window, first=index + 1)
                while not isinstance(await device.hear(), SequencedSymbol):
                    pass

        assert len(fusion.fused) == fused
