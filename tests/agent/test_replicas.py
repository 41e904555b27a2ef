"""Devices spread over the replicas of a service, and go on with another one when theirs is gone."""

from __future__ import annotations

import contextlib
import socket
from collections import Counter
from pathlib import Path

import pytest
from agent.fake_cloud import FakeCloud
from agent.test_uplink import a_device, once
from hypothesis import given
from hypothesis import strategies as st

from sensorium.settings import SettingsError
from sensorium_agent.uplink import replicas
from sensorium_agent.uplink.replicas import Replica, Rounds, named, ranked, resolve

THREE = [Replica(f"ipv4:10.0.0.{n}:50051", "fusion") for n in range(3)]


def test_devices_spread_over_all_replicas() -> None:
    first = Counter(ranked(THREE, f"device-{n}")[0] for n in range(900))

    assert set(first) == set(THREE)
    assert min(first.values()) > 250


@given(st.text(min_size=1), st.permutations(THREE))
def test_a_replica_that_goes_leaves_the_order_of_the_others(device_id: str, order: list[Replica]) -> None:
    whole = ranked(order, device_id)

    assert whole == ranked(THREE, device_id)
    assert ranked(order[1:], device_id) == [replica for replica in whole if replica != order[0]]


def test_all_are_tried_once_before_any_is_waited_for() -> None:
    rounds = Rounds()

    assert not rounds.more(THREE)
    assert [(rounds.choose(THREE), rounds.more(THREE)) for _ in range(3)] == [
        (THREE[0], True),
        (THREE[1], True),
        (THREE[2], False),
    ]
    assert rounds.choose(THREE) == THREE[0]


def test_after_a_welcome_every_other_replica_is_worth_a_try() -> None:
    rounds = Rounds()
    for _ in range(3):
        rounds.choose(THREE)
    rounds.welcomed()

    assert rounds.more(THREE)
    assert rounds.choose(THREE) == THREE[0]


def test_a_replica_that_is_no_longer_named_is_not_chosen() -> None:
    rounds = Rounds()
    rounds.choose(THREE)

    assert rounds.choose(THREE[:1]) == THREE[0]


@pytest.mark.parametrize("wrong", ["fusion", "fusion:", ":50051", "fusion:http", "fusion:99999", "a:1,,b:2", ""])
def test_what_is_no_address_is_refused_in_one_line(wrong: str) -> None:
    with pytest.raises(SettingsError, match=r"cloud\.target: .*write host:port"):
        named(wrong)


async def test_a_name_with_several_addresses_is_several_replicas(monkeypatch: pytest.MonkeyPatch) -> None:
    async def known(*_: object, **__: object) -> list[object]:
        kind = (socket.SOCK_STREAM, 6, "")
        four = [(socket.AF_INET, *kind, (f"10.0.0.{n}", 1)) for n in (1, 2, 1)]
        return [*four, (socket.AF_INET6, *kind, ("fd00::1", 1, 0, 0))]

    monkeypatch.setattr(replicas.asyncio.get_running_loop(), "getaddrinfo", known)

    assert await resolve("fusion:1") == [Replica("ipv4:10.0.0.1:1", "fusion"), Replica("ipv4:10.0.0.2:1", "fusion")]


async def test_a_name_nobody_knows_is_left_to_the_channel_to_explain() -> None:
    assert await resolve("nowhere.invalid:7, [::1]:8") == [Replica("nowhere.invalid:7"), Replica("[::1]:8")]


async def test_a_replica_that_dies_is_replaced_by_the_next_one_at_once(tmp_path: Path) -> None:
    clouds = [FakeCloud(), FakeCloud()]
    async with contextlib.AsyncExitStack() as stack:
        for cloud in clouds:
            cloud.memory = clouds[0].memory  # as a shared store has it
            await stack.enter_async_context(cloud)
        targets = ", ".join(cloud.target for cloud in clouds)
        device = await stack.enter_async_context(a_device(tmp_path, targets, backoff_s=(60.0, 60.0)))
        await device.offer(*range(20))
        await device.until(lambda: device.stats.spooled == 0)
        first = next(cloud for cloud in clouds if cloud.streams)
        await first.stop()
        await device.offer(*range(20, 40))
        await device.until(lambda: device.stats.spooled == 0)
        await first.start()

        assert device.answered == once(range(40))
        assert [cloud.streams for cloud in clouds] == [1, 1]
        assert sum((cloud.fused for cloud in clouds), Counter()) == once(range(40))
