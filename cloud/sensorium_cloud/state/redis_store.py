"""Answers in Redis: replicas on different machines answer each window once.

The verbs are `store.Store`'s. Redis is asked with little patience, everything that waits in one go, and not at all
for a while after it failed: then the answers of this machine are what there is, and a window that comes to two
machines may be fused twice. Kept are symbols and how far spools have come, as long as the settings say; never media.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from sensorium.delivery import Hello
from sensorium_cloud.batch import Lane, Overloaded, WorkFailed
from sensorium_cloud.circuit import Circuit
from sensorium_cloud.state.redis_link import Standing, reason_of
from sensorium_cloud.state.store import Place, Remembers

if TYPE_CHECKING:
    from redis import Redis

_WAITING: Final = 1 << 14
_BATCH: Final = 128
_SPOOL_TTL_S: Final = 86_400
_HELD: Final = """
local held = redis.call('GET', KEYS[1])
if held then return held end
local first = redis.call('GET', KEYS[2])
held = first and redis.call('GET', first)
"""
_FIND: Final = f"{_HELD} return held"
_SAVE: Final = f"""{_HELD}
if held then redis.call('EXPIRE', KEYS[1], ARGV[2]) return held end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
redis.call('SET', KEYS[2], KEYS[1], 'EX', ARGV[2])
return false
"""
_ADVANCE: Final = """
local through = tonumber(redis.call('GET', KEYS[1]) or 0)
if tonumber(ARGV[1]) > through then redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
else redis.call('EXPIRE', KEYS[1], ARGV[2]) end
return 1
"""
_WRITES: Final = (_SAVE, _ADVANCE)
"""What changes something whatever it finds: done, it shows that Redis is no read-only replica."""

Command = tuple[Any, ...]
Count = Callable[[str], None]
"""Told of every question what became of it: ``done``, ``slow``, ``away``, ``full``, ``read_only`` or ``skipped``."""


def uncounted(_: str) -> None:
    """For stores that nobody watches."""


class RedisStore:
    """What replicas remember together; None wherever Redis cannot be asked.

    Args:
        redis: a client, see `redis_link.impatient`; used by one thread.
        retention_s: how long an answer is remembered.
        patience_s: how long an answer waits for Redis.
        count: told what became of each question.
        standing: told when Redis goes and comes.
        now_ns: monotonic clock.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        retention_s: int = 3600,
        patience_s: float = 0.05,
        count: Count = uncounted,
        standing: Standing | None = None,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._standing = standing or Standing()
        self._redis, self._retention_s, self._patience_s = redis, retention_s, patience_s
        self._count, self._now_ns = count, now_ns
        self._circuit = Circuit()
        self._read_only = False
        self._lane: Lane[Command, Any] = Lane("redis", self._asked, max_waiting=_WAITING, max_batch=_BATCH)

    async def resume_after(self, device: str, spool: str) -> int | None:
        """Every window of the spool up to this sequence is answered."""
        found = await self._ask(("GET", _spool_key(device, spool)))
        return int(found) if found else None

    async def advance(self, device: str, spool: str, through: int) -> None:
        """Every window of the spool up to ``through`` is answered; never moves back."""
        await self._ask(("EVAL", _ADVANCE, 1, _spool_key(device, spool), through, _SPOOL_TTL_S))

    async def find(self, place: Place) -> bytes | None:
        """The symbol this window got before, from whichever replica."""
        found: bytes | None = await self._ask(("EVAL", _FIND, 2, *_keys(place)))
        return found

    async def save(self, place: Place, symbol: bytes) -> bytes:
        """Remember the answer of a window; the one that holds: another replica's, if that was first."""
        held: bytes | None = await self._ask(("EVAL", _SAVE, 2, *_keys(place), symbol, self._retention_s))
        return held or symbol

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            await self._lane.run()
        finally:
            self._redis.close()

    # --- asking --------------------------------------------------------------------------

    async def _ask(self, command: Command) -> Any:
        if (self._read_only and not _writes(command)) or not self._circuit.allows(self._now_ns()):
            self._count("skipped")
            return None
        try:
            async with asyncio.timeout(self._patience_s):
                answer = (await self._lane.do(command)).value
        except (TimeoutError, Overloaded):
            self._failed("slow", f"no answer within {self._patience_s * 1e3:.0f} ms")
            return None
        except WorkFailed as error:  # what it said is no answer of Redis: nobody's window is to blame
            self._failed("away", str(error))
            return None
        return self._heard(command, answer)

    def _asked(self, commands: Sequence[Command]) -> list[Any]:
        """Answers, or errors in their place; in the lane's thread."""
        from redis.exceptions import RedisError

        pipe = self._redis.pipeline(transaction=False)
        for command in commands:
            pipe.execute_command(*command)  # type: ignore[no-untyped-call]
        try:
            return pipe.execute(raise_on_error=False)
        except (RedisError, OSError) as error:
            return [error] * len(commands)

    def _heard(self, command: Command, answer: Any) -> Any:
        from redis.exceptions import OutOfMemoryError, ReadOnlyError

        if isinstance(answer, OutOfMemoryError):
            self._count("full")
            self._standing.full()
        elif isinstance(answer, ReadOnlyError):  # as good as gone: what others find there is older than what we know
            self._read_only = True
            self._failed("read_only", reason_of(answer))
        elif isinstance(answer, Exception):
            self._failed("away", reason_of(answer))
        else:
            self._worked(command)
            if command[1] == _SAVE and answer is None:  # there was room for another
                self._standing.kept()
            return answer
        return None

    def _worked(self, command: Command) -> None:
        self._count("done")
        if self._read_only and not _writes(command):
            return
        self._read_only = False
        if self._circuit.worked():
            self._standing.back("answers")

    def _failed(self, outcome: str, reason: str) -> None:
        self._count(outcome)
        if self._circuit.failed(self._now_ns()):
            self._standing.away("answers", reason)


class SharedMemory:
    """This machine's memory first, then what all replicas remember; `answer.Remembers` over both.

    Args:
        local: of this machine.
        shared: of all.
        count: told of each window whether it was a ``local_hit``, a ``redis_hit`` or a ``miss``.
    """

    def __init__(self, local: Remembers, shared: RedisStore, *, count: Count = uncounted) -> None:
        self._local, self._shared, self._count = local, shared, count

    async def resume_after(self, hello: Hello) -> int:
        """How far the device's spool has come, at whichever replica."""
        here, there = await asyncio.gather(
            self._local.resume_after(hello), self._shared.resume_after(hello.device_id, hello.spool_id)
        )
        return max(here, there or 0)

    async def advance_all(self, progress: Sequence[tuple[Hello, int]]) -> None:
        """How far the devices' spools have come."""
        there = (self._shared.advance(hello.device_id, hello.spool_id, through) for hello, through in progress)
        await asyncio.gather(self._local.advance_all(progress), *there)

    def new(self, place: Place) -> bool:  # noqa: ARG002
        """Another replica may have answered any window: each has to be looked up."""
        return False

    async def find_all(self, places: Sequence[Place]) -> list[bytes | None]:
        """The symbols that windows got before."""
        here = await self._local.find_all(places)
        return await asyncio.gather(*(self._find(place, own) for place, own in zip(places, here, strict=True)))

    async def _find(self, place: Place, here: bytes | None) -> bytes | None:
        if here is not None:
            self._count("local_hit")
            return here
        if (found := await self._shared.find(place)) is not None:
            self._count("redis_hit")
            (held,) = await self._local.save_all([place], [found])
            return held
        self._count("miss")
        return None

    async def save_all(self, places: Sequence[Place], symbols: Sequence[bytes]) -> list[bytes]:
        """Remember windows' symbols; those that hold."""
        held = await asyncio.gather(*map(self._shared.save, places, symbols))
        return await self._local.save_all(places, held)


def _writes(command: Command) -> bool:
    return command[0] == "EVAL" and command[1] in _WRITES


# --- keys ------------------------------------------------------------------------------


def _digest(*parts: object) -> str:
    return blake2b("\0".join(map(str, parts)).encode(), digest_size=16).hexdigest()


def _spool_key(device: str, spool: str) -> str:
    return f"multimodal:spool:{_digest(device, spool)}"


def _keys(place: Place) -> tuple[str, str]:
    """Of a window's content and of its place; in braces what keeps a device's keys on one node of a cluster."""
    device = f"multimodal:answer:{{{_digest(place.device)}}}"
    return f"{device}:{place.content}", f"{device}:{_digest(place.spool, place.sequence, place.window)}"
