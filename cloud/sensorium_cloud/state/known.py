"""Which windows were answered, and where in the file: what is new is never looked up there. In memory, bounded."""

from __future__ import annotations

from collections.abc import Iterable


class Known:
    """The numbers of answers by what they are known by: of at least the newest ``most`` keys, at most of twice as many.

    One thread may add while others look.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._newest: dict[int, int] = {}
        self._older: dict[int, int] = {}

    def add(self, keys: Iterable[int], number: int) -> None:
        """The answer with ``number`` is known by ``keys``."""
        if len(self._newest) >= self._most:
            self._older, self._newest = self._newest, {}
        self._newest.update(dict.fromkeys(keys, number))

    def any(self, keys: Iterable[int]) -> bool:
        """Whether some answer may be known by one of ``keys``."""
        keys = tuple(keys)
        return not (self._newest.keys().isdisjoint(keys) and self._older.keys().isdisjoint(keys))

    def numbers(self, keys: Iterable[int]) -> list[int]:
        """The answers that may be known by one of ``keys``; these are hashes, so look whose they are."""
        found = [self._newest.get(key, self._older.get(key)) for key in keys]
        return [number for number in found if number is not None]
