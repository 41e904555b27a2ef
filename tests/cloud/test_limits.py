"""How much one client may ask for; and that nothing secret is ever written to a log."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import ssl
import subprocess
from pathlib import Path

import grpc
import httpx
import msgspec
import pytest
from cloud.doubles import Connect, FakeFusion, a_window, connected, settings
from websockets.asyncio.client import connect as open_socket

from sensorium import wire
from sensorium.delivery import RESOURCE_EXHAUSTED, Refusal
from sensorium_cloud._app.server import running
from sensorium_cloud._app.settings import Gateway, Limits, Redis, Settings, Tls, Token
from sensorium_cloud.access import Crowd, Crowded, Rate, Rates

S = 1_000_000_000
BATCH = {"batches": [{"session_id": "s", "events": [{"type": "event", "modality": "text", "text": "yes", "at_ms": 1}]}]}


# --- arithmetic ------------------------------------------------------------------------


def test_two_seconds_worth_pass_at_once_and_then_as_many_as_come_in() -> None:
    rate = Rate(10.0, now_ns=0)
    assert [rate.take(0) for _ in range(20)] == [0] * 20

    assert rate.take(0) == 100
    assert rate.take(S // 10) == 0
    assert rate.take(S // 10 + 1) > 0
    assert [rate.take(100 * S) for _ in range(21)][-1] > 0  # no more is saved up than a burst


def test_more_than_a_burst_passes_when_all_is_there_and_is_owed() -> None:
    rate = Rate(10.0, now_ns=0)
    assert rate.take(0, 50) == 0

    assert rate.take(0) == 3100
    assert rate.take(31 * S // 10) == 0


def test_one_who_asks_too_much_costs_nobody_else() -> None:
    rates = Rates(1.0)
    assert [rates.take("loud", 0) > 0 for _ in range(3)] == [False, False, True]
    assert rates.take("quiet", 0) == 0


async def test_a_device_that_sends_too_many_windows_is_told_when_to_come_again(fusion: FakeFusion) -> None:
    limited = msgspec.structs.replace(settings(), limits=Limits(windows_per_s=2.0))
    async with connected(limited, fusion.engines()) as client:
        device = client.device()
        await device.greet()
        await device.send(*(a_window(n) for n in range(4)))
        await device.send(a_window(4), first=5)
        heard = await device.hear_many(5)

    (refusal,) = (answer for answer in heard if isinstance(answer, Refusal))
    assert (refusal.sequence, refusal.code) == (5, RESOURCE_EXHAUSTED)
    assert refusal.reason == "at most 2 windows a second of a device"
    assert 0 < refusal.retry_after_ms <= 500
    assert sorted(fusion.fused) == [f"kitchen.{n}" for n in range(4)]


async def test_a_caller_that_sends_too_many_windows_in_batches_is_told_when_to_come_again(fusion: FakeFusion) -> None:
    limited = msgspec.structs.replace(settings(), limits=Limits(windows_per_s=2.0))
    async with connected(limited, fusion.engines()) as client:
        await client.stub.FuseBatch(wire.batch_to_proto([a_window(n) for n in range(4)]))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await client.stub.FuseBatch(wire.batch_to_proto([a_window(4)]))

    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert str(refused.value.details()).startswith("at most 2 windows a second of one caller; try again in ")
    assert 0 < int(dict(refused.value.trailing_metadata())["grpc-retry-pushback-ms"]) <= 500
    assert sorted(fusion.fused) == [f"kitchen.{n}" for n in range(4)]


async def test_a_stream_that_does_not_say_whose_it_is_is_ended(fusion: FakeFusion) -> None:
    hasty = msgspec.structs.replace(settings(), limits=Limits(hello_s=0.05))
    async with connected(hasty, fusion.engines()) as client, asyncio.timeout(20):
        silent, talker = client.device(), client.device()
        await talker.greet()
        code, details = await silent.call.code(), await silent.call.details()
        pushback = dict(await silent.call.trailing_metadata())["grpc-retry-pushback-ms"]
        await talker.send(a_window(0))
        await talker.hear()

    assert code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert (details, pushback) == ("no Hello within 0.05 s; the first message of a stream is a Hello", "1000")


async def test_a_stream_that_falls_silent_is_ended_when_all_is_answered(fusion: FakeFusion) -> None:
    fusion.go.clear()
    limited = msgspec.structs.replace(settings(), limits=Limits(idle_s=0.05))
    async with connected(limited, fusion.engines()) as client, asyncio.timeout(20):
        device = client.device()
        await device.greet()
        await device.send(a_window(0))
        other = client.device()
        await other.greet(device="other")
        assert await other.call.code() is grpc.StatusCode.OK
        said = dict(await other.call.trailing_metadata())
        assert not device.call.done()  # somebody waits for an answer
        fusion.go.set()
        await device.hear_many(2)
        assert await device.call.code() is grpc.StatusCode.OK

    assert said["sensorium-reason"] == "silent for 0.05 s; open a stream again when there is something to send"
    assert said["grpc-retry-pushback-ms"] == "0"


def test_a_place_is_free_again_when_somebody_left() -> None:
    crowd = Crowd("streams", 1)
    with crowd.joined("pi"):
        with pytest.raises(Crowded, match="1 streams of pi are open already"), crowd.joined("pi"):
            pass
        with crowd.joined("jetson"):
            pass
    with crowd.joined("pi"):
        pass


# --- in the service --------------------------------------------------------------------


def url(caplog: pytest.LogCaptureFixture) -> str:
    return caplog.text.rpartition("gateway.ready address=")[2].split()[0]


def limited(**limits: float) -> Settings:
    gateway = Gateway(enabled=True, port=0)
    return msgspec.structs.replace(settings(), gateway=gateway, limits=Limits(**limits))  # type: ignore[arg-type]


async def test_a_device_has_so_many_streams_and_no_more(fusion: FakeFusion, connect: Connect) -> None:
    chosen = msgspec.structs.replace(settings(), limits=Limits(streams=2))
    async with connected(chosen, fusion.engines()) as client:
        streams = [client.device() for _ in range(2)]
        for stream in streams:
            await stream.greet()
        with pytest.raises(grpc.aio.AioRpcError, match="2 streams of pi are open already"):
            await client.device().greet()
        await client.device().greet(device="jetson")
        await streams[0].leave()
        await client.device().greet()


async def test_requests_beyond_the_rate_are_told_when_to_come_back(caplog: pytest.LogCaptureFixture) -> None:
    async with running(limited(requests_per_s=0.5), FakeFusion().engines()), httpx.AsyncClient() as client:
        told = [await client.post(f"{url(caplog)}/api/multimodal/batch", json=BATCH) for _ in range(2)]
        health = await client.get(f"{url(caplog)}/healthz")

    assert [one.status_code for one in told] == [200, 429]
    assert told[1].headers["Retry-After"] == "2"
    assert health.status_code == 200


async def test_a_socket_that_says_too_much_is_refused_and_lives_on(caplog: pytest.LogCaptureFixture) -> None:
    event = json.dumps({"type": "event", "modality": "gesture", "label": "thumb_up"})
    async with running(limited(events_per_s=1.0, connections=1), FakeFusion().engines()):
        address = url(caplog).replace("http", "ws")
        async with open_socket(f"{address}/ws/multimodal/s") as socket, asyncio.timeout(20):
            for _ in range(3):
                await socket.send(event)
            kinds: dict[str, dict[str, object]] = {}
            while not {"refusal", "symbol"} <= kinds.keys():
                line = json.loads(await socket.recv())
                kinds.setdefault(line["type"], line)
            async with open_socket(f"{address}/ws/multimodal/s") as second:
                refused = json.loads(await second.recv())

    assert kinds["refusal"]["reason"] == "at most 1 a second"
    assert kinds["refusal"]["retry_after_ms"]
    assert "1 connections of everybody are open already" in refused["reason"]


# --- secrets ---------------------------------------------------------------------------


async def socket_closed(address: str) -> None:
    """A WebSocket was opened, and closed again."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    async with open_socket(address.replace("https", "wss"), ssl=trusting) as socket, asyncio.timeout(20):
        await socket.recv()


async def test_no_token_key_or_password_is_ever_logged(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A run at debug, with everything secret there is, used rightly and wrongly."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost"]
    files = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    await asyncio.to_thread(subprocess.run, ["openssl", "req", "-x509", *kind, *files], check=True, capture_output=True)
    text = await asyncio.to_thread(key.read_text)
    digest = hashlib.sha256(b"open-sesame").hexdigest()
    chosen = msgspec.structs.replace(
        settings(),
        gateway=Gateway(enabled=True, port=0, tokens=(Token(digest),), tls=Tls(str(certificate), text)),
        redis=Redis(url="redis://:swordfish@127.0.0.1:9/0"),
    )
    with caplog.at_level(logging.DEBUG, logger="sensorium_cloud"), caplog.at_level(logging.INFO):
        async with running(chosen, FakeFusion().engines()) as address:
            async with httpx.AsyncClient(verify=False) as client:
                for token in ("open-sesame", "open-barley"):
                    await client.post(f"{url(caplog)}/api/multimodal/batch?token={token}", json=BATCH)
                    await socket_closed(f"{url(caplog)}/ws/multimodal/s?token={token}")
            async with grpc.aio.insecure_channel(address) as channel:
                await channel.unary_unary("/sensorium.v1.FusionService/Fuse")(b"").code()
    out, err = capfd.readouterr()
    ours = "".join(
        f"{record.getMessage()}\n"
        for record in caplog.records
        if not record.name.startswith(("httpx", "websockets.client"))
    )
    written = ours + out + err

    assert "redis.away" in written
    for secret in ("open-sesame", "open-barley", "swordfish", digest, text.splitlines()[1]):
        assert secret not in written
