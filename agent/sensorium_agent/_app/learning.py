"""What was taught is taken up while the agent runs, and told to the cloud."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sensorium import limits
from sensorium.concepts import Concept
from sensorium.event import Modality
from sensorium_agent._app import compose, knowledge
from sensorium_agent._app.compose import Parts
from sensorium_agent._app.listeners import Following
from sensorium_agent._app.settings import Settings
from sensorium_agent.infer import lanes as perception
from sensorium_agent.infer.lanes import Lane
from sensorium_agent.infer.taught import Taught
from sensorium_agent.offload import Egress


def learn(settings: Settings, parts: Parts, listener: Following) -> Taught:
    """Let a running pipeline go by what is taught now; gives that.

    Raises:
        SensoriumError: a file cannot be used; nothing has changed then.
    """
    board = knowledge.taught(settings)
    vocabulary = knowledge.extended(settings, board)
    steps = [_lesson(settings, board, lane) for lane in parts.lanes if not lane.remote]
    parts.answerer.learn(vocabulary)
    listener.learn(vocabulary)
    for step in steps:
        step()
    return board


def _lesson(settings: Settings, board: Taught, lane: Lane) -> Callable[[], None]:
    """What lets a lane go by what is taught; all that can fail is done before it is called."""
    learn: Callable[..., None] | None = getattr(lane.perceiver, "learn", None)
    if learn is None:
        return lambda: None
    known: Mapping[Modality, Callable[[], tuple[Any, ...]]] = {
        Modality.GESTURE: lambda: (perception.own_gestures(board), perception.own_motions(board)),
        Modality.AUDIO: lambda: (perception.own_sounds(board),),
        Modality.HAPTIC: lambda: (compose.touching(settings).strokes,),
    }
    return functools.partial(learn, *known[lane.modality]())


def lessons(settings: Settings) -> tuple[Concept, ...]:
    """What was taught, as the cloud is told: with what each concept means here, without the senses that stay here."""
    hidden = [m for m, least in compose.egress(settings).items() if least is Egress.NONE]
    board = knowledge.taught(settings)
    known = knowledge.extended(settings, board)
    return tuple(_described(lesson, known[lesson.name]) for lesson in board.lessons(hidden))


def _described(lesson: Concept, known: Concept) -> Concept:
    """The lesson, with as much of what is known of its concept as the cloud takes."""
    short = [phrase for phrase in known.paraphrases if len(phrase.encode()) <= limits.TEXT_BYTES // 4]
    phrases = tuple(dict.fromkeys((*lesson.paraphrases, *short)))[: limits.TAUGHT_PARAPHRASES]
    return replace(lesson, description=known.description[: limits.TEXT_BYTES // 4], paraphrases=phrases)
