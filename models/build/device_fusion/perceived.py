"""What the project's own perceivers make of generated people: labels, scores and qualities, beside what was shown.

Three splits share no person: `practice` trains, `fit` fits the temperature, `exam` measures, and has generators of its
own where there are two. Hands keep still in many pictures and move (`hand_model`, `motion_paths`), fingers touch
(`touch_strokes`, `touch_unseen`), hearts beat and people are under stress (`biometric_people`). All are also shown
badly: joints off, pads that report rarely, pulses in noise. The quality a camera would give is made up from how far the
joints are off; the others measure their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import biometric_people
import hand_model
import motion_paths
import numpy as np
import numpy.typing as npt
import touch_strokes
import touch_unseen

from sensorium.event import Event, EventStream, Modality, Pulse, Sample
from sensorium_agent.infer.biometric import NORMAL, BiometricPerceiver, name
from sensorium_agent.infer.gesture.bout import LABELS as MOTIONS
from sensorium_agent.infer.gesture.classify import KNOWN_FROM, GestureClassifier, built_in_label, hand_features
from sensorium_agent.infer.gesture.motion import spot
from sensorium_agent.infer.runtime.model import load
from sensorium_agent.infer.touch import TouchPerceiver
from sensorium_models import store

Floats = npt.NDArray[np.float32]
Rng = np.random.Generator
Split = Literal["practice", "fit", "exam"]
_SPLITS: Final[tuple[Split, ...]] = ("practice", "fit", "exam")
NOTHING: Final = ""
"""What is shown by who means nothing known."""
_NS: Final = 1_000_000_000
_PICTURE_NS: Final = 33_000_000
_SMOOTH: Final = 0.7
"""How much of the last picture's answer stays, as in the perceiver."""
_WORST: Final = 0.7
"""Joints off by so much of a hand, and the camera would see none; here they are off by up to half of that."""
_ON_ITS_WAY: Final = 0.3
"""How many hands come from another pose, and mean nothing yet."""


@dataclass(frozen=True, slots=True)
class Told:
    """One event of a glimpse, ``ago_ns`` before the glimpse's end."""

    label: str | None
    score: float
    quality: float
    ago_ns: int = 0
    span_ns: int = 0


Glimpse = tuple[Told, ...]
"""What a sense told within one window."""
Bank = Mapping[Modality, Mapping[str, Sequence[Glimpse]]]
"""By modality, by what was shown."""


def build(split: Split, seed: int, each: int = 120) -> Bank:
    """Glimpses of ``each`` showings of everything; the same seed gives the same."""
    rng = np.random.default_rng([seed, _SPLITS.index(split)])
    senses: Mapping[Modality, Callable[[], Iterator[tuple[str, Glimpse]]]] = {
        Modality.GESTURE: lambda: _gestures(split, each, rng),
        Modality.HAPTIC: lambda: _touches(split, each, rng),
        Modality.BIOMETRIC: lambda: _bodies(split, each, rng),
    }
    return {modality: _sorted(glimpses()) for modality, glimpses in senses.items()}


def _sorted(glimpses: Iterator[tuple[str, Glimpse]]) -> Mapping[str, Sequence[Glimpse]]:
    found: dict[str, list[Glimpse]] = {}
    for shown, glimpse in glimpses:
        if glimpse:
            found.setdefault(shown, []).append(glimpse)
    return found


# --- hands -----------------------------------------------------------------------------


def _gestures(split: Split, each: int, rng: Rng) -> Iterator[tuple[str, Glimpse]]:
    yield from _held(split, each * len(hand_model.LABELS), rng)
    people = motion_paths.UNSEEN if split == "exam" else motion_paths.SEEN
    for act in (*motion_paths.GESTURES, *motion_paths.LIFE):
        for _ in range(each // 2):
            clip = motion_paths.clip(act, people, rng)
            quality = float(np.clip(1 - rng.exponential(0.1), 0.3, 1))
            found = spot(zip(clip.times_ns.tolist(), clip.joints, strict=True))
            spans = [(m.label, m.score, m.end_ns - m.onset_ns) for m in found]
            shown = act if act in MOTIONS else NOTHING
            yield shown, tuple(Told(label, score, quality, span_ns=span) for label, score, span in spans[:1])


def _held(split: Split, count: int, rng: Rng) -> Iterator[tuple[str, Glimpse]]:
    """A hand in some pictures, its joints off anew in each, in `exam` by whole fingers too."""
    classifier = GestureClassifier(load(store.path("gesture_classifier")))
    hands = hand_model.generate(count, rng)
    for joints, right, number in zip(hands.joints, hands.right, hands.labels.tolist(), strict=True):
        off = float(min(rng.exponential(0.05), _WORST / 2))
        came_from = hands.joints[rng.integers(len(hands.joints))] if rng.random() < _ON_ITS_WAY else None
        size = float(np.sqrt(((joints - joints.mean(0)) ** 2)[:, :2].sum(1).mean()))
        probabilities, told = None, list[Told]()
        pictures = int(rng.integers(1, 14))
        for picture in range(pictures):
            wrong = rng.normal(0, off, joints.shape)
            if split == "exam":
                wrong = 0.7 * wrong + np.repeat(rng.normal(0, 0.7 * off, (7, 3)), 3, axis=0)
            seen = (_between(came_from, joints, picture / pictures) + wrong * size).astype(np.float32)
            now = classifier.probabilities(hand_features(seen, float(right)))
            probabilities = now if probabilities is None else _SMOOTH * probabilities + (1 - _SMOOTH) * now
            label, score = built_in_label(probabilities, KNOWN_FROM)
            quality = float(np.clip(1 - off / _WORST + rng.normal(0, 0.06), 0.05, 1))
            told.append(Told(label, score, quality, (pictures - 1 - picture) * _PICTURE_NS))
        shown = hand_model.LABELS[number]
        yield NOTHING if shown == "none" or came_from is not None else shown, tuple(told)


def _between(before: Floats | None, after: Floats, share: float) -> Floats:
    """A hand on its way from one pose to another, each about its wrist."""
    if before is None:
        return after
    one, other = before - before[:1], after - after[:1]
    scale = np.abs(other).max() / max(float(np.abs(one).max()), 1e-6)
    return np.asarray((1 - share) * one * scale + share * other, np.float32)


# --- fingers ---------------------------------------------------------------------------


def _touches(split: Split, each: int, rng: Rng) -> Iterator[tuple[str, Glimpse]]:
    perceiver = TouchPerceiver(EventStream("build", Modality.HAPTIC))
    begin_ns = 0
    for meant in touch_strokes.MEANT:
        for _ in range(each):
            events: list[Event] = []
            for sample in _fingers(split, meant, rng):
                events += perceiver.perceive(replace(sample, at_ns=begin_ns + sample.at_ns))
            begin_ns += 6 * _NS
            events += perceiver.tick(begin_ns)
            yield NOTHING if meant == "none" else meant, _glimpse(events[-1:])


def _fingers(split: Split, meant: str, rng: Rng) -> Iterator[Sample]:
    if split != "exam":
        yield from touch_strokes.samples(touch_strokes.stroke(meant, rng), rng)
    elif meant == "none":
        drawn = touch_unseen.drawing(rng.choice(list(touch_unseen.DRAWINGS)), rng)
        yield from touch_unseen.felt(drawn, rng, 60)
    else:
        yield from touch_unseen.felt(touch_unseen.touch(meant, rng), rng, float(rng.choice(touch_unseen.RATES_HZ)))


def _glimpse(events: Sequence[Event]) -> Glimpse:
    return tuple(Told(event.label, event.score, event.quality) for event in events)


# --- hearts ----------------------------------------------------------------------------


def _bodies(split: Split, each: int, rng: Rng) -> Iterator[tuple[str, Glimpse]]:
    for _ in range(each):
        rate_bpm = float(rng.uniform(42, 155))
        events = _read(_pulse(rate_bpm, split, rng))
        if events:
            yield name(rate_bpm, 0.0, NORMAL)[0], _glimpse(events[-1:])
    for _ in range(each // 20):
        yield from _stressed(split, rng)


def _stressed(split: Split, rng: Rng) -> Iterator[tuple[str, Glimpse]]:
    """What is said of arousal, now and then in ten minutes."""
    perceiver = BiometricPerceiver(EventStream("build", Modality.BIOMETRIC))
    person = biometric_people.session("exam" if split == "exam" else "practice", rng)
    events = [event for sample in person.samples() for event in perceiver.perceive(sample)]
    aroused = [event for event in events if event.label and event.label.startswith("arousal")]
    for event in aroused[:: max(len(aroused) // 20, 1)]:
        second = min(event.at_ns // _NS, len(person.stress) - 1)
        yield "arousal_high" if person.stress[second] else "arousal_low", _glimpse([event])


def _read(wave: Floats) -> list[Event]:
    """The rates that are found in a pulse of 100 Hz."""
    perceiver = BiometricPerceiver(EventStream("build", Modality.BIOMETRIC))
    events: list[Event] = []
    for second in range(len(wave) // 100):
        run = wave[100 * second : 100 * (second + 1)]
        sample = Sample(Modality.BIOMETRIC, "clip", second, (second + 1) * _NS, Pulse(run, 100.0))
        events += [event for event in perceiver.perceive(sample) if event.label and "rate" in event.label]
    return events


def _pulse(rate_bpm: float, split: Split, rng: Rng) -> Floats:
    """12 s of a finger clip: beats with their second waves, breathing, and noise; of other shapes in `exam`."""
    beats = np.cumsum(60 / rate_bpm * (1 + rng.normal(0, 0.03, 60)))
    since = np.arange(1200)[:, None] / 100 - beats[None, :]
    wide, after = (0.11, 0.24) if split == "exam" else (0.09, 0.28)
    beating = np.exp(-((since / wide) ** 2)).sum(1) + 0.35 * np.exp(-(((since - after) / 0.1) ** 2)).sum(1)
    noise = rng.normal(0, rng.uniform(0.01, 0.5), 1200)
    if split == "exam":
        noise = 0.5 * noise + 0.15 * np.cumsum(noise)
    return np.asarray(beating + 0.3 * np.sin(np.arange(1200) / 100 * 1.6) + noise, np.float32)
