"""Which web pages may use the gateway, and that every refusal of it is in the same words."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import msgspec
import pytest
from cloud.doubles import FakeFusion, settings
from websockets.asyncio.client import connect

from sensorium.settings import SettingsError
from sensorium_cloud._app import http, live
from sensorium_cloud._app.server import running
from sensorium_cloud._app.settings import Gateway, Token, load
from sensorium_cloud.access import Origins

SYMBOLS = "/api/sessions/kitchen/symbols"
EVIL = "https://evil.example"


@asynccontextmanager
async def a_gateway(caplog: pytest.LogCaptureFixture, gateway: Gateway) -> AsyncIterator[str]:
    """HOST:PORT of it."""
    async with running(msgspec.structs.replace(settings(), gateway=gateway), FakeFusion().engines()):
        yield caplog.text.rpartition("gateway.ready address=http://")[2].split()[0]


def test_without_tokens_only_pages_of_this_machine_may() -> None:
    origins = Origins((), tokens=False)
    here = ("http://localhost:3000", "https://127.0.0.1", "http://[::1]:8080")
    there = (EVIL, "null", "http://localhost.evil.example", "http://127.0.0.1.evil.example", "http://1270.0.0.1")

    assert all(map(origins.allows, here))
    assert not any(map(origins.allows, there))
    assert origins.allows(None)


def test_with_tokens_any_page_may_that_has_one_and_named_ones_only_if_some_are_named() -> None:
    assert Origins((), tokens=True).allows(EVIL)
    assert Origins(("*",), tokens=False).allows(EVIL)
    named = Origins(("https://app.example",), tokens=True)
    assert named.allows("https://app.example")
    assert not named.allows("http://localhost:3000")


async def test_a_page_of_somebody_else_can_neither_feed_a_session_nor_hear_it(caplog: pytest.LogCaptureFixture) -> None:
    async with a_gateway(caplog, Gateway(enabled=True, port=0)) as address:
        async with connect(f"ws://{address}/ws/multimodal/kitchen", origin=EVIL) as page:  # type: ignore[arg-type]
            refusal = json.loads(await page.recv())
            await page.wait_closed()
        async with httpx.AsyncClient(base_url=f"http://{address}") as client:
            answers = [
                await client.get(SYMBOLS, headers={"Origin": EVIL}),
                await client.post("/api/multimodal/batch", headers={"Origin": EVIL}, content="{}"),
                await client.get(SYMBOLS, headers={"Origin": "http://localhost:3000"}),
            ]

    assert (refusal["field"], page.close_code) == ("origin", 4403)
    assert "name it in gateway.origins" in refusal["reason"]
    assert [answer.status_code for answer in answers] == [403, 403, 200]
    assert answers[0].json() == {"field": "origin", "reason": refusal["reason"]}
    assert answers[2].headers["Access-Control-Allow-Origin"] == "http://localhost:3000"


def test_without_tokens_only_requests_for_this_machine_and_hosts_of_named_pages_are_served() -> None:
    alone, named = Origins((), tokens=False), Origins(("https://app.example", "http://[fd00::1]:90"), tokens=False)
    here = ("localhost", "LocalHost:8080", "127.0.0.1:8080", "[::1]:8080", None)
    there = ("evil.example:8080", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "::1")

    assert all(map(alone.serves, here))
    assert not any(map(alone.serves, there))
    assert all(map(named.serves, (*here, "app.example", "App.example:8443", "[fd00::1]")))
    assert not any(map(named.serves, there))
    assert all(Origins((), tokens=True).serves(host) for host in there)
    assert all(Origins(("*",), tokens=False).serves(host) for host in there)


async def test_a_name_that_was_given_this_machines_address_opens_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async with a_gateway(caplog, Gateway(enabled=True, port=0)) as address:
        host, _, port = address.rpartition(":")
        rebound = f"evil.example:{port}"
        async with connect(f"ws://{rebound}/ws/multimodal/kitchen", host=host, port=int(port)) as page:
            refusal = json.loads(await page.recv())
            await page.wait_closed()
        async with httpx.AsyncClient(base_url=f"http://{address}") as client:
            read = await client.get(SYMBOLS, headers={"Host": rebound})
            tunnel = await client.get(SYMBOLS, headers={"Host": "localhost:9000"})

    assert (refusal["field"], page.close_code) == ("host", 4403)
    assert (read.status_code, read.json()) == (403, {"field": "host", "reason": refusal["reason"]})
    assert refusal["reason"].startswith(f"this gateway is not known as '{rebound}'; name its http:// or https://")
    assert tunnel.status_code == 200


async def test_an_origin_in_no_known_writing_is_refused_as_any_other(caplog: pytest.LogCaptureFixture) -> None:
    strange = "http://" + "\xfc" * 100
    async with (
        a_gateway(caplog, Gateway(enabled=True, port=0)) as address,
        connect(f"ws://{address}/ws/multimodal/kitchen", origin=strange) as page,  # type: ignore[arg-type]
    ):
        await page.recv()
        await page.wait_closed()

    assert page.close_code == 4403


async def test_a_page_that_is_named_may_send_its_token_and_read_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    token = Token(hashlib.sha256(b"t").hexdigest())
    page = {"Origin": "https://app.example"}
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    gateway = Gateway(enabled=True, port=0, tokens=(token,), origins=("https://app.example",))
    async with (
        a_gateway(caplog, gateway) as address,
        httpx.AsyncClient(base_url=f"http://{address}", headers=page) as client,
    ):
        before = await client.options(SYMBOLS, headers=asked)
        answer = await client.get(SYMBOLS, headers={"Authorization": "Bearer t"})

    assert (before.status_code, answer.status_code) == (200, 200)
    assert before.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert "Authorization" in before.headers["Access-Control-Allow-Headers"]


def test_what_is_no_origin_is_refused_when_settings_are_read() -> None:
    with pytest.raises(SettingsError, match=r"gateway\.origins\[0\]"):
        load(None, {}, {"gateway.origins": ["app.example/"]})


async def test_every_refusal_names_a_field_and_a_reason(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        a_gateway(caplog, Gateway(enabled=True, port=0)) as address,
        httpx.AsyncClient(base_url=f"http://{address}") as client,
    ):
        paths = (f"{SYMBOLS}?limit=x", "/nowhere", "/api/multimodal/batch", f"{SYMBOLS}?after=1_0")
        answers = [await client.get(path) for path in paths]

    assert [(answer.status_code, answer.json()["field"]) for answer in answers] == [
        (422, "limit"),
        (404, ""),
        (405, ""),
        (422, "after"),
    ]
    assert answers[0].json()["reason"].startswith("input should be a valid integer")
    assert answers[2].json()["reason"] == "method not allowed; /docs describes what there is"


async def test_who_follows_hears_that_the_connection_lives(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_BEAT_S", 0.01)
    async with (
        a_gateway(caplog, Gateway(enabled=True, port=0)) as address,
        httpx.AsyncClient(base_url=f"http://{address}", headers={"Accept": live.MEDIA_TYPE}) as client,
        client.stream("GET", SYMBOLS) as stream,
        asyncio.timeout(20),
    ):
        first = await anext(stream.aiter_lines())

    assert stream.headers["content-type"].startswith(live.MEDIA_TYPE)
    assert first == ":"


async def test_what_is_no_http_is_said_once_however_often_it_comes(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http._STRANGERS, "_again_s", {})
    async with a_gateway(caplog, Gateway(enabled=True, port=0)) as address:
        host, _, port = address.rpartition(":")
        with caplog.at_level(logging.WARNING):
            for _ in range(5):
                await asyncio.to_thread(hello_in_tls, host, int(port))

    assert caplog.text.count("gateway.not_http") == 1
    assert "Invalid HTTP" not in caplog.text


def hello_in_tls(host: str, port: int) -> None:
    with socket.create_connection((host, port)) as stranger:
        stranger.sendall(b"\x16\x03\x01\x00\xa5 \r\n\r\n")
        stranger.recv(1)
