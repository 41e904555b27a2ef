"""Who may talk, and how much: tokens with their rights in some sessions, rates, and connections of one client.

Pure: told the time. Only hashes of tokens are kept.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final

from sensorium.errors import SensoriumError

_TENANTS: Final = 10_000
_LOCAL: Final = r"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?"
_LOCAL_ORIGIN: Final = f"https?://{_LOCAL}"


class Right(StrEnum):
    """What somebody may do in a session."""

    READ = "read"
    """Hear its symbols and its history."""
    WRITE = "write"
    """Feed it."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What comes with a token.

    Attributes:
        tenant: whom it belongs to; sessions of one tenant are no other's, whatever they are called.
        sessions: patterns of the sessions it is good for; ``*`` stands for anything.
        rights: what it allows there.
    """

    tenant: str
    sessions: tuple[str, ...] = ("*",)
    rights: frozenset[Right] = frozenset(Right)

    def allows(self, session: str, right: Right) -> bool:
        """Whether it is good for this."""
        return right in self.rights and any(fnmatchcase(session, pattern) for pattern in self.sessions)

    def session_id(self, session: str) -> str:
        """The session under which everything of it is kept: the tenant's own."""
        return f"{self.tenant}.{session}" if self.tenant else session


OPEN = Grant("")
"""What everybody has where no tokens are set up."""


class Access:
    """All tokens, by their SHA-256.

    Looking a hash up takes no longer for a token that is nearly right, and hashes tell nobody the token.
    """

    def __init__(self, tokens: Iterable[tuple[str, Grant]]) -> None:
        self._grants = {digest.lower(): grant for digest, grant in tokens}

    def grant(self, token: str | None) -> Grant | None:
        """What ``token`` allows; None for one that nobody gave out, or where one is needed."""
        if not self._grants:
            return OPEN
        return self._grants.get(hashlib.sha256(token.encode()).hexdigest()) if token else None


# --- web pages -------------------------------------------------------------------------


class Origins:
    """From where web pages may use the gateway; who is no browser says nothing, and is judged by its token alone.

    Args:
        named: origins, as ``https://app.example``; ``*`` is any. If empty, any page that has a token, or, where none
            are needed, those of this machine: otherwise any page that somebody here looks at could listen in.
        tokens: whether one is needed.
    """

    def __init__(self, named: Sequence[str], *, tokens: bool) -> None:
        self.named = tuple(named) or (("*",) if tokens else ())
        self._any_host = tokens or "*" in self.named
        self._hosts = frozenset(_without_port(origin.partition("://")[2]) for origin in self.named)

    @property
    def pattern(self) -> str | None:
        """What others look like that may, if any do."""
        return None if self.named else _LOCAL_ORIGIN

    def allows(self, origin: str | None) -> bool:
        """Whether a page from there may; None is no page."""
        if origin is None or "*" in self.named or origin in self.named:
            return True
        return self.pattern is not None and re.fullmatch(self.pattern, origin) is not None

    def serves(self, host: str | None) -> bool:
        """Whether a request may be for ``host``; None is of who says no name, as no browser does.

        Without tokens only for this machine, and the hosts of named origins: who owns a name may give it this
        machine's address, and to a page of that name the gateway is then where it is from itself, of which a browser
        does not say an origin (DNS rebinding).
        """
        if host is None or self._any_host:
            return True
        return re.fullmatch(_LOCAL, host, re.IGNORECASE) is not None or _without_port(host) in self._hosts


def _without_port(host: str) -> str:
    return re.sub(r":\d*$", "", host).lower()


# --- how much --------------------------------------------------------------------------


class Rate:
    """A token bucket: so many a second, and a burst of what two seconds would bring.

    Args:
        per_s: how many may pass a second, for ever.
        now_ns: now.
    """

    def __init__(self, per_s: float, now_ns: int) -> None:
        self._per_s = per_s
        self._most = max(2 * per_s, 1.0)
        self._left = self._most
        self._at_ns = now_ns

    def take(self, now_ns: int, count: int = 1) -> int:
        """Let ``count`` pass: 0, or else none does and this says in how many milliseconds they might.

        More than a burst at once pass when the bucket is full, and are owed: otherwise they never would.
        """
        self._left = min(self._left + (now_ns - self._at_ns) / 1e9 * self._per_s, self._most)
        self._at_ns = now_ns
        needed = min(float(count), self._most)
        if self._left >= needed:
            self._left -= count
            return 0
        return -int(-(needed - self._left) / self._per_s * 1e3 // 1)


class Rates:
    """A `Rate` for each of many; who has been silent for longest starts afresh when there are too many."""

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._of: OrderedDict[str, Rate] = OrderedDict()

    def take(self, name: str, now_ns: int, count: int = 1) -> int:
        """As `Rate.take`, of whoever is called so."""
        rate = self._of.setdefault(name, Rate(self._per_s, now_ns))
        self._of.move_to_end(name)
        if len(self._of) > _TENANTS:
            self._of.popitem(last=False)
        return rate.take(now_ns, count)


class Crowded(SensoriumError):
    """One client has too many connections."""


class Crowd:
    """How many connections of each client there are, and may be: ``what`` they are called."""

    def __init__(self, what: str, most: int) -> None:
        self._what, self._most = what, most
        self._here: Counter[str] = Counter()

    def full(self, name: str) -> bool:
        """Whether one more would be too many."""
        return self._here[name] >= self._most

    @contextmanager
    def joined(self, name: str) -> Iterator[None]:
        """One more while inside.

        Raises:
            Crowded: there are as many as there may be.
        """
        if self.full(name):
            raise Crowded(f"{self._most} {self._what} of {name or 'everybody'} are open already; try again later")
        self._here[name] += 1
        try:
            yield
        finally:
            self._here[name] -= 1
            if not self._here[name]:
                del self._here[name]
