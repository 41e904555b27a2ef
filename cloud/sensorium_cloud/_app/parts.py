"""What the gateway stands on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sensorium.clock import Clock
from sensorium_cloud._app.batch_job import Job
from sensorium_cloud._app.hall import Hall
from sensorium_cloud._app.settings import Limits as LimitsTable
from sensorium_cloud.access import Access, Crowd, Origins, Rates
from sensorium_cloud.state.history import History


@dataclass(frozen=True, slots=True)
class Limits:
    """How much clients may ask for: events of a connection, requests of a tenant, its connections."""

    events_per_s: float
    requests: Rates
    connections: Crowd

    @classmethod
    def of(cls, table: LimitsTable) -> Limits:
        """As the settings say."""
        return cls(table.events_per_s, Rates(table.requests_per_s), Crowd("connections", table.connections))


@dataclass(frozen=True, slots=True)
class Parts:
    """All of it.

    Attributes:
        hall: the sessions that are fed here.
        job: answers batches.
        history: what happened in sessions.
        access: who may what.
        clock: of this machine.
        ready: whether new work is taken.
        metrics: everything in Prometheus's text format; None where they have a port of their own.
        software: name and version.
        limits: how much one client may ask for.
        origins: which web pages may come.
    """

    hall: Hall
    job: Job
    history: History
    access: Access
    clock: Clock
    ready: Callable[[], bool]
    metrics: Callable[[], bytes] | None
    software: str
    limits: Limits
    origins: Origins
