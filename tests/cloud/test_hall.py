"""Who is in a session stays in it, however quiet, until they leave or the service stops."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sensorium import clock, concepts
from sensorium.errors import FieldError
from sensorium.event import Modality
from sensorium_cloud._app import hall as halls
from sensorium_cloud._app.hall import Hall
from sensorium_cloud._app.mesh import Nobody
from sensorium_cloud._app.shared_rooms import SharedRooms
from sensorium_cloud.rooms.hosts import Hosts
from sensorium_cloud.rooms.room import Said
from sensorium_cloud.state.history import Recent

TAP = Said(modality=Modality.HAPTIC, label="tap")


def a_hall(group: asyncio.TaskGroup, desk: Any = None) -> Hall:
    """Of a process that is alone."""
    device = clock.DeviceClock()
    rooms = SharedRooms(Hosts("a"), Nobody(), device, device.boot_id)
    history = Recent(lambda: 0)
    return Hall(
        group,
        desk,
        history,
        rooms,
        vocabulary=concepts.load(),
        sizes={Modality.HAPTIC: 64},
        clock=device,
        patience_ns=10**9,
    )


async def test_who_comes_back_and_says_nothing_keeps_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(halls, "_LINGER_S", 0.0)
    async with asyncio.TaskGroup() as group:
        hall = a_hall(group)
        hall.leave("kitchen", hall.enter("kitchen", "one"))
        await asyncio.sleep(0)  # the room sees that everybody has left
        back = hall.enter("kitchen", "again")
        for _ in range(10):  # long enough for the room to close
            await asyncio.sleep(0)
        hall.hear("kitchen", back, TAP)
        hall.leave("kitchen", back)
        hall.close()


async def test_what_is_said_while_the_service_stops_is_refused_in_words() -> None:
    async with asyncio.TaskGroup() as group:
        hall = a_hall(group)
        member = hall.enter("kitchen", "one")
        hall.close()
        with pytest.raises(FieldError, match="the service is stopping"):
            hall.hear("kitchen", member, TAP)
