"""Who may talk to the gateway: tokens, each with its rights in some sessions. Pure; only hashes of tokens are kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase


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
