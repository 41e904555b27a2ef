"""A device's side of a Fuse stream: what to say, what to fuse, what it may forget.

Pure: no clock, no socket, no store. `_app/service.py` is the shell around it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from sensorium.delivery import (
    INVALID_ARGUMENT,
    RESOURCE_EXHAUSTED,
    Ack,
    Hello,
    Refusal,
    Request,
    Response,
    SequencedWindow,
)
from sensorium.errors import FieldError, SensoriumError
from sensorium.window import Window

_AGAIN_MS: Final = 50
"""When to try again what was one too many: about one round trip and one fusion."""
_MS: Final = 1_000_000
_DEAF: Final = 4, 100 * _MS
"""Of the time until a device should come back it is not listened to for one part in so many, and at most so long: if
nobody of a crowd were heard until then, what is ahead would be done before, and there would be nothing to do."""
_MAX_OWED: Final = 4096
"""A client that ignores so many refusals ignores them all."""

Check = Callable[[Window], None]
"""Refuses, by a `FieldError`, a window that the fusion cannot take: a feature vector of the wrong size."""


class Flooded(SensoriumError):
    """The client goes on sending new windows instead of those it was asked to send again."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What follows from a message: what to say at once, and what to fuse."""

    say: tuple[Response, ...] = ()
    fuse: tuple[SequencedWindow, ...] = ()


class Conversation:
    """What one stream owes its device, after Hello.

    A window is *owed* from when it was heard until it was answered: by a symbol or by a final refusal. One
    that was refused for now stays owed, and holds back the acknowledgement, until it is sent again.

    Attributes:
        hello: who speaks.
        in_flight: how many windows are being fused.
    """

    def __init__(self, hello: Hello, *, resume_after: int, max_in_flight: int, check: Check) -> None:
        self.hello = hello
        self.in_flight = 0
        self._max_in_flight = max_in_flight
        self._check = check
        self._deaf_until_ns = self._back_ns = 0
        self._through = resume_after
        self._highest = resume_after
        self._owed: set[int] = set()
        self._oldest: int | None = None
        """Of those owed, where known: a device under load may be owed thousands."""

    def full(self) -> Refusal | None:
        """Why no window can be taken now, whatever it is, if so: known before it is looked into."""
        if self.in_flight < self._max_in_flight:
            return None
        reason = f"{self.in_flight} windows are unanswered, the most there may be"
        return Refusal(0, RESOURCE_EXHAUSTED, "", reason, _AGAIN_MS)

    def put_off(self, refusal: Refusal, now_ns: int) -> None:
        """Everything was refused for now: there should be nothing new until the device was told to come back."""
        part, most_ns = _DEAF
        self._back_ns = now_ns + refusal.retry_after_ms * _MS
        self._deaf_until_ns = now_ns + min(refusal.retry_after_ms * _MS // part, most_ns)

    def too_soon(self, now_ns: int) -> Refusal | None:
        """Why a device is not listened to that was told when to come back, and comes long before.

        What is sent without heed is too much whatever it is, and has lain unread for nobody knows how long.
        """
        if now_ns >= self._deaf_until_ns:
            return None
        left_ms = -(-(self._back_ns - now_ns) // _MS)
        reason = f"it was put off, and comes {left_ms} ms too soon; heed retry_after_ms"
        return Refusal(0, RESOURCE_EXHAUSTED, "", reason, left_ms)

    def hear(self, request: Request) -> Heard:
        """What to do about a message that is well-formed.

        Raises:
            Flooded: the device does not heed refusals; the stream should end.
        """
        if isinstance(request, Hello):
            return Heard(say=(Refusal(0, INVALID_ARGUMENT, "hello", "only as the first message of a stream"),))
        say: list[Response] = []
        fuse: list[SequencedWindow] = []
        for index, item in enumerate(request):
            outcome = item if isinstance(item, Refusal) else self._admit(index, item)
            self._owe(item.sequence)
            if isinstance(outcome, Refusal):
                self._close(outcome)
                say.append(outcome)
            else:
                self.in_flight += 1
                fuse.append(outcome)
        return Heard(tuple(say), tuple(fuse))

    def answered(self, sequence: int) -> None:
        """The window's symbol is stored and about to be sent."""
        self.in_flight -= 1
        self._settle(sequence)

    def refused(self, refusal: Refusal) -> None:
        """The window that was to be fused was refused after all."""
        self.in_flight -= 1
        self._close(refusal)

    def ack(self) -> Ack | None:
        """What the device may forget, if that is more than it was told before."""
        if self._oldest is None and self._owed:
            self._oldest = min(self._owed)
        through = self._highest if self._oldest is None else self._oldest - 1
        if through <= self._through:
            return None
        self._through = through
        return Ack(through)

    def _admit(self, index: int, item: SequencedWindow) -> SequencedWindow | Refusal:
        if (refusal := self.full()) is not None:
            return replace(refusal, sequence=item.sequence)
        try:
            self._check(item.window)
        except FieldError as error:
            return Refusal.of(error.inside(f"windows[{index}].window"), item.sequence)
        return item

    def _owe(self, sequence: int) -> None:
        if sequence <= self._through:
            return
        if self._oldest is not None or not self._owed:
            self._oldest = min(sequence, self._oldest or sequence)
        self._owed.add(sequence)
        self._highest = max(self._highest, sequence)
        if len(self._owed) > _MAX_OWED:
            raise Flooded(f"{len(self._owed)} windows were refused for now and not sent again; heed retry_after_ms")

    def _close(self, refusal: Refusal) -> None:
        if refusal.final:
            self._settle(refusal.sequence)

    def _settle(self, sequence: int) -> None:
        self._owed.discard(sequence)
        if sequence == self._oldest:
            self._oldest = None
