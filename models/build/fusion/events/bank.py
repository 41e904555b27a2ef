"""Evidence to build composites from: what the project's own perceivers and encoders make of samples.

Three splits never share a recording, a picture, a sentence or a seed: `practice` trains, `fit` fits the
temperature, `exam` measures. Words, sound and pictures are real (through the real encoders); hands, strokes and
pulses come from generators.
"""

from __future__ import annotations

import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import biometric_people
import cv2
import hand_model
import motion_paths
import numpy as np
import numpy.typing as npt
import touch_strokes
from models.build.fusion.events.lines import DENIED, NOTHING_KNOWN, SPLITS, Split, denials, sentences

from sensorium.concepts import Vocabulary
from sensorium.event import Event, EventStream, Modality, Pulse, Sample
from sensorium_agent.infer.biometric import BiometricPerceiver
from sensorium_agent.infer.gesture.classify import HAND_FEATURES, hand_features
from sensorium_agent.infer.sound.features import RATE_HZ, describe
from sensorium_agent.infer.touch import TouchPerceiver
from sensorium_cloud.encode.encoders import FrameEncoder
from sensorium_cloud.fuse.reading import EncodeSentences, Read, Reader
from sensorium_models import media, store

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Bank:
    """Feature vectors of one split.

    Attributes:
        rows: by modality, by what they show (a label, a concept's name for text, `NOTHING_KNOWN`): float32 [n, D].
        read: what the sentences in ``rows`` mean to the cloud's reader; also of `DENIED`.
    """

    rows: Mapping[Modality, Mapping[str, Floats]]
    read: Mapping[str, Read]


def build(vocabulary: Vocabulary, encode: EncodeSentences, reader: Reader, split: Split, seed: int) -> Bank:
    """The bank of one split; the same seed gives the same bank."""
    rng = np.random.default_rng([seed, SPLITS.index(split)])
    lines = sentences(vocabulary, split)
    rows = {
        Modality.VIDEO: _pictures(split, rng),
        Modality.AUDIO: _sounds(split, rng),
        Modality.TEXT: {name: encode(own) for name, own in lines.items()},
        Modality.GESTURE: _hands(rng) | _movements(split, rng),
        Modality.HAPTIC: _strokes(rng),
        Modality.BIOMETRIC: _bodies(split, rng),
    }
    said = {**lines, DENIED: denials(vocabulary, split)}
    return Bank(rows, {name: reader.read(own, encode(own)) for name, own in said.items() if own})


# --- sound -----------------------------------------------------------------------------


def _sounds(split: Split, rng: np.random.Generator) -> dict[str, Floats]:
    """Speech out of recordings, under some noise; and noises alone. Which word it was is the label's business."""
    recordings = [_wav(path) for path in _speech_files()[SPLITS.index(split) :: len(SPLITS)]]
    speech = np.stack([describe(_spoken(recordings[n % len(recordings)], rng)) for n in range(400)])
    noises = np.stack([describe(_noise(RATE_HZ, rng)) for _ in range(200)])
    return {"speech": speech, NOTHING_KNOWN: noises}


def _speech_files() -> list[Path]:
    return [
        media.path(name) for name in sorted(media.names()) if name.startswith("pocketsphinx/") and name.endswith(".wav")
    ]


def _wav(path: Path) -> npt.NDArray[np.int16]:
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def _spoken(pcm: npt.NDArray[np.int16], rng: np.random.Generator) -> npt.NDArray[np.int16]:
    length = int(RATE_HZ * rng.uniform(0.2, 1.2))
    start = int(rng.integers(max(len(pcm) - length, 1)))
    loud = pcm[start : start + length] * rng.uniform(0.2, 1.5)
    quiet = _noise(len(loud), rng) * 10 ** (-rng.uniform(10, 40) / 20)
    return np.clip(loud + quiet, -32768, 32767).astype(np.int16)


def _noise(length: int, rng: np.random.Generator) -> npt.NDArray[np.int16]:
    """Coloured noise, a hum, or clicks, at any level."""
    white = rng.normal(0, 1, length)
    time = np.arange(length) / RATE_HZ
    colour = np.cumsum(white) if rng.random() < 0.5 else white
    hum = np.sin(2 * np.pi * rng.uniform(45, 800) * time)
    clicks = np.where(rng.random(length) < 0.001, rng.normal(0, 8, length), 0.0)
    mixed = sum(part / max(float(np.abs(part).max()), 1e-9) * rng.random() for part in (colour, hum, clicks))
    return np.asarray(np.clip(mixed * 10 ** rng.uniform(1.5, 4.2), -32768, 32767), np.int16)


# --- pictures --------------------------------------------------------------------------


def _pictures(split: Split, rng: np.random.Generator) -> dict[str, Floats]:
    """Scenes cut out of photographs, and what a covered camera sees."""
    names = [name for name in sorted(media.names()) if name.endswith(".jpg")][SPLITS.index(split) :: len(SPLITS)]
    photos = [np.asarray(cv2.imread(str(media.path(name))), np.uint8) for name in names]
    encoder = FrameEncoder(store.path("frame_embedding"), remember=1)
    scenes = [_cut(photos[n % len(photos)], rng) for n in range(150)]
    covered = [_covered(photos[n % len(photos)], rng) for n in range(100)]
    return {NOTHING_KNOWN: _encoded(encoder, scenes), "covered": _encoded(encoder, covered)}


def _encoded(encoder: FrameEncoder, pictures: Sequence[npt.NDArray[np.uint8]]) -> Floats:
    jpegs = [cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes() for picture in pictures]
    return np.stack([row for row in encoder.encode(jpegs) if row is not None])


def _cut(photo: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    height, width = photo.shape[:2]
    high, wide = (int(side * rng.uniform(0.5, 1.0)) for side in (height, width))
    top, left = int(rng.integers(height - high + 1)), int(rng.integers(width - wide + 1))
    part = photo[top : top + high, left : left + wide] * rng.uniform(0.5, 1.3) + rng.uniform(-15, 15)
    return np.asarray(np.clip(cv2.resize(part, (320, 240)), 0, 255), np.uint8)


def _covered(photo: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Night, a finger on the lens, or cloth before it: dark or one colour, with a sensor's noise."""
    kind = rng.integers(3)
    if kind == 0:
        seen = _cut(photo, rng) * rng.uniform(0, 0.04)
    else:
        colour = np.array([30, 45, 140]) * rng.uniform(0.1, 1.0) if kind == 1 else np.full(3, rng.uniform(0, 40))
        ramp = np.linspace(rng.uniform(0.6, 1.0), 1.0, 320)[None, :, None]
        seen = np.ones((240, 320, 3)) * colour * ramp
    noisy = seen + rng.normal(0, rng.uniform(0.5, 6), (240, 320, 3))
    return np.clip(noisy, 0, 255).astype(np.uint8)


# --- hands, strokes, hearts ------------------------------------------------------------


def _hands(rng: np.random.Generator) -> dict[str, Floats]:
    """The perceiver's 128 numbers: the hand that says it, and now and then another one."""
    hands = hand_model.generate(4000, rng)
    own = np.stack([hand_features(j, float(r)) for j, r in zip(hands.joints, hands.right, strict=True)])
    other = own[rng.permutation(len(own))] * (rng.random((len(own), 1)) < 0.25)
    rows = np.concatenate([own, other], axis=1).astype(np.float32)
    assert rows.shape[1] == 2 * HAND_FEATURES
    names = [NOTHING_KNOWN if label == "none" else label for label in hand_model.LABELS]
    return {name: rows[hands.labels == number] for number, name in enumerate(names)}


def _movements(split: Split, rng: np.random.Generator) -> dict[str, Floats]:
    """The numbers of a hand as a movement of it ends; nothing is known of a second hand then."""
    people = motion_paths.UNSEEN if split == "exam" else motion_paths.SEEN
    rows = {}
    for label in motion_paths.GESTURES:
        clips = [motion_paths.clip(label, people, rng) for _ in range(40)]
        own = [hand_features(_ended(clip), float(rng.random() < 0.7)) for clip in clips]
        rows[label] = np.pad(np.stack(own), ((0, 0), (0, HAND_FEATURES))).astype(np.float32)
    return rows


def _ended(clip: motion_paths.Clip) -> Floats:
    last = min(int(np.searchsorted(clip.times_ns, clip.end_ns)), len(clip.joints) - 1)
    return np.asarray(clip.joints[last], np.float32)


def _strokes(rng: np.random.Generator) -> dict[str, Floats]:
    """What the touch perceiver calls fingers that tap, press, swipe and wander."""
    perceiver = TouchPerceiver(EventStream("build", Modality.HAPTIC))
    events: list[Event] = []
    begin_ns = 0
    for number in range(2400):
        meant = touch_strokes.MEANT[number % len(touch_strokes.MEANT)]
        for sample in touch_strokes.samples(touch_strokes.stroke(meant, rng), rng):
            events += perceiver.perceive(replace(sample, at_ns=begin_ns + sample.at_ns))
        begin_ns += 4_000_000_000
        events += perceiver.tick(begin_ns)
    return _by_label(events)


def _bodies(split: Split, rng: np.random.Generator) -> dict[str, Floats]:
    """What the perceiver says of pulses of 45 to 150 beats a minute, some hard to read, and of people under stress."""
    events: list[Event] = []
    for _ in range(16):
        perceiver = BiometricPerceiver(EventStream("build", Modality.BIOMETRIC))
        person = biometric_people.session("exam" if split == "exam" else "practice", rng)
        events += [event for sample in person.samples() for event in perceiver.perceive(sample)]
    for _ in range(240):
        perceiver = BiometricPerceiver(EventStream("build", Modality.BIOMETRIC))
        wave_form = _pulse(rng.uniform(42, 155), rng)
        for second in range(len(wave_form) // 100):
            run = wave_form[100 * second : 100 * (second + 1)]
            at_ns = (second + 1) * 1_000_000_000
            sample = Sample(Modality.BIOMETRIC, "clip", second, at_ns, Pulse(run, 100.0))
            events += list(perceiver.perceive(sample))[-1:]
    return _by_label(events)


def _pulse(rate_bpm: float, rng: np.random.Generator) -> Floats:
    """15 s of a finger clip at 100 Hz: a beat with its second wave, breathing, and noise."""
    intervals = 60 / rate_bpm * (1 + rng.normal(0, 0.03, 80))
    beats = np.cumsum(intervals)
    time = np.arange(1500) / 100
    since = time[:, None] - beats[None, :]
    wave_form = np.exp(-((since / 0.09) ** 2)).sum(1) + 0.35 * np.exp(-(((since - 0.28) / 0.1) ** 2)).sum(1)
    wave_form = wave_form + 0.3 * np.sin(2 * np.pi * 0.25 * time) + rng.normal(0, rng.uniform(0.01, 0.3), len(time))
    return np.asarray(wave_form, np.float32)


def _by_label(events: Sequence[Event]) -> dict[str, Floats]:
    rows: dict[str, list[Floats]] = {}
    for event in events:
        if event.features is not None:
            rows.setdefault(event.label or NOTHING_KNOWN, []).append(event.features.array().reshape(-1))
    return {label: np.stack(some) for label, some in rows.items()}
