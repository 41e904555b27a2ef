"""The cloud's answer: what all senses of a window mean together, with the weights that ship."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shared.scenes import END_NS, MS, a_window, seen, share

from sensorium import concepts
from sensorium.errors import FieldError
from sensorium.event import Event, Modality, Tensor
from sensorium.symbol import Reason, Revision, Symbol
from sensorium_cloud.encode.encoders import EncodedWindow, SentenceEncoder
from sensorium_cloud.fuse.fusion import Fuser
from sensorium_cloud.fuse.space import Space
from sensorium_models import store

pytestmark = pytest.mark.needs_models

WEIGHTS = Path(__file__).parents[2] / "models" / "weights"
NETWORK = [WEIGHTS / name for name in ("fusion_senses.onnx", "fusion.onnx", "fusion.json")]
SPACE = Space.load(WEIGHTS / "sentence_space.npz")
VOCABULARY = concepts.load()
V, A, T, G, H, B = Modality
SIZES = {V: 1280, A: 256, T: 384, G: 128, H: 64, B: 32}


@pytest.fixture(scope="module")
def sentences() -> SentenceEncoder:
    return SentenceEncoder(store.path("sentence_embedding"), store.path("sentence_tokenizer"))


@pytest.fixture(scope="module")
def fuser(sentences: SentenceEncoder) -> Fuser:
    return Fuser.load(*NETWORK, VOCABULARY, sentences.encode, space=SPACE)


Understand = Callable[..., Symbol]


@pytest.fixture(scope="module")
def understood(fuser: Fuser, sentences: SentenceEncoder) -> Understand:
    return lambda *events, stale=(): fuser.fuse([encoded(sentences, *events, stale=stale)])[0]


def said(text: str, **what: Any) -> Event:
    return seen(T, text=text, score=1.0, **what)


def encoded(sentences: SentenceEncoder, *events: Event, stale: tuple[Event, ...] = ()) -> EncodedWindow:
    window = a_window(*events, stale=stale)
    words = [(i, e.text) for i, e in enumerate(window.slot(T).events) if e.text]
    rows = sentences.encode([text for _, text in words]) if words else None
    return EncodedWindow(window, rows, None, 2.0, tuple(i for i, _ in words))


# --- what it understands ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "concept"),
    [
        (seen(G, "open_palm"), "stop"),
        (seen(G, "thumb_up"), "approve"),
        (seen(H, "tap"), "select"),
        (seen(H, "long_press"), "hold"),
        (seen(A, "okay_nabu"), "wake"),
        (seen(A, "speech"), "speaking"),
        (seen(B, "heart_rate_high"), "aroused"),
        (said("stop"), "stop"),
        (said("it has become so dark, would you put a lamp on"), "light_on"),
        (said("Could you turn the lights off in the bedroom?"), "light_off"),
        (said("I can hardly hear the radio, make it louder"), "volume_up"),
    ],
)
def test_one_sense_is_enough(understood: Understand, event: Event, concept: str) -> None:
    symbol = understood(event)

    assert (symbol.concept, symbol.abstained, symbol.revision) == (concept, None, Revision.CLOUD)


def test_senses_that_agree_support_each_other(understood: Understand) -> None:
    symbol = understood(seen(G, "open_palm"), said("stop right there"))

    assert symbol.concept == "stop"
    assert symbol.entropy.disagreement < 0.2
    assert {m: share(symbol, m).attention > 0 for m in (A, T, G)} == {A: False, T: True, G: True}


@pytest.mark.parametrize("lower", [seen(B, "heart_rate_high"), seen(A, "okay_nabu"), seen(A, "speech")])
def test_hearts_speech_and_wake_words_never_override_a_command(understood: Understand, lower: Event) -> None:
    palm = seen(G, "open_palm", score=0.75)
    alone, together = understood(palm), understood(palm, lower)

    assert together.concept == alone.concept == "stop"
    assert together.confidence == pytest.approx(alone.confidence, abs=1e-5)
    assert share(together, lower.modality).contribution == share(together, lower.modality).attention == 0


@pytest.mark.parametrize("word", ["okay_nabu", "hey_jarvis"])
def test_a_wake_word_is_heard_amid_the_speech_it_is_said_in(understood: Understand, word: str) -> None:
    speech = [seen(A, "speech", ago_ms=ago) for ago in (450, 300, 150)]

    assert understood(*speech, seen(A, word, ago_ms=100)).concept == "wake"


def test_a_command_that_is_part_of_a_sentence_is_not_heard_by_itself(understood: Understand) -> None:
    assert understood(seen(A, "stop"), said("stop the music")).concept == "music_stop"


# --- when it abstains ------------------------------------------------------------------


def test_nothing_perceived_is_nothing_said(understood: Understand) -> None:
    symbol = understood()

    assert (symbol.concept, symbol.abstained, symbol.confidence) == (None, Reason.NOTHING, 0.0)
    assert all(s.attention == s.weight == s.contribution == 0 for s in symbol.shares)


@pytest.mark.parametrize("line", ["the invoice from last week got lost", "what is the capital of Australia"])
def test_what_fits_no_concept_is_unknown(understood: Understand, line: str) -> None:
    assert understood(said(line)).abstained is Reason.UNKNOWN


def test_senses_that_contradict_each_other_are_a_conflict(understood: Understand) -> None:
    symbol = understood(seen(G, "thumb_up"), said("no, I disagree"))

    assert symbol.abstained is Reason.CONFLICT
    assert symbol.entropy.disagreement > 0.5


def test_old_news_is_no_news(understood: Understand) -> None:
    assert understood(stale=(seen(H, "tap", ago_ms=700),)).abstained is Reason.NOTHING


def test_events_kept_at_home_say_nothing(fuser: Fuser) -> None:
    window = a_window(seen(B, "heart_rate_high"))
    kept = replace(window, slots=tuple(replace(s, events=()) for s in window.slots))

    symbol = fuser.fuse([EncodedWindow(kept, None, None, 0.0)])[0]

    assert symbol.abstained is Reason.NOTHING
    assert symbol.modalities == (B,)


# --- its figures -----------------------------------------------------------------------


def test_a_symbol_says_who_took_part_and_how_long_it_took(understood: Understand) -> None:
    symbol = understood(seen(G, "open_palm", ago_ms=300), said("stop", ago_ms=100), seen(B, "heart_rate_high"))

    assert [s.modality for s in symbol.shares] == list(Modality)
    assert math.fsum(s.weight for s in symbol.shares) == pytest.approx(1)
    assert math.fsum(s.attention for s in symbol.shares) == pytest.approx(1)
    assert [(s.name, s.ms) for s in symbol.latency[:2]] == [("align", 4.0), ("encode", 2.0)]
    assert symbol.latency[2].name == "fuse"
    assert symbol.provenance.models[-1].name == "fusion"
    assert [e.label for e in symbol.timeline] == ["open_palm", None, "heart_rate_high"]


def test_every_window_of_a_batch_has_its_own_answer(fuser: Fuser, sentences: SentenceEncoder) -> None:
    batch = [encoded(sentences, *some) for some in ((said("stop"),), (), (seen(H, "tap"), said("choose this one")))]

    together = fuser.fuse(batch)

    assert [s.concept for s in together] == ["stop", None, "select"]
    for one, among in zip(batch, together, strict=True):
        assert fuser.fuse([one])[0].confidence == pytest.approx(among.confidence, abs=1e-5)
    assert fuser.fuse([]) == []


# --- what it refuses and what it overlooks ---------------------------------------------


def test_a_vector_of_the_wrong_size_is_refused_by_name(fuser: Fuser, sentences: SentenceEncoder) -> None:
    bad = encoded(sentences, seen(H, "tap", features=Tensor.of([1.0, 2.0])))

    with pytest.raises(
        FieldError, match=r"^slots\[4\]\.events\[0\]\.features: has shape \[2\]; a haptic vector has 64"
    ):
        fuser.check(bad.window)
    with pytest.raises(FieldError, match=r"^windows\[1\]\.slots\[4\]\.events\[0\]\.features: "):
        fuser.fuse([encoded(sentences), bad])


@pytest.mark.parametrize("number", [np.nan, np.inf, 1e30, -3e38])
def test_numbers_that_are_none_or_huge_count_as_not_given(understood: Understand, number: float) -> None:
    broken = Tensor(np.full(64, number, "<f4").tobytes(), (64,))

    assert understood(seen(H, "tap", features=broken)).confidence == understood(seen(H, "tap")).confidence


EVENTS = st.builds(
    lambda m, n, label, ago, score, quality, seed: Event(
        m,
        f"{m}_s",
        n,
        "s",
        END_NS - ago * MS,
        label=label,
        text="turn it up" if m is T else None,
        score=score,
        quality=quality,
        features=None if seed is None or m is T else Tensor.of(np.random.default_rng(seed).normal(size=SIZES[m]) * 100),
    ),
    st.sampled_from(list(Modality)),
    st.integers(0, 1 << 40),
    st.none() | st.sampled_from(["tap", "open_palm", "speech", "heart_rate_low", "unheard_of"]),
    st.integers(0, 499),
    st.floats(0, 1),
    st.floats(0, 1),
    st.none() | st.integers(0, 9),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(EVENTS, max_size=8, unique_by=lambda e: e.sequence), chance=st.randoms(use_true_random=False))
def test_always_an_answer_whatever_comes_in_whatever_order(
    fuser: Fuser, sentences: SentenceEncoder, events: list[Event], chance: random.Random
) -> None:
    first = fuser.fuse([encoded(sentences, *events)])[0]
    again = fuser.fuse([encoded(sentences, *chance.sample(events, len(events)))])[0]

    figures = [first.confidence, *(x for s in first.shares for x in (s.weight, s.contribution, s.attention))]
    assert all(math.isfinite(x) for x in figures)
    assert (first.concept is None) == (first.abstained is not None)
    assert again.confidence == pytest.approx(first.confidence, abs=1e-4)


def test_a_vocabulary_of_ones_own_needs_no_training(sentences: SentenceEncoder) -> None:
    garden = concepts.parse(
        """
[concept.water_the_plants]
description = "Water the plants in the garden."
paraphrases = ["the plants are dry", "give the flowers some water"]
labels = { haptic = { tap = 0.9 } }
[concept.open_the_greenhouse]
description = "Open the roof of the greenhouse."
paraphrases = ["the greenhouse is too hot", "let fresh air into the greenhouse"]
"""
    )
    fuser = Fuser.load(*NETWORK, garden, sentences.encode, space=SPACE)

    told = fuser.fuse([encoded(sentences, said("please water my flowers")), encoded(sentences, seen(H, "tap"))])

    assert [s.concept for s in told] == ["water_the_plants"] * 2


@pytest.mark.parametrize(
    ("line", "concept"),
    [
        ("please transfer fifty dollars to my savings", "transfer"),  # of its own words the network learnt: unknown
        ("my card was stolen", "card_lost"),
        ("how much do I have left", "balance"),
        ("do not transfer any money", None),
        ("cats sleep most of the day", None),
        ("turn on the light", None),
    ],
)
def test_words_mean_what_this_vocabulary_says(sentences: SentenceEncoder, line: str, concept: str | None) -> None:
    bank = concepts.parse(
        """
[concept.transfer]
description = "Transfer money to another account."
paraphrases = ["send money to my sister", "move a hundred dollars to savings", "pay this into my other account"]
[concept.balance]
description = "Say how much money is in the account."
paraphrases = ["what is my balance", "how much money do I have", "how much is left in my account"]
[concept.card_lost]
description = "A bank card is lost or stolen."
paraphrases = ["I lost my card", "somebody stole my credit card", "block my card"]
"""
    )
    fuser = Fuser.load(*NETWORK, bank, sentences.encode)

    assert fuser.fuse([encoded(sentences, said(line))])[0].concept == concept


@pytest.mark.parametrize("ago_ms", [600, 1500])
def test_what_was_meant_before_does_not_outweigh_what_is_said_now(understood: Understand, ago_ms: int) -> None:
    before = seen(H, "swipe_down", ago_ms=ago_ms)

    assert understood(said("turn on the kitchen light"), stale=(before,)).concept == "light_on"
    assert understood(said("scroll up"), stale=(before,)).concept == "scroll_up"


@pytest.mark.parametrize(
    "line",
    ["never open the door", "you must not open the door", "by no means turn on the light", "nobody may stop the music"],
)
def test_a_command_told_not_to_be_done_is_not_named(understood: Understand, line: str) -> None:
    assert understood(said(line)).concept is None


@pytest.mark.parametrize(
    "line", ["\N{THUMBS UP SIGN}", "?!", "\N{THAI CHARACTER HO HIP}\N{THAI CHARACTER YO YAK}", "x" * 4000]
)
def test_what_the_encoder_cannot_read_is_not_named(understood: Understand, line: str) -> None:
    assert understood(said(line)).concept is None


def test_a_command_heard_in_words_is_understood_by_its_words(understood: Understand) -> None:
    spoken = seen(A, "command", text="turn on the kitchen light")

    symbol = understood(spoken, seen(A, "speech"))

    assert symbol.concept == "light_on"
    assert share(symbol, A).attention == 1
    assert understood(seen(A, "command", text="never turn on the light")).concept is None


def test_a_wake_word_with_words_that_mean_nothing_is_still_a_wake_word(understood: Understand) -> None:
    assert understood(seen(A, "okay_nabu", text="the invoice from Tuesday")).concept == "wake"


@pytest.mark.parametrize(
    "event", [seen(A, "up", score=0.75), seen(G, "open_palm", score=0.6), seen(H, "tap", score=0.55)]
)
def test_nothing_is_surer_than_who_says_so(understood: Understand, event: Event) -> None:
    assert 0.5 < understood(event).confidence <= event.score + 0.02


def test_a_label_that_is_probably_wrong_names_nothing(understood: Understand) -> None:
    assert understood(seen(G, "open_palm", score=0.3)).abstained is Reason.UNSURE


def test_two_that_agree_are_surer_than_each(understood: Understand) -> None:
    hand, touch = seen(G, "swipe_left", score=0.7), seen(H, "swipe_left", score=0.7)
    both = understood(hand, touch)

    assert both.concept == understood(hand).concept == understood(touch).concept
    assert both.confidence > max(understood(hand).confidence, understood(touch).confidence) + 0.1


@pytest.mark.needs_models
@pytest.mark.parametrize(
    "line", ["a", "hm", "mm", "uh", "and then the", "the", "it is", "stop not", "don't turn off the light", "?!"]
)
def test_what_says_nothing_is_no_command(understood: Understand, line: str) -> None:
    assert understood(said(line)).abstained is not None


@pytest.mark.needs_models
@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("turn off the light, not the music", "light_off"),
        ("turn off the light not the music", "light_off"),
        ("play some music instead of the video", "music_play"),
        ("open the window but don't close the door", "open"),
        ("turn left not right", "turn_left"),
    ],
)
def test_of_two_parts_set_against_each_other_one_is_meant(understood: Understand, line: str, name: str) -> None:
    assert understood(said(line)).concept == name


@pytest.mark.needs_models
def test_another_language_is_known_by_its_words(sentences: SentenceEncoder) -> None:
    maison = concepts.parse(
        """
        [concept.porte]
        description = "Ouvrir la porte."
        paraphrases = ["ouvre la porte", "laisse-moi entrer", "déverrouille la serrure"]
        [concept.lumiere]
        description = "Allumer la lumière."
        paraphrases = ["allume la lumière", "éclaire la pièce", "il fait trop sombre"]
        """
    )
    fuser = Fuser.load(*NETWORK, maison, sentences.encode, space=SPACE)
    lines = ["Ouvre la porte !", "allume la lumiere", "bonjour", "il pleut", "où est le chat", "quelle heure est-il"]

    told = [fuser.fuse([encoded(sentences, said(line))])[0] for line in lines]

    assert [symbol.concept for symbol in told[:2]] == ["porte", "lumiere"]
    assert all(symbol.abstained for symbol in told[2:])
