"""Which perceiver listens to which sensor; each loads its models, and only its own."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensorium.event import Event, EventStream, Modality, Sample
from sensorium_agent.infer.perceiver import Patient, Perceiver
from sensorium_agent.infer.runtime.accelerate import Accelerator
from sensorium_agent.infer.runtime.shelf import Shelf
from sensorium_agent.infer.sound.keyword import Listening

if TYPE_CHECKING:
    from sensorium_agent.infer.biometric import Bounds
    from sensorium_agent.infer.gesture.motion import Watch
    from sensorium_agent.infer.gesture.own import OwnGestures
    from sensorium_agent.infer.gesture.own_motion import OwnMotions
    from sensorium_agent.infer.gesture.perceive import GesturePerceiver
    from sensorium_agent.infer.sound.own import OwnSounds
    from sensorium_agent.infer.taught import Taught
    from sensorium_agent.infer.touch import Touching

WAKE_WORDS = ("okay_nabu", "hey_jarvis", "hey_mycroft", "alexa")

SPOTTING = ("speech_embedding", "keywords")

SECOND_OPINION = "wake_opinion"
"""What doubts the wake words, with the speech embedding."""

SENSED_BY: Mapping[Modality, Modality] = {m: m for m in Modality} | {Modality.GESTURE: Modality.VIDEO}
"""For each modality the one of the sensor behind it: hands are seen by the camera."""

MODELS: Mapping[Modality, tuple[str, ...]] = {
    Modality.GESTURE: ("palm_detection", "hand_landmark", "gesture_classifier"),
    Modality.AUDIO: ("voice_activity", *WAKE_WORDS, *SPOTTING),
}
"""The models a modality needs; the others need none on the device."""

FUSION = "device_fusion"
"""The model that says what all of them mean together."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One perceiver, the modality it speaks for, and the samples it wants; between two, its models may change."""

    modality: Modality
    takes: Modality
    perceiver: Perceiver
    turn: Callable[[], None] = lambda: None
    remote: bool = False
    """It takes what other devices send, and only that."""

    @property
    def name(self) -> str:
        """Tells it from the others."""
        return f"{self.modality}_remote" if self.remote else str(self.modality)

    def hears(self, sample: Sample) -> bool:
        """Whether the sample is for this lane; sources of other devices are called ``device/source``."""
        return sample.modality is self.takes and ("/" in sample.source) is self.remote

    def reached_ns(self, samples: Sequence[Sample]) -> int | None:
        """Up to where the samples were complete; nobody knows what another device has yet to send."""
        return samples[-1].at_ns if samples and not self.remote else None

    def perceive(self, samples: Sequence[Sample]) -> list[Event]:
        """What the samples say, in order."""
        events: list[Event] = []
        for sample in samples:
            self.turn()
            events += self.perceiver.perceive(sample)
        return events

    def next_due_ns(self) -> int | None:
        """When the passing of time alone may say something."""
        return self.perceiver.next_due_ns() if isinstance(self.perceiver, Patient) else None

    def tick(self, now_ns: int) -> list[Event]:
        """What the passing of time says."""
        return list(self.perceiver.tick(now_ns)) if isinstance(self.perceiver, Patient) else []


@functools.cache
def shelf(threads: int = 1, accelerator: str = "cpu") -> Shelf:
    """This process's models: loaded once, for all the files that are played; streaming ones are reset by who uses them.

    Raises:
        AcceleratorUnknown: ``accelerator`` names none.
    """
    return Shelf(threads=threads, accelerator=Accelerator.parse(accelerator))


def build(
    modalities: Collection[Modality],
    session_id: str,
    *,
    models: Shelf | None = None,
    keyframe_every_s: float = 5.0,
    listening: Listening | None = None,
    touching: Touching | None = None,
    beating: Bounds | None = None,
    taught: Taught | None = None,
) -> tuple[Lane, ...]:
    """A lane for each modality, in their order.

    Raises:
        SensoriumError: a model is missing or damaged, or its runtime is not installed.
    """
    models = models or shelf()
    makers: Mapping[Modality, Callable[[EventStream], Perceiver]] = {
        Modality.VIDEO: lambda stream: _keyframes(stream, keyframe_every_s),
        Modality.AUDIO: lambda stream: _speech(stream, models, listening or Listening(), taught),
        Modality.TEXT: _text,
        Modality.GESTURE: lambda stream: hands(stream, models, taught),
        Modality.HAPTIC: lambda stream: _touch(stream, touching),
        Modality.BIOMETRIC: lambda stream: _heart(stream, beating),
    }
    return tuple(
        Lane(m, SENSED_BY[m], makers[m](EventStream(session_id, m)), models.turner(MODELS.get(m, ())))
        for m in Modality
        if m in modalities
    )


def _keyframes(stream: EventStream, every_s: float) -> Perceiver:
    from sensorium_agent.infer.video import KeyframePerceiver

    return KeyframePerceiver(stream, every_s=every_s)


def hands(
    stream: EventStream, models: Shelf, taught: Taught | None = None, watch: Watch | None = None
) -> GesturePerceiver:
    """Who perceives gestures; ``watch`` is told of every movement.

    Raises:
        SensoriumError: a model is missing or damaged, or its runtime is not installed.
    """
    from sensorium_agent.infer.gesture.perceive import GesturePerceiver

    palm, landmark, classifier = (models.model(name) for name in MODELS[Modality.GESTURE])
    return GesturePerceiver(
        stream,
        palm=palm,
        landmark=landmark,
        classifier=classifier,
        own=own_gestures(taught),
        own_motions=own_motions(taught),
        watch=watch,
    )


def own_gestures(taught: Taught | None) -> OwnGestures | None:
    """The gestures that were taught, if there are any.

    Raises:
        SensoriumError: the space in which they are compared is missing or damaged.
    """
    hands = taught.hands() if taught else {}
    if not hands:
        return None
    from sensorium_agent.infer.gesture.own import OwnGestures
    from sensorium_models import store

    return OwnGestures(store.path("gesture_space"), hands)


def own_motions(taught: Taught | None) -> OwnMotions | None:
    """The movements that were taught, if there are any."""
    ways = taught.movements() if taught else {}
    if not ways:
        return None
    from sensorium_agent.infer.gesture.own_motion import OwnMotions

    return OwnMotions(ways)


def _speech(stream: EventStream, models: Shelf, listening: Listening, taught: Taught | None = None) -> Perceiver:
    from sensorium_agent.infer.sound.embedding import Remembered
    from sensorium_agent.infer.sound.keyword import Keywords
    from sensorium_agent.infer.sound.second_opinion import SecondOpinion
    from sensorium_agent.infer.sound.speech import SpeechPerceiver
    from sensorium_models import store

    @functools.cache
    def embedding() -> Remembered:
        return Remembered(models.model(SPOTTING[0]))

    commands = None
    if listening.grammar:
        from sensorium_agent.infer.sound.grammar import CommandEar, Recognizer

        commands = CommandEar(Recognizer(listening.grammar))
    wake_words = {name: models.model(name) for name in WAKE_WORDS}
    keywords = Keywords(embedding(), models.model(SPOTTING[1]), listening) if listening.words else None
    ear = SpeechPerceiver(
        stream,
        voice=models.model("voice_activity"),
        wake_words=wake_words,
        keywords=keywords,
        wake_s=listening.wake_s,
        embedding=embedding,
        own=own_sounds(taught),
        commands=commands,
        opinion=SecondOpinion(embedding, lambda: store.path(SECOND_OPINION)),
    )
    if not listening.clips:
        return ear
    from sensorium_agent.infer.sound.clip import Clipper, Clipping

    return Clipper(ear, stream, Clipping(WAKE_WORDS))


def own_sounds(taught: Taught | None) -> OwnSounds | None:
    """The words and sounds that were taught, if there are any.

    Raises:
        SensoriumError: the space in which they are compared is missing or damaged.
    """
    sounds = taught.sounds() if taught else {}
    if taught is None or not sounds:
        return None
    from sensorium_agent.infer.sound.own import OwnSounds, Sounds
    from sensorium_models import store

    known = {name: Sounds(some[:, 1:], some[:, 0]) for name, some in sounds.items()}
    return OwnSounds(store.path("sound_space"), known, taught.waking())


def _text(stream: EventStream) -> Perceiver:
    from sensorium_agent.infer.text import TextPerceiver

    return TextPerceiver(stream)


def _touch(stream: EventStream, touching: Touching | None = None) -> Perceiver:
    from sensorium_agent.infer.touch import Touching, TouchPerceiver

    touching = touching or Touching()
    return TouchPerceiver(stream, feel=touching.feel, strokes=touching.strokes)


def _heart(stream: EventStream, bounds: Bounds | None = None) -> Perceiver:
    from sensorium_agent.infer.biometric import NORMAL, BiometricPerceiver, Limits

    return BiometricPerceiver(stream, limits=Limits(bounds or NORMAL))


UNAIDED: Mapping[Modality, Callable[[EventStream], Perceiver]] = {
    Modality.TEXT: _text,
    Modality.HAPTIC: _touch,
    Modality.BIOMETRIC: _heart,
}
"""The perceivers that need no model."""
