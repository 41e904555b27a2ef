"""Everybody the settings want to be told: lines, log, MQTT, rules, traces; what they do not want is not imported."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from sensorium.clock import Clock
from sensorium.concepts import Vocabulary
from sensorium_agent._app import compose
from sensorium_agent._app.listeners import LineListener, LogListener, TelemetryListener
from sensorium_agent._app.settings import Settings
from sensorium_agent.answer import Listener

if TYPE_CHECKING:
    from sensorium_agent._app.telemetry import Telemetry
    from sensorium_agent._app.tracing import TraceListener


@contextlib.contextmanager
def audience(settings: Settings, vocabulary: Vocabulary, clock: Clock, lines: LineListener) -> Iterator[list[Listener]]:
    """Everybody the settings want to be told, for as long as the agent runs."""
    telemetry = _telemetry(settings, [concept.name for concept in vocabulary])
    tracing = _tracing(settings, clock)
    actor = compose.actor(settings, vocabulary, telemetry)
    with contextlib.ExitStack() as stack:
        listeners: list[Listener] = [lines, LogListener()]
        if telemetry is not None:
            listeners.append(TelemetryListener(stack.enter_context(telemetry)))
        if actor is not None:
            listeners.append(stack.enter_context(actor))
        if tracing is not None:
            listeners.append(stack.enter_context(tracing))
        yield listeners


def _telemetry(settings: Settings, concepts: Sequence[str]) -> Telemetry | None:
    if settings.mqtt is None:
        return None
    from sensorium_agent._app.broker_tls import context
    from sensorium_agent._app.telemetry import Telemetry

    m = settings.mqtt
    return Telemetry(
        settings.device_name,
        host=m.host,
        port=m.port,
        username=m.username,
        password=m.password,
        tls=context(m),
        discovery_prefix=m.discovery_prefix,
        concepts=concepts,
        linked=settings.cloud is not None and settings.cloud.policy != "never",
    )


def _tracing(settings: Settings, clock: Clock) -> TraceListener | None:
    if not settings.trace.endpoint:
        return None
    from sensorium_agent._app.tracing import TraceListener

    return TraceListener(settings.trace.endpoint, clock)
