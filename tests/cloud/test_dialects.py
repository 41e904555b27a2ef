"""Devices that were taught different things are each understood in their own way, by the weights that ship."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import MappingProxyType

import pytest
from cloud.doubles import Client, Device, a_window, an_event, connected, settings, words

from sensorium import concepts, wire
from sensorium.concepts import Concept
from sensorium.delivery import Hello, Refusal, SequencedSymbol, SequencedWindow, Welcome
from sensorium.event import Modality
from sensorium.symbol import Symbol
from sensorium.v1 import fusion_pb2
from sensorium_cloud.encode.encoders import EncodedWindow
from sensorium_cloud.refine import Engines

pytestmark = pytest.mark.needs_models


def lesson(name: str, label: str, description: str, *paraphrases: str) -> Concept:
    labels = MappingProxyType({Modality.GESTURE: MappingProxyType({label: 0.95})})
    return Concept(name, description, paraphrases, labels)


BLINDS = lesson("close_up", "claw", "Let the blinds of the window down.", "blinds down")
SHOP = lesson("close_up", "claw", "Close the shop and lock the till.", "lock the till")
GREETING = lesson("stop", "crossed", "")


@pytest.fixture
async def client(engines: Engines) -> AsyncIterator[Client]:
    async with connected(settings(), engines) as client:
        yield client


async def greeted(client: Client, name: str, *taught: Concept) -> Device:
    device = client.device()
    await device.say(wire.request_to_proto(Hello(name, "spool", taught=taught)))
    assert isinstance(await device.hear(), Welcome)
    return device


async def answer(device: Device, window: SequencedWindow) -> Symbol:
    await device.say(wire.request_to_proto([window]))
    while not isinstance(heard := await device.hear(), SequencedSymbol):
        assert not isinstance(heard, Refusal), heard
    return heard.symbol


CLAW = an_event("claw", at_ns=1_000_000)


async def test_two_devices_mean_different_things_by_one_name(client: Client) -> None:
    home, shop = await greeted(client, "home", BLINDS), await greeted(client, "shop", SHOP)

    at_home = await answer(home, SequencedWindow(1, a_window(0, CLAW)))
    in_shop = await answer(shop, SequencedWindow(1, a_window(0, CLAW)))

    assert (at_home.concept, at_home.content) == ("close_up", "Let the blinds of the window down.")
    assert (in_shop.concept, in_shop.content) == ("close_up", "Close the shop and lock the till.")


async def test_words_are_understood_by_what_the_device_was_taught(client: Client) -> None:
    home, shop = await greeted(client, "home", BLINDS), await greeted(client, "shop", SHOP)
    said = SequencedWindow(1, a_window(0, words("please lock the till")))

    assert (await answer(shop, said)).concept == "close_up"
    assert (await answer(home, said)).concept != "close_up"


async def test_who_was_taught_nothing_does_not_know_the_others_sign(client: Client) -> None:
    await greeted(client, "home", BLINDS)
    plain = await greeted(client, "plain")

    assert (await answer(plain, SequencedWindow(1, a_window(0, CLAW)))).concept is None


async def test_a_new_sign_of_a_known_concept_is_that_concept(client: Client) -> None:
    device = await greeted(client, "home", GREETING)
    crossed = a_window(0, an_event("crossed", at_ns=1_000_000))

    symbol = await answer(device, SequencedWindow(1, crossed))

    assert (symbol.concept, symbol.content) == ("stop", concepts.load()["stop"].description)


async def test_a_wrong_lesson_is_refused_and_a_right_one_heard_after(client: Client) -> None:
    device = client.device()
    wrong = fusion_pb2.Hello(device_id="pi", spool_id="s", taught=[fusion_pb2.TaughtConcept(name="Not So!")])
    await device.say(fusion_pb2.FuseRequest(hello=wrong))

    refusal = await device.hear()

    assert isinstance(refusal, Refusal)
    assert refusal.field == "hello.taught[0].name"
    await device.say(wire.request_to_proto(Hello("pi", "s", taught=(BLINDS,))))
    assert isinstance(await device.hear(), Welcome)


def test_windows_of_all_dialects_are_answered_in_their_order(engines: Engines) -> None:
    home, shop = engines.understand([BLINDS]), engines.understand([SHOP])
    batch = [
        EncodedWindow(a_window(n, CLAW), None, None, 0.0, vocabulary=dialect)
        for n, dialect in enumerate([home, None, shop, home])
    ]

    symbols = engines.fuse(batch)

    assert [symbol.id for symbol in symbols] == [f"kitchen.{n}" for n in range(4)]
    assert [symbol.concept for symbol in symbols] == ["close_up", None, "close_up", "close_up"]
    assert symbols[0].content == symbols[3].content != symbols[2].content


def test_more_than_there_is_room_for_is_not_understood_and_nobody_suffers(engines: Engines) -> None:
    many = [lesson(f"sign_{n}", f"sign_{n}", "A sign.") for n in range(256)]

    assert engines.understand(many) is None
    assert engines.understand(()) is None
