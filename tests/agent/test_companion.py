"""Other devices become a sensor: their readings come in once, with times of our clock and a bound that holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from itertools import pairwise
from pathlib import Path

import grpc
import pytest
from agent.doubles import Ear

from sensorium.align import Aligner
from sensorium.clock import DeviceClock, ManualClock
from sensorium.concepts import load
from sensorium.device import (
    Acceptance,
    ClockAnswer,
    ClockQuestion,
    ConnectRefusal,
    Introduction,
    Reading,
    Receipt,
    Response,
    Source,
)
from sensorium.errors import FieldError
from sensorium.event import Labelled, Modality, Sample, Text, Touch, TouchPhase
from sensorium.v1 import device_pb2
from sensorium.wire import connect_request_to_proto, connect_response_from_proto
from sensorium_agent._app import daemon
from sensorium_agent._app.api import ApiError, serving
from sensorium_agent._app.settings import Companion as Table
from sensorium_agent.answer import Answerer, Identity
from sensorium_agent.capture.companion import Companion, Questions, Visit
from sensorium_agent.infer.remote import build_remote
from sensorium_agent.offload import Ask, Policy

MS = 1_000_000
S = 1000 * MS
SENSES = (Modality.TEXT, Modality.GESTURE, Modality.HAPTIC)
KEYS = Source("keys", Modality.TEXT)
PAD = Source("pad", Modality.HAPTIC, period_ns=10 * MS)
METHOD = "/sensorium.v1.DeviceService/Connect"


def introduction(*sources: Source, device: str = "phone", boot: str = "1") -> Introduction:
    return Introduction(device, boot, sources or (KEYS,))


def a_line(number: int, words: str = "hello", stamp_ns: int = 0) -> Reading:
    return Reading("keys", number, stamp_ns or number * S, Text(words))


class Kept(Companion):
    """A companion that keeps what it is given."""

    def __init__(self) -> None:
        super().__init__(SENSES)
        self.given: list[tuple[Sample, int]] = []

    def give(self, sample: Sample, lost: int) -> None:
        self.given.append((sample, lost))


# --- the protocol, told the time ---------------------------------------------------------


def test_readings_are_acknowledged_by_source() -> None:
    companion = Kept()
    visit = companion.greet(introduction(KEYS, PAD), 0)
    touch = Reading("pad", 4, S, Touch(0, TouchPhase.DOWN, 0.1, 0.2))

    said = visit.hear((a_line(0), touch, a_line(1)), 5 * S)

    assert said == [Receipt("keys", 1), Receipt("pad", 4)]
    assert [s.source for s, _ in companion.given] == ["phone/keys", "phone/pad", "phone/keys"]
    assert [lost for _, lost in companion.given] == [0, 4, 0]


def test_what_comes_twice_is_acknowledged_and_not_taken_twice() -> None:
    companion = Kept()
    companion.greet(introduction(), 0).hear((a_line(0), a_line(1)), S)

    said = companion.greet(introduction(), 2 * S).hear((a_line(1), a_line(2)), 2 * S)

    assert said == [Receipt("keys", 2)]
    assert len(companion.given) == 3


def test_an_app_that_is_started_again_may_count_from_0_again_in_the_same_boot() -> None:
    companion = Kept()
    companion.greet(introduction(), 0).hear((a_line(6), a_line(7)), 8 * S)
    visit = companion.greet(introduction(), 30 * S)

    sent_again = visit.hear((a_line(7),), 30 * S)
    new = visit.hear((a_line(0, stamp_ns=30 * S), a_line(1, stamp_ns=31 * S)), 31 * S)

    assert [*sent_again, *new] == [Receipt("keys", 7), Receipt("keys", 1)]
    assert [(sample.data, lost) for sample, lost in companion.given] == [(Text("hello"), n) for n in (6, 0, 0, 0)]


def test_a_new_boot_begins_with_new_numbers() -> None:
    companion = Kept()
    companion.greet(introduction(boot="1"), 0).hear((a_line(7),), S)

    companion.greet(introduction(boot="2"), 2 * S).hear((a_line(0),), 3 * S)

    assert len(companion.given) == 2


def test_a_wrong_reading_is_named_and_the_others_are_taken() -> None:
    companion = Kept()
    visit = companion.greet(introduction(), 0)
    touch = Reading("keys", 1, S, Touch(0, TouchPhase.DOWN, 0, 0))

    said = visit.hear((a_line(0), Reading("ears", 0, S, Text("x")), touch, a_line(2)), S)

    assert [(r.code, r.field) for r in said if isinstance(r, ConnectRefusal)] == [
        (3, "readings[1].source"),
        (3, "readings[2].data"),
    ]
    assert said[-1] == Receipt("keys", 2)


def test_a_sense_that_is_not_wanted_is_refused_by_name() -> None:
    with pytest.raises(FieldError, match="text, gesture, haptic") as refused:
        Kept().greet(introduction(KEYS, Source("mic", Modality.AUDIO)), 0)

    assert refused.value.field == "introduction.sources[1].modality"


def test_a_second_introduction_and_an_answer_nobody_asked_for_are_refused() -> None:
    visit = Kept().greet(introduction(), 0)

    assert visit.hear(introduction(), 1) == [
        ConnectRefusal(3, "introduction", "once, as the first message of a stream")
    ]
    (refused,) = visit.hear(ClockAnswer(5, 0, 0), 1)
    assert isinstance(refused, ConnectRefusal)
    assert refused.field == "answer.number"


def test_clocks_are_asked_in_bursts_of_four_first_in_haste() -> None:
    questions, at = Questions(0), [0]
    for _ in range(24):
        questions.ask(at[-1])
        at.append(questions.due_ns)

    assert [b // MS - a // MS for a, b in pairwise(at)][:5] == [20, 20, 20, 250, 20]
    assert at[-1] - at[-2] == 2 * S


def answer_all(visit: Visit, clock: ManualClock, ahead_ns: int) -> None:
    """Answer every question of the first second at once, over a link that takes 2 ms each way."""
    while visit.questions.due_ns < clock.at_ns + S:
        clock.at_ns = max(clock.at_ns, visit.questions.due_ns)
        question = visit.questions.ask(clock.at_ns)
        theirs = clock.at_ns + ahead_ns + 2 * MS
        assert visit.hear(ClockAnswer(question.number, theirs, theirs), clock.at_ns + 4 * MS) == []


def test_times_are_ours_once_questions_are_answered() -> None:
    companion, clock = Kept(), ManualClock()
    visit = companion.greet(introduction(), 0)
    answer_all(visit, clock, ahead_ns=-5 * S + 7)

    visit.hear((a_line(0, stamp_ns=20 * S - 5 * S + 7),), 20 * S + 90 * MS)

    sample, _ = companion.given[0]
    assert abs(sample.at_ns - 20 * S) <= sample.at_error_ns < 10 * MS


def test_before_any_answer_the_bound_is_wide() -> None:
    companion = Kept()

    companion.greet(introduction(), 0).hear((a_line(0, stamp_ns=999 * S),), 20 * S)

    sample, _ = companion.given[0]
    assert sample.at_ns == 20 * S
    assert sample.at_error_ns >= 500 * MS


async def test_numbers_tell_the_agent_what_was_lost() -> None:
    companion = Companion(SENSES)
    async with aclosing(companion.samples(ManualClock())) as samples:
        waiting = asyncio.ensure_future(anext(samples))  # noqa: TID251 - awaited two lines on
        await asyncio.sleep(0)
        companion.greet(introduction(), 0).hear((a_line(0), a_line(3)), S)

        assert (await waiting).sequence == 0
        assert (await anext(samples)).sequence == 3


# --- what it means -----------------------------------------------------------------------


def test_what_a_device_understood_itself_is_an_event_as_it_is() -> None:
    lane = next(lane for lane in build_remote(SENSES, "s") if lane.modality is Modality.GESTURE)
    sample = Sample(Modality.GESTURE, "glove/hand", 0, 5 * S, Labelled("thumbs_up", 0.9, 0.8, 200 * MS), 3 * MS)

    (event,) = lane.perceive([sample])

    assert (event.label, event.score, event.quality, event.span_ns) == ("thumbs_up", 0.9, 0.8, 200 * MS)
    assert (event.at_ns, event.at_error_ns, event.stream_id) == (5 * S, 3 * MS, "gesture_glove/hand_said_s")


def test_lanes_of_this_device_and_of_others_do_not_hear_each_other() -> None:
    lane = next(lane for lane in build_remote(SENSES, "s") if lane.modality is Modality.TEXT)

    assert lane.hears(Sample(Modality.TEXT, "phone/keys", 0, 0, Text("x")))
    assert not lane.hears(Sample(Modality.TEXT, "text", 0, 0, Text("x")))
    assert lane.reached_ns([Sample(Modality.TEXT, "phone/keys", 0, 0, Text("x"))]) is None


# --- over gRPC ---------------------------------------------------------------------------


class Phone:
    """A device whose clock is 2 s ahead and 80 ppm fast; it answers questions at once."""

    def __init__(self, call: grpc.aio.StreamStreamCall[bytes, bytes], clock: DeviceClock) -> None:
        self._call, self._clock = call, clock
        self.heard: asyncio.Queue[Response] = asyncio.Queue()
        self.questions = 0
        self._asked = asyncio.Event()
        self._turn = asyncio.Lock()

    def now_ns(self) -> int:
        ours = self._clock.now_ns()
        return ours + 2 * S + round(ours * 80e-6)

    async def say(self, what: Introduction | list[Reading] | ClockAnswer) -> None:
        await self.write(connect_request_to_proto(what).SerializeToString())

    async def write(self, raw: bytes) -> None:
        async with self._turn:
            await self._call.write(raw)

    async def listen(self) -> None:
        while isinstance(raw := await self._call.read(), bytes):
            received_ns = self.now_ns()
            said = connect_response_from_proto(device_pb2.ConnectResponse.FromString(raw))
            if isinstance(said, ClockQuestion):
                self.questions += 1
                self._asked.set()
                await self.say(ClockAnswer(said.number, received_ns, self.now_ns()))
            else:
                self.heard.put_nowait(said)

    async def next(self) -> Response:
        async with asyncio.timeout(5):
            return await self.heard.get()

    async def asked(self, times: int) -> None:
        async with asyncio.timeout(5):
            while self.questions < times:
                await self._asked.wait()
                self._asked.clear()


@asynccontextmanager
async def a_phone(address: str, token: str = "") -> AsyncIterator[Phone]:
    async with grpc.aio.insecure_channel(address) as channel:
        metadata = (("authorization", f"Bearer {token}"),) if token else ()
        phone = Phone(channel.stream_stream(METHOD)(metadata=metadata), DeviceClock())
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(phone.listen())
            yield phone
            listening.cancel()


async def test_a_phone_2_s_off_and_80_ppm_fast_lands_within_the_bound() -> None:
    clock, ear, stop = DeviceClock(), Ear(), asyncio.Event()
    companion = Companion(SENSES)
    aligner = Aligner("s", SENSES)
    answerer = Answerer(load(None), Identity("agent", "test"), clock, ear, policy=Policy(Ask.NEVER))
    async with serving(Table(listen="127.0.0.1:0"), companion, clock) as address, asyncio.TaskGroup() as group:
        running = daemon.run(
            [companion], build_remote(SENSES, "s"), aligner, answerer, clock=clock, listener=ear, stop=stop
        )
        group.create_task(running)
        async with a_phone(address) as phone:
            await phone.say(introduction(KEYS, Source("hand", Modality.GESTURE)))
            assert isinstance(await phone.next(), Acceptance)
            await phone.asked(8)
            true_ns = clock.now_ns()
            await phone.say([a_line(0, "hello", phone.now_ns())])
            await phone.say([Reading("hand", 0, phone.now_ns(), Labelled("thumbs_up", 0.9))])
            assert {await phone.next(), await phone.next()} == {Receipt("keys", 0), Receipt("hand", 0)}
        stop.set()

    assert sorted((e.modality, e.text or e.label) for e in ear.events) == [
        (Modality.GESTURE, "thumbs_up"),
        (Modality.TEXT, "hello"),
    ]
    for event in ear.events:
        assert abs(event.at_ns - true_ns) <= event.at_error_ns + 5 * MS
        assert event.at_error_ns < 50 * MS


async def test_bad_input_is_refused_by_name_and_the_stream_lives_on() -> None:
    async with (
        serving(Table(listen="127.0.0.1:0"), Companion(SENSES), DeviceClock()) as address,
        a_phone(address) as phone,
    ):
        await phone.say([a_line(0)])
        assert await phone.next() == ConnectRefusal(3, "introduction", "missing: it is the first message of a stream")
        await phone.write(b"\xff\xff")
        await phone.say(introduction())
        refused, accepted = await phone.next(), await phone.next()
        assert isinstance(refused, ConnectRefusal)
        assert isinstance(accepted, Acceptance)
        await phone.say([a_line(0), Reading("keys", 1, 5, Touch(0, TouchPhase.UP, 0, 0))])
        assert [await phone.next(), await phone.next()] == [
            ConnectRefusal(3, "readings[1].data", "what text measures, not touch"),
            Receipt("keys", 0),
        ]
        await phone.write(bytes(2 << 20))
        too_large = await phone.next()
        assert isinstance(too_large, ConnectRefusal)
        assert "1048576 bytes" in too_large.reason


@pytest.mark.parametrize("token", ["", "wrong"])
async def test_who_does_not_know_the_token_stays_outside(token: str) -> None:
    table = Table(listen="127.0.0.1:0", token="secret")
    async with serving(table, Companion(SENSES), DeviceClock()) as address:
        with pytest.raises(ExceptionGroup) as failed:
            async with a_phone(address, token) as phone:
                await phone.next()
        (error,) = failed.value.exceptions
        assert isinstance(error, grpc.aio.AioRpcError)
        assert error.code() is grpc.StatusCode.UNAUTHENTICATED

        async with a_phone(address, "secret") as phone:
            await phone.say(introduction())
            assert isinstance(await phone.next(), Acceptance)


async def test_an_open_door_to_the_network_needs_a_token() -> None:
    with pytest.raises(ApiError, match="SENSORIUM_COMPANION_TOKEN"):
        async with serving(Table(listen="0.0.0.0:0"), Companion(SENSES), DeviceClock()):
            pass


async def test_a_port_beyond_the_last_is_refused() -> None:
    with pytest.raises(ApiError, match="ports end at 65535"):
        async with serving(Table(listen="127.0.0.1:99999"), Companion(SENSES), ManualClock()):
            pass


async def test_a_taken_address_is_one_line() -> None:
    async with serving(Table(listen="127.0.0.1:0"), Companion(SENSES), DeviceClock()) as address:
        with pytest.raises(ApiError, match="another agent"):
            async with serving(Table(listen=address), Companion(SENSES), DeviceClock()):
                pass


async def test_a_key_without_its_certificate_is_one_line(tmp_path: Path) -> None:
    for table in (
        Table(listen="127.0.0.1:0", key="k.pem"),
        Table(listen="127.0.0.1:0", key=str(tmp_path / "k"), certificate=str(tmp_path / "c")),
    ):
        with pytest.raises(ApiError, match=r"companion\.certificate"):
            async with serving(table, Companion(SENSES), DeviceClock()):
                pass
