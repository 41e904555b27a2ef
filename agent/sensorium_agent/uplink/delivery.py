"""What to send when, and what became of it: delivery of a spool over one Fuse stream after another.

Pure: no clock, no socket, no disk. `Delivery` is told what happens and asked what to do:

    welcome -> (want, take | ack | symbol | refusal)... -> disconnected -> welcome ...

Windows go in the order of the spool, a bounded number unanswered, and again from the last one forgotten
after every reconnect. A window is forgotten (`acknowledged`) when both are true: it was answered here, and
the service says it is safe there. An answer lost with its stream is asked for again and the service gives
it from memory; one that comes twice is passed on once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sensorium.delivery import RESOURCE_EXHAUSTED, Refusal, Welcome

_MS: Final = 1_000_000
_S: Final = 1_000 * _MS
_READ_AHEAD: Final = 64
"""Windows asked of the spool at once."""
_UNSAFE: Final = 4096
"""Answered windows that may wait for the service to call them safe; then nothing more is sent."""
_REMEMBERED: Final = 4096
"""Windows whose answer is known to have been passed on."""
_STRIKES: Final = 3
"""How often a window that the service passes over is sent, before it is given up."""
FRAME_BYTES: Final = 32
"""At most what a message adds to a window's own bytes."""

Key = tuple[str, int]
"""A window's id and revision: what an answer is for."""


@dataclass(frozen=True, slots=True)
class Item:
    """A window as it lies in the spool."""

    sequence: int
    key: Key
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Want:
    """A wish for the next windows of the spool after ``after``, at most ``limit``.

    Attributes:
        after: as said.
        limit: as said.
        stored: what the spool was known to hold; if it gives nothing, there is nothing up to here.
        again: whether exactly the one window after ``after`` is meant, to be tried again.
    """

    after: int
    limit: int
    stored: int
    again: bool = False


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the windows since the start.

    Attributes:
        sent: windows sent, each time counted.
        resent: of these, sent before.
        answered: answers passed on, symbols and final refusals.
        refused: of these, final refusals.
        retried: refusals that asked for another try.
        duplicate: answers that had come before.
        strange: answers for windows that were not sent, or for another window than the one sent.
        too_large: windows the service would not take, never sent.
        unanswered: windows given up, since the service passed them over again and again.
        reconnects: streams the service welcomed after the first.
    """

    sent: int = 0
    resent: int = 0
    answered: int = 0
    refused: int = 0
    retried: int = 0
    duplicate: int = 0
    strange: int = 0
    too_large: int = 0
    unanswered: int = 0
    reconnects: int = 0


@dataclass(frozen=True, slots=True)
class _Flight:
    """A window that was sent on this stream and has no answer yet."""

    key: Key
    sent_ns: int
    again_ns: int | None = None


class Delivery:
    """Delivers what a spool holds beyond ``acknowledged``, up to ``stored``.

    Args:
        acknowledged: everything up to here needs no delivery.
        stored: the spool's newest sequence.
        random: uniform in [0, 1), for the jitter of the backoff.
        patience_ns: how long an answer may take before the stream counts as dead.
        backoff_s: shortest and longest wait before a reconnect.
    """

    def __init__(
        self,
        *,
        acknowledged: int,
        stored: int,
        random: Callable[[], float],
        patience_ns: int = 20 * _S,
        backoff_s: tuple[float, float] = (0.5, 30.0),
    ) -> None:
        self.acknowledged = acknowledged
        self.counts = Counts()
        self.last_round_trip_ns: int | None = None
        self._stored = stored
        self._random, self._patience_ns = random, patience_ns
        self._shortest_s, self._longest_s = backoff_s
        self._wait_s = self._shortest_s
        self._in_flight: dict[int, _Flight] = {}
        self._answered: set[int] = set()
        """Answered here, not yet known to be safe there."""
        self._closed: set[int] = set()
        """Nothing more to do, whatever the service thinks of them."""
        self._passed_on: OrderedDict[Key, None] = OrderedDict()
        self._strikes: dict[int, int] = {}
        self._cursor = acknowledged
        """On this stream everything up to here was sent or needed no sending."""
        self._highest_sent = 0
        self._highest_answered = 0
        self._singly_through = 0
        """Up to here one at a time: a message was refused, and only so it shows which window is to blame."""
        self._safe = 0
        self._hold_ns = 0
        self._heard_ns = 0
        self._welcomed = False
        self._limit = 0
        self._largest = 0

    # --- the link ----------------------------------------------------------------------------

    def welcome(self, welcome: Welcome, now_ns: int) -> bool:
        """The service is there; False if it knows windows this spool has never held.

        Then the spool is an old copy, and the service would answer new windows with old symbols.
        """
        if welcome.resume_after > self._stored:
            return False
        self._count(reconnects=int(self._welcomed))
        self._welcomed = True
        self._limit, self._largest = welcome.max_in_flight, welcome.max_message_bytes
        self._safe, self._cursor = welcome.resume_after, self.acknowledged
        self._hold_ns, self._heard_ns, self._highest_answered = 0, now_ns, 0
        self._settle()
        return True

    def disconnected(self) -> float:
        """The stream is gone, or never came to be; seconds to wait before the next.

        Exponential with decorrelated jitter: uniform from the shortest wait to three times the last
        one (Brooker, Exponential Backoff and Jitter, 2015). An answer starts it anew.
        """
        self._limit = 0
        self._in_flight.clear()
        self._cursor = self.acknowledged
        spread_s = 3 * self._wait_s - self._shortest_s
        self._wait_s = min(self._shortest_s + self._random() * spread_s, self._longest_s)
        return self._wait_s

    # --- the spool ---------------------------------------------------------------------------

    def stored(self, through: int) -> None:
        """The spool holds everything up to here."""
        self._stored = max(self._stored, through)

    def want(self, now_ns: int) -> Want | None:
        """Which windows to read next for sending; None if none may be sent now."""
        if not self._limit or now_ns < self._hold_ns:
            return None
        self._hold_ns = 0
        for sequence, flight in self._in_flight.items():
            if flight.again_ns is not None and flight.again_ns <= now_ns:
                return Want(sequence - 1, 1, self._stored, again=True)
        limit = 1 if self.acknowledged < self._singly_through else self._limit
        room = min(limit - len(self._in_flight), _READ_AHEAD)
        if room <= 0 or self._cursor >= self._stored or len(self._answered) >= _UNSAFE:
            return None
        return Want(self._cursor, room, self._stored)

    def take(self, want: Want, found: Sequence[Item], now_ns: int) -> tuple[int, ...]:
        """What of ``found``, read as wanted, is to be sent now."""
        if want.again and want.after + 1 not in self._in_flight:
            return ()
        if want.again and (not found or found[0].sequence != want.after + 1):
            self._close(want.after + 1)
            return ()
        sending = tuple(item.sequence for item in found if self._takes(item, now_ns))
        if not want.again:
            self._cursor = found[-1].sequence if found else max(self._cursor, want.stored)
            self._settle()
        return sending

    def _takes(self, item: Item, now_ns: int) -> bool:
        sequence = item.sequence
        if sequence in self._closed or (sequence in self._answered and sequence <= self._safe):
            return False
        if item.size_bytes + FRAME_BYTES > self._largest:
            self._count(too_large=1)
            self._close(sequence)
            return False
        self._in_flight[sequence] = _Flight(item.key, now_ns)
        self._count(sent=1, resent=int(sequence <= self._highest_sent))
        self._highest_sent = max(self._highest_sent, sequence)
        return True

    # --- answers -----------------------------------------------------------------------------

    def ack(self, through: int, now_ns: int) -> None:
        """Everything up to ``through`` that was sent is safe there."""
        self._heard_ns = now_ns
        self._safe = max(self._safe, min(through, self._cursor))
        self._settle()

    def symbol(self, sequence: int, key: Key, now_ns: int) -> bool:
        """A symbol came; whether it is to be passed on."""
        flight = self._in_flight.get(sequence)
        if flight is None:
            known = sequence <= self.acknowledged or sequence in self._answered
            self._count(duplicate=int(known), strange=int(not known))
            return False
        self._answer(sequence, now_ns)
        if flight.key != key:
            self._count(strange=1)
            return False
        self.last_round_trip_ns = now_ns - flight.sent_ns
        return self._first_answer_to(key)

    def _first_answer_to(self, key: Key) -> bool:
        if key in self._passed_on:
            self._count(duplicate=1)
            return False
        self._passed_on[key] = None
        if len(self._passed_on) > _REMEMBERED:
            self._passed_on.popitem(last=False)
        self._count(answered=1)
        return True

    def refusal(self, refusal: Refusal, now_ns: int) -> bool:
        """A refusal came; False if the stream has to be opened anew to find out what it meant."""
        if refusal.sequence == 0:
            return self._message_refused(refusal, now_ns)
        flight = self._in_flight.get(refusal.sequence)
        if flight is None:
            self._count(duplicate=1)
        elif _final(refusal):
            self._answer(refusal.sequence, now_ns)
            self._count(refused=int(self._first_answer_to(flight.key)))
        else:
            self._try_again((refusal.sequence,), refusal, now_ns)
        return True

    def _message_refused(self, refusal: Refusal, now_ns: int) -> bool:
        """Which window it is about shows only if just one is under way."""
        if not _final(refusal):
            self._try_again(tuple(self._in_flight), refusal, now_ns)
        elif len(self._in_flight) == 1:
            return self.refusal(replace(refusal, sequence=next(iter(self._in_flight))), now_ns)
        else:
            self._singly_through = self._cursor
        return not _final(refusal)

    def _try_again(self, sequences: Sequence[int], refusal: Refusal, now_ns: int) -> None:
        # A service that is exhausted gets nothing new either until then.
        self._heard_ns = now_ns
        self._hold_ns = now_ns + (refusal.retry_after_ms or 1000) * _MS
        for sequence in sequences:
            self._in_flight[sequence] = replace(self._in_flight[sequence], again_ns=self._hold_ns)
        self._count(retried=len(sequences))

    def _answer(self, sequence: int, now_ns: int) -> None:
        self._heard_ns = now_ns
        self._wait_s = self._shortest_s
        self._highest_answered = max(self._highest_answered, sequence)
        del self._in_flight[sequence]
        self._answered.add(sequence)
        self._settle()

    def _close(self, sequence: int) -> None:
        self._in_flight.pop(sequence, None)
        self._closed.add(sequence)
        self._settle()

    def _settle(self) -> None:
        """Forget as far as nothing is open: answered here and safe there, or closed."""
        unsafe = (sequence for sequence in self._answered if sequence > self._safe)
        still_open = min([*self._in_flight, *unsafe], default=self._cursor + 1)
        through = min(still_open - 1, self._cursor)
        if through > self.acknowledged:
            self.acknowledged = through
            self._answered = {s for s in self._answered if s > through}
            self._closed = {s for s in self._closed if s > through}
            self._strikes = {s: n for s, n in self._strikes.items() if s > through}

    # --- time --------------------------------------------------------------------------------

    def next_due_ns(self) -> int | None:
        """When to look again although nothing has happened; None if never."""
        dues = [self._dead_ns(), *(f.again_ns for f in self._in_flight.values())]
        if self._hold_ns:
            dues.append(self._hold_ns)
        return min((due for due in dues if due is not None), default=None)

    def overdue(self, now_ns: int) -> bool:
        """Whether the stream counts as dead, an answer being long due; it is then to be given up.

        A window whose answer is due while later ones were answered gets a strike, and the third
        time it is given up itself, or one window could hold the spool for ever.
        """
        dead_ns = self._dead_ns()
        if dead_ns is None or now_ns < dead_ns:
            return False
        for sequence, flight in list(self._in_flight.items()):
            if flight.again_ns is None and now_ns - flight.sent_ns >= self._patience_ns:
                self._strike(sequence)
        return True

    def _strike(self, sequence: int) -> None:
        if self._highest_answered <= sequence:
            return
        self._strikes[sequence] = self._strikes.get(sequence, 0) + 1
        if self._strikes[sequence] >= _STRIKES:
            self._count(unanswered=1)
            self._close(sequence)

    def _dead_ns(self) -> int | None:
        waiting = [flight.sent_ns for flight in self._in_flight.values() if flight.again_ns is None]
        if self._limit and len(self._answered) >= _UNSAFE:
            waiting.append(self._heard_ns)
        return min(waiting) + self._patience_ns if waiting else None

    # --- figures -----------------------------------------------------------------------------

    @property
    def in_flight(self) -> int:
        """Windows sent on this stream and not answered yet."""
        return len(self._in_flight)

    @property
    def idle(self) -> bool:
        """Whether everything stored is delivered."""
        return self.acknowledged >= self._stored

    def _count(self, **more: int) -> None:
        self.counts = replace(self.counts, **{name: getattr(self.counts, name) + n for name, n in more.items()})


def _final(refusal: Refusal) -> bool:
    """Whether there is no use in trying again; only an exhausted service need not say when."""
    return refusal.final or (refusal.retry_after_ms == 0 and refusal.code != RESOURCE_EXHAUSTED)
