"""The agent's side of the cloud: what is spooled before a reboot is told from what comes after it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from agent.doubles import Ear
from agent.fake_cloud import FakeCloud
from services import free_port
from shared.examples import a_window

from sensorium.symbol import Symbol
from sensorium_agent._app import cloud_link
from sensorium_agent._app.cloud_link import CloudLink
from sensorium_agent._app.settings import Cloud, Settings, Spool


class Answered(Ear):
    """A listener that can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.come = asyncio.Event()

    def on_symbol(self, symbol: Symbol) -> None:
        super().on_symbol(symbol)
        if len(self.symbols) == 2:
            self.come.set()


def a_link(settings: Settings, ear: Ear, *, live: bool = True) -> CloudLink:
    link = CloudLink.of(settings, ear, live=live)
    assert link is not None
    return link


def settings_for(target: str, directory: Path) -> Settings:
    return Settings(cloud=Cloud(target=target), spool=Spool(directory=str(directory)))


async def test_a_window_from_before_a_reboot_is_answered_with_its_own_boot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cloud_link, "boot_id", lambda: "first boot")
    async with a_link(settings_for(f"localhost:{free_port()}", tmp_path), Ear()) as link:
        link.offer(a_window())

    monkeypatch.setattr(cloud_link, "boot_id", lambda: "second boot")
    ear = Answered()
    async with FakeCloud() as cloud, a_link(settings_for(cloud.target, tmp_path), ear) as link:
        link.offer(replace(a_window(), id="kitchen.8", session_id="kitchen", index=8, slots=()))
        async with asyncio.timeout(10):
            await ear.come.wait()

    assert [hello.boot_id for hello in cloud.hellos] == ["second boot"]
    assert [(s.id, s.boot_id) for s in ear.symbols] == [(a_window().id, "first boot"), ("kitchen.8", "second boot")]


async def test_windows_of_a_played_file_claim_no_boot(tmp_path: Path) -> None:
    ear = Answered()
    async with FakeCloud() as cloud, a_link(settings_for(cloud.target, tmp_path), ear, live=False) as link:
        link.offer(a_window())
        link.offer(replace(a_window(), revision=1))
        async with asyncio.timeout(10):
            await ear.come.wait()

    assert {s.boot_id for s in ear.symbols} == {""}
