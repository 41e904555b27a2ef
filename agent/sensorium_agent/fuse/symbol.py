"""The device's own answer for a window: always there, and well under a millisecond.

What each sense says is read in `readings`; what they say together comes from a small network over these readings
(`network`), or from rules (`pooling`) where it cannot be had. Stale events support what is said now; they never
speak alone.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from sensorium import assemble
from sensorium import symbol as formulas
from sensorium.assemble import Answer, Distribution, Thresholds, Voice
from sensorium.concepts import Vocabulary
from sensorium.event import Modality
from sensorium.symbol import ModelRef, Provenance, Revision, Stage, Symbol
from sensorium.window import Presence, Window
from sensorium_agent.fuse.pooling import Pool, Pooled, by_rules
from sensorium_agent.fuse.readings import Sense, senses

_NS_PER_MS: Final = 1e6


@dataclass(frozen=True, slots=True)
class FusionSettings:
    """How the device weighs evidence.

    Attributes:
        temperature: divides the pooled log probabilities, above 0; above 1 means less sure.
        half_life_ns: age at which an event counts half, by modality.
        thresholds: when to name a concept.
    """

    temperature: float = 1.0
    half_life_ns: Mapping[Modality, int] = field(
        default_factory=lambda: MappingProxyType(dict.fromkeys(Modality, 2_000_000_000))
    )
    thresholds: Thresholds = field(default_factory=Thresholds)


def fuse(
    window: Window,
    vocabulary: Vocabulary,
    *,
    now_ns: int,
    device: str,
    software: str,
    models: Sequence[ModelRef] = (),
    settings: FusionSettings | None = None,
    pool: Pool = by_rules,
) -> Symbol:
    """The device's symbol for ``window``.

    Args:
        window: as the aligner closed it.
        vocabulary: what it may mean.
        now_ns: when the fusion began, for the latency's stage ``wait`` (window closed -> now).
        device: name of this device.
        software: name and version of this software.
        models: those that made the events, and the answer.
        settings: how evidence is weighed.
        pool: who says what the senses mean together.
    """
    settings = settings or FusionSettings()
    wait = Stage("wait", max(now_ns - window.closed_at_ns, 0) / _NS_PER_MS)
    return assemble.assemble(
        window,
        vocabulary,
        answer(window, vocabulary, settings, pool),
        revision=Revision.EDGE,
        thresholds=settings.thresholds,
        latency=(assemble.waited(window), wait),
        provenance=Provenance(device, software, tuple(models)),
    )


def answer(window: Window, vocabulary: Vocabulary, settings: FusionSettings, pool: Pool = by_rules) -> Answer:
    """The posterior over the vocabulary and "none of them", and each modality's part in it."""
    told = senses(window, vocabulary, settings.half_life_ns)
    pooled = pool(told, len(vocabulary), settings.temperature)
    best = max(range(len(pooled.together)), key=pooled.together.__getitem__)
    voices = {sense.modality: _voice(sense, pooled, best) for sense in told}
    return Answer(pooled.together, voices, agreed=_agreed(told, pooled))


def _agreed(told: Sequence[Sense], pooled: Pooled) -> bool:
    """Whether the same is most probable to all who speak now: one is only less sure then, and contradicts nobody."""
    here = [s.modality for s in told if s.presence is not Presence.STALE and s.modality in pooled.alone]
    said = [pooled.alone[modality] for modality in here]
    return len({max(range(len(one)), key=one.__getitem__) for one in said}) == 1


def _voice(sense: Sense, pooled: Pooled, best: int) -> Voice:
    """A sense's part: what the best hypothesis owes it, and, as the device's attention, the bits it told."""
    said = pooled.alone.get(sense.modality)
    if said is None:
        return Voice(sense.reliability, sense.trust, label=sense.label)
    lacking = pooled.without[sense.modality][best]
    contribution = math.log(pooled.together[best]) - math.log(max(lacking, sys.float_info.min))
    return Voice(sense.reliability, sense.trust, said, contribution, _bits_told(said), sense.label)


def _bits_told(said: Distribution) -> float:
    return max(math.log2(len(said)) - formulas.entropy_bits(said), 0.0)
