"""Takes a recorded session and makes it go wrong, the same way for the same seed.

Pure: messages in, messages out. A fault never makes a message earlier than it was, so a message may go as soon
as the ones that follow have passed its time: however long a session, only what is delayed is held.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from sensorium.clock import WallOffset
from sensorium.event import Modality, Sample
from sensorium_agent.join import Heard, Turn
from sensorium_agent.record.faults import Fault, Kind

W = TypeVar("W", Heard, Sample)


@dataclass(frozen=True, slots=True)
class Message(Generic[W]):
    """What one perceiver said, or one sensor gave, and when it arrives."""

    now_ns: int
    what: W

    @property
    def sense(self) -> Modality:
        """Whose it is."""
        return self.what.modality


@dataclass(slots=True)
class Toll:
    """What a fault has done: of the messages it saw, how many it touched, and how many events those bore."""

    seen: int = 0
    messages: int = 0
    events: int = 0


Effect = Callable[[Message[W]], list[Message[W]]]
"""What becomes of a message: nothing, itself, a later or a changed one, or several."""
_Waiting = dict[Modality, Message[W]]
"""Messages that wait for the next one of their sense."""


def inject(
    messages: Iterable[Message[W]], faults: Sequence[Fault], *, start_ns: int, seed: int = 0
) -> tuple[Iterator[Message[W]], dict[str, Toll]]:
    """``messages`` (in order of arrival) as they would have come with ``faults``, and what each fault has done.

    Args:
        messages: what was recorded.
        faults: applied one after another, in this order; a step of the wall clock touches no message.
        start_ns: the session's start; the faults' times count from there.
        seed: of the dice; each fault has its own.

    Returns:
        The messages in order of arrival, and a toll for each fault by its text, complete once all messages are taken.
    """
    tolls: dict[str, Toll] = {}
    stream: Iterator[Message[W]] = iter(messages)
    for number, fault in enumerate(faults):
        if not fault.touches_messages:
            continue
        toll = tolls.setdefault(fault.text, Toll())
        dice = random.Random(f"{seed}/{number}/{fault.text}")  # noqa: S311 (to be repeated, not to be secret)
        waiting: _Waiting[W] = {}
        effect = _counted(_effect(fault, dice, start_ns, waiting), fault, start_ns, toll, waiting)
        stream = _in_order(stream, effect, waiting)
    return stream, tolls


def step_wall(readings: Iterable[WallOffset], faults: Sequence[Fault], *, start_ns: int) -> Iterator[WallOffset]:
    """Readings of the wall clock as they would have been with the ``faults`` that step it."""
    steps = [fault for fault in faults if not fault.touches_messages]
    for reading in readings:
        jumped = sum(round(f.amount) for f in steps if reading.at_ns - start_ns >= f.from_ns)
        yield replace(reading, offset_ns=reading.offset_ns + jumped)


# --- the parts ---------------------------------------------------------------------------


def _in_order(messages: Iterator[Message[W]], effect: Effect[W], waiting: _Waiting[W]) -> Iterator[Message[W]]:
    """What ``effect`` makes of the messages, in order of arrival; ties in the order they were made."""
    held: list[tuple[int, int, Message[W]]] = []
    made = now_ns = 0
    for message in messages:
        now_ns = message.now_ns
        for result in effect(message):
            heapq.heappush(held, (result.now_ns, made, result))
            made += 1
        while held and held[0][0] <= now_ns:
            yield heapq.heappop(held)[2]
    for number, left in enumerate(waiting.values(), made):
        heapq.heappush(held, (now_ns, number, replace(left, now_ns=now_ns)))
    while held:
        yield heapq.heappop(held)[2]


def _counted(effect: Effect[W], fault: Fault, start_ns: int, toll: Toll, waiting: _Waiting[W]) -> Effect[W]:
    def take(message: Message[W]) -> list[Message[W]]:
        if not fault.concerns(message.sense, message.now_ns - start_ns):
            return _overtaking(message, waiting)
        toll.seen += 1
        results = effect(message)
        if sum(result is message for result in results) != 1:
            toll.messages += 1
            toll.events += len(message.what.events) if isinstance(message.what, Heard) else 0
        return results

    return take


def _effect(fault: Fault, dice: random.Random, start_ns: int, waiting: _Waiting[W]) -> Effect[W]:
    match fault.kind:
        case Kind.DROP | Kind.DUPLICATE:
            times = 0 if fault.kind is Kind.DROP else 2
            return lambda m: [m] * (times if dice.random() < fault.amount else 1)
        case Kind.DISCONNECT:
            return lambda _: []
        case Kind.REORDER:
            return _overtaken(fault.amount, dice, waiting)
        case Kind.SKEW | Kind.CLOCK_STEP:
            return lambda m: [_dated(m, lambda at_ns: _misread(fault, at_ns, start_ns))]
        case _:
            return lambda m: [replace(m, now_ns=_later(fault, m.now_ns, start_ns, dice))]


def _later(fault: Fault, now_ns: int, start_ns: int, dice: random.Random) -> int:
    """When a message arrives that is held up."""
    if fault.kind is Kind.STALL:
        assert fault.to_ns is not None
        return max(now_ns, start_ns + fault.to_ns)
    most_ns = round(fault.amount)
    return now_ns + (most_ns if fault.kind is Kind.DELAY else dice.randint(0, most_ns))


def _misread(fault: Fault, at_ns: int, start_ns: int) -> int:
    """What a wrong clock says at ``at_ns``."""
    if fault.kind is Kind.CLOCK_STEP:
        return at_ns + round(fault.amount)
    return at_ns + round((at_ns - start_ns) * fault.amount * 1e-6)


def _overtaken(share: float, dice: random.Random, waiting: _Waiting[W]) -> Effect[W]:
    """Some messages come right after the next one of their sense; the last one of all has nothing to wait for."""

    def take(message: Message[W]) -> list[Message[W]]:
        if message.sense in waiting:
            return _overtaking(message, waiting)
        if dice.random() < share:
            waiting[message.sense] = message
            return []
        return [message]

    return take


def _overtaking(message: Message[W], waiting: _Waiting[W]) -> list[Message[W]]:
    """A message, and after it the one of its sense that was to wait for it, if there is one."""
    before = waiting.pop(message.sense, None)
    return [message] if before is None else [message, replace(before, now_ns=message.now_ns)]


def _dated(message: Message[W], clock: Callable[[int], int]) -> Message[W]:
    """The message with every time its sender wrote on it read from another clock."""
    what = message.what
    if isinstance(what, Sample):
        return replace(message, what=replace(what, at_ns=clock(what.at_ns)))
    events = tuple(replace(event, at_ns=clock(event.at_ns)) for event in what.events)
    reached_ns = None if what.reached_ns is None else clock(what.reached_ns)
    return replace(message, what=replace(what, events=events, reached_ns=reached_ns))


# --- turns and messages ------------------------------------------------------------------


def messages_of(turns: Iterable[Turn]) -> Iterator[Message[Heard]]:
    """What was heard, one by one; turns in which only time had passed leave nothing."""
    return (Message(turn.now_ns, heard) for turn in turns for heard in turn.heard)


def turns_of(messages: Iterable[Message[Heard]], ends_ns: int) -> Iterator[Turn]:
    """What arrives at the same time in one turn, and at the end a last one."""
    now_ns, heard = ends_ns, list[Heard]()
    for message in messages:
        if heard and message.now_ns != now_ns:
            yield Turn(now_ns, tuple(heard))
            heard.clear()
        now_ns = message.now_ns
        heard.append(message.what)
    if heard and ends_ns > now_ns:
        yield Turn(now_ns, tuple(heard))
        heard.clear()
    yield Turn(max(now_ns, ends_ns), tuple(heard), last=True)
