"""The gateway with a real WebSocket client, real HTTP, and a service that fuses for show."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec
import pytest
from cloud.doubles import FakeFusion, settings
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from sensorium.errors import FieldError
from sensorium.event import Modality
from sensorium.reliability import reliability
from sensorium_cloud._app.server import running
from sensorium_cloud._app.settings import Gateway, Limits, Token
from sensorium_cloud.rooms.room import Said, Seat

Line = dict[str, Any]


def token(secret: str, **what: Any) -> Token:
    return Token(hashlib.sha256(secret.encode()).hexdigest(), **what)


@asynccontextmanager
async def a_gateway(
    caplog: pytest.LogCaptureFixture, *tokens: Token, fusion: FakeFusion | None = None, **engine: float
) -> AsyncIterator[str]:
    """HOST:PORT of a gateway."""
    chosen = msgspec.structs.replace(settings(**engine), gateway=Gateway(enabled=True, port=0, tokens=tokens))
    async with running(chosen, (fusion or FakeFusion()).engines()):
        yield caplog.text.rpartition("gateway.ready address=http://")[2].split()[0]


@asynccontextmanager
async def a_client(address: str, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://{address}", headers=headers, timeout=20) as client:
        yield client


async def heard(socket: ClientConnection, kind: str, count: int = 1) -> list[Line]:
    """The next messages of a kind."""
    found: list[Line] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            line = json.loads(await socket.recv())
            if line["type"] == kind:
                found.append(line)
    return found


async def kinds_until(socket: ClientConnection, last: str) -> set[str]:
    """The types of all messages up to the first of type ``last``."""
    kinds: set[str] = set()
    async with asyncio.timeout(20):
        while last not in kinds:
            kinds.add(json.loads(await socket.recv())["type"])
    return kinds


async def until_not_ready(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(20):
        while (await client.get("/readyz")).status_code == 200:
            pass


def an_event(**what: Any) -> str:
    return json.dumps({"type": "event", "modality": "gesture", "label": "thumb_up"} | what)


# --- live sessions ---------------------------------------------------------------------


async def test_an_event_becomes_a_symbol_and_an_episode(caplog: pytest.LogCaptureFixture) -> None:
    async with a_gateway(caplog) as address, connect(f"ws://{address}/ws/multimodal/kitchen") as socket:
        (welcome,) = await heard(socket, "welcome")
        await socket.send(an_event())
        (symbol,) = await heard(socket, "symbol")
        (episode,) = await heard(socket, "episode")

    assert welcome["session"] == "kitchen"
    assert (symbol["label"], symbol["session"]) == ("approve", "kitchen")
    assert (episode["phase"], episode["label"], episode["id"]) == ("new", "approve", symbol["id"])


async def test_who_speaks_messagepack_is_answered_in_it(caplog: pytest.LogCaptureFixture) -> None:
    async with a_gateway(caplog) as address, connect(f"ws://{address}/ws/multimodal/kitchen") as socket:
        await socket.send(msgspec.msgpack.encode(json.loads(an_event())))
        async with asyncio.timeout(20):
            while not isinstance(raw := await socket.recv(), bytes) or msgspec.msgpack.decode(raw)["type"] != "symbol":
                pass
        await socket.send(an_event().encode())
        async with asyncio.timeout(20):
            while isinstance(await socket.recv(), bytes):
                pass

    assert msgspec.msgpack.decode(raw)["label"] == "approve"


async def test_two_who_feed_a_session_meet_in_one_window(caplog: pytest.LogCaptureFixture) -> None:
    fusion = FakeFusion()
    url = "ws://{}/ws/multimodal/kitchen"
    async with (
        a_gateway(caplog, fusion=fusion) as address,
        connect(url.format(address)) as one,
        connect(url.format(address)) as other,
    ):
        await one.send(an_event(modality="text", label=None, text="yes"))
        await other.send(an_event())
        mine, theirs = (await heard(one, "symbol"))[0], (await heard(other, "symbol"))[0]

    assert mine["id"] == theirs["id"]
    assert fusion.fused.count(mine["id"]) == 1


async def test_the_clock_of_who_answers_is_known_within_milliseconds(caplog: pytest.LogCaptureFixture) -> None:
    """A client whose clock is an hour ahead."""
    ahead_ms = 3_600_000.0

    def now_ms() -> float:
        return time.monotonic() * 1e3 + ahead_ms

    async with a_gateway(caplog) as address, connect(f"ws://{address}/ws/multimodal/kitchen") as socket:
        for _ in range(4):
            (question,) = await heard(socket, "clock")
            at_ms = now_ms()
            answer = {"type": "clock", "number": question["number"], "received_ms": at_ms, "answered_ms": at_ms}
            await socket.send(json.dumps(answer))
        await socket.send(an_event(at_ms=now_ms()))
        sent_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        await heard(socket, "symbol")
        async with a_client(address) as client:
            history = await client.get("/api/sessions/kitchen/symbols")

    start_ns = history.json()["lines"][0]["start_ns"]
    assert abs(start_ns - sent_ns) < 600_000_000  # its window holds the moment it was sent


@pytest.mark.parametrize(
    ("message", "field", "said"),
    [
        ("nonsense", "message", "not JSON"),
        (b'{"type":"event","modality":"text","text":"\xff"}', "message", "not JSON"),
        ('{"type": "event"}', "message", "modality"),
        (an_event(modality="smell"), "modality", "smell"),
        (an_event(score=2), "score", "1"),
        (an_event(colour="red"), "message", "colour"),
        (an_event(label=None), "event", "says nothing"),
        (an_event(features=[1.0, 2.0]), "features", "a gesture vector has 128"),
        ('{"type": "clock", "number": 99, "received_ms": 0, "answered_ms": 0}', "number", "asked lately"),
    ],
)
async def test_a_bad_message_is_refused_by_field_and_the_session_lives_on(
    caplog: pytest.LogCaptureFixture, message: str | bytes, field: str, said: str
) -> None:
    async with a_gateway(caplog) as address, connect(f"ws://{address}/ws/multimodal/kitchen") as socket:
        await socket.send(message)
        (refusal,) = await heard(socket, "refusal")
        await socket.send(an_event())
        await heard(socket, "symbol")

    assert refusal["field"] == field
    assert said in refusal["reason"]


async def test_what_cannot_be_done_now_is_said_with_when_to_try_again(caplog: pytest.LogCaptureFixture) -> None:
    fusion = FakeFusion()
    fusion.go.clear()
    async with (
        a_gateway(caplog, fusion=fusion, patience_s=0.05) as address,
        connect(f"ws://{address}/ws/multimodal/kitchen") as socket,
    ):
        for index in range(3):
            await socket.send(an_event(at_ms=index * 600.0))
        async with a_client(address) as client:
            await until_not_ready(client)
        fusion.go.set()
        (refusal,) = await heard(socket, "refusal")

    assert refusal["retry_after_ms"] > 0
    assert refusal["window"].startswith("kitchen.")


def test_one_who_feeds_a_session_has_so_many_sensors_and_no_more() -> None:
    seat = Seat("kitchen", "ws0")

    def say(source: str) -> None:
        seat.event(Said(modality=Modality.GESTURE, label="thumb_up", source=source), 1)

    for number in range(64):
        say(f"hand-{number}")
    say("hand-0")
    with pytest.raises(FieldError, match="at most 64"):
        say("hand-64")


def test_a_signal_of_which_nothing_is_said_is_trusted_as_that_sense_usually_can_be() -> None:
    seat = Seat("s", "web")

    unsaid = seat.event(Said(modality=Modality.GESTURE, label="thumb_up"), 1)
    said = seat.event(Said(modality=Modality.GESTURE, label="thumb_up", quality=0.25), 2)

    assert unsaid.quality == reliability(Modality.GESTURE) < 1
    assert said.quality == 0.25


# --- who may ---------------------------------------------------------------------------


async def test_a_token_is_good_for_its_sessions_and_rights(caplog: pytest.LogCaptureFixture) -> None:
    reader = token("r", sessions=("kitchen*",), may=("read",))
    writer = token("w", sessions=("kitchen",), may=("write",))
    both = token("rw", sessions=("kitchen",))
    async with a_gateway(caplog, reader, writer, both) as address:
        async with a_client(address) as client:
            path = "/api/sessions/kitchen/symbols"
            statuses = [
                (await client.get(path)).status_code,
                (await client.get(path, headers={"Authorization": "Bearer wrong"})).status_code,
                (await client.get(path, headers={"Authorization": "Bearer w"})).status_code,
                (await client.get(path, headers={"Authorization": "Bearer r"})).status_code,
                (await client.get("/api/sessions/bath/symbols", headers={"Authorization": "Bearer r"})).status_code,
            ]
        for query in ("", "?token=r"):
            with pytest.raises(ConnectionClosed) as closed:
                async with connect(f"ws://{address}/ws/multimodal/kitchen{query}") as socket:
                    await heard(socket, "symbol")
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 4403
        feeds = connect(f"ws://{address}/ws/multimodal/kitchen?token=w")
        hears = connect(f"ws://{address}/ws/multimodal/kitchen?token=rw")
        async with feeds as socket, hears as other:
            await socket.send(an_event())
            await heard(other, "symbol")
            await socket.send("{}")
            mute = await kinds_until(socket, "refusal")

    assert mute <= {"welcome", "clock", "refusal"}
    assert statuses == [401, 401, 403, 200, 403]
    assert "Bearer" not in caplog.text


async def test_a_session_of_one_tenant_is_no_others(caplog: pytest.LogCaptureFixture) -> None:
    async with a_gateway(caplog, token("a", tenant="acme"), token("b", tenant="bolt")) as address:
        async with connect(f"ws://{address}/ws/multimodal/kitchen?token=a") as socket:
            await socket.send(an_event())
            await heard(socket, "symbol")
        async with a_client(address) as client:
            seen = [(await client.get(f"/api/sessions/kitchen/symbols?token={t}")).json()["lines"] for t in "ab"]

    assert seen[0]
    assert seen[1] == []


# --- history and batches -----------------------------------------------------------------


async def test_history_goes_on_where_one_was_and_live_as_server_sent_events(caplog: pytest.LogCaptureFixture) -> None:
    async with a_gateway(caplog) as address, connect(f"ws://{address}/ws/multimodal/kitchen") as socket:
        await socket.send(an_event())
        await heard(socket, "episode")
        async with a_client(address) as client:
            first = (await client.get("/api/sessions/kitchen/symbols")).json()
            again = (await client.get("/api/sessions/kitchen/symbols", params={"after": first["next"]})).json()
            live = {"Accept": "text/event-stream", "Last-Event-ID": first["next"]}
            async with client.stream("GET", "/api/sessions/kitchen/symbols", headers=live) as stream:
                await socket.send(an_event(modality="haptic", label="tap"))
                async with asyncio.timeout(20):
                    async for line in stream.aiter_lines():
                        if line.startswith("data: "):
                            coming = json.loads(line.removeprefix("data: "))
                            break

    assert {line["type"] for line in first["lines"]} == {"symbol", "episode"}
    assert not [line for line in again["lines"] if line in first["lines"]]  # a window may have ended meanwhile
    assert coming["type"] == "symbol"


async def test_a_batch_is_understood_by_its_own_times(caplog: pytest.LogCaptureFixture) -> None:
    events = [
        {"type": "event", "modality": "text", "at_ms": 100, "text": "yes"},
        {"type": "event", "modality": "gesture", "at_ms": 300, "label": "thumb_up"},
        {"type": "event", "modality": "gesture", "at_ms": 2700, "label": "thumb_up"},
    ]
    async with a_gateway(caplog) as address, a_client(address) as client:
        asked = {"batches": [{"session_id": "a", "events": events}, {"session_id": "b", "events": events[:1]}]}
        answer = (await client.post("/api/multimodal/batch", json=asked)).json()

    first, second = answer["sessions"]
    assert (first["session_id"], second["session_id"]) == ("a", "b")
    assert [line["start_ns"] for line in first["lines"] if line["type"] == "symbol"] == [
        n * 500_000_000 for n in range(6)
    ]
    assert {line["phase"] for line in first["lines"] if line["type"] == "episode"} >= {"new", "end"}


async def test_the_examples_are_what_is_taken_and_what_is_answered(caplog: pytest.LogCaptureFixture) -> None:
    async with a_gateway(caplog) as address, a_client(address) as client:
        post = (await client.get("/openapi.json")).json()["paths"]["/api/multimodal/batch"]["post"]
        answer = await client.post(
            "/api/multimodal/batch", json=post["requestBody"]["content"]["application/json"]["example"]
        )
    (shown,) = post["responses"]["200"]["content"]["application/json"]["example"]["sessions"]
    (session,) = answer.json()["sessions"]

    assert shown.keys() == session.keys()
    assert shown["lines"][0].keys() <= session["lines"][0].keys()
    assert session["session_id"] == shown["session_id"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, ""),
        ({"batches": []}, "batches"),
        ({"batches": [{"session_id": "a b", "events": [{"type": "event", "modality": "text"}]}]}, "session_id"),
        ({"batches": [{"session_id": "a", "events": [{"type": "event", "modality": "text", "text": "x"}]}]}, "at_ms"),
        (
            {"batches": [{"session_id": "a", "events": [{"type": "event", "modality": "text", "at_ms": 1e14}]}]},
            "batches[0].events[0].at_ms",
        ),
        (
            {"batches": [{"session_id": "a", "events": [{"type": "event", "modality": "text", "at_ms": 0}]}]},
            "batches[0].events[0].event",
        ),
    ],
)
async def test_a_bad_batch_is_422_and_names_the_field(
    caplog: pytest.LogCaptureFixture, body: dict[str, Any], field: str
) -> None:
    async with a_gateway(caplog) as address, a_client(address) as client:
        answer = await client.post("/api/multimodal/batch", json=body)

    assert answer.status_code == 422
    assert field in answer.json()["field"]


async def test_ten_minutes_are_a_batch_although_they_are_more_windows_than_may_wait(
    caplog: pytest.LogCaptureFixture,
) -> None:
    events = [json.loads(an_event(at_ms=n * 500.0)) for n in range(1200)]
    async with a_gateway(caplog, max_waiting=64) as address, a_client(address) as client:
        asked = {"batches": [{"session_id": "kitchen", "events": events}]}
        answer = await client.post("/api/multimodal/batch", json=asked)

    assert answer.status_code == 200
    assert sum(line["type"] == "symbol" for line in answer.json()["sessions"][0]["lines"]) >= 1200


async def test_a_stranger_is_told_so_before_its_batch_is_read(caplog: pytest.LogCaptureFixture) -> None:
    async with a_gateway(caplog, token("a")) as address, a_client(address) as client:
        assert (await client.post("/api/multimodal/batch", content=b"?")).status_code == 401


async def test_who_follows_is_one_of_the_tenants_connections(caplog: pytest.LogCaptureFixture) -> None:
    path, live = "/api/sessions/kitchen/symbols", {"Accept": "text/event-stream"}
    chosen = msgspec.structs.replace(settings(), gateway=Gateway(enabled=True, port=0), limits=Limits(connections=1))
    async with running(chosen, FakeFusion().engines()):
        address = caplog.text.rpartition("gateway.ready address=http://")[2].split()[0]
        async with connect(f"ws://{address}/ws/multimodal/kitchen"), a_client(address, **live) as client:
            refused = await client.get(path)

    assert refused.status_code == 429
    assert refused.headers["Retry-After"] == "1"


async def test_a_batch_that_is_too_large_is_413(caplog: pytest.LogCaptureFixture) -> None:
    async with a_gateway(caplog) as address, a_client(address) as client:
        answer = await client.post("/api/multimodal/batch", content=b" " * (1 << 20) + b"{}")

    assert answer.status_code == 413


# --- health ----------------------------------------------------------------------------


async def test_health_and_metrics_are_there_for_machines(caplog: pytest.LogCaptureFixture) -> None:
    async with a_gateway(caplog) as address, a_client(address) as client:
        async with connect(f"ws://{address}/ws/multimodal/kitchen") as socket:
            await socket.send(an_event())
            await heard(socket, "symbol")
        health = [(await client.get(path)).status_code for path in ("/healthz", "/readyz")]
        metrics = (await client.get("/metrics")).text

    assert health == [200, 200]
    assert 'multimodal_windows_total{outcome="fused"} 1.0' in metrics


async def test_a_service_that_is_behind_is_alive_and_not_ready(caplog: pytest.LogCaptureFixture) -> None:
    fusion = FakeFusion()
    fusion.go.clear()
    async with (
        a_gateway(caplog, fusion=fusion, patience_s=0.05) as address,
        a_client(address) as client,
        connect(f"ws://{address}/ws/multimodal/kitchen") as socket,
    ):
        for index in range(3):
            await socket.send(an_event(at_ms=index * 600.0))
        await until_not_ready(client)
        alive = (await client.get("/healthz")).status_code
        fusion.go.set()

    assert alive == 200


async def test_the_openapi_description_holds_against_requests_made_from_it(caplog: pytest.LogCaptureFixture) -> None:
    """schemathesis makes requests from the description; none may get an answer that it does not foresee."""
    import schemathesis

    async with a_gateway(caplog) as address:
        told = await asyncio.to_thread(_explored, f"http://{address}/openapi.json", schemathesis)

    assert told > 20


def _explored(url: str, schemathesis: Any) -> int:
    from hypothesis import HealthCheck, Phase, given
    from hypothesis import settings as limits

    schema = schemathesis.openapi.from_url(url)
    made = 0
    for operation in schema.get_all_operations():
        case_of = operation.ok().as_strategy()

        @limits(max_examples=15, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
        @given(case=case_of)
        def explore(case: Any) -> None:
            nonlocal made
            made += 1
            # A schema cannot say that an event has to say something, or how long a feature vector is.
            names = ("unsupported_method", "positive_data_acceptance")
            case.call_and_validate(excluded_checks=[schemathesis.checks.CHECKS.get_one(name) for name in names])

        explore()
    return made
