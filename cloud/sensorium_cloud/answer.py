"""Every window is answered once: from memory, by the answer that is being made, or by a new one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeVar, cast

from sensorium.delivery import INVALID_ARGUMENT, RESOURCE_EXHAUSTED, Hello, Refusal, SequencedWindow
from sensorium.errors import FieldError, SensoriumError
from sensorium.wire import content_hash
from sensorium_cloud.batch import Lane, Overloaded, WorkFailed
from sensorium_cloud.meeting import Meetings
from sensorium_cloud.refine import Arrival, Refinery, apart
from sensorium_cloud.store import Operation, Place, Remembers, Store, run_together
from sensorium_cloud.tempo import Tempo

T = TypeVar("T")

Answer = bytes | Refusal
"""A stored symbol, or why there is none (with no sequence: that is the asker's)."""

_MAX_OPERATIONS: Final = 1 << 16
"""Never reached: at most two for each window in flight and one for each stream."""
_STORE_RETRY_MS: Final = 5_000
_TOGETHER: Final = 32
"""Windows that are looked up and stored together: the first of more would wait for the last."""


class Memory:
    """The store behind a lane: off the event loop, and what has queued up is one transaction."""

    def __init__(self, store: Store, *, wall_s: Callable[[], int]) -> None:
        self._store = store
        self._wall_s = wall_s
        self._lane: Lane[Operation, object] = Lane(
            "store", partial(run_together, store), max_waiting=_MAX_OPERATIONS, max_batch=512
        )

    async def resume_after(self, hello: Hello) -> int:
        """How far the device's spool has come; like all of these, raises `Overloaded` while the store fails."""
        return await self._do(lambda store: store.resume_after(hello.device_id, hello.spool_id))

    async def advance(self, hello: Hello, through: int) -> None:
        """The device's spool has come so far."""
        now_s = self._wall_s()
        await self._do(lambda store: store.advance(hello.device_id, hello.spool_id, through, now_s=now_s))

    async def find_all(self, places: Sequence[Place]) -> list[bytes | None]:
        """The symbols that windows got before, here, or in another process before their device greeted this one.

        Nearly all windows are new, and that costs no turn in the lane. What two processes answer at the same time,
        both fuse; what is saved first holds.
        """
        if all(map(self._store.new, places)):
            return [None] * len(places)
        return await self._do(lambda store: [store.find(place) for place in places])

    async def save_all(self, places: Sequence[Place], symbols: Sequence[bytes]) -> list[bytes]:
        """Remember windows' symbols; those that hold."""
        now_s = self._wall_s()
        return await self._do(lambda store: list(map(partial(store.save, now_s=now_s), places, symbols)))

    async def run(self) -> None:
        """Work until cancelled."""
        await self._lane.run()

    async def _do(self, operation: Callable[[Store], T]) -> T:
        try:
            return cast("T", (await self._lane.do(operation)).value)
        except WorkFailed as error:  # a full disk may be empty again when the device comes back
            raise Overloaded("store", "the state cannot be read or written", _STORE_RETRY_MS) from error


def uncounted(_: str) -> None:
    """For services that nobody watches."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A window as it was sent: by whom, in which place, when it came."""

    hello: Hello
    item: SequencedWindow
    arrival: Arrival


@dataclass(slots=True, eq=False)
class _Question:
    """A window that is being answered, and whom to tell."""

    place: Place
    arrival: Arrival
    tell: list[Callable[[Answer], None]]


class Desk:
    """Answers windows, none of them twice at a time.

    What is asked in one turn of the event loop is answered together, as far as it may wait for each other. An answer
    in the making outlives the stream that asked for it: the device will come back for it.

    Args:
        group: owns the answers in the making.
        memory: what was answered.
        refinery: what makes answers.
        max_in_flight: how many may be in the making.
        now_ns: monotonic clock, that of deadlines.
        count: told of answers whether they were ``fused``, ``remembered``, put off for ``later`` or ``refused``.
        meetings: where devices of a session meet; by default those of this desk.
    """

    def __init__(
        self,
        group: asyncio.TaskGroup,
        memory: Remembers,
        refinery: Refinery,
        *,
        max_in_flight: int,
        now_ns: Callable[[], int] = time.monotonic_ns,
        count: Callable[[str], None] = uncounted,
        meetings: Meetings | None = None,
    ) -> None:
        self.memory = memory
        self.refinery = refinery
        self._group = group
        self._max_in_flight = max_in_flight
        self._now_ns = now_ns
        self._tempo = Tempo()
        self._meetings = Meetings() if meetings is None else meetings
        self._count = count
        self._asked: list[_Question] = []
        self._making: dict[tuple[str, str], _Question] = {}

    def answer(self, sent: Sent, then: Callable[[Answer], None]) -> None:
        """Call ``then`` with the window's answer, from the event loop, when it is stored."""
        place = _place(sent)
        question = self._making.get((place.device, place.content))
        if question is not None:
            question.tell.append(then)
            return
        try:
            self._check_room(sent.arrival.deadline_ns)
        except Overloaded as error:
            then(self._refused(error))
            return
        self._ask(_Question(place, self._met(sent), [then]))

    def _ask(self, question: _Question) -> None:
        self._making[question.place.device, question.place.content] = question
        self._tempo.asked(self._now_ns(), len(self._making))
        if len(self._asked) % _TOGETHER == 0:
            self._group.create_task(self._answer_next())  # begins in the loop's next turn
        self._asked.append(question)

    async def _answer_next(self) -> None:
        asked, self._asked = self._asked[:_TOGETHER], self._asked[_TOGETHER:]
        try:
            found = await self.memory.find_all([question.place for question in asked])
        except SensoriumError as error:
            self._refuse(asked, error)
            return
        for question, symbol in zip(asked, found, strict=True):
            if symbol is not None:
                self._count("remembered")
                self._settle(question, symbol)
        new = [question for question, symbol in zip(asked, found, strict=True) if symbol is None]
        for party in apart([question.arrival for question in new]):
            self._group.create_task(self._make([new[n] for n in party]))

    async def _make(self, party: Sequence[_Question]) -> None:
        outcomes = await self.refinery.refine_all([question.arrival for question in party])
        made: list[tuple[_Question, bytes]] = []
        for question, outcome in zip(party, outcomes, strict=True):
            if isinstance(outcome, SensoriumError):
                self._refuse([question], outcome)
            else:
                made.append((question, outcome[1]))
        if not made:
            return
        try:
            held = await self.memory.save_all([question.place for question, _ in made], [own for _, own in made])
        except SensoriumError as error:
            self._refuse([question for question, _ in made], error)
            return
        for (question, _), symbol in zip(made, held, strict=True):
            self._count("fused")
            self._settle(question, symbol)

    def _refuse(self, questions: Sequence[_Question], error: SensoriumError) -> None:
        for question in questions:
            self._settle(question, self._refused(error))

    def _settle(self, question: _Question, answer: Answer) -> None:
        del self._making[question.place.device, question.place.content]
        self._tempo.answered(self._now_ns(), len(self._making))
        for then in question.tell:
            then(answer)

    def _met(self, sent: Sent) -> Arrival:
        """The arrival with what other devices of the session saw; what is remembered stays what was sent."""
        arrival = sent.arrival
        window = self._meetings.join(sent.hello.device_id, arrival.window, arrival.received_ns)
        return arrival if window is arrival.window else replace(arrival, window=window)

    def shed(self, deadline_ns: int) -> Refusal | None:
        """Why nothing more can be taken now, if so: to be asked before a window is looked into."""
        try:
            self._check_room(deadline_ns)
        except Overloaded as error:
            return _refusal(error)
        return None

    def counted(self, refusal: Refusal) -> Refusal:
        """Count a window that was refused before it was asked."""
        self._count("refused" if refusal.final else "later")
        return refusal

    def _check_room(self, deadline_ns: int | None) -> None:
        """Refuse what is too much, or would be too late, before anything is done for it."""
        if len(self._making) >= self._max_in_flight:
            raise self.refinery.fusion.backlog.overloaded("too many windows are in flight")
        self._tempo.check(self._now_ns(), deadline_ns, len(self._making))

    def _refused(self, error: SensoriumError) -> Refusal:
        return self.counted(_refusal(error))


def _place(sent: Sent) -> Place:
    window = sent.item.window
    hello = sent.hello
    named = f"{window.id}/{window.revision}"
    return Place(hello.device_id, hello.spool_id, sent.item.sequence, named, sent.item.content or content_hash(window))


def _refusal(error: SensoriumError) -> Refusal:
    match error:
        case Overloaded():
            return Refusal(0, RESOURCE_EXHAUSTED, "", str(error), error.retry_after_ms)
        case FieldError():
            return Refusal.of(error)
        case _:  # the same window would fail again
            return Refusal(0, INVALID_ARGUMENT, "", str(error))
