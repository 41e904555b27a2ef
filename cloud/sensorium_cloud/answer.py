"""Every window is answered once: from memory, by the answer that is being made, or by a new one."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, TypeVar, cast

from sensorium.delivery import INVALID_ARGUMENT, RESOURCE_EXHAUSTED, Hello, Refusal, SequencedWindow
from sensorium.errors import FieldError, SensoriumError
from sensorium.value import Value
from sensorium.wire import content_hash
from sensorium_cloud.batch import Lane, Outcome, Overloaded, WorkFailed
from sensorium_cloud.encode.encoders import EncodedWindow
from sensorium_cloud.refine import Arrival, Refined, Refinery, apart, numeric, unencoded
from sensorium_cloud.rooms.meeting import Meetings
from sensorium_cloud.state.store import RETRY_MS, Operation, Place, Remembers, Store, run_together
from sensorium_cloud.tempo import Tempo
from sensorium_cloud.unread import Behind

log = logging.getLogger(__name__)

T = TypeVar("T")

Answer = bytes | Refusal
"""A stored symbol, or why there is none (with no sequence: that is the asker's)."""

_MAX_OPERATIONS: Final = 1 << 16
"""Never reached: at most two for each window in flight and one for each stream."""
_TOGETHER: Final = 32
"""Windows that are looked up together: the first of more would wait for the last."""


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

    async def advance_all(self, progress: Sequence[tuple[Hello, int]]) -> None:
        """How far the devices' spools have come."""
        spools = [(hello.device_id, hello.spool_id, through) for hello, through in progress]
        now_s = self._wall_s()
        await self._do(lambda store: store.advance_all(spools, now_s=now_s))

    def new(self, place: Place) -> bool:
        """Whether a window was not answered here, nor in another process before its device greeted this one.

        What two processes answer at the same time, both fuse; what is saved first holds.
        """
        return self._store.new(place)

    async def find_all(self, places: Sequence[Place]) -> list[bytes | None]:
        """The symbols that windows got before; where all are new, that costs no turn in the lane."""
        if all(map(self.new, places)):
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
        except WorkFailed as error:
            raise Overloaded("store", "the state cannot be read or written", RETRY_MS) from error


def uncounted(_outcome: str, _many: int = 1) -> None:
    """For services that nobody watches."""


class Sent(Value, frozen=True):
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


@dataclass(frozen=True, slots=True)
class _Progress:
    """How far a spool has come, and whom to tell when that is remembered, or why it cannot be."""

    hello: Hello
    through: int
    tell: Callable[[SensoriumError | None], None]


class Desk:
    """Answers windows, none of them twice at a time.

    A window that is new and lacks nothing but its fusion is queued for that at once. What is fused together is stored
    and told together: a task and some futures for each window would cost more than storing it. An answer in the making
    outlives the stream that asked for it: the device will come back for it.

    Args:
        group: owns the answers in the making.
        memory: what was answered.
        refinery: what makes answers.
        max_in_flight: how many may be in the making.
        now_ns: monotonic clock, that of deadlines.
        count: told how many answers were ``fused``, ``remembered``, put off for ``later`` or ``refused``.
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
        count: Callable[[str, int], None] = uncounted,
        meetings: Meetings | None = None,
    ) -> None:
        self.memory = memory
        self.refinery = refinery
        self._group = group
        self._max_in_flight = max_in_flight
        self._now_ns = now_ns
        self._tempo = Tempo()
        self._behind = Behind()
        self._meetings = Meetings() if meetings is None else meetings
        self._count = count
        self._asked: list[_Question] = []
        self._advancing: list[_Progress] = []
        self._making: dict[tuple[str, str], _Question] = {}
        self._idle = asyncio.Event()

    # --- a window's way ------------------------------------------------------------------

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
        question = self._making[place.device, place.content] = _Question(place, self._met(sent), [then])
        self._idle.clear()
        self._tempo.asked(self._now_ns(), len(self._making))
        if numeric(question.arrival.window) and self.memory.new(place):
            self._fuse(question, unencoded(question.arrival))
        else:
            self._prepare(question)

    def _prepare(self, question: _Question) -> None:
        """Look a window up, and have it encoded, with whatever else is asked in this turn of the event loop."""
        if len(self._asked) % _TOGETHER == 0:
            self._begin(self._prepare_next())  # in the loop's next turn
        self._asked.append(question)

    async def _prepare_next(self) -> None:
        asked, self._asked = self._asked[:_TOGETHER], self._asked[_TOGETHER:]
        try:
            found = await self.memory.find_all([question.place for question in asked])
        except SensoriumError as error:
            self._refuse(asked, error)
            return
        known = [(question, symbol) for question, symbol in zip(asked, found, strict=True) if symbol is not None]
        self._settle("remembered", known)
        new = [question for question, symbol in zip(asked, found, strict=True) if symbol is None]
        for party in apart([question.arrival for question in new]):
            self._begin(self._encode([new[n] for n in party]))

    async def _encode(self, party: Sequence[_Question]) -> None:
        encoded = await self.refinery.encode_all([question.arrival for question in party])
        for question, outcome in zip(party, encoded, strict=True):
            if isinstance(outcome, SensoriumError):
                self._refuse([question], outcome)
            else:
                self._fuse(question, outcome)

    def _fuse(self, question: _Question, encoded: EncodedWindow) -> None:
        try:
            self.refinery.fuse(question.arrival, encoded, question, self._fused)
        except Overloaded as error:
            self._refuse([question], error)

    def _fused(self, told: Sequence[tuple[_Question, Outcome[Refined]]]) -> None:
        made: list[tuple[_Question, Refined]] = []
        for question, outcome in told:
            if isinstance(outcome, SensoriumError):
                self._refuse([question], outcome)
            else:
                made.append((question, outcome.value))
        if made:
            self.refinery.announce([refined for _, refined in made])
            self._begin(self._keep(made))

    async def _keep(self, made: Sequence[tuple[_Question, Refined]]) -> None:
        questions = [question for question, _ in made]
        try:
            held = await self.memory.save_all([q.place for q in questions], [symbol for _, (_, symbol) in made])
        except SensoriumError as error:
            self._refuse(questions, error)
        else:
            self._settle("fused", list(zip(questions, held, strict=True)))

    def _settle(self, outcome: str, answers: Sequence[tuple[_Question, Answer]]) -> None:
        """Tell whoever asked."""
        if not answers:
            return
        self._count(outcome, len(answers))
        for question, answer in answers:
            del self._making[question.place.device, question.place.content]
            for then in question.tell:
                _tell(then, answer)
        if not self._making:
            self._idle.set()
        self._tempo.answered(self._now_ns(), len(self._making), len(answers))

    def _refuse(self, questions: Sequence[_Question], error: SensoriumError) -> None:
        refusal = _refusal(error)
        self._settle(_outcome(refusal), [(question, refusal) for question in questions])

    def _met(self, sent: Sent) -> Arrival:
        """The arrival with what other devices of the session saw; what is remembered stays what was sent."""
        arrival = sent.arrival
        window = self._meetings.join(sent.hello.device_id, arrival.window, arrival.received_ns)
        return arrival if window is arrival.window else replace(arrival, window=window)

    async def settled(self) -> None:
        """Wait until no answer is in the making: to be awaited before ``group`` ends, while the lanes still run."""
        if self._making:
            await self._idle.wait()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Have ``work`` done; not if the service is ending: its windows are not acknowledged, and are sent again."""
        try:
            self._group.create_task(work)
        except RuntimeError:  # what was under way when the group ended comes back from its lane all the same
            work.close()
            log.info("desk.closed making=%d", len(self._making))

    # --- how far spools have come --------------------------------------------------------

    def advance(self, hello: Hello, through: int, tell: Callable[[SensoriumError | None], None]) -> None:
        """Remember that the device's spool has come so far, with all that come on in this turn of the event loop."""
        if not self._advancing:
            self._begin(self._advance())
        self._advancing.append(_Progress(hello, through, tell))

    async def _advance(self) -> None:
        progress, self._advancing = self._advancing, []
        failed: SensoriumError | None = None
        try:
            await self.memory.advance_all([(each.hello, each.through) for each in progress])
        except SensoriumError as error:
            failed = error
        for each in progress:
            each.tell(failed)

    # --- too much ------------------------------------------------------------------------

    def shed(self, device: str, deadline_ns: int, lay_ns: int) -> Refusal | None:
        """Why a message that lay unread for ``lay_ns`` cannot be taken, if so: to be asked before it is looked into."""
        try:
            self._behind.check(device, lay_ns, self._now_ns(), deadline_ns)
            self._check_room(deadline_ns)
        except Overloaded as error:
            return _refusal(error)
        return None

    def heard(self) -> None:
        """A message has come: there may be more to read before anything is fused."""
        self.refinery.fusion.heard()

    def count_refused(self, refusals: Sequence[Refusal]) -> None:
        """Count windows that were refused before they were asked."""
        for outcome, many in Counter(map(_outcome, refusals)).items():
            self._count(outcome, many)

    def _check_room(self, deadline_ns: int | None) -> None:
        """Refuse what is too much, or would be too late, before anything is done for it."""
        if len(self._making) >= self._max_in_flight:
            raise self.refinery.fusion.backlog.overloaded("too many windows are in flight")
        self._tempo.check(self._now_ns(), deadline_ns, len(self._making))

    def _refused(self, error: SensoriumError) -> Refusal:
        refusal = _refusal(error)
        self.count_refused([refusal])
        return refusal


def _tell(then: Callable[[Answer], None], answer: Answer) -> None:
    """Tell one of those who asked; whatever they make of it, the others are told too."""
    try:
        then(answer)
    except Exception:
        log.exception("answer.untold")


def _outcome(refusal: Refusal) -> str:
    return "refused" if refusal.final else "later"


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
