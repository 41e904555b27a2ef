"""How Redis is reached, and what is said of it: one line when it does not answer any more, one when it does again."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from sensorium_cloud.state.history import HistoryError
from sensorium_cloud.state.trouble import Trouble

if TYPE_CHECKING:
    from redis import Redis
    from redis.asyncio import Redis as AsyncRedis

log = logging.getLogger(__name__)

FOLLOW_MS: Final = 5_000
"""How long whoever follows a stream waits for news."""


def connected(url: str) -> AsyncRedis:
    """A client that gives up soon, for what is never worth waiting for.

    Raises:
        HistoryError: ``url`` is none of Redis.
    """
    from redis.asyncio import Redis

    try:
        return Redis.from_url(url, protocol=2, socket_connect_timeout=1.0, socket_timeout=2.0 + FOLLOW_MS / 1000)
    except ValueError as error:
        raise HistoryError(f"redis: {error}; write redis://HOST:PORT/NUMBER or rediss://...") from None


def impatient(url: str, patience_s: float) -> Redis:
    """A client that waits ``patience_s`` for a connection, and as long for an answer, and does not try again."""
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return Redis.from_url(
        url, protocol=2, socket_connect_timeout=patience_s, socket_timeout=patience_s, retry=Retry(NoBackoff(), 0)
    )


def heed_cancellation() -> None:
    """Go on only if nobody cancelled us: a client that loses its connection at that moment may swallow the news.

    Raises:
        CancelledError: somebody did.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def reason_of(error: Exception) -> str:
    """What Redis said, with the way out where its own words have none."""
    from redis.exceptions import AuthenticationError, NoPermissionError, ReadOnlyError

    said = str(error).rstrip(". ") or type(error).__name__
    match error:
        case ReadOnlyError():
            return "it is a read-only replica; give redis.url of the primary"
        case AuthenticationError() | NoPermissionError():
            return f"it does not take the name or the password in redis.url ({said})"
    return said


class Standing:
    """Whether Redis answers, as all who ask it in this process find together.

    Every line is a warning: whoever saw that something was wrong wants to see that it is well again.
    """

    def __init__(self, full: Trouble | None = None) -> None:
        self._without: set[str] = set()
        self._full = full or Trouble()

    def away(self, who: str, reason: str) -> None:
        """``who`` gets no answer, and said so not before it was back."""
        log.log(logging.DEBUG if self._without else logging.WARNING, "redis.away: %s; answers go on without it", reason)
        self._without.add(who)

    def back(self, who: str) -> None:
        """``who`` got an answer again."""
        if who in self._without:
            self._without.discard(who)
            if not self._without:
                log.warning("redis.back")

    def full(self) -> None:
        """It takes nothing more; what expires makes room for a moment."""
        if self._full.begins():
            log.warning("redis.full: it keeps nothing new; raise maxmemory, or let it evict (volatile-ttl)")

    def kept(self) -> None:
        """It has taken something new."""
        self._full.ends()
