"""What the service remembers, as the settings ask for it: here, and where there is a Redis, with other replicas."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from sensorium import clock
from sensorium_cloud._app.chronicle import symbol_data
from sensorium_cloud._app.metrics import Metrics
from sensorium_cloud._app.settings import Settings, State, Trace
from sensorium_cloud.answer import Memory
from sensorium_cloud.refine import Engines, Refined, Sink
from sensorium_cloud.rooms.hosts import Hosts
from sensorium_cloud.rooms.meeting import Meetings
from sensorium_cloud.rooms.neighbours import Neighbours
from sensorium_cloud.state.history import History, Recent
from sensorium_cloud.state.redis_link import Standing
from sensorium_cloud.state.store import Remembers, Store

if TYPE_CHECKING:
    from sensorium_cloud._app.shared_rooms import SharedRooms
    from sensorium_cloud.state.redis_store import RedisStore


def opened(state: State) -> Store:
    """The store of this machine."""
    folder = Path(state.folder) if state.folder else None
    return Store(folder, retention_s=state.retention_s, max_answers=state.max_answers)


def prepare(settings: Settings) -> None:
    """Make all files of the state's folder, before several processes open them; raises as opening them does."""
    from sensorium_cloud.state import file_history

    opened(settings.state).close()
    if _keeps_a_file(settings):
        file_history.prepare(Path(settings.state.folder))


def _keeps_a_file(settings: Settings) -> bool:
    """Whether history is in the state's folder: not where nobody could read it, or Redis has it."""
    return bool(settings.state.folder) and settings.gateway.enabled and not settings.redis.url


def shared(
    settings: Settings, local: Memory, metrics: Metrics, standing: Standing
) -> tuple[Remembers, *tuple[RedisStore, ...]]:
    """What was answered, here and by all replicas; and what has to run for that."""
    if not settings.redis.url:
        return (local,)
    from sensorium_cloud.state.redis_link import impatient
    from sensorium_cloud.state.redis_store import RedisStore, SharedMemory

    metrics.expect_redis()
    patience_s = settings.redis.patience_s
    store = RedisStore(
        impatient(settings.redis.url, patience_s),
        retention_s=settings.state.retention_s,
        patience_s=patience_s,
        count=metrics.redis,
        standing=standing,
    )
    return SharedMemory(local, store, count=partial(metrics.looked_up, "answers")), store


def history(settings: Settings, standing: Standing) -> History:
    """What happened in sessions: one history for all who share a Redis or a folder."""
    table = settings.history
    if settings.redis.url:
        from sensorium_cloud.state.redis_history import RedisHistory
        from sensorium_cloud.state.redis_link import connected

        return RedisHistory(connected(settings.redis.url), retention_s=table.retention_s, standing=standing)
    wall_s = WallSeconds(clock.DeviceClock())
    if not _keeps_a_file(settings):
        return Recent(lambda: 1000 * wall_s(), retention_s=table.retention_s, max_bytes=table.max_bytes)
    from sensorium_cloud.state.file_history import FileHistory

    limits = {"retention_s": table.retention_s, "max_bytes": table.max_bytes}
    return FileHistory(Path(settings.state.folder), lambda: 1000 * wall_s(), symbol_data, **limits)


@dataclass(frozen=True, slots=True)
class Together:
    """What the processes of a service have in common: where devices meet, and people's rooms.

    Attributes:
        forever: what has to run for that.
        dropped: how many messages between them had no room, or are of no version that is known here.
    """

    meetings: Meetings
    rooms: SharedRooms
    forever: Sequence[Callable[[], Coroutine[Any, Any, None]]] = ()
    dropped: Callable[[], int] = int


def together(settings: Settings, beside: Path | None) -> Together:
    """As the settings ask for it; workers of one machine find each other ``beside``."""
    from sensorium_cloud._app.mesh import LocalMesh, Mesh, Nobody, RedisMesh, SharedMeetings
    from sensorium_cloud._app.shared_rooms import SharedRooms

    hosts, device = Hosts(token_hex(4)), clock.DeviceClock()
    if settings.redis.url:
        from sensorium_cloud.state.redis_link import connected

        mesh = Mesh(RedisMesh(connected(settings.redis.url), hosts.origin))
    elif beside is not None:
        mesh = Mesh(LocalMesh(beside, hosts.origin))
    else:
        return Together(Meetings(), SharedRooms(hosts, Nobody(), device, device.boot_id))
    met = SharedMeetings(Neighbours(hosts.origin), mesh.conversation(b"d"))
    rooms = SharedRooms(hosts, mesh.conversation(b"p"), device, device.boot_id)
    return Together(met, rooms, (mesh.run, met.run), lambda: mesh.dropped + met.refused + rooms.refused)


def sparing(
    settings: Settings, engines: Engines, metrics: Metrics, standing: Standing, identity: Callable[[], str]
) -> Engines:
    """``engines`` that fuse no more than the settings ask for.

    ``identity`` is of everything that makes an answer what it is.
    """
    table = settings.cache
    if not table.entries and not table.similar:
        return engines
    from sensorium_cloud.cache import Cached, Similar

    tier = None
    if table.shared and settings.redis.url:
        from sensorium_cloud.state.redis_cache import RedisCache
        from sensorium_cloud.state.redis_link import impatient

        client = impatient(settings.redis.url, settings.redis.patience_s)
        tier = RedisCache(client, identity(), ttl_s=table.ttl_s, count=metrics.redis, standing=standing)
    similar = Similar(table.similar or 2.0, round(table.similar_s * 1e9))
    count = partial(metrics.looked_up, "fusion")
    return dataclasses.replace(
        engines, fuse=Cached(engines.fuse, most=table.entries, similar=similar, shared=tier, count=count)
    )


@contextmanager
def traced(table: Trace) -> Iterator[Sequence[Sink]]:
    """What sends each symbol's spans, if the settings name a collector; sends what is left at the end."""
    if not table.endpoint:
        yield ()
        return
    from sensorium import trace

    device = clock.DeviceClock()
    sender = trace.Trace(
        trace.to_collector(table.endpoint), "sensorium-cloud", lambda: clock.read_wall(device).wall_ns(device.now_ns())
    )
    try:

        def tell(made: Sequence[Refined]) -> None:
            for symbol, _ in made:
                sender.tell(symbol)

        yield (tell,)
    finally:
        sender.close()


class WallSeconds:
    """Wall time: answers are remembered across restarts, and no other clock means the same then.

    Read once a second: it is wanted for every answer.
    """

    def __init__(self, device: clock.DeviceClock) -> None:
        self._device = device
        self._until_ns = 0
        self._wall_s = 0

    def __call__(self) -> int:
        now_ns = time.monotonic_ns()
        if now_ns >= self._until_ns:
            self._until_ns, self._wall_s = now_ns + 1_000_000_000, _wall_s(self._device)
        return self._wall_s


def _wall_s(device: clock.DeviceClock) -> int:
    return clock.read_wall(device).wall_ns(device.now_ns()) // 1_000_000_000
