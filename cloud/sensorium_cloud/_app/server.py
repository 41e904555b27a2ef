"""Builds the service in order, runs it until it is told to stop, and takes it down in reverse."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import CollectorRegistry

from sensorium import clock
from sensorium.errors import SensoriumError
from sensorium_cloud._app import port, state
from sensorium_cloud._app.chronicle import chronicle
from sensorium_cloud._app.engines import exact_identity, sizes, software, vocabulary
from sensorium_cloud._app.hall import Hall
from sensorium_cloud._app.metrics import Metrics, exposition
from sensorium_cloud._app.service import SERVICE, FusionService
from sensorium_cloud._app.settings import Listen, Settings, Tls
from sensorium_cloud._app.stream import Terms
from sensorium_cloud.access import Access, Grant, Origins
from sensorium_cloud.answer import Desk, Memory
from sensorium_cloud.refine import Capacity, Engines, Refined, Refinery, Sink
from sensorium_cloud.state.history import History
from sensorium_cloud.state.redis_link import Standing
from sensorium_cloud.state.store import Remembers, Store

if TYPE_CHECKING:
    from sensorium_cloud._app.parts import Parts

log = logging.getLogger(__name__)

Ready = Callable[[str], None]
"""Told the address as soon as devices may come."""

_TURN_S: Final = 0.001


# --- the service -----------------------------------------------------------------------


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The event loop to run on; None for the standard one."""
    try:
        import uvloop
    except ImportError:  # there is none for every machine; the standard loop does the same, a little slower
        return None
    return uvloop.new_event_loop


async def serve(settings: Settings, engines: Engines, ready: Ready, *, beside: Path | None = None) -> None:
    """Serve until SIGTERM or SIGINT; then let streams finish for a moment.

    ``beside``: where to meet the other processes that listen on the same port; None if there are none.

    Raises:
        AddressTaken: the port is in use, or the address is not this machine's.
        StoreError: the state folder cannot be used.
    """
    asyncio.get_running_loop().set_exception_handler(_unheard)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running(settings, engines, beside=beside) as address:
        ready(address)
        _keep_collections_short()
        _take_short_turns()
        await stop.wait()


def _take_short_turns() -> None:
    """Let the event loop and the threads take turns often: a loop that waits 5 ms for each turn hears too little."""
    sys.setswitchinterval(_TURN_S)


def _unheard(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A name that nobody knew is no news when whoever asked for it has been stopped meanwhile."""
    if isinstance(context.get("exception"), socket.gaierror):
        log.debug("server.unheard reason=%s", context["exception"])
    else:
        loop.default_exception_handler(context)


def _keep_collections_short() -> None:
    """Do not search what is remembered for garbage again and again: for 200,000 entries of history it took 74 ms."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 50, 100)


@dataclass(slots=True)
class People:
    """Who listens over the gateway, once there is one."""

    hall: Hall | None = None

    def overhear(self, made: Sequence[Refined]) -> None:
        """Symbols that were made together."""
        if self.hall is not None:
            self.hall.overhear(made)


@dataclass(frozen=True, slots=True)
class _Works:
    """What answers, behind the ports.

    Attributes:
        forever: what has to run for that.
    """

    engines: Engines
    refinery: Refinery
    memory: Remembers
    together: state.Together
    people: People
    history: History
    metrics: Metrics
    forever: Sequence[Callable[[], Coroutine[Any, Any, None]]]


def _works(
    settings: Settings,
    engines: Engines,
    store: Store,
    tracing: Sequence[Sink],
    *,
    registry: CollectorRegistry,
    beside: Path | None,
) -> _Works:
    metrics, standing = Metrics(registry), Standing()
    history = state.history(settings, standing)
    local = Memory(store, wall_s=state.WallSeconds(clock.DeviceClock()))
    memory, *others = state.shared(settings, local, metrics, standing)
    together, people = state.together(settings, beside), People()
    sinks = [lambda made: metrics.fused(*(symbol for symbol, _ in made)), people.overhear, *tracing]
    if settings.gateway.enabled or settings.redis.url:  # else nobody could read it
        sinks.append(chronicle(history))
    engines = state.sparing(settings, engines, metrics, standing, partial(exact_identity, settings))
    refinery = Refinery(engines, _capacity(settings), sinks=sinks)
    lanes = (local.run, *(other.run for other in others), *together.forever, refinery.run, history.run)
    watching = partial(metrics.run, refinery.waiting, partial(_dropped, history, together, people, refinery, engines))
    return _Works(engines, refinery, memory, together, people, history, metrics, (*lanes, watching))


def _dropped(
    history: History, together: state.Together, people: People, refinery: Refinery, engines: Engines
) -> Mapping[str, int]:
    """What had no room so far, or could not be done, by where."""
    return {
        "history": history.dropped,
        "mesh": together.dropped(),
        "outbox": people.hall.dropped if people.hall else 0,
        "clips": refinery.unheard,
        **engines.dropped(),
    }


@asynccontextmanager
async def running(
    settings: Settings, engines: Engines, *, beside: Path | None = None, registry: CollectorRegistry | None = None
) -> AsyncIterator[str]:
    """The service, reachable at the address this gives, until the block is left; raises as `serve` does.

    Its metrics are in ``registry``.
    """
    shared = beside is not None
    server, address = port.opened(settings.listen, settings.tls, shared=shared)
    registry = registry or CollectorRegistry()
    with _as_one(), closing(state.opened(settings.state)) as store, state.traced(settings.trace) as tracing:
        works = _works(settings, engines, store, tracing, registry=registry, beside=beside)
        async with asyncio.TaskGroup() as lanes:
            tasks = [lanes.create_task(forever()) for forever in works.forever]
            async with _answering(server, settings, works, registry, shared=shared):
                log.info("server.ready address=%s tls=%s", address, bool(settings.tls.certificate))
                yield address
            for task in tasks:
                task.cancel()


@asynccontextmanager
async def _answering(
    server: grpc.aio.Server, settings: Settings, works: _Works, registry: CollectorRegistry, *, shared: bool
) -> AsyncIterator[None]:
    """Listen and answer until the block is left; then what was heard is answered."""
    async with asyncio.TaskGroup() as answers:
        desk = Desk(
            answers,
            works.memory,
            works.refinery,
            max_in_flight=settings.engine.max_waiting,
            count=works.metrics.answered,
            meetings=works.together.meetings,
        )
        service = FusionService(desk, _terms(settings, works.engines))
        server.add_generic_rpc_handlers([service.handlers()])
        gateway: AbstractAsyncContextManager[None] = nullcontext()
        if settings.gateway.enabled:
            gateway = _gateway(settings, desk, works, answers, registry, shared=shared)
        async with _started(server, service, settings.listen), gateway, _scraped(settings, registry, shared=shared):
            yield
        await desk.settled()


@asynccontextmanager
async def _scraped(settings: Settings, registry: CollectorRegistry, *, shared: bool) -> AsyncIterator[None]:
    """The metrics at their own port, if they have one, until the block is left."""
    if not settings.metrics.enabled:
        yield
        return
    from sensorium_cloud._app import scrape
    from sensorium_cloud._app.http import serving

    app = scrape.build(partial(exposition, registry))
    async with serving(app, settings.metrics, Tls(), shared=shared) as address:
        log.warning("metrics.ready address=%s", address)
        yield


@contextmanager
def _as_one() -> Iterator[None]:
    """What was wrong with the settings, without the task groups it came through."""
    try:
        yield
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        if isinstance(error, SensoriumError):
            raise error from None
        raise


@asynccontextmanager
async def _gateway(
    settings: Settings,
    desk: Desk,
    works: _Works,
    group: asyncio.TaskGroup,
    registry: CollectorRegistry,
    *,
    shared: bool,
) -> AsyncIterator[None]:
    """WebSocket and HTTP beside gRPC, until the block is left."""
    from sensorium_cloud._app import gateway
    from sensorium_cloud._app.http import serving

    stopping = asyncio.Event()
    parts = _parts(settings, desk, works, group, registry, stopping=stopping)
    async with serving(gateway.build(parts), settings.gateway, settings.gateway_tls, shared=shared) as address:
        log.warning("gateway.ready address=%s", address)
        meeting = group.create_task(works.together.rooms.run(parts.hall))
        works.people.hall = parts.hall
        try:
            yield
        finally:
            stopping.set()
            parts.hall.close()
            meeting.cancel()


def _parts(
    settings: Settings,
    desk: Desk,
    works: _Works,
    group: asyncio.TaskGroup,
    registry: CollectorRegistry,
    *,
    stopping: asyncio.Event,
) -> Parts:
    """What the gateway is made of; it takes nothing new once it is ``stopping``."""
    from sensorium_cloud._app.batch_job import Job
    from sensorium_cloud._app.parts import Limits, Parts

    concepts, dims, device = vocabulary(settings), sizes(), clock.DeviceClock()
    patience_ns, rooms = round(settings.engine.patience_s * 1e9), works.together.rooms
    return Parts(
        Hall(group, desk, works.history, rooms, vocabulary=concepts, sizes=dims, clock=device, patience_ns=patience_ns),
        Job(desk.refinery, concepts, dims, device, patience_ns),
        works.history,
        Access((t.sha256, Grant(t.tenant, t.sessions, frozenset(t.may))) for t in settings.gateway.tokens),
        device,
        ready=lambda: not stopping.is_set() and desk.refinery.fusion.backlog.age_ns(time.monotonic_ns()) < patience_ns,
        metrics=None if settings.metrics.enabled else partial(exposition, registry),
        software=software(),
        limits=Limits.of(settings.limits),
        origins=Origins(settings.gateway.origins, tokens=bool(settings.gateway.tokens)),
    )


@asynccontextmanager
async def _started(server: grpc.aio.Server, service: FusionService, listen: Listen) -> AsyncIterator[None]:
    """The server with health and reflection, until the block is left."""
    servicer = health.aio.HealthServicer()  # type: ignore[attr-defined]  # the stubs know the blocking one only
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    reflection.enable_server_reflection((SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    await server.start()
    for name in ("", SERVICE):
        await servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
    try:
        yield
    finally:
        await servicer.enter_graceful_shutdown()
        service.drain()
        await server.stop(listen.stop_grace_s)
        log.info("server.stopped")


def _capacity(settings: Settings) -> Capacity:
    engine = settings.engine
    return Capacity(engine.max_waiting, engine.max_waiting_pictures, engine.max_batch)


def _terms(settings: Settings, engines: Engines) -> Terms:
    engine = settings.engine
    return Terms(
        max_in_flight=engine.max_in_flight,
        max_message_bytes=settings.listen.max_message_bytes,
        patience_ns=round(engine.patience_s * 1e9),
        check=engines.check,
        software=software(),
        understand=engines.understand,
        max_streams=settings.limits.streams,
        stream_age_s=settings.listen.stream_age_s,
        windows_per_s=settings.limits.windows_per_s,
        hello_s=settings.limits.hello_s,
        idle_s=settings.limits.idle_s,
        own_names=settings.tls.own_names and bool(settings.tls.client_ca),
    )
