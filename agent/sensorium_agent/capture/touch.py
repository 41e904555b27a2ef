"""A touch pad or screen through the kernel's event device; needs no library.

Source: Linux kernel, input/event-codes.rst and input/multi-touch-protocol.rst (protocol B, and single
touch for pads that have no slots).
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import struct
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Final

from sensorium.clock import Clock
from sensorium.event import Modality, Sample, Touch, TouchPhase
from sensorium_agent.capture.dating import ClockOffset
from sensorium_agent.capture.sensor import Handoff, SensorFailed

EV_SYN, EV_KEY, EV_ABS = 0x00, 0x01, 0x03
SYN_REPORT, SYN_DROPPED = 0, 3
BTN_TOUCH = 0x14A
ABS_X, ABS_Y, ABS_PRESSURE = 0x00, 0x01, 0x18
ABS_MT_SLOT, ABS_MT_POSITION_X, ABS_MT_POSITION_Y = 0x2F, 0x35, 0x36
ABS_MT_TRACKING_ID, ABS_MT_PRESSURE = 0x39, 0x3A

_SLOT_CODES: Final = (ABS_MT_POSITION_X, ABS_MT_POSITION_Y, ABS_MT_PRESSURE)
_SINGLE_CODES: Final = (ABS_X, ABS_Y, ABS_PRESSURE)

_EVENT: Final = struct.Struct("@llHHi")
_KEPT: Final = 1024
_AT_BEST_NS: Final = 5_000_000
"""From the kernel's stamp to the event loop, when it was quickest: nobody can measure that from here."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Range and resolution of an axis, in the device's units."""

    least: int
    most: int
    per_mm: int = 0

    @property
    def span(self) -> int:
        """At least 1."""
        return max(1, self.most - self.least)


@dataclass(frozen=True, slots=True)
class Pad:
    """What is needed to understand a pad's numbers; ``slots``: it tells fingers apart."""

    name: str
    x: Axis
    y: Axis
    pressure: Axis | None
    slots: bool

    def place(self, x: int, y: int) -> tuple[float, float]:
        """Device units to units of the pad's width."""
        # Without resolutions the units are taken to be square, as on every screen.
        aspect = self.x.per_mm / self.y.per_mm if self.x.per_mm and self.y.per_mm else 1.0
        return (x - self.x.least) / self.x.span, (y - self.y.least) * aspect / self.x.span

    def force(self, pressure: int) -> float:
        """0 to 1; 1 where the pad does not measure it."""
        axis = self.pressure
        return 1.0 if axis is None else min(1.0, max(0.0, (pressure - axis.least) / axis.span))


@dataclass(slots=True)
class _Finger:
    x: int = 0
    y: int = 0
    pressure: int = 0
    down: bool = False
    lifted: bool = False
    """Another took its place within one report."""
    told: Touch | None = None
    """What was last said of it while it was down."""


class Contacts:
    """The kernel's stream of changes to touches, one report at a time."""

    def __init__(self, pad: Pad) -> None:
        self._pad = pad
        # Pads with slots tell the first finger twice, for old programs: listen to one of the two.
        self._codes = _SLOT_CODES if pad.slots else _SINGLE_CODES
        self._fingers: dict[int, _Finger] = {0: _Finger()}
        self._slot = 0
        self._lost = False

    def feed(self, kind: int, code: int, value: int) -> tuple[Touch, ...]:
        """What the event completes: nothing, until its report ends."""
        if kind == EV_SYN and code == SYN_DROPPED:
            self._lost = True
        elif kind == EV_SYN and code == SYN_REPORT:
            return self._resume() if self._lost else self._report()
        elif not self._lost:
            self._change(kind, code, value)
        return ()

    def _change(self, kind: int, code: int, value: int) -> None:
        if kind == EV_ABS and code == ABS_MT_SLOT:
            self._slot = value
        finger = self._fingers.setdefault(self._slot, _Finger())
        if kind == EV_KEY and code == BTN_TOUCH and not self._pad.slots:
            finger.down = bool(value)
        elif kind == EV_ABS and code == ABS_MT_TRACKING_ID:
            finger.lifted = finger.down and value >= 0
            finger.down = value >= 0
        elif kind == EV_ABS and code == self._codes[0]:
            finger.x = value
        elif kind == EV_ABS and code == self._codes[1]:
            finger.y = value
        elif kind == EV_ABS and code == self._codes[2]:
            finger.pressure = value

    def _report(self) -> tuple[Touch, ...]:
        return tuple(touch for slot, finger in sorted(self._fingers.items()) for touch in self._said(slot, finger))

    def _said(self, slot: int, finger: _Finger) -> Iterator[Touch]:
        if finger.told is not None and (finger.lifted or not finger.down):
            yield replace(finger.told, phase=TouchPhase.UP)
            finger.told = None
        finger.lifted = False
        if not finger.down:
            return
        x, y = self._pad.place(finger.x, finger.y)
        phase = TouchPhase.DOWN if finger.told is None else TouchPhase.MOVE
        now = Touch(slot, phase, x, y, self._pad.force(finger.pressure))
        if finger.told is None or (finger.told.x, finger.told.y, finger.told.pressure) != (x, y, now.pressure):
            finger.told = now
            yield now

    def _resume(self) -> tuple[Touch, ...]:
        """The kernel lost events: lift every finger, and wait for what comes next."""
        self._lost = False
        for finger in self._fingers.values():
            finger.down = False
        return self._report()


class TouchPad:
    """One pad.

    Args:
        source: for example /dev/input/event4; `sensorium devices` lists them.
        name: the source of the samples.
    """

    modality: Final = Modality.HAPTIC

    def __init__(self, source: str, *, name: str = "touch") -> None:
        self.name: Final = name
        self._source = source

    async def samples(self, clock: Clock) -> AsyncGenerator[Sample, None]:
        """A sample for each finger that moved, dated by the kernel."""
        with _opened(self._source) as file:
            contacts, offset = Contacts(read_pad(file)), ClockOffset()
            handoff = _reading(file, self._source, clock)
            number = 0
            try:
                async for (seconds, micros, kind, code, value), now_ns in handoff.items():
                    at_ns = seconds * 1_000_000_000 + micros * 1000
                    at_ns += offset.observe(at_ns, now_ns)
                    number += handoff.take_dropped()
                    for touch in contacts.feed(kind, code, value):
                        yield Sample(self.modality, self.name, number, at_ns, touch, now_ns - at_ns + _AT_BEST_NS)
                        number += 1
            finally:
                asyncio.get_running_loop().remove_reader(file)


_Raw = tuple[int, int, int, int, int]


def _reading(file: int, source: str, clock: Clock) -> Handoff[tuple[_Raw, int]]:
    """Events of the device and when they were read, as the loop finds them."""
    handoff: Handoff[tuple[_Raw, int]] = Handoff(_KEPT)

    def read() -> None:
        try:
            data = os.read(file, _EVENT.size * 64)
        except BlockingIOError:
            return
        except OSError as error:
            gone = "was unplugged" if error.errno == errno.ENODEV else str(error.strerror)
            handoff.close(SensorFailed(f"touch pad {source}: {gone}; plug it in again, or see `sensorium devices`"))
            asyncio.get_running_loop().remove_reader(file)
            return
        now_ns = clock.now_ns()
        for begin in range(0, len(data) - _EVENT.size + 1, _EVENT.size):
            handoff.put((_EVENT.unpack_from(data, begin), now_ns))

    asyncio.get_running_loop().add_reader(file, read)
    return handoff


@contextmanager
def _opened(source: str) -> Iterator[int]:
    try:
        file = os.open(source, os.O_RDONLY | os.O_NONBLOCK)
    except PermissionError as error:
        raise SensorFailed(
            f"touch pad {source}: not allowed; run: sudo usermod -aG input $USER; log in anew"
        ) from error
    except OSError as error:
        raise SensorFailed(f"touch pad {source}: {error.strerror}; see `sensorium devices`") from error
    try:
        yield file
    finally:
        os.close(file)


# --- what the device says of itself ------------------------------------------------------


def _request(direction: int, number: int, size: int) -> int:
    """An ioctl number of the input subsystem (asm-generic/ioctl.h)."""
    return direction << 30 | size << 16 | ord("E") << 8 | number


def read_pad(file: int) -> Pad:
    """What the open event device is.

    Raises:
        SensorFailed: it is no touch device.
    """
    slots = _axis(file, ABS_MT_POSITION_X) is not None
    x, y, pressure = (_axis(file, code) for code in (_SLOT_CODES if slots else _SINGLE_CODES))
    if x is None or y is None or not _has_touch(file):
        raise SensorFailed("this input device has no surface to touch; see `sensorium devices`")
    with suppress(OSError):  # a simulated device keeps its own clock; `ClockOffset` bears that
        fcntl.ioctl(file, _request(1, 0xA0, 4), struct.pack("i", time.CLOCK_MONOTONIC))
    return Pad(_name(file), x, y, pressure, slots)


def _axis(file: int, code: int) -> Axis | None:
    if not _bits(file, EV_ABS) >> code & 1:
        return None
    try:
        info = fcntl.ioctl(file, _request(2, 0x40 + code, 24), bytes(24))
    except OSError:
        return None
    _, least, most, _, _, per_mm = struct.unpack("6i", info)
    return Axis(least, most, per_mm)


def _has_touch(file: int) -> bool:
    return bool(_bits(file, EV_KEY) >> BTN_TOUCH & 1)


def _bits(file: int, kind: int) -> int:
    """The codes of one kind of event the device can send, as bits."""
    try:
        return int.from_bytes(fcntl.ioctl(file, _request(2, 0x20 + kind, 96), bytes(96)), "little")
    except OSError:
        return 0


def _name(file: int) -> str:
    try:
        return fcntl.ioctl(file, _request(2, 0x06, 256), bytes(256)).split(b"\0")[0].decode("utf-8", "replace")
    except OSError:
        return "unnamed"
