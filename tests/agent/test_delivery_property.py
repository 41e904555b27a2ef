"""An adversarial link and a forgetful service: still every window is answered exactly once."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from hypothesis import event, given, settings
from hypothesis import strategies as st

from sensorium.delivery import INVALID_ARGUMENT, RESOURCE_EXHAUSTED, Ack, Refusal, Welcome
from sensorium_agent.uplink.delivery import Delivery, Item

MS = 1_000_000


@dataclass
class Service:
    """Answers what it gets, in the order of the contract, remembering as the contract asks."""

    bad: frozenset[int]
    answers: dict[int, object] = field(default_factory=dict)
    seen: list[int] = field(default_factory=list)

    @property
    def safe(self) -> int:
        """The last of the unbroken run of what it has seen and answered."""
        through = 0
        for sequence in sorted(self.seen):
            if sequence not in self.answers:
                break
            through = sequence
        return through

    def receive(self, sequence: int, *, exhausted: bool) -> list[object]:
        if sequence not in self.seen:
            self.seen.append(sequence)
        if sequence in self.answers:
            return [self.answers[sequence], Ack(self.safe)]
        if exhausted:
            return [Refusal(sequence, RESOURCE_EXHAUSTED, retry_after_ms=5)]
        self.answers[sequence] = Refusal(sequence, INVALID_ARGUMENT) if sequence in self.bad else ("symbol", sequence)
        return [self.answers[sequence], Ack(self.safe)]


STEPS = st.lists(
    st.sampled_from(
        ["store", "send", "serve", "exhaust", "hear", "hear", "repeat", "early ack", "cut", "forget", "wait"]
    ),
    max_size=150,
)


class World:
    """Spool, delivery, link and service, moved one step at a time."""

    def __init__(self, max_in_flight: int, bad: frozenset[int], gaps: frozenset[int]) -> None:
        self.delivery = Delivery(acknowledged=0, stored=0, random=lambda: 0.5, patience_ns=1000 * MS)
        self.service, self.max_in_flight, self.gaps = Service(bad), max_in_flight, gaps
        self.spool: list[int] = []
        self.answered: Counter[int] = Counter()
        self.now_ns = 0
        self.up, self.down = deque[int](), deque[object]()
        self.connect()

    def connect(self) -> None:
        self.up.clear()
        self.down.clear()
        assert self.delivery.welcome(Welcome(self.service.safe, self.max_in_flight, 1 << 20), self.now_ns)

    def store(self) -> None:
        number = (self.spool[-1] if self.spool else 0) + 1
        while number in self.gaps:
            number += 1
        self.spool.append(number)
        self.delivery.stored(number)

    def step(self, what: str) -> None:
        match what:
            case "store":
                self.store()
            case "send":
                self.send()
            case "serve" | "exhaust" if self.up:
                self.down.extend(self.service.receive(self.up.popleft(), exhausted=what == "exhaust"))
            case "hear" if self.down:
                self.hear(self.down.popleft())
            case "repeat" if self.down:
                self.down.appendleft(self.down[0])
            case "early ack":
                self.down.appendleft(Ack(self.service.safe))
            case "cut":
                event("cut")
                self.delivery.disconnected()
                self.connect()
            case "forget":
                self.service = Service(self.service.bad)
                self.delivery.disconnected()
                self.connect()
            case "wait":
                self.now_ns += 5 * MS

    def send(self) -> None:
        want = self.delivery.want(self.now_ns)
        if want is not None:
            found = [Item(s, (f"w.{s}", 0), 50) for s in self.spool if s > want.after][: want.limit]
            before = self.delivery.in_flight
            taken = self.delivery.take(want, found, self.now_ns)
            assert before + len(taken) <= self.max_in_flight + (1 if want.again else 0)
            self.up.extend(taken)

    def hear(self, message: object) -> None:
        match message:
            case Ack(through):
                self.delivery.ack(through, self.now_ns)
            case Refusal() as refusal:
                before = self.delivery.counts.refused
                assert self.delivery.refusal(refusal, self.now_ns)
                self.answered[refusal.sequence] += self.delivery.counts.refused - before
            case ("symbol", int(sequence)):
                self.answered[sequence] += self.delivery.symbol(sequence, (f"w.{sequence}", 0), self.now_ns)

    def forgotten_too_early(self) -> list[int]:
        return [s for s in self.spool if s <= self.delivery.acknowledged and not self.answered[s]]


@settings(max_examples=400, deadline=None)
@given(
    STEPS,
    st.integers(1, 6),
    st.frozensets(st.integers(1, 30), max_size=5),
    st.frozensets(st.integers(1, 30), max_size=5),
)
def test_every_window_is_answered_exactly_once(
    steps: list[str], max_in_flight: int, bad: frozenset[int], gaps: frozenset[int]
) -> None:
    world = World(max_in_flight, bad, gaps)
    for what in steps:
        world.step(what)
        assert world.forgotten_too_early() == []
        assert world.delivery.acknowledged <= (world.spool[-1] if world.spool else 0)

    for _ in range(500):  # from here on all is well
        if world.delivery.idle:
            break
        for what in ("send", "serve", "hear", "hear", "wait"):
            world.step(what)
    assert world.delivery.idle
    assert world.answered == Counter(world.spool)
    assert world.delivery.counts.unanswered == 0
