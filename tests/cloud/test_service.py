"""A device on a real stream to a real service; only the fusion is a fake."""

from __future__ import annotations

import asyncio
import math
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

import grpc
import pytest
from cloud.doubles import (
    Client,
    Connect,
    Device,
    FakeFusion,
    a_picture,
    a_window,
    an_event,
    connected,
    settings,
    words,
)
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from msgspec.structs import replace

from sensorium import wire
from sensorium.delivery import (
    INVALID_ARGUMENT,
    RESOURCE_EXHAUSTED,
    Ack,
    Hello,
    Refusal,
    SequencedSymbol,
    SequencedWindow,
    Welcome,
)
from sensorium.v1 import event_pb2, fusion_pb2
from sensorium_cloud._app.place import AddressTaken
from sensorium_cloud._app.settings import Listen, State
from sensorium_cloud.answer import Memory
from sensorium_cloud.state.store import Place, Store

SCORE = "windows[0].window.slots[3].events[0].score"


def a_message(*windows: SequencedWindow) -> fusion_pb2.FuseRequest:
    return wire.request_to_proto(windows)


async def still_alive(device: Device, sequence: int) -> None:
    """The stream lives on: the next good window gets its symbol."""
    await device.send(a_window(sequence), first=sequence)
    answer = await device.hear()
    assert isinstance(answer, SequencedSymbol), answer
    assert answer.sequence == sequence


async def still_alive_after(client: Client) -> None:
    device = client.device()
    await device.greet(device="next")
    await still_alive(device, 1)


# --- the usual way -------------------------------------------------------------------------


async def test_every_window_gets_its_symbol_and_then_the_acknowledgement(connect: Connect) -> None:
    async with connect() as client:
        device = client.device()
        welcome = await device.greet()
        await device.send(a_window(0), a_window(1), a_window(2))
        heard = await device.leave()

    assert welcome.resume_after == 0
    assert welcome.software.startswith("sensorium-cloud/")
    symbols = [r for r in heard if isinstance(r, SequencedSymbol)]
    assert sorted((s.sequence, s.symbol.id) for s in symbols) == [(1, "kitchen.0"), (2, "kitchen.1"), (3, "kitchen.2")]
    assert heard[-1] == Ack(3)


async def test_a_symbol_tells_how_long_each_stage_took(connect: Connect) -> None:
    async with connect() as client:
        device = client.device()
        await device.greet()
        await device.send(a_window(0, a_picture(), words("yes")))
        answer = await device.hear()

    assert isinstance(answer, SequencedSymbol)
    ms = {stage.name: stage.ms for stage in answer.symbol.latency}
    assert list(ms) == ["accept", "queue", "encode", "fuse", "total"]
    assert ms["encode"] == 7.0
    assert all(value >= 0 for value in ms.values())


async def test_windows_that_came_while_the_engine_was_busy_are_fused_together(
    connect: Connect, fusion: FakeFusion
) -> None:
    async with connect() as client:
        device = client.device()
        await device.greet()
        fusion.go.clear()
        await device.send(*(a_window(i) for i in range(6)))
        fusion.go.set()
        await device.hear_many(6)

    assert len(fusion.fused) == 6
    assert len(fusion.batches) <= 2


async def test_a_slow_picture_delays_nobody_else(connect: Connect, fusion: FakeFusion) -> None:
    async with connect() as client:
        device = client.device()
        await device.greet()
        fusion.pictures_go.clear()
        await device.send(a_window(0, a_picture()), a_window(1))

        first = await device.hear()
        assert isinstance(first, SequencedSymbol)
        assert first.sequence == 2

        fusion.pictures_go.set()
        second, ack = await device.hear_many(2)

    assert isinstance(second, SequencedSymbol)
    assert second.sequence == 1
    assert ack == Ack(2)


async def test_a_device_that_takes_several_answers_gets_them_in_one_message_with_the_acknowledgement(
    connect: Connect,
) -> None:
    async with connect() as client:
        device = client.device()
        await device.say(wire.request_to_proto(Hello("pi", "spool-a", takes_several=True)))
        assert isinstance(await device.hear(), Welcome)
        await device.send(a_window(0), a_window(1), a_window(2, an_event("unfit")))
        refusal = await device.hear()
        heard = wire.responses_from_proto(await device.call.read())

    assert isinstance(refusal, Refusal)
    assert [r.sequence for r in heard if isinstance(r, SequencedSymbol)] == [1, 2]
    assert heard[-1] == Ack(3)


async def test_what_is_put_off_is_told_together_and_with_what_is_answered_meanwhile(
    connect: Connect, fusion: FakeFusion
) -> None:
    async with connect(max_in_flight=1) as client:
        device = client.device()
        await device.say(wire.request_to_proto(Hello("pi", "spool-a", takes_several=True)))
        assert isinstance(await device.hear(), Welcome)
        fusion.go.clear()
        await device.send(a_window(0))
        await device.send(a_window(1), first=2)
        await device.send(a_window(2), a_window(3), first=3)
        put_off: list[object] = []
        while len(put_off) < 3:
            put_off += wire.responses_from_proto(await device.call.read())
        fusion.go.set()
        symbol, ack = wire.responses_from_proto(await device.call.read())

    told = [(r.sequence, r.reason, r.retry_after_ms) for r in put_off if isinstance(r, Refusal)]
    assert told == [(n, "1 windows are unanswered, the most there may be", 50) for n in (2, 3, 4)]
    assert isinstance(symbol, SequencedSymbol)
    assert ack == Ack(1)


async def test_a_batch_comes_back_in_order(connect: Connect) -> None:
    async with connect() as client:
        answer = await client.stub.FuseBatch(wire.batch_to_proto([a_window(1), a_window(0)]))

    assert [symbol.id for symbol in wire.symbols_from_proto(answer)] == ["kitchen.1", "kitchen.0"]


# --- wrong input ---------------------------------------------------------------------------


def broken(kind: str) -> tuple[fusion_pb2.FuseRequest, str]:
    """A message with one wrong value, and the path of its field."""
    message = a_message(SequencedWindow(1, a_window(0)))
    window = message.windows.windows[0].window
    event = window.slots[3].events[0]
    match kind:
        case "nan":
            event.score = math.nan
            return message, SCORE
        case "modality":
            window.slots[3].modality = 77
            return message, "windows[0].window.slots[3].modality"
        case "features":
            event.features.CopyFrom(event_pb2.Tensor(data=b"\0" * 5, shape=[2], dtype=event_pb2.D_TYPE_F32, scale=1))
            return message, "windows[0].window.slots[3].events[0].features.data"
        case _:
            event.label = "unfit"
            return message, "windows[0].window.slots[3].events[0].features"


@pytest.mark.parametrize("kind", ["nan", "modality", "features", "unfit"])
async def test_a_wrong_value_is_refused_by_name_and_the_stream_lives_on(
    kind: str, connect: Connect, fusion: FakeFusion
) -> None:
    message, field = broken(kind)
    async with connect() as client:
        device = client.device()
        await device.greet()
        await device.say(message)
        refusal, ack = await device.hear_many(2)
        await still_alive(device, 2)

    assert isinstance(refusal, Refusal)
    assert (refusal.sequence, refusal.code, refusal.field) == (1, INVALID_ARGUMENT, field)
    assert ack == Ack(1)
    assert fusion.fused == ["kitchen.2"]


async def test_one_wrong_window_does_not_take_its_neighbours_with_it(connect: Connect) -> None:
    message = a_message(*(SequencedWindow(1 + i, a_window(i)) for i in range(3)))
    message.windows.windows[1].window.slots[3].events[0].score = math.nan
    async with connect() as client:
        device = client.device()
        await device.greet()
        await device.say(message)
        heard = await device.leave()

    answered = {r.sequence: type(r) for r in heard if isinstance(r, SequencedSymbol | Refusal)}
    assert answered == {1: SequencedSymbol, 2: Refusal, 3: SequencedSymbol}
    assert heard[-1] == Ack(3)


async def test_an_oversize_message_is_refused_and_the_stream_lives_on(connect: Connect) -> None:
    large = an_event(None, metadata={"k": "v" * 4000})
    window = a_window(0, *(large for _ in range(256)))
    async with connect() as client:
        device = client.device()
        welcome = await device.greet()
        await device.send(*[window] * 5)
        refusal = await device.hear()
        await still_alive(device, 9)

    assert isinstance(refusal, Refusal)
    assert (refusal.sequence, refusal.code, refusal.field) == (0, INVALID_ARGUMENT, "message")
    assert f"at most {welcome.max_message_bytes} bytes" in refusal.reason


async def test_a_monstrous_message_ends_its_own_stream_only(connect: Connect) -> None:
    async with connect() as client:
        device = client.device()
        await device.greet()
        monster = a_message(SequencedWindow(1, a_window(0)))
        monster.windows.windows[0].window.slots[3].events[0].media.data = b"0" * (20 << 20)
        await device.say(monster)
        assert await device.call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED

        other = client.device()
        await other.greet()
        await still_alive(other, 1)


async def test_bytes_that_are_no_message_are_refused_and_the_stream_lives_on(connect: Connect) -> None:
    async with connect() as client:
        raw = client.channel.stream_stream(
            "/sensorium.v1.FusionService/Fuse", response_deserializer=fusion_pb2.FuseResponse.FromString
        )
        device = Device(raw())
        for message in (b"\xff\xff\xff", b""):
            await device.call.write(message)
            refusal = await device.hear()
            assert isinstance(refusal, Refusal)
            assert refusal.code == INVALID_ARGUMENT
            assert "the first message of a stream is a Hello" in refusal.reason


async def test_windows_before_hello_are_refused_and_hello_may_follow(connect: Connect) -> None:
    async with connect() as client:
        device = client.device()
        await device.send(a_window(0))
        refusal = await device.hear()
        assert isinstance(refusal, Refusal)
        assert refusal.field == "hello"

        await device.greet()
        await still_alive(device, 1)


async def test_a_bad_batch_is_an_error_that_names_the_field(connect: Connect) -> None:
    bad = wire.batch_to_proto([a_window(0), a_window(1)])
    bad.windows[1].slots[3].events[0].score = math.nan
    unfit = wire.batch_to_proto([a_window(0), a_window(1, an_event("unfit"))])
    async with connect() as client:
        for message, field in ((bad, "score"), (unfit, "features")):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await client.stub.FuseBatch(message)
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert caught.value.details().startswith(f"windows[1].slots[3].events[0].{field}: ")


async def test_a_window_that_breaks_the_fusion_is_refused_alone(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    async with connect() as client:
        device = client.device()
        await device.greet()
        await device.send(a_window(0, an_event("poison")), a_window(1))
        heard = await device.leave()

    refusal = next(r for r in heard if isinstance(r, Refusal))
    assert (refusal.sequence, refusal.final) == (1, True)
    assert refusal.reason == "fusion: ZeroDivisionError inside the service; its log says more"
    assert "lane.failed name=fusion" in caplog.text
    assert heard[-1] == Ack(2)


async def test_a_batch_that_breaks_the_fusion_is_an_internal_error_that_names_the_window(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    async with connect() as client:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.stub.FuseBatch(wire.batch_to_proto([a_window(0), a_window(1, an_event("poison"))]))

    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert caught.value.details().startswith("windows[1]: fusion: ZeroDivisionError")
    assert "lane.failed name=fusion" in caplog.text


# --- once and only once --------------------------------------------------------------------


async def test_what_is_sent_again_is_answered_from_memory(connect: Connect, fusion: FakeFusion) -> None:
    async with connect() as client:
        first = client.device()
        await first.greet()
        await first.send(a_window(0), a_window(1))
        before = {r.sequence: r for r in await first.leave() if isinstance(r, SequencedSymbol)}

        again = client.device()
        welcome = await again.greet()
        await again.send(a_window(0), a_window(1))
        after = {r.sequence: r for r in await again.leave() if isinstance(r, SequencedSymbol)}

    assert welcome.resume_after == 2
    assert after == before
    assert sorted(fusion.fused) == ["kitchen.0", "kitchen.1"]


async def test_the_same_window_from_another_spool_is_not_fused_again(connect: Connect, fusion: FakeFusion) -> None:
    async with connect() as client:
        for spool in ("spool-a", "spool-b"):
            device = client.device()
            welcome = await device.greet(spool)
            assert welcome.resume_after == 0
            await still_alive(device, 1)

    assert fusion.fused == ["kitchen.1"]


async def test_a_window_that_is_being_fused_is_not_fused_twice(connect: Connect, fusion: FakeFusion) -> None:
    async with connect() as client:
        fusion.go.clear()
        dropped, again = client.device(), client.device()
        await dropped.greet()
        await dropped.send(a_window(0))
        await again.greet()
        await again.send(a_window(0))
        dropped.call.cancel()
        fusion.go.set()
        answer, ack = await again.hear_many(2)

    assert isinstance(answer, SequencedSymbol)
    assert ack == Ack(1)
    assert fusion.fused == ["kitchen.0"]


async def test_a_device_that_hangs_up_leaves_no_trace_in_the_log(
    connect: Connect, fusion: FakeFusion, caplog: pytest.LogCaptureFixture
) -> None:
    async with connect() as client:
        for number in range(20):
            device = client.device()
            await device.greet(device=f"device-{number}")
            await device.send(*(a_window(i) for i in range(20)))
            await device.hear()
            device.call.cancel()
        await still_alive_after(client)

    assert caplog.text == ""


async def test_another_device_gets_an_answer_of_its_own(connect: Connect, fusion: FakeFusion) -> None:
    async with connect() as client:
        for name in ("pi", "jetson"):
            device = client.device()
            await device.greet(device=name)
            await still_alive(device, 1)

    assert fusion.fused == ["kitchen.1", "kitchen.1"]


async def test_a_service_that_was_started_again_goes_on_where_it_was(tmp_path: Path) -> None:
    fusion = FakeFusion()
    kept = replace(settings(), state=State(folder=str(tmp_path)))
    async with connected(kept, fusion.engines()) as client:
        device = client.device()
        await device.greet()
        await device.send(a_window(0), a_window(1))
        await device.leave()

    async with connected(kept, fusion.engines()) as client:
        device = client.device()
        welcome = await device.greet()
        await device.send(a_window(1), first=2)
        answer = await device.hear()

    assert welcome.resume_after == 2
    assert isinstance(answer, SequencedSymbol)
    assert len(fusion.fused) == 2


async def test_what_cannot_be_stored_is_not_called_safe(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    async with connect() as client:
        device = client.device()
        await device.greet()
        with monkeypatch.context() as broken:
            broken.setattr(Store, "save", full)
            await device.send(a_window(0))
            refusal = await device.hear()
        await device.send(a_window(0))
        answer, ack = await device.hear_many(2)

    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.retry_after_ms) == (RESOURCE_EXHAUSTED, 5000)
    assert isinstance(answer, SequencedSymbol)
    assert ack == Ack(1)
    assert [message.partition(";")[0] for message in caplog.messages if message.startswith("state.")] == [
        "state.away: database or disk is full",
        "state.back",
    ]
    assert "Traceback" not in caplog.text


async def test_no_spool_is_acknowledged_further_than_the_store_knows(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Store, "advance_all", full)
    async with connect() as client:
        device = client.device()
        await device.greet()
        await device.send(a_window(0))
        heard: list[object] = []
        with pytest.raises(grpc.aio.AioRpcError, match="the state cannot be read or written"):
            await hear_into(heard, device)

    assert not [answer for answer in heard if isinstance(answer, Ack)]


async def hear_into(heard: list[object], device: Device) -> None:
    """Whatever comes, until the stream breaks."""
    while True:
        heard.append(await device.hear())


async def test_what_is_fused_together_is_stored_together_and_so_is_how_far_its_spools_have_come(
    connect: Connect, fusion: FakeFusion, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored: list[int] = []
    advanced: list[int] = []
    save_all, advance_all = Memory.save_all, Memory.advance_all

    async def saved(memory: Memory, places: Sequence[Place], symbols: Sequence[bytes]) -> list[bytes]:
        stored.append(len(places))
        return await save_all(memory, places, symbols)

    async def come(memory: Memory, progress: Sequence[tuple[Hello, int]]) -> None:
        advanced.append(len(progress))
        await advance_all(memory, progress)

    monkeypatch.setattr(Memory, "save_all", saved)
    monkeypatch.setattr(Memory, "advance_all", come)
    async with connect() as client:
        devices = [client.device() for _ in range(5)]
        for number, device in enumerate(devices):
            await device.greet(device=f"device-{number}")
        fusion.go.clear()
        for number, device in enumerate(devices):
            await device.send(a_window(2 * number), a_window(2 * number + 1))
        fusion.go.set()
        heard = [await device.leave() for device in devices]

    assert [answers[-1] for answers in heard] == [Ack(2)] * 5
    assert sum(stored) == 10
    assert len(stored) <= 3
    assert len(advanced) <= len(stored) + 1


# --- too much ------------------------------------------------------------------------------


async def test_a_full_service_says_when_to_come_back(connect: Connect, fusion: FakeFusion) -> None:
    async with connect(max_waiting=2) as client:
        device = client.device()
        await device.greet()
        fusion.go.clear()
        await device.send(*(a_window(i) for i in range(5)))
        refusals = await device.hear_many(3)
        fusion.go.set()
        await device.hear_many(3)

        assert [(r.sequence, r.code) for r in refusals if isinstance(r, Refusal)] == [
            (3, RESOURCE_EXHAUSTED),
            (4, RESOURCE_EXHAUSTED),
            (5, RESOURCE_EXHAUSTED),
        ]
        assert all(r.retry_after_ms > 0 for r in refusals if isinstance(r, Refusal))

        await device.send(a_window(2), first=3)
        answer = await device.hear()

    assert isinstance(answer, SequencedSymbol)
    assert answer.sequence == 3


async def test_a_window_that_waited_too_long_is_to_be_sent_again(connect: Connect, fusion: FakeFusion) -> None:
    async with connect(patience_s=1e-6) as client:
        device = client.device()
        await device.greet()
        await device.send(a_window(0))
        refusal = await device.hear()

    assert isinstance(refusal, Refusal)
    assert refusal.code == RESOURCE_EXHAUSTED
    assert "its deadline passed before its turn" in refusal.reason
    assert fusion.fused == []


async def refused_nonsense(device: Device) -> None:
    await device.say(fusion_pb2.FuseRequest())
    assert isinstance(await device.hear(), Refusal)


async def test_a_device_may_say_for_how_long_an_answer_is_of_use(connect: Connect, fusion: FakeFusion) -> None:
    async with connect(max_batch=1) as client:
        device = client.device()
        await device.greet()
        fusion.go.clear()
        patient, hurried = SequencedWindow(1, a_window(0)), SequencedWindow(2, a_window(1), patience_ms=1)
        await device.say(wire.request_to_proto([patient, hurried]))
        await refused_nonsense(device)  # so that all before was heard
        past_ns = time.monotonic_ns() + 1_000_000
        while time.monotonic_ns() <= past_ns:
            await refused_nonsense(device)
        fusion.go.set()
        heard = {type(answer): answer for answer in await device.hear_many(2)}

    assert heard[SequencedSymbol].sequence == 1  # type: ignore[union-attr]
    assert heard[Refusal].sequence == 2  # type: ignore[union-attr]
    assert heard[Refusal].retry_after_ms > 0  # type: ignore[union-attr]
    assert fusion.fused == ["kitchen.0"]


async def test_the_time_that_a_message_lay_unread_counts(connect: Connect, fusion: FakeFusion) -> None:
    minute_ns = 60_000_000_000
    async with connect() as client:
        device = client.device()
        await device.greet()
        for number, (sent_ns, patience_ms) in enumerate([(minute_ns, 5_000), (minute_ns - 10_000_000_000, 5_000)]):
            message = a_message(SequencedWindow(number + 1, a_window(number), patience_ms=patience_ms))
            message.windows.sent_ns = sent_ns
            await device.say(message)
        heard = {type(answer): answer for answer in await device.hear_many(3)}

    assert heard[SequencedSymbol].sequence == 1  # type: ignore[union-attr]
    assert heard[Ack] == Ack(1)
    assert heard[Refusal].sequence == 2  # type: ignore[union-attr]
    assert heard[Refusal].retry_after_ms > 0  # type: ignore[union-attr]
    assert fusion.fused == ["kitchen.0"]


async def test_a_batch_nobody_waits_for_any_more_is_not_fused(connect: Connect, fusion: FakeFusion) -> None:
    async with connect(max_batch=1) as client:
        fusion.go.clear()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.stub.FuseBatch(wire.batch_to_proto([a_window(i) for i in range(5)]), timeout=0.2)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        fusion.go.set()
        await client.stub.FuseBatch(wire.batch_to_proto([a_window(9)]))

    assert fusion.fused == ["kitchen.0", "kitchen.9"]


async def test_an_overloaded_batch_is_told_when_to_retry(connect: Connect) -> None:
    async with connect(patience_s=1e-6) as client:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.stub.FuseBatch(wire.batch_to_proto([a_window(0)]))

    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert int(dict(caught.value.trailing_metadata())["grpc-retry-pushback-ms"]) >= 20


async def test_a_device_that_does_not_read_is_not_listened_to_for_ever(connect: Connect, fusion: FakeFusion) -> None:
    """All of it is answered in the end: nothing is lost by waiting."""
    async with connect(max_in_flight=4) as client:
        device = client.device()
        await device.greet()
        for number in range(1, 201):
            await device.send(a_window(number), first=number)
        heard = await device.leave()

    assert {r.sequence for r in heard if isinstance(r, SequencedSymbol | Refusal)} == set(range(1, 201))


async def test_many_streams_at_once_are_all_answered(connect: Connect, fusion: FakeFusion) -> None:
    async with connect() as client:

        async def one(number: int) -> str:
            device = client.device()
            await device.greet(device=f"device-{number}")
            await device.send(a_window(number))
            answer = await device.hear()
            assert isinstance(answer, SequencedSymbol)
            return answer.symbol.id

        ids = await asyncio.gather(*(one(number) for number in range(100)))

    assert ids == [f"kitchen.{number}" for number in range(100)]


# --- what operators see --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "sensorium.v1.FusionService"])
async def test_health_says_serving(connect: Connect, name: str) -> None:
    async with connect() as client:
        health = health_pb2_grpc.HealthStub(client.channel)
        answer = await health.Check(health_pb2.HealthCheckRequest(service=name))

    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_reflection_lists_the_service_and_describes_it(connect: Connect) -> None:
    ask = reflection_pb2.ServerReflectionRequest
    async with connect() as client:
        stub = reflection_pb2_grpc.ServerReflectionStub(client.channel)
        requests = [ask(list_services=""), ask(file_containing_symbol="sensorium.v1.FusionService")]
        names, file = [answer async for answer in stub.ServerReflectionInfo(iter(requests))]

    assert "sensorium.v1.FusionService" in [s.name for s in names.list_services_response.service]
    assert file.file_descriptor_response.file_descriptor_proto


async def test_a_port_in_use_is_one_line_with_the_way_out(connect: Connect, fusion: FakeFusion) -> None:
    async with connected(settings(), fusion.engines()) as client:
        device = client.device()
        await device.greet()
        port = int(str(client.address).rpartition(":")[2])
        taken = replace(settings(), listen=Listen(port=port))
        with pytest.raises(AddressTaken, match="give another --port"):
            async with connected(taken, fusion.engines()):
                pass
