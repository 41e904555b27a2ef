"""The device's own answer: always there, and only as sure as the evidence."""

from __future__ import annotations

import math
import random
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared.scenes import END_NS, MS, a_window, seen, share

from sensorium import concepts
from sensorium.event import Event, Media, Modality
from sensorium.symbol import ModelRef, Reason, Revision, Symbol
from sensorium.window import Window
from sensorium_agent.fuse.network import FusionNetwork
from sensorium_agent.fuse.pooling import Pool, by_rules
from sensorium_agent.fuse.symbol import FusionSettings, answer, fuse
from sensorium_agent.infer.runtime.model import load
from sensorium_models import store

VOCABULARY = concepts.load()
V, A, T, G, H, B = Modality
POOLS: dict[str, Pool] = {"rules": by_rules, "network": FusionNetwork(load(store.path("device_fusion")))}
_pool: list[Pool] = [by_rules]


@pytest.fixture(params=list(POOLS), autouse=True, scope="module")
def pool(request: pytest.FixtureRequest) -> Pool:
    """Who pools: what is claimed here holds for the network and for the rules."""
    _pool[0] = POOLS[request.param]
    return _pool[0]


def said(text: str, **what: Any) -> Event:
    return seen(T, text=text, **what)


def understood(*events: Event, stale: tuple[Event, ...] = (), settings: FusionSettings | None = None) -> Symbol:
    return fuse(
        a_window(*events, stale=stale),
        VOCABULARY,
        now_ns=END_NS + 5 * MS,
        device="bench",
        software="sensorium 0",
        models=[ModelRef("hand_landmark", "ab" * 32)],
        settings=settings,
        pool=_pool[0],
    )


# --- what it understands ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "concept"),
    [
        (seen(G, "open_palm"), "stop"),
        (seen(G, "thumb_up"), "approve"),
        (seen(H, "tap"), "select"),
        (seen(H, "swipe_left"), "next"),
        (seen(A, "okay_nabu"), "wake"),
        (seen(A, "speech"), "speaking"),
        (seen(B, "heart_rate_high"), "aroused"),
        (said("stop"), "stop"),
        (said("Stop the music!"), "music_stop"),
        (said("could you please turn on the light in the kitchen"), "light_on"),
        (said("okay nabu, turn the lights off"), "light_off"),
        (said("Turn right"), "turn_right"),
        (said("don’t move"), "stop"),
        (seen(A, "speech", text="turn up the volume"), "volume_up"),
    ],
)
def test_one_sense_is_enough(event: Event, concept: str) -> None:
    symbol = understood(event)

    assert (symbol.concept, symbol.abstained) == (concept, None)
    assert symbol.content == VOCABULARY[concept].description
    assert 0.5 < symbol.confidence < 1


def test_senses_that_agree_are_surer_than_each_alone() -> None:
    palm, word = seen(G, "open_palm"), said("stop")

    assert understood(palm, word).confidence > max(understood(palm).confidence, understood(word).confidence)


def test_two_senses_outvote_one() -> None:
    symbol = understood(seen(G, "open_palm"), said("stop"), seen(H, "tap"))

    assert symbol.concept == "stop"
    assert share(symbol, H).contribution < 0 < share(symbol, T).contribution


@pytest.mark.parametrize(
    "lower", [seen(B, "heart_rate_high", score=0.99), seen(A, "okay_nabu", score=0.99), seen(A, "speech", score=0.99)]
)
def test_hearts_speech_and_wake_words_never_override_a_command(lower: Event) -> None:
    palm = seen(G, "open_palm", score=0.75)
    alone, together = understood(palm), understood(palm, lower)

    assert together.concept == alone.concept == "stop"
    assert together.confidence == alone.confidence
    assert share(together, lower.modality).contribution == 0


def test_a_wake_word_is_heard_through_the_speech_around_it() -> None:
    assert (
        understood(*(seen(A, "speech", ago_ms=ms) for ms in range(10, 400, 30)), seen(A, "okay_nabu")).concept == "wake"
    )


# --- when it abstains ------------------------------------------------------------------


def test_nothing_perceived_is_nothing_said() -> None:
    symbol = understood()

    assert (symbol.concept, symbol.abstained, symbol.confidence) == (None, Reason.NOTHING, 0.0)
    assert [len(some) for some in (symbol.alternatives, symbol.timeline, symbol.domains)] == [0, 0, 0]
    assert symbol.entropy.information == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("event", [said("the invoice from Tuesday is still missing"), seen(G), seen(H, "shake")])
def test_what_fits_no_concept_is_unknown(event: Event) -> None:
    assert understood(event).abstained is Reason.UNKNOWN


@pytest.mark.parametrize(
    "line", ["don't stop", "dont stop", "shouldn't stop", "never turn on the light", "nobody turn on the light"]
)
def test_a_negated_command_is_not_that_command(line: str) -> None:
    assert understood(said(line)).abstained is Reason.UNKNOWN


def test_two_senses_that_contradict_each_other_are_a_conflict() -> None:
    symbol = understood(seen(G, "thumb_up"), said("no"))

    assert symbol.abstained is Reason.CONFLICT
    assert symbol.entropy.disagreement > 0.5
    assert {h.concept for h in symbol.alternatives[:2]} == {"approve", "reject"}


@pytest.mark.parametrize("event", [seen(G, "open_palm", score=0.3), seen(G, "open_palm", quality=0.2)])
def test_a_faint_sign_is_named_by_nobody(event: Event, pool: Pool) -> None:
    symbol = understood(event)

    # What the rules spread evenly, the network gives to "none of them": that is likelier then than the concept.
    assert symbol.abstained is (Reason.UNSURE if pool is by_rules else Reason.UNKNOWN)
    assert symbol.alternatives[0].concept == "stop"
    assert ("stop" in symbol.content) is (pool is by_rules)


def test_one_picture_among_many_does_not_make_a_gesture(pool: Pool) -> None:
    strange = [seen(G, ago_ms=ms) for ms in range(30, 430, 30)]

    doubt = Reason.UNSURE if pool is by_rules else Reason.UNKNOWN
    assert understood(*strange, seen(G, "open_palm", ago_ms=10)).abstained is doubt
    assert understood(*strange[:5], *(seen(G, "open_palm", ago_ms=ms) for ms in range(200, 400, 30))).concept == "stop"


def test_old_news_is_no_news() -> None:
    assert understood(stale=(seen(H, "tap", ago_ms=600),)).abstained is Reason.NOTHING


def test_stale_evidence_supports_and_fades() -> None:
    palm = seen(G, "open_palm", score=0.6)
    sure = [understood(palm, stale=(said("stop", ago_ms=ms),)).confidence for ms in (600, 1200, 1900)]

    assert sure == sorted(sure, reverse=True)
    assert sure[-1] > understood(palm).confidence


def test_a_new_sign_beats_a_stale_one() -> None:
    symbol = understood(seen(H, "swipe_left"), stale=(seen(G, "open_palm", ago_ms=1500),))

    assert symbol.concept == "next"
    assert symbol.entropy.disagreement == 0


def test_a_picture_without_a_label_is_listed_and_changes_nothing() -> None:
    frame = seen(V, media=Media("image/jpeg", b"\xff\xd8"))
    symbol = understood(frame, seen(G, "open_palm"))

    assert symbol.confidence == understood(seen(G, "open_palm")).confidence
    assert [e.modality for e in symbol.timeline] == [V, G]
    assert share(symbol, V).contribution == share(symbol, V).attention == 0
    assert symbol.domains[:3] == ("VISUAL", "GESTURE", "MULTIMODAL")
    assert understood(frame).abstained is Reason.NOTHING


# --- its figures -----------------------------------------------------------------------


def test_a_symbol_says_who_took_part_and_when() -> None:
    symbol = understood(seen(G, "open_palm", ago_ms=300), said("stop", ago_ms=100))

    assert (symbol.id, symbol.revision, symbol.window_revision) == ("s.19", Revision.EDGE, 0)
    assert [s.modality for s in symbol.shares] == list(Modality)
    assert share(symbol, T).offset_ns == 200 * MS
    assert share(symbol, G).label == "open_palm"
    assert [(s.name, s.ms) for s in symbol.latency] == [("align", 4.0), ("wait", 1.0)]
    assert symbol.provenance.processed_on == "bench"
    assert symbol.provenance.models[0].name == "hand_landmark"
    assert symbol.domains == ("TEXT", "GESTURE", "MULTIMODAL", "CONTROL")


def test_shares_follow_quality_and_age() -> None:
    symbol = understood(seen(G, "open_palm", quality=0.4), said("stop"), seen(A, "speech", ago_ms=400))

    assert share(symbol, G).reliability == 0.4
    assert share(symbol, T).weight > share(symbol, A).weight > share(symbol, G).weight
    assert math.fsum(s.weight for s in symbol.shares) == pytest.approx(1)
    assert math.fsum(s.attention for s in symbol.shares) == pytest.approx(1)


def test_temperature_only_changes_how_sure() -> None:
    events = (seen(G, "open_palm"), said("stop"))
    cool, warm = (understood(*events, settings=FusionSettings(temperature=t)) for t in (0.5, 2.0))

    assert cool.concept == warm.concept == "stop"
    assert cool.confidence > warm.confidence


LABELS = sorted({label for c in VOCABULARY for strengths in c.labels.values() for label in strengths})
UNIT = st.floats(0, 1)
EVENTS = st.builds(
    lambda m, n, label, text, ago, score, quality: Event(
        m, f"{m}_s", n, "s", END_NS - ago * MS, label=label, text=text, score=score, quality=quality
    ),
    st.sampled_from(list(Modality)),
    st.integers(0, 1 << 40),
    st.none() | st.sampled_from(LABELS) | st.text(max_size=5),
    st.none() | st.sampled_from([p for c in VOCABULARY for p in c.phrases]) | st.text(max_size=30),
    st.integers(0, 499),
    UNIT | st.just(math.nan),
    UNIT,
)


@given(st.lists(EVENTS, max_size=12), st.lists(EVENTS, max_size=3), st.sampled_from([0.01, 0.5, 1.0, 20.0]))
def test_always_an_answer_and_always_a_distribution(events: list[Event], old: list[Event], temperature: float) -> None:
    stale = tuple(replace(e, at_ns=e.at_ns - 500 * MS) for e in old)
    settings = FusionSettings(temperature=temperature)
    symbol = understood(*events, stale=stale, settings=settings)
    posterior = answer(a_window(*events, stale=stale), VOCABULARY, settings, _pool[0]).posterior

    assert math.fsum(posterior) == pytest.approx(1)
    assert all(0 <= p <= 1 for p in posterior)
    assert (symbol.concept is None) == (symbol.abstained is not None)
    assert all(math.isfinite(x) for s in symbol.shares for x in (s.weight, s.contribution, s.attention, s.reliability))
    assert all(0 <= h.probability <= 1 for h in symbol.alternatives)


@given(st.lists(EVENTS, min_size=2, max_size=10, unique_by=lambda e: e.sequence), st.randoms(use_true_random=False))
def test_the_order_events_came_in_does_not_matter(events: list[Event], chance: random.Random) -> None:
    window = a_window(*events)
    shuffled = replace(
        window, slots=tuple(replace(s, events=tuple(chance.sample(s.events, len(s.events)))) for s in window.slots)
    )

    def told(window: Window) -> Symbol:
        return fuse(window, VOCABULARY, now_ns=END_NS, device="d", software="s", pool=_pool[0])

    assert told(shuffled) == told(window)


def test_it_takes_well_under_a_millisecond() -> None:
    window = a_window(
        *(seen(A, "speech", ago_ms=ms) for ms in range(0, 480, 240)),
        *(seen(m, "tap") for m in Modality),
        said("turn on the light"),
    )
    fuse(window, VOCABULARY, now_ns=END_NS, device="d", software="s", pool=_pool[0])

    def thread_ms() -> float:
        begin = time.thread_time_ns()
        fuse(window, VOCABULARY, now_ns=END_NS, device="d", software="s", pool=_pool[0])
        return (time.thread_time_ns() - begin) / MS

    assert min(thread_ms() for _ in range(50)) < 1.0


def test_how_a_hand_is_held_on_its_way_means_nothing() -> None:
    held, moving = seen(G, "open_palm"), seen(G, "open_palm", metadata={"moving": "yes"})

    assert understood(held).concept == "stop"
    assert understood(moving).abstained is Reason.NOTHING
    assert understood(moving, said("next")).concept == "next"


def test_a_movement_is_heard_before_the_poses_of_its_window() -> None:
    swipes = concepts.parse(
        """
[concept.stop]
description = "Stop."
labels = { gesture = { open_palm = 0.9 } }
[concept.next]
description = "Next."
labels = { gesture = { swipe_left = 0.9 } }
"""
    )
    poses = [seen(G, "open_palm", ago_ms=ago) for ago in range(200, 480, 30)]
    swipe = seen(G, "swipe_left", ago_ms=100, span_ns=300 * MS)
    window = a_window(*poses, swipe)
    symbol = fuse(window, swipes, now_ns=END_NS, device="d", software="s", pool=_pool[0])

    assert symbol.concept == "next"
    assert share(symbol, G).label == "swipe_left"


def test_a_command_that_is_part_of_a_sentence_is_not_heard_by_itself() -> None:
    assert understood(seen(A, "stop"), said("stop the music")).concept == "music_stop"
    assert understood(seen(A, "stop"), said("next")).abstained is Reason.CONFLICT
    assert understood(seen(A, "stop"), stale=(said("stop the music", ago_ms=900),)).concept == "stop"
