"""The shipped fusion on what the device's own perceivers make of recordings: none of it was trained on."""

from __future__ import annotations

import json
import wave
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sensorium import concepts
from sensorium.event import Event, EventStream, Modality, Pulse, Sample, Sound, Touch, TouchPhase
from sensorium.symbol import Symbol
from sensorium.window import Presence, Slot, Window
from sensorium_agent.infer.biometric import BiometricPerceiver
from sensorium_agent.infer.runtime.model import load
from sensorium_agent.infer.sound.speech import SpeechPerceiver
from sensorium_agent.infer.touch import TouchPerceiver
from sensorium_cloud.encode.encoders import EncodedWindow, SentenceEncoder
from sensorium_cloud.fuse.fusion import Fuser
from sensorium_models import media, store

pytestmark = pytest.mark.needs_models

TESTS = Path(__file__).parents[1]
WEIGHTS = TESTS.parent / "models" / "weights"
NETWORK = [WEIGHTS / name for name in ("fusion_senses.onnx", "fusion.onnx", "fusion.json")]
WAKE_WORDS = ("okay_nabu", "hey_jarvis", "hey_mycroft", "alexa")
VOCABULARY = concepts.load()


@pytest.fixture(scope="module")
def fuser() -> Fuser:
    sentences = SentenceEncoder(store.path("sentence_embedding"), store.path("sentence_tokenizer"))
    return Fuser.load(*NETWORK, VOCABULARY, sentences.encode)


def understood(fuser: Fuser, event: Event) -> Symbol:
    event = replace(event, at_ns=900)
    slot = Slot(event.modality, Presence.PRESENT, (event,), 100, 0)
    window = Window("s.0", "s", 0, 0, 0, 1000, 1000, (slot,))
    return fuser.fuse([EncodedWindow(window, None, None, 0.0)])[0]


def meant(event: Event) -> str:
    (meaning,) = VOCABULARY.meanings(event.modality, event.label)
    return VOCABULARY.concepts[meaning.index].name


def touches() -> Iterator[Event]:
    perceiver = TouchPerceiver(EventStream("s", Modality.HAPTIC))
    lines = (TESTS / "recordings" / "touches.jsonl").read_text().splitlines()
    for number, line in enumerate(lines):
        told = json.loads(line)
        touch = Touch(told["pointer"], TouchPhase(told["phase"]), told["x"], told["y"])
        yield from perceiver.perceive(Sample(Modality.HAPTIC, "pad", number, int(told["t_s"] * 1e9), touch))
    yield from perceiver.finish(0)


def test_strokes(fuser: Fuser) -> None:
    found = {event.label: (understood(fuser, event).concept, meant(event)) for event in touches()}

    assert len(found) == 7
    assert all(concept == expected for concept, expected in found.values()), found


@pytest.mark.parametrize("word", WAKE_WORDS)
def test_wake_words(fuser: Fuser, word: str) -> None:
    voice = load(store.path("voice_activity"))
    words = {name: load(store.path(name)) for name in WAKE_WORDS}
    perceiver = SpeechPerceiver(EventStream("s", Modality.AUDIO), voice=voice, wake_words=words)
    with wave.open(str(TESTS / "recordings" / f"{word}.wav")) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    events = perceiver.perceive(Sample(Modality.AUDIO, "mic", 0, len(pcm) * 62_500, Sound(pcm, 16_000)))

    assert {event.label for event in events} == {"speech", word}
    assert {understood(fuser, event).concept for event in events} == {"speaking", "wake"}


@pytest.mark.needs_media
def test_a_heart(fuser: Fuser) -> None:
    perceiver = BiometricPerceiver(EventStream("s", Modality.BIOMETRIC))
    values = np.loadtxt(media.path("heartpy/data.csv"), dtype=np.float32)
    runs = (Pulse(values[100 * n : 100 * (n + 1)], 100.0) for n in range(len(values) // 100))
    samples = [Sample(Modality.BIOMETRIC, "clip", n, (n + 1) * 10**9, run) for n, run in enumerate(runs)]
    events = [event for sample in samples for event in perceiver.perceive(sample)]

    assert {understood(fuser, event).concept for event in events} == {"calm"}
