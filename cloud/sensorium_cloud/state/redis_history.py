"""History in Redis: a stream for each session, shared by all processes, and groups of followers that lose nothing.

Everything is pipelined, off the way of the answers. While Redis is slow or gone entries wait in a bounded queue, the
oldest give way, and nobody else notices. Trimming is by age (``MINID``), for entries of a stream have no expiry of
their own; keys of sessions that have ended expire.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn

from sensorium_cloud.state.history import START, Batch, Entry, HistoryError, Unwritten, placed
from sensorium_cloud.state.redis_link import FOLLOW_MS, Standing, heed_cancellation, reason_of

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = logging.getLogger(__name__)

_BATCH: Final = 256
_WAITING: Final = 10_000
_RETRY_S: Final = (0.1, 5.0)
_PATIENT_S: Final = 0.3
_TEND_S: Final = 10.0
"""Between trims of a session: three commands with every entry cost twice as much as one."""
_SESSIONS: Final = 100_000
_MAX_ENTRIES: Final = 20_000
"""Of a session: an hour at five a second; whoever sends more keeps less of it."""


def key(session_id: str) -> str:
    """Where a session's stream lies."""
    return f"multimodal:{session_id}"


class RedisHistory:
    """`sensorium_cloud.state.history.History` in Redis.

    Args:
        redis: a client, see `redis_link.connected`.
        retention_s: how long an entry is kept.
        standing: told when Redis goes and comes.
        now_s: monotonic time.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        retention_s: int = 3600,
        standing: Standing | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis, self._standing, self._now_s = redis, standing or Standing(), now_s
        self._newest_ms = 0
        """By Redis' clock, which makes the ids: no other would do to trim them by."""
        self._tended_s: dict[str, float] = {}
        """When each session was trimmed last; the one that was longest ago comes first."""
        self._retention_s, self._tend_s = retention_s, min(_TEND_S, retention_s / 2)
        self._waiting = Unwritten(_WAITING)
        self._up = True
        self.refused = 0
        """Entries that Redis does not take: it is full, or has something else under the session's name."""

    @property
    def dropped(self) -> int:
        """Entries that gave way to newer ones, or that Redis does not take."""
        return self._waiting.gave_way + self.refused

    def tell(self, session_id: str, entries: Sequence[Entry]) -> None:
        """Queue ``entries``; the oldest that wait give way."""
        self._waiting.add(session_id, entries)

    async def run(self) -> NoReturn:
        """Write what waits, as much at once as there is, until cancelled; then let the connections go."""
        try:
            await self._meet()
            await self._write()
        finally:
            await self.close()

    async def _meet(self) -> None:
        """Wait for Redis once: a wrong address or password is said before anybody comes."""
        from redis import exceptions

        wait_s = _RETRY_S[0]
        while True:
            try:
                await self._redis.ping()
                break
            except (exceptions.RedisError, OSError) as error:
                heed_cancellation()  # at the end the connection goes with the question under way
                # A service that starts may itself be too busy to hear an answer in time.
                if wait_s > _PATIENT_S or not isinstance(error, exceptions.TimeoutError):
                    self._away(error)
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, _RETRY_S[1])
        self._back()

    async def _write(self) -> NoReturn:
        wait_s = _RETRY_S[0]
        while True:
            heed_cancellation()
            await self._waiting.wait()
            batch = self._waiting.first(_BATCH)
            if await self._wrote(batch):
                wait_s = _RETRY_S[0]
                self._waiting.written(batch)
            else:
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, _RETRY_S[1])

    async def read(self, session_id: str, after: str = START, limit: int = 1000) -> list[Entry]:
        """The oldest entries after an id; empty while Redis is away."""
        found = await self._asked(partial(self._redis.xrange, key(session_id), min=f"({after}", count=limit))
        return [_entry(*one) for one in found or ()]

    async def follow(self, session_id: str, after: str = START) -> AsyncIterator[Entry]:
        """Entries after an id as they come; goes on where it was when Redis comes back."""
        while True:
            since: dict[Any, Any] = {key(session_id): after}
            heard = await self._asked(partial(self._redis.xread, since, block=FOLLOW_MS, count=100))
            if heard is None:
                await asyncio.sleep(_RETRY_S[1])
            for _, entries in _streams(heard):
                for one in entries:
                    entry = _entry(*one)
                    after = entry.id
                    yield entry

    async def close(self) -> None:
        """Let the connections go."""
        await self._redis.aclose()

    # --- writing -------------------------------------------------------------------------

    async def _wrote(self, batch: Batch) -> bool:
        pipe = self._redis.pipeline(transaction=False)
        for session_id, entry in batch.entries:
            pipe.xadd(key(session_id), _fields(entry), maxlen=_MAX_ENTRIES, approximate=True)
        now_s = self._now_s()
        due = self._due({session_id for session_id, _ in batch.entries}, now_s)
        trimming = self._newest_ms > 0
        for session_id in due:
            self._tend(pipe, session_id)
        told = await self._asked(partial(pipe.execute, raise_on_error=False))
        if told is None or not self._heard(told[: len(batch.entries)]):
            return False
        if trimming:
            self._tended(due, now_s)
        self._back()  # only what is written shows that: a replica can be read, too
        return True

    def _due(self, sessions: Iterable[str], now_s: float) -> list[str]:
        """Which of ``sessions`` were not trimmed lately."""
        return [one for one in sessions if now_s - self._tended_s.get(one, -math.inf) >= self._tend_s]

    def _tend(self, pipe: Any, session_id: str) -> None:
        """Drop what is too old, and let the session expire when its newest entry will be."""
        pipe.expire(key(session_id), self._retention_s)
        if self._newest_ms:
            pipe.xtrim(key(session_id), minid=f"{self._newest_ms - self._retention_s * 1000}-0", approximate=True)

    def _tended(self, sessions: Iterable[str], now_s: float) -> None:
        for session_id in sessions:
            self._tended_s.pop(session_id, None)
            self._tended_s[session_id] = now_s
        while len(self._tended_s) > _SESSIONS:
            del self._tended_s[next(iter(self._tended_s))]

    def _heard(self, told: Sequence[Any]) -> bool:
        """Whether the entries are done with: written, or such that Redis would not take them the next time either."""
        from redis.exceptions import OutOfMemoryError

        wrong = [one for one in told if isinstance(one, Exception)]
        full = [one for one in wrong if isinstance(one, OutOfMemoryError)]
        odd = [one for one in wrong if str(one).startswith("WRONGTYPE")]
        if len(full) + len(odd) < len(wrong):
            self._away(next(one for one in wrong if one not in full and one not in odd))
            return False
        if full:
            self._standing.full()
        elif len(told) > len(wrong):
            self._standing.kept()
        if odd and not self.refused:
            log.warning("history.refused reason=%s; what Redis does not take is not kept", odd[0])
        self.refused += len(wrong)
        written = [one for one in told if not isinstance(one, Exception)]
        if written:
            self._newest_ms = placed(written[-1].decode())[0]
        return True

    async def _asked(self, ask: Callable[[], Any]) -> Any:
        """The answer, or None where Redis cannot be asked; told once until it takes entries again."""
        from redis.exceptions import RedisError

        try:
            answer = await ask()
        except (RedisError, OSError) as error:
            self._away(error)
            return None
        return answer

    def _away(self, reason: Exception) -> None:
        if self._up:
            self._up = False
            self._standing.away("history", reason_of(reason))

    def _back(self) -> None:
        self._up = True
        self._standing.back("history")


@dataclass(frozen=True, slots=True)
class Group:
    """Several consumers that share a session's entries; each is given to one of them, at least once.

    Attributes:
        redis: a client.
        session_id: whom they follow.
        name: of the group; it remembers how far it has come.
        consumer: of this one; unique in the group.
        idle_ms: what another has taken and not acknowledged for so long is given to this one.
    """

    redis: Redis
    session_id: str
    name: str
    consumer: str
    idle_ms: int = 30_000

    async def join(self, after: str = START) -> None:
        """Make the group if there is none; it begins after ``after``.

        Raises:
            HistoryError: Redis cannot be asked.
        """
        from redis.exceptions import RedisError, ResponseError

        try:
            await self.redis.xgroup_create(key(self.session_id), self.name, id=after, mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise HistoryError(f"redis: {error}") from error
        except (RedisError, OSError) as error:
            raise HistoryError(f"redis: {error}") from error

    async def take(self, limit: int = 100, *, block_ms: int | None = None) -> list[Entry]:
        """What another let lie for too long, then what is new; `acknowledge` what was dealt with.

        A group that a Redis forgot when it was started anew is made again, from the start of what there is.

        Raises:
            HistoryError: Redis cannot be asked.
        """
        from redis.exceptions import RedisError

        stream = key(self.session_id)
        try:
            left = await self.redis.xautoclaim(stream, self.name, self.consumer, self.idle_ms, count=limit)
            # An entry that was trimmed meanwhile is claimed without fields (Redis 6.2) or not at all (7).
            found = [_entry(identity, fields) for identity, fields in left[1] if fields]
            if len(found) < limit:
                room = limit - len(found)
                told = await self.redis.xreadgroup(
                    self.name, self.consumer, {stream: ">"}, count=room, block=None if found else block_ms
                )
                found += [_entry(*one) for _, entries in _streams(told) for one in entries]
        except (RedisError, OSError) as error:
            if "NOGROUP" in str(error):
                await self.join()
                return []
            raise HistoryError(f"redis: {error}") from error
        return found

    async def acknowledge(self, *entries: Entry) -> None:
        """These were dealt with.

        Raises:
            HistoryError: Redis cannot be asked.
        """
        from redis.exceptions import RedisError

        if not entries:
            return
        try:
            await self.redis.xack(key(self.session_id), self.name, *(entry.id for entry in entries))
        except (RedisError, OSError) as error:
            raise HistoryError(f"redis: {error}") from error


# --- fields ----------------------------------------------------------------------------


def _fields(entry: Entry) -> dict[Any, Any]:
    return {
        "stream_type": entry.stream_type,
        "timestamp": entry.timestamp_ns,
        "sequence_id": entry.sequence,
        "data": entry.data,
    }


def _entry(identity: bytes, fields: dict[bytes, bytes]) -> Entry:
    return Entry(
        fields[b"stream_type"].decode(),
        int(fields[b"timestamp"]),
        int(fields[b"sequence_id"]),
        fields[b"data"],
        identity.decode(),
    )


def _streams(told: Any) -> Sequence[tuple[bytes, Any]]:
    """What XREAD tells; nothing where it waited in vain."""
    return told or ()
