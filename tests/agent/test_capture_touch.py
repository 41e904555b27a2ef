"""A touch pad's numbers become fingers; the kernel's protocol is spoken without a library."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from services import needs

from sensorium.clock import ManualClock
from sensorium.event import Touch, TouchPhase
from sensorium_agent.capture import touch
from sensorium_agent.capture.sensor import SensorFailed
from sensorium_agent.capture.touch import Axis, Contacts, Pad, TouchPad

SCREEN = Pad("screen", Axis(0, 1000), Axis(0, 500), None, slots=True)
OLD_PAD = Pad("old", Axis(100, 1100), Axis(0, 500), Axis(0, 255), slots=False)
SYN = (touch.EV_SYN, touch.SYN_REPORT, 0)


def told(contacts: Contacts, *events: tuple[int, int, int]) -> list[tuple[int, str, float, float]]:
    touches = [t for event in events for t in contacts.feed(*event)]
    return [(t.pointer, t.phase.value, round(t.x, 3), round(t.y, 3)) for t in touches]


def finger(slot: int, **what: int) -> list[tuple[int, int, int]]:
    codes = {"id": touch.ABS_MT_TRACKING_ID, "x": touch.ABS_MT_POSITION_X, "y": touch.ABS_MT_POSITION_Y}
    return [(touch.EV_ABS, touch.ABS_MT_SLOT, slot), *((touch.EV_ABS, codes[k], v) for k, v in what.items())]


# --- what the kernel says ----------------------------------------------------------------


def test_a_finger_comes_moves_and_goes() -> None:
    contacts = Contacts(SCREEN)

    assert told(contacts, *finger(0, id=5, x=100, y=250), SYN) == [(0, "down", 0.1, 0.25)]
    assert told(contacts, *finger(0, x=200), SYN) == [(0, "move", 0.2, 0.25)]
    assert told(contacts, *finger(0, id=-1), SYN) == [(0, "up", 0.2, 0.25)]


def test_two_fingers_are_told_apart() -> None:
    contacts = Contacts(SCREEN)

    told(contacts, *finger(0, id=1, x=0, y=0), *finger(1, id=2, x=500, y=0), SYN)

    assert told(contacts, *finger(1, x=600), SYN) == [(1, "move", 0.6, 0.0)]


def test_a_finger_that_replaces_another_is_another() -> None:
    contacts = Contacts(SCREEN)
    told(contacts, *finger(0, id=1, x=0, y=0), SYN)

    assert told(contacts, *finger(0, id=2, x=100, y=0), SYN) == [(0, "up", 0.0, 0.0), (0, "down", 0.1, 0.0)]


def test_a_report_without_movement_says_nothing() -> None:
    contacts = Contacts(SCREEN)
    told(contacts, *finger(0, id=1, x=0, y=0), SYN)

    assert told(contacts, (touch.EV_ABS, 0x30, 7), SYN) == []


def test_when_the_kernel_lost_events_every_finger_is_lifted() -> None:
    contacts = Contacts(SCREEN)
    told(contacts, *finger(0, id=1, x=100, y=0), SYN)

    lost = [(touch.EV_SYN, touch.SYN_DROPPED, 0), *finger(0, x=900), SYN]

    assert told(contacts, *lost) == [(0, "up", 0.1, 0.0)]


def test_a_pad_without_slots_has_one_finger() -> None:
    contacts = Contacts(OLD_PAD)
    down = [
        (touch.EV_ABS, touch.ABS_X, 600),
        (touch.EV_ABS, touch.ABS_PRESSURE, 51),
        (touch.EV_KEY, touch.BTN_TOUCH, 1),
    ]

    touches = [t for event in [*down, SYN] for t in contacts.feed(*event)]

    assert touches == [Touch(0, TouchPhase.DOWN, 0.5, 0.0, 0.2)]


def test_height_is_measured_in_widths() -> None:
    coarse = Pad("coarse", Axis(0, 1000, 10), Axis(0, 1000, 20), None, slots=True)

    assert coarse.place(1000, 1000) == (1.0, 0.5)


# --- a device ----------------------------------------------------------------------------


async def test_a_pad_that_is_not_there_says_where_to_look(tmp_path: Path) -> None:
    with pytest.raises(SensorFailed, match="sensorium devices"):
        await anext(TouchPad(str(tmp_path / "event9")).samples(ManualClock()))


async def test_a_file_that_is_no_pad_is_refused(tmp_path: Path) -> None:
    (tmp_path / "event0").write_bytes(b"")

    with pytest.raises(SensorFailed, match="no surface"):
        await anext(TouchPad(str(tmp_path / "event0")).samples(ManualClock()))


READ = """
import asyncio, json
from sensorium.clock import DeviceClock
from sensorium_agent.capture.touch import TouchPad

async def read():
    async for sample in TouchPad("/dev/input/event7").samples(DeviceClock()):
        t = sample.data
        print(json.dumps([sample.sequence, t.phase, t.x, t.y]), flush=True)
        if t.phase == "up" and sample.sequence > 3:
            return

asyncio.run(asyncio.wait_for(read(), 20))
"""


def bits(codes: list[int], size: int = 96) -> str:
    return sum(1 << code for code in codes).to_bytes(size, "little").hex().upper()


def simulated_screen(folder: Path) -> list[str]:
    """Files that make umockdev show a touch screen on which a finger draws a line of 20 points."""
    (folder / "pad.umockdev").write_text(
        "P: /devices/virtual/input/input7/event7\nN: input/event7\nE: DEVNAME=/dev/input/event7\nE: SUBSYSTEM=input\n"
        "E: ID_INPUT=1\nE: ID_INPUT_TOUCHSCREEN=1\nE: MAJOR=13\nE: MINOR=71\nA: dev=13:71\n\n"
    )
    axes = [touch.ABS_MT_SLOT, touch.ABS_MT_POSITION_X, touch.ABS_MT_POSITION_Y, touch.ABS_MT_TRACKING_ID]
    lines = [
        "@DEV /dev/input/event7",
        "EVIOCGNAME 13 " + b"Test screen\0".ljust(256, b"\0").hex().upper(),
        "EVIOCGBIT(0) 96 " + bits([0, 1, 3]),
        "EVIOCGBIT(1) 96 " + bits([touch.BTN_TOUCH]),
        "EVIOCGBIT(3) 96 " + bits(axes),
        *(f"EVIOCGABS({axis}) 0 " + struct.pack("6i", 0, 0, 4000, 0, 0, 10).hex().upper() for axis in axes),
    ]
    (folder / "pad.ioctl").write_text("\n".join(lines) + "\n")
    events = []
    for point in range(20):
        changes = [(3, touch.ABS_MT_POSITION_X, 400 + 100 * point), (3, touch.ABS_MT_POSITION_Y, 2000), (0, 0, 0)]
        events += [(point, change) for change in ([(3, touch.ABS_MT_TRACKING_ID, 1)] if point == 0 else []) + changes]
    events += [(20, (3, touch.ABS_MT_TRACKING_ID, -1)), (20, (0, 0, 0))]
    text = "".join(f"E: {point * 0.005:.6f} {kind:04x} {code:04x} {value}\n" for point, (kind, code, value) in events)
    (folder / "pad.events").write_text(text)
    device = "/dev/input/event7"
    return [
        *(f"--device={folder}/pad.umockdev", f"--ioctl={device}={folder}/pad.ioctl"),
        f"--evemu-events={device}={folder}/pad.events",
    ]


def test_a_stroke_on_a_simulated_screen_is_read_through_the_kernels_interface(tmp_path: Path) -> None:
    command = [needs("umockdev-run"), *simulated_screen(tmp_path), "--", sys.executable, "-c", READ]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [phase for _, phase, _, _ in lines] == ["down", *["move"] * 19, "up"], done.stderr
    assert [number for number, *_ in lines] == list(range(21))
    assert lines[0][2:] == pytest.approx([0.1, 0.5])
    assert lines[-1][2:] == pytest.approx([0.575, 0.5])
