"""Every window is answered here and now; then it may go to the cloud for a second opinion."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from sensorium.assemble import with_stage
from sensorium.clock import Clock
from sensorium.concepts import Vocabulary
from sensorium.episode import Episode
from sensorium.event import Event, Sample
from sensorium.symbol import ModelRef, Symbol
from sensorium.window import Window
from sensorium_agent.fuse.pooling import Pool, by_rules
from sensorium_agent.fuse.symbol import FusionSettings, fuse
from sensorium_agent.offload import Policy, Route, route


class Listener(Protocol):
    """Whoever wants to know what the agent understands; each call must return at once."""

    def on_sample(self, sample: Sample) -> None:
        """A sensor gave something."""

    def on_event(self, event: Event) -> None:
        """A perceiver understood something."""

    def on_window(self, window: Window) -> None:
        """A window closed, or was amended."""

    def on_symbol(self, symbol: Symbol) -> None:
        """A window was answered, here or in the cloud."""

    def on_episode(self, episode: Episode) -> None:
        """Something a person meant began, changed or ended."""

    def on_status(self, kind: str, **what: object) -> None:
        """Something happened to the agent itself."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who answers, with what: the provenance of every symbol made here."""

    device: str
    software: str
    models: tuple[ModelRef, ...] = ()


class Answerer:
    """Answers windows from the events alone, tells the listener, then offers them to the cloud."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        identity: Identity,
        clock: Clock,
        listener: Listener,
        *,
        policy: Policy,
        weighing: FusionSettings | None = None,
        pool: Pool = by_rules,
        offer: Callable[[Window], None] | None = None,
    ) -> None:
        self._vocabulary = vocabulary
        self._identity = identity
        self._clock = clock
        self._listener = listener
        self._policy = policy
        self._weighing = weighing or FusionSettings()
        self._pool = pool
        self._offer = offer

    def use(self, models: tuple[ModelRef, ...]) -> None:
        """Name these models in the provenance from now on: one of them was replaced."""
        self._identity = replace(self._identity, models=models)

    def learn(self, vocabulary: Vocabulary) -> None:
        """Go by another vocabulary from now on: something was taught."""
        self._vocabulary = vocabulary

    def answer(self, window: Window) -> None:
        """The device's own symbol first; nothing before it waits on a disk or a link."""
        self._listener.on_window(window)
        began_ns = time.perf_counter_ns()
        symbol = fuse(
            window,
            self._vocabulary,
            now_ns=self._clock.now_ns(),
            device=self._identity.device,
            software=self._identity.software,
            models=self._identity.models,
            settings=self._weighing,
            pool=self._pool,
        )
        self._listener.on_symbol(with_stage(symbol, "fuse", (time.perf_counter_ns() - began_ns) / 1e6))
        if self._offer is not None and route(window, symbol, policy=self._policy) is Route.CLOUD:
            self._offer(window)
