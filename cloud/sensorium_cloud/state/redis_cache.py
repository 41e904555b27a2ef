"""The fusion cache's second tier: symbols in Redis, for a while, for every replica with the same models."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError

from sensorium import wire
from sensorium.errors import FieldError
from sensorium.symbol import Symbol
from sensorium.v1 import symbol_pb2
from sensorium_cloud.circuit import Circuit
from sensorium_cloud.state.redis_link import Standing, reason_of

if TYPE_CHECKING:
    from redis import Redis

log = logging.getLogger(__name__)


class RedisCache:
    """`cache.Shared` in Redis: one question a batch, which also brings what the last batch made.

    Args:
        redis: a client, see `redis_link.impatient`; used by one thread.
        identity: of models, vocabulary and software: whoever differs in these would answer differently.
        ttl_s: how long a symbol is kept.
        count: told what became of each question.
        standing: told when Redis goes and comes.
        now_ns: monotonic clock.
    """

    def __init__(
        self,
        redis: Redis,
        identity: str,
        *,
        ttl_s: int = 600,
        count: Callable[[str], None] = lambda _: None,
        standing: Standing | None = None,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._standing = standing or Standing()
        self._redis, self._prefix, self._ttl_s = redis, f"multimodal:fusion:{identity}:".encode(), ttl_s
        self._count, self._now_ns = count, now_ns
        self._circuit = Circuit()
        self._new: dict[bytes, Symbol] = {}
        self._read_only = False

    def get(self, keys: Sequence[bytes]) -> list[Symbol | None]:
        """What is known of each; nothing while Redis is away."""
        new, self._new = self._new, {}
        if not self._circuit.allows(self._now_ns()):
            self._count("skipped")
            return [None] * len(keys)
        return [self._read(raw) for raw in self._asked(keys, new) or [None] * len(keys)]

    def put(self, symbols: Mapping[bytes, Symbol]) -> None:
        """Goes with the next question; those of the batch before are gone if that was not asked."""
        self._new = dict(symbols)

    def _asked(self, keys: Sequence[bytes], new: Mapping[bytes, Symbol]) -> Any:
        from redis.exceptions import RedisError

        pipe = self._redis.pipeline(transaction=False)
        pipe.mget([self._prefix + key for key in keys])
        for key, symbol in new.items():
            pipe.set(self._prefix + key, wire.symbol_to_proto(symbol).SerializeToString(), ex=self._ttl_s)
        try:
            told, *stored = pipe.execute(raise_on_error=False)
        except (RedisError, OSError) as error:
            self._count("away")
            if self._circuit.failed(self._now_ns()):
                self._standing.away("cache", reason_of(error))
            return None
        if self._circuit.worked():
            self._standing.back("cache")
        self._count(self._kept(stored))
        return None if isinstance(told, Exception) else told

    def _kept(self, stored: Sequence[Any]) -> str:
        """What became of what the last batch made; a replica that nobody may write to still tells what it has."""
        from redis.exceptions import OutOfMemoryError, ReadOnlyError

        refused = [one for one in stored if isinstance(one, Exception)]
        if any(isinstance(one, OutOfMemoryError) for one in refused):
            self._standing.full()
        elif len(stored) > len(refused):
            self._standing.kept()
        if not any(isinstance(one, ReadOnlyError) for one in refused):
            return "full" if refused else "done"
        if not self._read_only:
            log.warning("redis.read_only: %s; symbols are not shared", reason_of(refused[0]))
        self._read_only = True
        return "read_only"

    def _read(self, raw: bytes | None) -> Symbol | None:
        try:
            return None if raw is None else wire.symbol_from_proto(symbol_pb2.Symbol.FromString(raw))
        except (DecodeError, FieldError):
            return None  # not ours: somebody else's key, or another version's
